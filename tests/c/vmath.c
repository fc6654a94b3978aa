/* vmath.c: vmath.h over whole arrays, for tests/core/test_vmath.py; compiled for each precision and
 * instruction set with the flags of CMakeLists.txt. */
#include "machine/vmath.h"

void exp_all(size_t count, const real *x, real *out);
void exp_falling_all(size_t count, const real *x, real *out);
void sigmoid_all(size_t count, const real *x, real *out, real *slope);
void tanh_all(size_t count, const real *x, real *out, real *slope);
void log_all(size_t count, const double *x, double *out);

void exp_all(size_t count, const real *x, real *out)
{
    for (size_t i = 0; i < count; i++) out[i] = vexp(x[i]);
}
void exp_falling_all(size_t count, const real *x, real *out)
{
    for (size_t i = 0; i < count; i++) out[i] = vexp_falling(x[i]);
}
void sigmoid_all(size_t count, const real *x, real *out, real *slope)
{
    for (size_t i = 0; i < count; i++) out[i] = vsigmoid(x[i], slope + i);
}
void tanh_all(size_t count, const real *x, real *out, real *slope)
{
    for (size_t i = 0; i < count; i++) out[i] = vtanh(x[i], slope + i);
}
void log_all(size_t count, const double *x, double *out)
{
    for (size_t i = 0; i < count; i++) out[i] = vlog(x[i]);
}
