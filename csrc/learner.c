#include "learner.h"
#include "isa.h"
#include "kernels.h"
#include "machine/float_mode.h"
#include "shared/signs.h"
#include <math.h>

/* Up to so many symbols, one pass over all rows costs less than keeping account of those that wait.
 */
enum { SMALL_ALPHABET = 8 };

/* ---- arrays -------------------------------------------------------------------------------- */

void nbt_learner_init(nbt_learner *self, int isa)
{
    self->kernels = nbt_kernels_for(self->dtype, isa);
    const size_t lanes = self->kernels->lanes;
    self->lanes = lanes;
    if (self->readout != NBT_OWN_LOSS) /* it has vectors of any size */
        self->Y = self->readout == NBT_SOFTMAX    ? 0
                  : self->readout == NBT_GAUSSIAN ? self->A / 2
                                                  : self->A;
    self->strip = 4 * lanes;
    self->ldn = nbt_whole_units(self->n, lanes);
    self->ldm = nbt_whole_units(self->m, lanes);
    self->ldA = nbt_whole_units(self->A, lanes);
    self->general = self->system.step != NULL;
    self->phases = self->general ? self->system.phases : 1;
    self->ldY = nbt_whole_units(self->Y, lanes);
    self->ldP = nbt_whole_units(self->P, lanes);
    self->cell = self->general ? (nbt_panels){.size = nbt_whole_units(self->system.p, lanes)}
                               : nbt_panels_of(self->n, self->n + self->m, self->n, lanes);
    self->out = self->readout == NBT_OWN_LOSS ? (nbt_panels){0}
                                              : nbt_panels_of(self->n, self->n, self->A, lanes);
    self->ldS = nbt_whole_units(self->S, lanes);
    self->ldG = self->rule != NBT_RTRL ? 0
                : self->general        ? self->cell.size
                                       : nbt_whole_units(self->P * self->n, self->strip);
    self->ldinput = self->ldn > self->ldm ? self->ldn : self->ldm;
    self->descent = self->rule == NBT_NOBACKTRACK && self->optimizer == NBT_SGD && self->S == 1 &&
                    !self->exact_self && !self->general;
    self->lazy = self->descent && self->one_hot && self->m > SMALL_ALPHABET;
    self->ldpair = 6 * lanes;
    self->ldrecent = (2 + self->cell.depth) * lanes; /* a short row at the end is read whole */
    self->ldwords = (self->n + 127) / 128 * 4 * NBT_SIGN_STEPS;
    self->x_last = self->x_late = -1;
    self->settled = 1;
}

/* Numbers of dense blocks. */
static size_t kept(size_t blocks, const int64_t *block)
{
    size_t count = 0;
    for (size_t b = 0; b < blocks; b++)
        count += (size_t)((block[b + 1] - block[b]) * (block[b + 1] - block[b]));
    return count;
}

int nbt_learner_array(const nbt_learner *self, size_t k, nbt_array *array)
{
    const size_t n = self->n, m = self->m, A = self->A, Y = self->Y;
    const size_t K = self->K, S = self->S, T = self->T;
    const size_t threads = self->threads, ldinput = self->ldinput;
    const nbt_panels cell = self->cell, out = self->out;
    const size_t ldn = self->ldn, ldm = self->ldm, ldA = self->ldA, ldY = self->ldY;
    const size_t ldP = self->ldP;
    const size_t ldS = self->ldS, ldG = self->ldG, ldpair = self->ldpair;
    const size_t ldrecent = self->ldrecent;
    const size_t phases = self->phases, entries = self->general ? self->system.entries : 0;
    const int always = 1, kalman = self->optimizer == NBT_KALMAN;
    const int nobacktrack = self->rule == NBT_NOBACKTRACK, rtrl = self->rule == NBT_RTRL;
    const int bptt = self->rule == NBT_BPTT, online = !bptt;
    const int exact = nobacktrack && self->exact_self, windowed = nobacktrack && T;
    const int descent = self->descent, lazy = self->lazy;
    const int deferred_pairs = nobacktrack && !descent && !self->general;
    const size_t theta_kept = self->dense ? kept(self->blocks, self->block) : cell.size;
    const size_t phi_size =
        self->whole ? nbt_whole_units((1 + n) * self->A, self->lanes) : out.size;
    const size_t phi_kept = self->dense ? kept(self->phi_blocks, self->phi_block) : phi_size;
    const size_t Kw = self->split ? 1 : K; /* pairs that share the parameters share w̄ */
    const int general = self->general, measured = general && kalman;
    const int reference = self->whole;
    const int informed = kalman && online && self->readout == NBT_GAUSSIAN;
    const int scale_x = self->scale_x, scale_y = self->scale_y, vectors = !self->one_hot;
    const int fisher = nobacktrack && self->norm == NBT_FISHER;
#define NBT_ROW(name, rows, columns, which)                                                        \
    {#name, offsetof(nbt_learner, name), (size_t)(rows), columns, which, 0},
#define NBT_WIDE(name, rows, columns, which)                                                       \
    {#name, offsetof(nbt_learner, name), (size_t)(rows), columns, which, 1},
    const nbt_array arrays[] = {NBT_DOUBLES(NBT_WIDE) NBT_ARRAYS(NBT_ROW)};
#undef NBT_ROW
#undef NBT_WIDE
    if (k >= sizeof arrays / sizeof *arrays) return 0;
    *array = arrays[k];
    return 1;
}

/* ---- running ------------------------------------------------------------------------------- */

static const nbt_rule_row *rule_of(const nbt_learner *self)
{
    const nbt_kernels *kernels = self->kernels;
    return self->general   ? &kernels->systems[self->rule]
           : self->descent ? &kernels->descent
                           : &kernels->rules[self->rule];
}

/* Around all that computes. */
static void begin(nbt_learner *self) { self->float_mode = nbt_take_float_mode(); }
static void end(const nbt_learner *self) { nbt_set_float_mode(self->float_mode); }

void nbt_learner_refresh(nbt_learner *self)
{
    begin(self);
    self->settled = 1;
    self->fresh = self->noted = self->failed = 0;
    self->signs_made = 0;
    self->x_last = NBT_UNKNOWN_SYMBOL;
    self->x_late = -1;
    self->rate = nbt_rate(self->schedule, self->step);
    self->kernels->refresh(self);
    rule_of(self)->refresh(self);
    if (nbt_noted()) self->noted = 1;
    end(self);
}

void nbt_learner_settle(nbt_learner *self)
{
    begin(self);
    rule_of(self)->settle(self);
    end(self);
}

void nbt_learner_bring_up(nbt_learner *self, void *theta, void *w)
{
    begin(self);
    if (self->lazy) self->kernels->bring_up(self, theta, w);
    end(self);
}

static int doubles_are_finite(size_t count, const double *x)
{
    double sum = 0;
    for (size_t k = 0; k < count; k++) sum += x[k] * 0;
    return sum == 0;
}

nbt_status nbt_learner_predict(nbt_learner *self, int has_x, int32_t symbol, const double *vector,
                               double *prediction)
{
    begin(self);
    self->failed = 0;
    self->kernels->predict(self, rule_of(self), has_x, symbol, vector, prediction);
    end(self);
    return self->failed                              ? NBT_FAILED
           : doubles_are_finite(self->A, prediction) ? NBT_OK
                                                     : NBT_DIVERGED;
}

static int outside(int32_t symbol, size_t count) { return symbol < 0 || (size_t)symbol >= count; }

size_t nbt_first_bad_symbol(const int32_t *symbols, size_t count, size_t limit)
{
    size_t t = 0;
    while (t < count && !outside(symbols[t], limit)) t++;
    return t;
}

size_t nbt_first_bad_number(double largest, const double *numbers, size_t count, int missing)
{
    size_t k = 0;
    for (; k < count; k++) {
        const double size = fabs(numbers[k]);
        if (missing ? size > largest : !(size <= largest)) break;
    }
    return k;
}

/* A vector of a block that may have none. */
static const double *row(const double *vectors, size_t offset)
{
    return vectors ? vectors + offset : NULL;
}

/* Every array but the scratch at the end, and rows that wait. */
static int all_is_finite(const nbt_learner *self)
{
    const nbt_kernels *kernels = self->kernels;
    nbt_array array;
    for (size_t k = 0; nbt_learner_array(self, k, &array); k++) {
        if (array.offset == offsetof(nbt_learner, input)) break;
        const void *numbers = *(void *const *)(const void *)((const char *)self + array.offset);
        const size_t count = array.rows * array.columns;
        if (!array.needed) continue;
        if (array.wide ? !doubles_are_finite(count, numbers) : !kernels->finite(count, numbers))
            return 0;
    }
    return !self->lazy || kernels->waiting_finite(self);
}

/* After a step: is all finite? Looked at only where the processor took a note. What waits is
 * applied first, which changes no later bit, for it may be what overflows. */
static int is_sound(nbt_learner *self)
{
    if (nbt_noted()) self->noted = 1;
    if (!self->noted) return 1;
    self->looks++;
    self->noted = 0;
    rule_of(self)->settle(self);
    const int finite = all_is_finite(self);
    nbt_forget_notes();
    return finite;
}

/* One step of a block: x a symbol or a vector, y a target or none. Its loss, NaN without a known
 * target; returns whether all is finite. */
static int take_step(nbt_learner *self, int32_t x, const double *vector, int has_target,
                     nbt_target y, int input_first, int learn, double *loss)
{
    const nbt_kernels *kernels = self->kernels;
    const nbt_rule_row *rule = rule_of(self);
    if (self->missing != NBT_NEVER_MISSING) {
        const size_t known = y.vector ? kernels->known(self->Y, y.vector) : self->Y;
        const size_t read = vector ? kernels->known(self->m, vector) : self->m;
        if (self->missing == NBT_SKIP && (known < self->Y || read < self->m))
            has_target = learn = 0;
        if (self->Y && !known) has_target = 0;
    }
    *loss = (double)NAN;
    self->unscored = 0;
    if (has_target && !input_first) *loss = rule->observe(self, y, learn);
    if (!self->failed) rule->advance(self, x, vector ? kernels->input(self, vector) : NULL);
    if (has_target && input_first && !self->failed) *loss = rule->observe(self, y, learn);
    if (learn && !self->failed && (self->scale_x || self->scale_y))
        kernels->follow(self, vector, has_target ? y.vector : NULL);
    return !(has_target && !self->unscored && !isfinite(*loss)) && (self->failed || is_sound(self));
}

static nbt_status take_steps(nbt_learner *self, const nbt_block *block, double *loss, size_t *done)
{
    const int has_target = block->target_symbols || block->target_vectors;
    self->deferred = !block->input_first;
    self->failed = 0;
    for (size_t t = 0; t < block->steps; t++) {
        *done = t;
        const int32_t x = block->symbols ? block->symbols[t] : 0;
        const int32_t symbol = block->target_symbols ? block->target_symbols[t] : 0;
        const double *vector = row(block->vectors, t * self->m);
        const nbt_target y = {(size_t)symbol, row(block->target_vectors, t * self->Y)};
        if ((self->one_hot && outside(x, self->m)) || outside(symbol, self->A))
            return NBT_BAD_SYMBOL;

        self->rate = nbt_rate(self->schedule, self->step);
        double *prediction = block->predictions ? block->predictions + t * self->A : NULL, nats;
        if (prediction) self->kernels->predict(self, rule_of(self), 1, x, vector, prediction);
        int finite = !prediction || self->failed || doubles_are_finite(self->A, prediction);
        finite &=
            take_step(self, x, vector, has_target, y, block->input_first, block->learn, &nats);
        if (self->failed) return NBT_FAILED;
        if (has_target) loss[t] = nats;
        self->step++;
        if (!finite) return NBT_DIVERGED;
    }
    *done = block->steps;
    return NBT_OK;
}

nbt_status nbt_learner_run(nbt_learner *self, const nbt_block *block, double *loss, size_t *done)
{
    begin(self);
    const nbt_status status = take_steps(self, block, loss, done);
    end(self);
    return status;
}
