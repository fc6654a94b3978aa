/* callgrind.c: what bench/counted.py tells callgrind. Compiled on the spot by
 * bench/instructions.py. */
#include <valgrind/callgrind.h>

void begin(void);
void dump(const char *name);

void begin(void)
{
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

void dump(const char *name)
{
    CALLGRIND_DUMP_STATS_AT(name);
    CALLGRIND_STOP_INSTRUMENTATION;
}
