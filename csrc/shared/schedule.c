#include "shared/schedule.h"
#include <math.h>

double nbt_rate(nbt_schedule schedule, uint64_t step)
{
    switch (schedule.kind) {
    case NBT_INVERSE_SQRT: return schedule.scale / sqrt((double)step / schedule.after + 1.0);
    case NBT_CONSTANT: break;
    }
    return schedule.scale;
}
