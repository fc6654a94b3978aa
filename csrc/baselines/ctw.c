#include "baselines/ctw.h"
#include <math.h>

/* β stays within [1 / MOST, MOST]: beyond, one of the two sides has no say at all. */
#define MOST 1e100

/* ---- contexts -------------------------------------------------------------------------------- */

static int has_room(const nbt_ctw *self) { return self->capacity - self->used >= self->room; }

static uint32_t past(const nbt_ctw *self, uint64_t step)
{
    return self->history[step & (self->n_history - 1)];
}

static uint32_t *bucket(const nbt_ctw *self, uint32_t parent, uint32_t symbol)
{
    const uint64_t hash = ((uint64_t)parent << 8 | symbol) * 0x9E3779B97F4A7C15u;
    return &self->buckets[(hash >> 32) & (self->n_buckets - 1)];
}

static void enter(nbt_ctw *self, uint32_t k)
{
    nbt_ctw_record *const r = &self->pool[k];
    uint32_t *const head = bucket(self, r->context.parent, r->context.symbol & 0xFF);
    r->context.chain = *head;
    *head = k;
}

static uint32_t find(const nbt_ctw *self, uint32_t parent, uint32_t symbol)
{
    const nbt_ctw_record *const pool = self->pool;
    uint32_t k = *bucket(self, parent, symbol);
    symbol |= NBT_CTW_CONTEXT;
    while (k && (pool[k].context.parent != parent || pool[k].context.symbol != symbol))
        k = pool[k].context.chain;
    return k;
}

static uint32_t new_node(nbt_ctw *self, int bit)
{
    const uint32_t k = (uint32_t)self->used++;
    nbt_ctw_record *const r = &self->pool[k];
    r->node.beta = 1;
    r->node.count[bit] = 1;
    r->node.count[!bit] = 0;
    r->node.next[0] = r->node.next[1] = 0;
    return k;
}

static void new_context(nbt_ctw *self, uint32_t parent, uint32_t symbol, uint64_t seen)
{
    const uint32_t k = (uint32_t)self->used++;
    nbt_ctw_record *const r = &self->pool[k];
    r->context.seen = seen;
    r->context.first = 0;
    r->context.parent = parent;
    r->context.symbol = symbol | NBT_CTW_CONTEXT;
    enter(self, k);
}

/* Gives context k, d symbols long and seen once, its nodes; a longer one now stands for the rest.
 */
static void expand(nbt_ctw *self, uint32_t k, size_t d)
{
    const uint64_t seen = self->pool[k].context.seen;
    const uint32_t symbol = past(self, seen);
    uint32_t *link = &self->pool[k].context.first;
    for (int i = self->length[symbol] - 1; i >= 0; i--) {
        const int bit = self->code[symbol] >> i & 1;
        *link = new_node(self, bit);
        link = &self->pool[*link].node.next[bit];
    }
    if (d < self->depth && seen > d) new_context(self, k, past(self, seen - 1 - d), seen);
}

/* Finds the contexts of now, and expands those that were seen once. */
static void locate(nbt_ctw *self)
{
    size_t d = 0;
    self->stale = 0;
    self->path[0] = 1;
    while (d < self->depth && self->step > d) {
        const uint32_t k = find(self, self->path[d], past(self, self->step - 1 - d));
        if (!k) break;
        if (!self->pool[k].context.first) {
            if (self->step - self->pool[k].context.seen + self->depth > self->n_history) {
                self->stale = k;
                break;
            }
            if (!has_room(self)) break;
            expand(self, k, d + 1);
        }
        self->path[++d] = k;
    }
    self->path_length = d + 1;
    self->growing = has_room(self);
}

/* Remembers that the context after those of now was seen, if there is one and room for it. */
static void remember(nbt_ctw *self)
{
    const size_t d = self->path_length - 1;
    if (!self->growing || d == self->depth || self->step <= d) return;
    if (self->stale)
        self->pool[self->stale].context.seen = self->step;
    else
        new_context(self, self->path[d], past(self, self->step - 1 - d), self->step);
}

/* ---- decisions ------------------------------------------------------------------------------- */

/* Where the contexts of now keep their node of one decision, from the empty context on; the first
 * `count` of them have one. */
typedef struct {
    uint32_t *link[NBT_CTW_DEEPEST + 1];
    size_t length, count;
} trail;

static void count_nodes(trail *t)
{
    for (t->count = 0; t->count < t->length && *t->link[t->count];) t->count++;
}

static void first_decision(const nbt_ctw *self, trail *t)
{
    t->length = self->path_length;
    for (size_t d = 0; d < t->length; d++) t->link[d] = &self->pool[self->path[d]].context.first;
    count_nodes(t);
}

/* After `bit`. Contexts without a node have none from here on. */
static void next_decision(const nbt_ctw *self, const trail *from, int bit, trail *to)
{
    to->length = from->count;
    for (size_t d = 0; d < to->length; d++)
        to->link[d] = &self->pool[*from->link[d]].node.next[bit];
    count_nodes(to);
}

/* Does the last node predict alone? Otherwise its child is new, and predicts 1/2. */
static int ends_in_leaf(const nbt_ctw *self, const trail *t)
{
    return t->count > 0 && (!self->growing || t->count > self->depth);
}

static double estimate(const nbt_ctw *self, const nbt_ctw_record *r, int bit)
{
    const double a = r->node.count[bit], b = r->node.count[!bit];
    return (a + self->alpha) / (a + b + 2 * self->alpha);
}

static double mix(const nbt_ctw_record *r, double p_e, double p_child)
{
    return (r->node.beta * p_e + p_child) / (r->node.beta + 1);
}

/* p_w of `bit` at the empty context. */
static double decide(const nbt_ctw *self, const trail *t, int bit)
{
    size_t d = t->count;
    double p = 0.5;
    if (ends_in_leaf(self, t)) p = estimate(self, &self->pool[*t->link[--d]], bit);
    while (d-- > 0) {
        const nbt_ctw_record *const r = &self->pool[*t->link[d]];
        p = mix(r, estimate(self, r, bit), p);
    }
    return p;
}

static void count(const nbt_ctw *self, nbt_ctw_record *r, int bit)
{
    uint32_t *const c = r->node.count;
    if (c[0] + c[1] >= self->limit) c[0] = (c[0] + 1) / 2, c[1] = (c[1] + 1) / 2;
    c[bit]++;
}

/* The same, and learns it. */
static double decide_and_learn(const nbt_ctw *self, const trail *t, int bit)
{
    size_t d = t->count;
    double p = 0.5;
    if (ends_in_leaf(self, t)) {
        nbt_ctw_record *const r = &self->pool[*t->link[--d]];
        p = estimate(self, r, bit);
        count(self, r, bit);
    }
    while (d-- > 0) {
        nbt_ctw_record *const r = &self->pool[*t->link[d]];
        const double p_e = estimate(self, r, bit), beta = r->node.beta * p_e / p;
        p = mix(r, p_e, p);
        r->node.beta = beta > MOST ? MOST : beta < 1 / MOST ? 1 / MOST : beta;
        count(self, r, bit);
    }
    return p;
}

/* ---- symbols --------------------------------------------------------------------------------- */

/* Probability of a symbol. */
static double observe(const nbt_ctw *self, uint32_t symbol)
{
    double p = 1;
    trail t;
    first_decision(self, &t);
    for (int i = self->length[symbol] - 1; i >= 0; i--) {
        const int bit = self->code[symbol] >> i & 1;
        p *= decide(self, &t, bit);
        next_decision(self, &t, bit, &t);
    }
    return p;
}

/* The same, and learns it. */
static double learn(nbt_ctw *self, uint32_t symbol)
{
    double p = 1;
    trail t;
    first_decision(self, &t);
    for (int i = self->length[symbol] - 1; i >= 0; i--) {
        const int bit = self->code[symbol] >> i & 1;
        p *= decide_and_learn(self, &t, bit);
        if (self->growing)
            while (t.count < t.length) *t.link[t.count++] = new_node(self, bit);
        next_decision(self, &t, bit, &t);
    }
    remember(self);
    return p;
}

/* Probabilities of the symbols in [low, high), which together have p. */
static void spread(const nbt_ctw *self, size_t low, size_t high, const trail *t, double p,
                   double *out)
{
    if (high - low == 1) {
        out[low] = p;
        return;
    }
    const size_t middle = low + (high - low) / 2;
    for (int bit = 0; bit < 2; bit++) {
        trail next;
        next_decision(self, t, bit, &next);
        spread(self, bit ? middle : low, bit ? high : middle, &next, p * decide(self, t, bit), out);
    }
}

void nbt_ctw_predict(const nbt_ctw *self, double *probabilities)
{
    trail t;
    first_decision(self, &t);
    spread(self, 0, self->symbols, &t, 1, probabilities);
}

nbt_status nbt_ctw_run(nbt_ctw *self, size_t steps, const int32_t *symbols, int learning,
                       double *loss, size_t *done)
{
    for (*done = 0; *done < steps; ++*done) {
        const uint32_t symbol = (uint32_t)symbols[*done];
        if (symbol >= self->symbols) return NBT_BAD_SYMBOL;
        loss[*done] = -log(learning ? learn(self, symbol) : observe(self, symbol));
        self->history[self->step & (self->n_history - 1)] = (uint8_t)symbol;
        self->step++;
        locate(self);
    }
    return NBT_OK;
}

/* ---- state ----------------------------------------------------------------------------------- */

/* The code of a symbol: which half of its range it is in, until it is alone. */
static void encode(nbt_ctw *self, size_t symbol)
{
    size_t low = 0, high = self->symbols;
    unsigned code = 0, length = 0;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        const unsigned bit = symbol >= middle;
        if (bit)
            low = middle;
        else
            high = middle;
        code = code << 1 | bit;
        length++;
    }
    self->code[symbol] = (uint8_t)code;
    self->length[symbol] = (uint8_t)length;
}

void nbt_ctw_init(nbt_ctw *self)
{
    for (size_t s = 0; s < self->symbols; s++) encode(self, s);
    self->room = (self->depth + 1) * (NBT_CTW_BITS + 1);
    self->used = 1, self->step = 0;
    new_context(self, 0, 0, 0);
    locate(self);
}

void nbt_ctw_refresh(nbt_ctw *self)
{
    for (size_t b = 0; b < self->n_buckets; b++) self->buckets[b] = 0;
    for (size_t k = 1; k < self->used; k++)
        if (self->pool[k].context.symbol & NBT_CTW_CONTEXT) enter(self, (uint32_t)k);
    locate(self);
}

static int is_node_or_none(const nbt_ctw *self, uint32_t k)
{
    return k < self->used && !(k && self->pool[k].context.symbol & NBT_CTW_CONTEXT);
}

size_t nbt_ctw_first_bad_record(const nbt_ctw *self)
{
    if (!(self->pool[1].context.symbol & NBT_CTW_CONTEXT)) return 1;
    for (size_t k = 1; k < self->used; k++) {
        const nbt_ctw_record *const r = &self->pool[k];
        if (r->context.symbol & NBT_CTW_CONTEXT) {
            if ((r->context.symbol ^ NBT_CTW_CONTEXT) >= self->symbols ||
                r->context.parent >= self->used || !is_node_or_none(self, r->context.first))
                return k;
        } else if (!(r->node.beta >= 1 / MOST && r->node.beta <= MOST) ||
                   r->node.count[0] > self->limit || r->node.count[1] > self->limit ||
                   !is_node_or_none(self, r->node.next[0]) ||
                   !is_node_or_none(self, r->node.next[1])) {
            return k;
        }
    }
    return self->used;
}
