/* A recurrent network as a user would write it for nbt.CompiledSystem: h' = b + W a + r x, a =
 * 1 / (1 + exp(-h)), a unit's parameters (b, W, r) one after another. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int n, m;
} sizes;

#ifdef SINGLE
typedef float real;
#define EXP expf
#else
typedef double real;
#define EXP exp
#endif

enum { MOST = 4096 };

static void activities(int n, const real *h, real *a)
{
    for (int i = 0; i < n; i++) a[i] = 1 / (1 + EXP(-h[i]));
}

int step(const real *h, const real *x, const real *theta, real *next, void *data)
{
    const sizes *s = data;
    const int P = 1 + s->n + s->m;
    real a[MOST];
    activities(s->n, h, a);
    for (int i = 0; i < s->n; i++) {
        const real *own = theta + i * P;
        real sum = own[0];
        for (int j = 0; j < s->n; j++) sum += own[1 + j] * a[j];
        for (int l = 0; l < s->m; l++) sum += own[1 + s->n + l] * x[l];
        next[i] = sum;
    }
    return 0;
}

int jvp(const real *h, const real *x, const real *theta, const real *v, real *out, void *data)
{
    const sizes *s = data;
    const int P = 1 + s->n + s->m;
    real a[MOST];
    (void)x;
    activities(s->n, h, a);
    for (int j = 0; j < s->n; j++) a[j] = a[j] * (1 - a[j]) * v[j];
    for (int i = 0; i < s->n; i++) {
        real sum = 0;
        for (int j = 0; j < s->n; j++) sum += theta[i * P + 1 + j] * a[j];
        out[i] = sum;
    }
    return 0;
}

int vjp(const real *h, const real *x, const real *theta, const real *u, real *out, void *data)
{
    const sizes *s = data;
    const int P = 1 + s->n + s->m;
    real a[MOST];
    (void)x;
    activities(s->n, h, a);
    for (int j = 0; j < s->n; j++) out[j] = 0;
    for (int i = 0; i < s->n; i++)
        for (int j = 0; j < s->n; j++) out[j] += theta[i * P + 1 + j] * u[i];
    for (int j = 0; j < s->n; j++) out[j] *= a[j] * (1 - a[j]);
    return 0;
}

/* Each parameter acts on the unit it belongs to. */
static void pattern(const sizes *s, int64_t *indptr, int32_t *indices)
{
    const int n = s->n, P = 1 + n + s->m;
    for (int i = 0; i <= n; i++) indptr[i] = (int64_t)i * P;
    for (int e = 0; e < n * P; e++) indices[e] = e;
}

int rows(const real *h, const real *x, const real *theta, int64_t *indptr, int32_t *indices,
         real *values, void *data)
{
    const sizes *s = data;
    const int P = 1 + s->n + s->m;
    real z[MOST];
    (void)theta;
    z[0] = 1;
    activities(s->n, h, z + 1);
    for (int l = 0; l < s->m; l++) z[1 + s->n + l] = x[l];
    for (int i = 0; i < s->n; i++, values += P)
        for (int p = 0; p < P; p++) values[p] = z[p];
    if (indptr) pattern(s, indptr, indices);
    return 0;
}

/* The three at once, with the activities and a unit's weights looked at once. */
int move(const real *h, const real *x, const real *theta, size_t count, size_t ld, const real *v,
         real *next, real *out, int64_t *indptr, int32_t *indices, real *values, void *data)
{
    const sizes *s = data;
    const int n = s->n, m = s->m, P = 1 + n + m;
    real z[MOST], dz[MOST]; /* dz: its derivative along v */
    z[0] = 1;
    activities(n, h, z + 1);
    for (int l = 0; l < m; l++) z[1 + n + l] = x[l];
    for (size_t k = 1; k < count; k++) jvp(h, x, theta, v + k * ld, out + k * ld, data);
    for (int p = 0; p < P; p++) dz[p] = 0;
    for (int j = 0; j < n; j++) dz[1 + j] = z[1 + j] * (1 - z[1 + j]) * v[j];
    for (int i = 0; i < n; i++) {
        const real *own = theta + i * P;
        real *row = values + i * P, sum = 0, along = 0;
        for (int p = 0; p < P; p++) {
            sum += own[p] * z[p];
            along += own[p] * dz[p];
            row[p] = z[p];
        }
        next[i] = sum;
        out[i] = along;
    }
    if (indptr) pattern(s, indptr, indices);
    return 0;
}

int loss(const real *h, const real *y, double *value, real *H, void *data)
{
    const sizes *s = data;
    *value = 0;
    for (int i = 0; i < s->n; i++) {
        H[i] = h[i] - y[i];
        *value += 0.5 * (double)(H[i] * H[i]);
    }
    return 0;
}

/* What goes wrong. */
int fails(const real *h, const real *x, const real *theta, real *next, void *data)
{
    (void)x, (void)theta, (void)data;
    next[0] = h[0];
    return 3;
}

int late(const real *h, const real *x, const real *theta, size_t count, size_t ld, const real *v,
         real *next, real *out, int64_t *indptr, int32_t *indices, real *values, void *data)
{
    move(h, x, theta, count, ld, v, next, out, indptr, indices, values, data);
    out[(count - 1) * ld + 2] += (real)0.5;
    return 0;
}

int wild(const real *h, const real *x, const real *theta, int64_t *indptr, int32_t *indices,
         real *values, void *data)
{
    const sizes *s = data;
    rows(h, x, theta, indptr, indices, values, data);
    indices[3] = s->n * (1 + s->n + s->m);
    return 0;
}
