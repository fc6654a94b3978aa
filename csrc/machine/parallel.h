/* parallel.h: one part of a step's work, shared by threads.
 *
 * The work is `count` panels (or rows), each of which is written by one thread only and needs
 * nothing of the others, so the bits are those of one thread. Small work stays on the thread that
 * calls: how many threads it takes is decided by its size alone.
 */
#ifndef NBT_MACHINE_PARALLEL_H
#define NBT_MACHINE_PARALLEL_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    size_t threads;      /* at most so many do the work of a step */
    uint64_t float_mode; /* of who called (float_mode.h) */
    int noted;           /* something not finite was made, or is about to be: look for it */
} nbt_workers;

/* Does numbers first … last - 1 of the work `what`; thread: which one, from 0. */
typedef void nbt_part(const void *what, size_t first, size_t last, size_t thread);

/* Fewer numbers than this a thread are not worth waking one, which then waits beside the parts that
 * are not shared and slows them: with a quarter of this, 128 units of Kalman took 1.2 times as
 * long. */
enum { NBT_GRAIN = 1 << 18 };

/* All of it, with at most workers->threads threads; `numbers`: how many it reads or writes. */
void nbt_share(nbt_workers *workers, size_t count, size_t numbers, nbt_part *part,
               const void *what);

/* The same; without threads, part is called directly, and can be inlined. */
static inline void nbt_parallel(nbt_workers *workers, size_t count, size_t numbers, nbt_part *part,
                                const void *what)
{
    if (workers->threads <= 1 || numbers < 2 * (size_t)NBT_GRAIN)
        part(what, 0, count, 0);
    else
        nbt_share(workers, count, numbers, part, what);
}

#endif
