#include "systems/network.h"
#include "machine/lanes.h"
#include "shared/activation.h"
#include "systems/gather.h"
#include <string.h>

/* ---- sizes --------------------------------------------------------------------------------- */

/* Where unit i's parameters begin and how many sources it has. */
typedef struct {
    const real *b, *W, *r, *below, *leak;
    const int32_t *sources; /* NULL: all units */
    size_t count, start;
} nbt_unit;

NBT_INLINE nbt_unit unit_of(const nbt_layer *layer, const real *theta, size_t i)
{
    const size_t others = 1 + layer->inputs + layer->below + (layer->leak != NBT_NO_LEAK);
    nbt_unit unit = {.count = layer->units};
    size_t before = i * layer->units;
    if (layer->indptr) {
        before = (size_t)layer->indptr[i];
        unit.count = (size_t)layer->indptr[i + 1] - before;
        unit.sources = layer->indices + before;
    }
    unit.start = layer->start + i * others + before;
    unit.b = theta + unit.start;
    unit.W = unit.b + 1;
    unit.r = unit.W + unit.count;
    unit.below = unit.r + layer->inputs;
    unit.leak = unit.below + layer->below;
    return unit;
}

/* ---- sums ---------------------------------------------------------------------------------- */

NBT_INLINE real dot_sources(const nbt_unit *unit, const real *y)
{
    return unit->sources ? dot_some(unit->count, unit->W, y, unit->sources)
                         : dot_all(unit->count, unit->W, y);
}

/* to[…] += size x[…] over a unit's sources. */
NBT_INLINE void add_sources(const nbt_unit *unit, real size, real *to)
{
    if (unit->sources)
        for (size_t e = 0; e < unit->count; e++) to[unit->sources[e]] += size * unit->W[e];
    else
        for (size_t e = 0; e < unit->count; e++) to[e] += size * unit->W[e];
}

/* ---- the point ----------------------------------------------------------------------------- */

enum { ACTIVE = 1, LEAKY = 2 }; /* what there is a memo of */

/* a and slope of layer l. */
static void activate_layer(nbt_network *self, const real *h, size_t l)
{
    const nbt_layer *layer = self->layer + l;
    const size_t first = layer->first, n = layer->units;
    real *seen = (real *)self->h + first;
    if (self->known[l] & ACTIVE && !memcmp(seen, h + first, n * sizeof *h)) return;
    memcpy(seen, h + first, n * sizeof *h);
    NBT(activate)(n, layer->activation, seen, (real *)self->a + first, (real *)self->slope + first);
    self->known[l] |= ACTIVE;
}

/* keep, its derivative by the number in θ, and gain, of a layer whose numbers have changed. */
static void set_leaks(const nbt_layer *layer, const real *restrict leak, real *restrict keep,
                      real *restrict keep_slope, real *restrict gain)
{
    const size_t n = layer->units;
    const real dt = (real)layer->dt;
    for (size_t i = 0; i < n; i++) keep[i] = layer->leak == NBT_NO_LEAK ? 0 : leak[i], gain[i] = 1;
    if (layer->leak == NBT_LEARNED_LEAK) NBT(activate)(n, NBT_SIGMOID, leak, keep, keep_slope);
    if (layer->leak == NBT_TIME_CONSTANT)
        for (size_t i = 0; i < n; i++) gain[i] = dt / leak[i], keep[i] = 1 - gain[i];
}

static void follow_leaks(nbt_network *self, const real *theta, size_t l)
{
    const nbt_layer *layer = self->layer + l;
    const size_t first = layer->first;
    real *seen = (real *)self->leak + first;
    int changed = !(self->known[l] & LEAKY);
    if (layer->leak != NBT_NO_LEAK)
        for (size_t i = 0; i < layer->units; i++) {
            const real leak = *unit_of(layer, theta, i).leak;
            changed |= !(leak == seen[i]);
            seen[i] = leak;
        }
    if (!changed) return;
    set_leaks(layer, seen, (real *)self->keep + first, (real *)self->keep_slope + first,
              (real *)self->gain + first);
    self->known[l] |= LEAKY;
}

/* The layer that moves in this phase; afterwards what is derived from h and θ is there. */
static const nbt_layer *layer_at(nbt_network *self, const nbt_point *at)
{
    const nbt_layer *layer = self->layer + at->phase;
    activate_layer(self, at->h, at->phase);
    if (layer->below) activate_layer(self, at->h, at->phase - 1);
    follow_leaks(self, at->theta, at->phase);
    return layer;
}

/* The first state of the layer below; only where there is one. */
static size_t below_of(const nbt_layer *layer) { return layer->first - layer->below; }

/* ---- the functions ------------------------------------------------------------------------- */

int NBT(network_step)(void *of, const nbt_point *at, void *to)
{
    nbt_network *self = of;
    const nbt_layer *layer = layer_at(self, at);
    const real *h = (const real *)at->h + layer->first, *x = at->x,
               *gain = (real *)self->gain + layer->first;
    const real *a = (real *)self->a + layer->first, *below = (real *)self->a + below_of(layer);
    const size_t n = self->units;
    if (layer->units < n) memcpy(to, at->h, n * sizeof(real));
    const real *keep = (real *)self->keep + layer->first;
    real *next = (real *)to + layer->first;
    for (size_t i = 0; i < layer->units; i++) {
        const nbt_unit unit = unit_of(layer, at->theta, i);
        real sum = dot_sources(&unit, a), input = 0;
        if (layer->inputs)
            input = at->symbol < 0 ? dot_all(layer->inputs, unit.r, x) : unit.r[at->symbol];
        if (layer->below) sum += dot_all(layer->below, unit.below, below);
        next[i] = keep[i] * h[i] + gain[i] * (*unit.b + input + sum); /* as network_move() */
    }
    return 0;
}

int NBT(network_jvp)(void *of, const nbt_point *at, const void *along, void *to)
{
    nbt_network *self = of;
    const nbt_layer *layer = layer_at(self, at);
    const real *v = along, *gain = (real *)self->gain + layer->first, *slope = self->slope;
    const size_t n = self->units;
    const size_t end = layer->first + layer->units;
    const real *keep = (real *)self->keep + layer->first;
    real *pushed = self->pushed;
    for (size_t i = below_of(layer); i < end; i++) pushed[i] = slope[i] * v[i];
    if (layer->units < n) memcpy(to, v, n * sizeof(real));
    real *out = (real *)to + layer->first;
    v += layer->first;
    for (size_t i = 0; i < layer->units; i++) {
        const nbt_unit unit = unit_of(layer, at->theta, i);
        real sum = dot_sources(&unit, pushed + layer->first);
        if (layer->below) sum += dot_all(layer->below, unit.below, pushed + below_of(layer));
        out[i] = keep[i] * v[i] + gain[i] * sum;
    }
    return 0;
}

int NBT(network_vjp)(void *of, const nbt_point *at, const void *from, void *to)
{
    nbt_network *self = of;
    const nbt_layer *layer = layer_at(self, at);
    const real *u = (const real *)from + layer->first, *gain = (real *)self->gain + layer->first,
               *slope = self->slope;
    const size_t n = self->units;
    const size_t begin = below_of(layer), end = layer->first + layer->units;
    const real *keep = (real *)self->keep + layer->first;
    real *pulled = self->pushed, *out = to;
    memset(pulled + begin, 0, (end - begin) * sizeof(real));
    for (size_t i = 0; i < layer->units; i++) {
        const nbt_unit unit = unit_of(layer, at->theta, i);
        add_sources(&unit, gain[i] * u[i], pulled + layer->first);
        for (size_t k = 0; k < layer->below; k++)
            pulled[begin + k] += gain[i] * u[i] * unit.below[k];
    }
    memcpy(to, from, n * sizeof(real));
    for (size_t i = begin; i < layer->first; i++) out[i] += slope[i] * pulled[i];
    for (size_t i = 0; i < layer->units; i++) {
        const size_t at_h = layer->first + i;
        out[at_h] = keep[i] * u[i] + slope[at_h] * pulled[at_h];
    }
    return 0;
}

NBT_INLINE void write_places(size_t count, size_t first, int32_t *indices)
{
    for (size_t k = 0; k < count; k++) indices[k] = (int32_t)(first + k);
}

NBT_INLINE void write_scaled(size_t count, real size, const real *restrict x, real *restrict to)
{
    for (size_t k = 0; k < count; k++) to[k] = size * x[k];
}

/* ∂f_i/∂leak: h keep', or 0 where it is not learned. */
NBT_INLINE real leak_entry(const nbt_network *self, const nbt_layer *layer, const nbt_point *at,
                           size_t i)
{
    const size_t k = layer->first + i;
    if (layer->leak != NBT_LEARNED_LEAK) return 0;
    return ((real *)self->keep_slope)[k] * ((const real *)at->h)[k];
}

/* Writes the entries of one unit and returns how many: gain (1, a, x, a'), and of its leak. */
NBT_INLINE size_t write_row(const nbt_network *self, const nbt_layer *layer, const nbt_point *at,
                            size_t i, int32_t *restrict indices, real *restrict values)
{
    const nbt_unit unit = unit_of(layer, at->theta, i);
    const real *a = (real *)self->a + layer->first, gain = ((real *)self->gain)[layer->first + i];
    const int one_hot = layer->inputs && at->symbol >= 0;
    size_t e = 1 + unit.count, gap = 0; /* numbers of θ that have no entry so far */
    values[0] = gain;
    if (unit.sources)
        for (size_t k = 0; k < unit.count; k++) values[1 + k] = gain * a[unit.sources[k]];
    else
        write_scaled(unit.count, gain, a, values + 1);
    if (one_hot) {
        write_places(e, unit.start, indices);
        indices[e] = (int32_t)(unit.start + e + (size_t)at->symbol);
        values[e++] = gain;
        gap = layer->inputs - 1;
    } else {
        write_scaled(layer->inputs, gain, at->x, values + e);
        e += layer->inputs;
    }
    const size_t done = one_hot ? e : 0;
    write_scaled(layer->below, gain, (real *)self->a + below_of(layer), values + e);
    e += layer->below;
    if (layer->leak != NBT_NO_LEAK) values[e++] = leak_entry(self, layer, at, i);
    if (indices) write_places(e - done, unit.start + gap + done, indices + done);
    return e;
}

int NBT(network_rows)(void *of, const nbt_point *at, int64_t *indptr, int32_t *indices,
                      void *values)
{
    nbt_network *self = of;
    const nbt_layer *layer = layer_at(self, at);
    const size_t n = self->units;
    const size_t end = layer->first + layer->units;
    size_t entries = 0;
    if (!indices) {
        for (size_t i = 0; i < layer->units; i++)
            entries += write_row(self, layer, at, i, NULL, (real *)values + entries);
        return 0;
    }
    for (size_t i = 0; i <= layer->first; i++) indptr[i] = 0;
    for (size_t i = layer->first; i < end; i++) {
        entries += write_row(self, layer, at, i - layer->first, indices + entries,
                             (real *)values + entries);
        indptr[i + 1] = (int64_t)entries;
    }
    for (size_t i = end; i < n; i++) indptr[i + 1] = (int64_t)entries;
    return 0;
}

/* The pattern where inputs are vectors: all of the layer's parameters, unit by unit. */
static void write_pattern(const nbt_layer *layer, size_t n, int64_t *indptr, int32_t *indices)
{
    const size_t end = layer->first + layer->units;
    const size_t others = 1 + layer->inputs + layer->below + (layer->leak != NBT_NO_LEAK);
    size_t entries = 0;
    for (size_t i = 0; i < layer->first; i++) indptr[i] = 0;
    for (size_t u = 0; u < layer->units; u++) {
        indptr[layer->first + u] = (int64_t)entries;
        entries += others;
        entries += layer->indptr ? (size_t)(layer->indptr[u + 1] - layer->indptr[u]) : layer->units;
    }
    for (size_t i = end; i <= n; i++) indptr[i] = (int64_t)entries;
    write_places(entries, layer->start, indices);
}

/* What the units of a layer gather, of the pairs of h and v: a, and v pushed through the slopes. */
static void look_around(nbt_network *self, const nbt_layer *layer, const real *v)
{
    const size_t first = layer->first;
    const real *a = (real *)self->a + first, *slope = self->slope;
    real *pushed = self->pushed, *both = self->both;
    for (size_t i = below_of(layer); i < first + layer->units; i++) pushed[i] = slope[i] * v[i];
    if (!layer->indptr) return;
    for (size_t u = 0; u < layer->units; u++) {
        both[2 * u] = a[u];
        both[2 * u + 1] = pushed[first + u];
    }
}

int NBT(network_move)(void *of, const nbt_point *at, size_t count, size_t ld, const void *along,
                      void *to, void *to_v, int64_t *indptr, int32_t *indices, void *values)
{
    nbt_network *self = of;
    const nbt_layer *layer = layer_at(self, at);
    const size_t n = self->units, first = layer->first, under = below_of(layer);
    const real *h = at->h, *x = at->x, *v = along, *a = self->a, *pushed = self->pushed;
    const real *gain = self->gain, *keep = self->keep;
    real *next = to, *out = to_v, *row = values;
    for (size_t k = 1; k < count; k++) NBT(network_jvp)(of, at, v + k * ld, out + k * ld);
    look_around(self, layer, v);
    if (layer->units < n) {
        memcpy(next, h, n * sizeof *next);
        memcpy(out, v, n * sizeof *out);
    }
    if (indices) write_pattern(layer, n, indptr, indices);
    for (size_t u = 0; u < layer->units; u++) {
        const nbt_unit unit = unit_of(layer, at->theta, u);
        const size_t i = first + u;
        const real size = gain[i];
        *row++ = size;
        gathered sum = unit.sources
                           ? gather_some(unit.count, unit.sources, unit.W, size, self->both, row)
                           : gather_all(unit.count, unit.W, size, a + first, pushed + first, row);
        row += unit.count;
        const real input = gather_inputs(layer->inputs, unit.r, size, x, row);
        row += layer->inputs;
        if (layer->below) {
            const gathered more =
                gather_all(layer->below, unit.below, size, a + under, pushed + under, row);
            sum.a += more.a;
            sum.v += more.v;
            row += layer->below;
        }
        if (layer->leak != NBT_NO_LEAK) *row++ = leak_entry(self, layer, at, u);
        next[i] = keep[i] * h[i] + size * (*unit.b + input + sum.a);
        out[i] = keep[i] * v[i] + size * sum.v;
    }
    return 0;
}
