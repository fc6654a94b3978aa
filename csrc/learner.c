#include "learner.h"
#include "gated/gates.h"
#include "isa.h"
#include "kernels.h"
#include "machine/float_mode.h"
#include "shared/signs.h"
#include <math.h>

/* Up to so many symbols, one pass over all rows costs less than keeping account of those that wait.
 */
enum { SMALL_ALPHABET = 8 };

/* ---- arrays -------------------------------------------------------------------------------- */

/* Numbers of a target; those of a system's own loss have been set. */
static size_t targets(const nbt_choices *of, const nbt_sizes *at)
{
    return of->readout == NBT_OWN_LOSS   ? at->Y
           : of->readout == NBT_SOFTMAX  ? 0
           : of->readout == NBT_GAUSSIAN ? at->A / 2
                                         : at->A;
}

void nbt_learner_init(nbt_learner *self, int isa)
{
    nbt_sizes *at = &self->sizes;
    nbt_choices *of = &self->choices;
    const nbt_system *system = &self->system.functions;
    const nbt_gates gates = nbt_gates_of(of->cell);
    self->kernels = nbt_kernels_for(of->dtype, isa);
    const size_t lanes = self->kernels->lanes;
    of->is_system = system->step != NULL;
    const size_t units = of->windowed && !of->recurrent ? 0 : at->n; /* rows of W */
    at->paired = gates.paired;
    at->last_row = of->rms || gates.paired;
    /* the last row, if there is one, begins a turn of its own */
    const size_t rows = units + (at->last_row ? nbt_padded(at->m, 4) + 1 : at->m);
    at->lanes = lanes;
    if (!at->states) at->states = at->n;
    at->gates = gates.count;
    at->kept = gates.kept;
    at->strip = 4 * lanes;
    at->Y = targets(of, at);
    at->phases = of->is_system ? system->phases : 1;
    at->ldn = nbt_padded(at->n, lanes);
    at->ldm = nbt_padded(at->m, lanes);
    at->ldA = nbt_padded(at->A, lanes);
    at->ldY = nbt_padded(at->Y, lanes);
    at->ldP = nbt_padded(at->P, lanes);
    at->ldS = nbt_padded(at->S, lanes);
    at->cell = of->is_system ? (nbt_panels){.size = nbt_padded(system->p, lanes)}
               : at->layers  ? (nbt_panels){0}
                             : nbt_panels_of(units, rows, at->gates * at->n, lanes);
    at->features = at->n + (of->direct ? at->m : 0);
    at->ldshared = nbt_padded(1 + at->features, NBT_ALIGN / sizeof(double));
    if (of->readout != NBT_OWN_LOSS) {
        at->out = nbt_panels_of(at->n, at->features, at->A, lanes);
        if (of->one_hot) at->out.rows = at->n;
    }
    at->ldG = of->rule != NBT_RTRL ? 0
              : of->is_system      ? at->cell.size
                                   : nbt_padded(at->P * at->n, at->strip);
    at->ldinput = of->upper           ? nbt_padded(at->n + at->m, lanes)
                  : at->ldn > at->ldm ? at->ldn
                                      : at->ldm;
    at->ldpair = 6 * lanes;
    at->ldrecent = (2 + at->cell.depth) * lanes; /* a short row at the end is read whole */
    at->ldwords = (at->n + 127) / 128 * 4 * NBT_SIGN_STEPS;
    of->descent = of->rule == NBT_NOBACKTRACK && of->theta.kind == NBT_SGD && at->S == 1 &&
                  !of->exact_self && !of->is_system && !of->windowed;
    of->lazy = of->descent && of->one_hot && at->m > SMALL_ALPHABET;
    self->network.x_last = self->estimator.x_late = self->readout.symbol = -1;
    self->estimator.settled = 1;
    const nbt_schedule theta = of->theta.schedule, phi = of->phi.schedule;
    self->optimizer.one_schedule =
        theta.kind == phi.kind && theta.scale == phi.scale && theta.after == phi.after;
}

/* Numbers of dense groups. */
static size_t kept(size_t groups, const int64_t *start)
{
    size_t count = 0;
    for (size_t b = 0; b < groups; b++)
        count += (size_t)((start[b + 1] - start[b]) * (start[b + 1] - start[b]));
    return count;
}

int nbt_learner_array(const nbt_learner *self, size_t k, nbt_array *array)
{
    const nbt_sizes *at = &self->sizes;
    const nbt_choices *of = &self->choices;
    const nbt_optimizer_part *metric = &self->optimizer;
    const size_t n = at->n, given = at->given, A = at->A, Y = at->Y, K = at->K, S = at->S,
                 T = at->T;
    const size_t ldn = at->ldn, ldm = at->ldm, ldA = at->ldA, ldY = at->ldY, ldP = at->ldP;
    const size_t ldS = at->ldS, ldG = at->ldG, ldpair = at->ldpair, ldrecent = at->ldrecent;
    const size_t ldinput = at->ldinput, ldfeatures = nbt_padded(at->features, at->lanes),
                 phases = at->phases, threads = self->workers.threads;
    const nbt_panels cell = at->cell, out = at->out;
    const int always = 1, is_system = of->is_system;
    const int learned = of->rule != NBT_FIXED && !at->layers,
              kalman_theta = learned && of->theta.kind == NBT_KALMAN;
    const int adam_theta = learned && of->theta.kind == NBT_ADAM;
    const int kalman_phi = of->phi.kind == NBT_KALMAN, adam_phi = of->phi.kind == NBT_ADAM;
    const int gated = of->windowed && !at->layers; /* the layers of a stack are */
    const int windowed = gated && of->rule != NBT_FIXED;
    const int pairs = (of->rule == NBT_NOBACKTRACK || of->rule == NBT_UORO) && !at->layers;
    const int online_pairs = pairs && !windowed, rtrl = of->rule == NBT_RTRL && !of->windowed;
    const int nobacktrack = online_pairs && of->rule == NBT_NOBACKTRACK;
    const int bptt = of->rule == NBT_BPTT && !of->windowed, online = nobacktrack || rtrl;
    const int exact = pairs && of->exact_self, ringed = nobacktrack && T;
    const int vectors = !of->one_hot, lagged = at->m > given, kept_steps = bptt || windowed;
    const int descent = of->descent, lazy = of->lazy;
    const int followed = is_system && learned, measured = followed && kalman_theta;
    const int deferred_pairs = nobacktrack && !descent && !is_system;
    const int fisher = nobacktrack && of->norm == NBT_FISHER, reference = of->reference;
    const int informed = kalman_phi && !bptt && of->readout == NBT_GAUSSIAN;
    const int scale_x = of->scale_x, scale_y = of->scale_y, keep_x = of->keep_x;
    const int direct = of->direct;
    const int shared = of->phi.shared;
    const size_t ldshared = at->ldshared;
    const size_t entries = is_system ? self->system.functions.entries : 0;
    const size_t theta_kept = of->dense ? kept(metric->groups, metric->group_start) : cell.size;
    const size_t phi_size =
        of->reference ? nbt_padded((1 + at->features) * A, at->lanes) : out.size;
    const size_t phi_kept =
        of->dense ? kept(metric->phi_groups, metric->phi_group_start) : phi_size;
    const size_t Kw = of->split ? 1 : K;               /* pairs that share the parameters share w̄ */
    const size_t Sv = windowed ? 2 : S;                /* v̄ covers c and y */
    const int full = of->rule == NBT_RTRL && windowed; /* G is of c and y */
    const size_t rowsG = full ? 2 * at->states : 1, columnsG = full ? cell.size : n * ldG;
    const size_t rowsF = full ? 2 * at->states : n,
                 columnsF = full ? nbt_padded(2 * at->states, at->lanes) : ldn;
    const size_t gates = at->gates;
    const int rms = of->rms, last_row = windowed && at->last_row, upper = of->upper && windowed;
    const size_t ways = 1 + (full ? 1 : windowed && pairs ? K : 0); /* back through a window */
#define NBT_ROW(part, name, rows, columns, which, kind)                                            \
    {#part, #name, offsetof(nbt_learner, part.name), (size_t)(rows), columns, NBT_##kind, which, 0},
#define NBT_WIDE(part, name, rows, columns, which, kind)                                           \
    {#part, #name, offsetof(nbt_learner, part.name), (size_t)(rows), columns, NBT_##kind, which, 1},
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
    return self->choices.is_system  ? &kernels->systems[self->choices.rule]
           : self->choices.windowed ? &kernels->gated[self->choices.rule]
           : self->choices.descent  ? &kernels->descent
                                    : &kernels->rules[self->choices.rule];
}

/* Around all that computes. */
static void begin(nbt_learner *self) { self->workers.float_mode = nbt_take_float_mode(); }
static void end(const nbt_learner *self) { nbt_set_float_mode(self->workers.float_mode); }

static void follow_schedules(nbt_learner *self)
{
    const uint64_t step = self->counters.step;
    self->optimizer.theta_rate = nbt_rate(self->choices.theta.schedule, step);
    self->optimizer.phi_rate = self->optimizer.one_schedule
                                   ? self->optimizer.theta_rate
                                   : nbt_rate(self->choices.phi.schedule, step);
}

void nbt_learner_refresh(nbt_learner *self)
{
    begin(self);
    self->estimator.settled = 1;
    self->estimator.fresh = self->workers.noted = self->counters.failed = 0;
    self->reduction.signs_made = 0;
    self->network.x_last = NBT_UNKNOWN_SYMBOL;
    self->estimator.x_late = -1;
    follow_schedules(self);
    if (self->readout.counts) nbt_counts_refresh(self->readout.counts);
    self->kernels->refresh(self);
    rule_of(self)->refresh(self);
    if (nbt_noted()) self->workers.noted = 1;
    end(self);
}

/* What waits, of the rule and of the readout. */
static void settle(nbt_learner *self)
{
    rule_of(self)->settle(self);
    if (self->choices.phi.shared) self->kernels->settle_shared(self);
}

void nbt_learner_settle(nbt_learner *self)
{
    begin(self);
    settle(self);
    end(self);
}

void nbt_learner_bring_up(nbt_learner *self, void *theta, void *w)
{
    begin(self);
    if (self->choices.lazy) self->kernels->bring_up(self, theta, w);
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
    self->counters.failed = 0;
    self->kernels->predict(self, rule_of(self), has_x, symbol, vector, prediction);
    end(self);
    return self->counters.failed                           ? NBT_FAILED
           : doubles_are_finite(self->sizes.A, prediction) ? NBT_OK
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

/* A vector of a chunk that may have none. */
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
        const void *numbers = *(void *const *)(const void *)((const char *)self + array.offset);
        const size_t count = array.rows * array.columns;
        if (!array.needed || array.kind == NBT_SCRATCH) continue;
        if (array.wide ? !doubles_are_finite(count, numbers) : !kernels->finite(count, numbers))
            return 0;
    }
    for (size_t l = 0; l < self->sizes.layers; l++)
        if (!all_is_finite(self->layers[l])) return 0;
    return !self->choices.lazy || kernels->waiting_finite(self);
}

/* After a step: is all finite? Looked at only where the processor took a note. What waits is
 * applied first, which changes no later bit, for it may be what overflows. */
static int is_sound(nbt_learner *self)
{
    if (nbt_noted()) self->workers.noted = 1;
    for (size_t l = 0; l < self->sizes.layers; l++) {
        self->workers.noted |= self->layers[l]->workers.noted;
        self->layers[l]->workers.noted = 0;
    }
    if (!self->workers.noted) return 1;
    self->counters.looks++;
    self->workers.noted = 0;
    settle(self);
    const int finite = all_is_finite(self);
    nbt_forget_notes();
    return finite;
}

nbt_status nbt_learner_flush(nbt_learner *self)
{
    begin(self);
    follow_schedules(self);
    rule_of(self)->flush(self);
    const int finite = is_sound(self);
    end(self);
    return finite ? NBT_OK : NBT_DIVERGED;
}

/* Scales learn from an input and a target, NULL: there is none. */
static void follow(nbt_learner *self, const double *input, const double *target)
{
    if (input) self->kernels->follow_input(&self->scaler, self->sizes.given, input);
    if (target) self->kernels->follow_target(self, target);
}

/* The loss of a target, by the rule; symbols are counted. */
static double observe(nbt_learner *self, const nbt_rule_row *rule, nbt_target y, int learn)
{
    nbt_counts *counts = self->readout.counts;
    const double loss = rule->observe(self, y, learn);
    if (!counts) return loss;
    if (learn) nbt_counts_learn(counts, (uint32_t)y.symbol);
    if (!counts->of_inputs) nbt_counts_follow(counts, (int32_t)y.symbol);
    return loss;
}

/* One step of a chunk: x a symbol or a vector, y a target or none. Its loss, NaN without a known
 * target; returns whether all is finite. */
static int take_step(nbt_learner *self, int32_t x, const double *vector, int has_target,
                     nbt_target y, int input_first, int learn, double *loss)
{
    const nbt_kernels *kernels = self->kernels;
    const nbt_rule_row *rule = rule_of(self);
    if (self->choices.missing != NBT_NEVER_MISSING) {
        const size_t known = y.vector ? kernels->known(self->sizes.Y, y.vector) : self->sizes.Y;
        const size_t given = self->sizes.given,
                     read = vector ? kernels->known(given, vector) : given;
        if (self->choices.missing == NBT_SKIP && (known < self->sizes.Y || read < given))
            has_target = learn = 0;
        if (self->sizes.Y && !known) has_target = 0;
    }
    *loss = (double)NAN;
    self->readout.unscored = 0;
    if (has_target && !input_first) *loss = observe(self, rule, y, learn);
    if (!self->counters.failed) {
        const void *read = vector ? kernels->input(&self->scaler, &self->sizes, vector) : NULL;
        rule->advance(self, x, read);
        if (self->choices.direct) kernels->sees(self, x, read);
    }
    if (vector) kernels->keep_input(&self->scaler, &self->sizes);
    if (self->readout.counts && self->readout.counts->of_inputs)
        nbt_counts_follow(self->readout.counts, x);
    if (has_target && input_first && !self->counters.failed) *loss = observe(self, rule, y, learn);
    if (learn && !self->counters.failed && (self->choices.scale_x || self->choices.scale_y))
        follow(self, vector, has_target ? y.vector : NULL);
    return !(has_target && !self->readout.unscored && !isfinite(*loss)) &&
           (self->counters.failed || is_sound(self));
}

static nbt_status take_steps(nbt_learner *self, const nbt_chunk *chunk, double *loss, size_t *done)
{
    const int has_target = chunk->target_symbols || chunk->target_vectors;
    self->estimator.deferred = !chunk->input_first;
    self->counters.failed = 0;
    for (size_t t = 0; t < chunk->steps; t++) {
        *done = t;
        const int32_t x = chunk->symbols ? chunk->symbols[t] : 0;
        const int32_t symbol = chunk->target_symbols ? chunk->target_symbols[t] : 0;
        const double *vector = row(chunk->vectors, t * self->sizes.given);
        const nbt_target y = {(size_t)symbol, row(chunk->target_vectors, t * self->sizes.Y)};
        if ((self->choices.one_hot && outside(x, self->sizes.m)) || outside(symbol, self->sizes.A))
            return NBT_BAD_SYMBOL;

        follow_schedules(self);
        double *prediction = chunk->predictions ? chunk->predictions + t * self->sizes.A : NULL,
               nats;
        if (prediction) self->kernels->predict(self, rule_of(self), 1, x, vector, prediction);
        int finite =
            !prediction || self->counters.failed || doubles_are_finite(self->sizes.A, prediction);
        finite &=
            take_step(self, x, vector, has_target, y, chunk->input_first, chunk->learn, &nats);
        if (self->counters.failed) return NBT_FAILED;
        if (has_target) loss[t] = nats;
        self->counters.step++;
        if (!finite) return NBT_DIVERGED;
    }
    *done = chunk->steps;
    return NBT_OK;
}

nbt_status nbt_learner_run(nbt_learner *self, const nbt_chunk *chunk, double *loss, size_t *done)
{
    begin(self);
    const nbt_status status = take_steps(self, chunk, loss, done);
    end(self);
    return status;
}
