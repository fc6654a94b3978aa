/* schedule.h: a closed set of rates as functions of the step, lowered once from Python. */
#ifndef NBT_SHARED_SCHEDULE_H
#define NBT_SHARED_SCHEDULE_H

#include <stdint.h>

typedef enum { NBT_CONSTANT, NBT_INVERSE_SQRT } nbt_schedule_kind;

typedef struct {
    nbt_schedule_kind kind;
    double scale, after;
} nbt_schedule;

/* NBT_CONSTANT: scale. NBT_INVERSE_SQRT: scale / sqrt(1 + step / after). Dimensionless. */
double nbt_rate(nbt_schedule schedule, uint64_t step);

#endif
