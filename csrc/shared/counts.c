#include "shared/counts.h"
#include <math.h>
#include <string.h>

#define DISCOUNT 0.7
#define UNSEEN 0.5
#define STEP 0.02  /* of β */
#define NOISE 1e-8 /* squares of slopes that are rounding alone are far smaller */

enum { COUNT_BITS = 8, LIFE_BITS = 8, GAIN = 8, LONGEST_LIFE = 255 };

static uint32_t count_of(uint32_t pair) { return pair & ((1u << COUNT_BITS) - 1); }
static uint32_t symbol_of(uint32_t pair) { return pair >> COUNT_BITS; }
static uint32_t life_of(const nbt_counts_slot *s) { return s->mark & ((1u << LIFE_BITS) - 1); }

/* ---- the table ------------------------------------------------------------------------------- */

#define ODD 0x9E3779B97F4A7C15u

static uint64_t mixed(uint64_t x)
{
    x ^= x >> 32, x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32, x *= 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

/* Where slot number j of the context of order k is looked for. */
static uint64_t hash_of(const nbt_counts *self, size_t k, uint64_t j)
{
    return j ? mixed(self->hash[k] + j * ODD) : self->hash[k];
}

static nbt_counts_slot *bucket_of(const nbt_counts *self, uint64_t hash)
{
    return self->table + NBT_COUNTS_WAYS * (hash >> 24 & (self->buckets - 1));
}

/* Before the bucket of a slot is written. */
static void note(nbt_counts *self, const nbt_counts_slot *slot)
{
    if (!self->before) return;
    const size_t b = (size_t)(slot - self->table) / NBT_COUNTS_WAYS;
    if (self->noted[b]) return;
    self->noted[b] = 1;
    memcpy(self->before + NBT_COUNTS_WAYS * self->writes, self->table + NBT_COUNTS_WAYS * b,
           NBT_COUNTS_WAYS * sizeof *slot);
    self->written[self->writes++] = (uint32_t)b;
}

void nbt_counts_begin(nbt_counts *self)
{
    for (size_t k = 0; k < self->writes; k++) self->noted[self->written[k]] = 0;
    self->writes = 0;
}

void nbt_counts_undo(nbt_counts *self)
{
    for (size_t k = 0; k < self->writes; k++)
        memcpy(self->table + NBT_COUNTS_WAYS * self->written[k], self->before + NBT_COUNTS_WAYS * k,
               NBT_COUNTS_WAYS * sizeof *self->table);
    nbt_counts_begin(self);
}

static nbt_counts_slot *find(const nbt_counts *self, uint64_t hash)
{
    nbt_counts_slot *const bucket = bucket_of(self, hash);
    for (size_t i = 0; i < NBT_COUNTS_WAYS; i++)
        if (bucket[i].mark >> LIFE_BITS == (hash & 0xFFFFFF) && bucket[i].pair[0])
            return bucket + i;
    return NULL;
}

static void enliven(nbt_counts_slot *s)
{
    const uint32_t life = life_of(s), more = LONGEST_LIFE - life;
    s->mark += more < GAIN ? more : GAIN;
}

/* A slot for that hash, with one symbol, in front of its bucket; another one is given up. */
static void take(nbt_counts *self, uint64_t hash, uint32_t pair)
{
    nbt_counts_slot *const bucket = bucket_of(self, hash);
    size_t given = 0;
    note(self, bucket);
    while (given < NBT_COUNTS_WAYS && bucket[given].pair[0]) given++;
    if (given == NBT_COUNTS_WAYS) {
        given = 0;
        for (size_t i = 1; i < NBT_COUNTS_WAYS; i++)
            if (life_of(bucket + i) <= life_of(bucket + given)) given = i;
        for (size_t i = 0; i < NBT_COUNTS_WAYS; i++) bucket[i].mark -= life_of(bucket + i) > 0;
    }
    memmove(bucket + 1, bucket, given * sizeof *bucket);
    bucket[0] = (nbt_counts_slot){(uint32_t)(hash & 0xFFFFFF) << LIFE_BITS | GAIN, {pair}};
}

size_t nbt_counts_first_bad_slot(const nbt_counts_slot *slots, size_t count, size_t symbols)
{
    for (size_t k = 0; k < count; k++) {
        int ended = 0;
        for (size_t i = 0; i < NBT_COUNTS_PAIRS; i++) {
            const uint32_t pair = slots[k].pair[i];
            if (pair ? ended || !count_of(pair) || count_of(pair) > NBT_COUNTS_MOST ||
                           symbol_of(pair) >= symbols
                     : !i)
                return k;
            ended |= !pair;
        }
    }
    return count;
}

/* ---- contexts -------------------------------------------------------------------------------- */

static void locate(nbt_counts *self)
{
    uint64_t hash = 0;
    for (size_t k = 1; k <= self->known; k++) {
        hash = (hash + (uint32_t)self->context[k - 1] + 1) * ODD;
        hash ^= hash >> 29;
        self->hash[k] = mixed(hash + k);
        __builtin_prefetch(bucket_of(self, self->hash[k]));
    }
}

int32_t nbt_counts_follow(nbt_counts *self, int32_t symbol)
{
    const size_t K = self->orders;
    if (!K) return -1;
    const int32_t forgotten = self->context[K - 1];
    memmove(self->context + 1, self->context, (K - 1) * sizeof *self->context);
    self->context[0] = symbol;
    if (self->known < K) self->known++;
    locate(self);
    return forgotten;
}

void nbt_counts_go_back(nbt_counts *self, int32_t forgotten)
{
    const size_t K = self->orders;
    if (!K) return;
    memmove(self->context, self->context + 1, (K - 1) * sizeof *self->context);
    self->context[K - 1] = forgotten;
    if (forgotten < 0) self->known--;
    locate(self);
}

void nbt_counts_refresh(nbt_counts *self)
{
    self->known = 0;
    while (self->known < self->orders && self->context[self->known] >= 0) self->known++;
    self->total = self->distinct = 0;
    for (size_t z = 0; z < self->symbols; z++) {
        self->total += self->seen[z];
        self->distinct += self->seen[z] > 0;
    }
    self->stale = 1;
    locate(self);
}

/* ---- prediction ------------------------------------------------------------------------------ */

static void refresh_base(nbt_counts *self)
{
    const double A = (double)self->symbols, left = DISCOUNT * (double)self->distinct + UNSEEN,
                 sum = (double)self->total + UNSEEN;
    for (size_t z = 0; z < self->symbols; z++) {
        const double c = self->seen[z];
        self->base[z] = ((c > DISCOUNT ? c - DISCOUNT : 0) + left / A) / sum;
        self->log_base[z] = log(self->base[z]);
    }
    self->stale = 0;
}

/* N and d of the context of order k. */
static uint64_t size_of(const nbt_counts *self, size_t k, uint64_t *distinct)
{
    uint64_t sum = 0;
    *distinct = 0;
    const nbt_counts_slot *s;
    for (uint64_t j = 0; (s = find(self, hash_of(self, k, j))); j++) {
        for (size_t i = 0; i < NBT_COUNTS_PAIRS && s->pair[i]; i++) {
            sum += count_of(s->pair[i]);
            ++*distinct;
        }
        if (!s->pair[NBT_COUNTS_PAIRS - 1]) break;
    }
    return sum;
}

/* Adds `weight` (c - D) to the shares of the symbols after the context of order k; a share begins
 * as q_0. Returns how many are touched now. */
static size_t add_shares(nbt_counts *self, size_t k, double weight, size_t touched)
{
    const nbt_counts_slot *s;
    for (uint64_t j = 0; (s = find(self, hash_of(self, k, j))); j++) {
        for (size_t i = 0; i < NBT_COUNTS_PAIRS && s->pair[i]; i++) {
            const uint32_t z = symbol_of(s->pair[i]);
            if (self->share[z] == 0) {
                self->share[z] = self->base[z];
                self->touched[touched++] = (int32_t)z;
            }
            self->share[z] += (count_of(s->pair[i]) - DISCOUNT) * weight;
        }
        if (!s->pair[NBT_COUNTS_PAIRS - 1]) break;
    }
    return touched;
}

static size_t bits_of(uint64_t n)
{
    size_t bits = 0;
    while (bits + 1 < NBT_COUNTS_BITS && n >> (bits + 1)) bits++;
    return bits;
}

/* q_K = s · share, s being the product of what each order leaves to the shorter one: so an order
 * costs what is counted in it. ln s is the constant that log_q lacks. */
double nbt_counts_predict(nbt_counts *self)
{
    size_t touched = 0, longest = 0;
    uint64_t seen = self->total, distinct;
    double left = 1;
    if (self->stale) refresh_base(self);
    memcpy(self->log_q, self->log_base, self->symbols * sizeof *self->log_q);
    for (size_t k = 1; k <= self->known; k++) {
        const uint64_t sum = size_of(self, k, &distinct);
        if (!sum) continue;
        left *= (DISCOUNT * (double)distinct + UNSEEN) / ((double)sum + UNSEEN);
        touched = add_shares(self, k, 1 / (((double)sum + UNSEEN) * left), touched);
        longest = k, seen = sum;
    }
    for (size_t t = 0; t < touched; t++) {
        const int32_t z = self->touched[t];
        self->log_q[z] = log(self->share[z]);
        self->share[z] = 0;
    }
    self->cell = longest * NBT_COUNTS_BITS + bits_of(seen);
    return self->beta[self->cell];
}

/* ---- learning -------------------------------------------------------------------------------- */

static void halve(nbt_counts *self, size_t k)
{
    nbt_counts_slot *s;
    for (uint64_t j = 0; (s = find(self, hash_of(self, k, j))); j++) {
        note(self, s);
        for (size_t i = 0; i < NBT_COUNTS_PAIRS && s->pair[i]; i++) {
            const uint32_t c = count_of(s->pair[i]);
            s->pair[i] = s->pair[i] - c + (c + 1) / 2;
        }
    }
}

/* Counts the symbol after the context of order k; returns whether it was known there. */
static int count(nbt_counts *self, size_t k, uint32_t symbol)
{
    nbt_counts_slot *s;
    uint64_t j = 0;
    for (; (s = find(self, hash_of(self, k, j))); j++) {
        size_t i = 0;
        while (i < NBT_COUNTS_PAIRS && s->pair[i] && symbol_of(s->pair[i]) != symbol) i++;
        if (i == NBT_COUNTS_PAIRS) continue;
        const int known = s->pair[i] != 0;
        note(self, s);
        if (known && count_of(s->pair[i]) >= NBT_COUNTS_MOST) halve(self, k);
        s->pair[i] = known ? s->pair[i] + 1 : symbol << COUNT_BITS | 1;
        enliven(s);
        return known;
    }
    take(self, hash_of(self, k, j), symbol << COUNT_BITS | 1);
    return 0;
}

static void count_alone(nbt_counts *self, uint32_t symbol)
{
    uint32_t *const c = self->seen;
    if (c[symbol] >= NBT_COUNTS_MOST_OF_ALL) {
        self->total = 0;
        for (size_t z = 0; z < self->symbols; z++) self->total += c[z] = (c[z] + 1) / 2;
    }
    self->distinct += !c[symbol]++;
    self->total++;
    self->stale = 1;
}

void nbt_counts_learn(nbt_counts *self, uint32_t symbol)
{
    double *const square = self->squares + self->cell;
    *square += self->slope * self->slope;
    self->beta[self->cell] -= STEP * self->slope / sqrt(*square + NOISE);
    size_t k = self->known;
    while (k > 0 && !count(self, k, symbol)) k--;
    if (k == 0) count_alone(self, symbol);
}
