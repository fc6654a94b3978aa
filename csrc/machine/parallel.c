#include "machine/parallel.h"
#include "machine/float_mode.h"

#ifdef _OPENMP
#include <omp.h>

/* In the child of a fork there are no threads but one, which libgomp would wait for: once the
 * parent has used some, its children work alone. */
static int used, alone;
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void in_child(void) { alone = used; }
static void watch(void) { pthread_atfork(NULL, NULL, in_child); }
static void watch_forks(void) { pthread_once(&once, watch); }
#else
static void watch_forks(void) {}
#endif

void nbt_share(nbt_workers *workers, size_t count, size_t numbers, nbt_part *part, const void *what)
{
    size_t threads = numbers / NBT_GRAIN;
    if (threads > workers->threads) threads = workers->threads;
    if (threads > count) threads = count;
    if (threads <= 1 || alone) {
        part(what, 0, count, 0);
        return;
    }
    watch_forks();
    __atomic_store_n(&used, 1, __ATOMIC_RELAXED);
    const uint64_t ours = nbt_float_mode();
    nbt_set_float_mode(workers->float_mode); /* which threads that are made here begin with */
#pragma omp parallel num_threads((int)threads)
    {
        const size_t thread = (size_t)omp_get_thread_num(), all = (size_t)omp_get_num_threads();
        const uint64_t before = nbt_take_float_mode();
        part(what, count * thread / all, count * (thread + 1) / all, thread);
        if (nbt_noted()) __atomic_store_n(&workers->noted, 1, __ATOMIC_RELAXED);
        nbt_set_float_mode(before);
    }
    nbt_set_float_mode(ours);
}

#else

void nbt_share(nbt_workers *workers, size_t count, size_t numbers, nbt_part *part, const void *what)
{
    (void)workers, (void)numbers;
    part(what, 0, count, 0);
}

#endif
