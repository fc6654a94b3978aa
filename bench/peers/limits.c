/* limits.c: what the machine allows, compiled on the spot by limits.py with the flags of the
 * kernels in use. */
#include <stddef.h>

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
typedef float vec __attribute__((vector_size(BYTES)));
/* More chains than latency times pipes, fewer than registers; variables, for arrays are spilled. */
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
enum { CHAINS = 12 };

size_t multiply_adds(size_t rounds, float factor, float term, float *out);
void read_and_write(size_t rounds, size_t count, float keep, float *restrict a, float *restrict b);

/* Multiply-adds in registers alone: `rounds` for each chain and lane. Returns how many. */
size_t multiply_adds(size_t rounds, float factor, float term, float *out)
{
    const vec m = factor - (vec){0}, c = term - (vec){0};
#define BEGIN(k) vec x##k = (float)k - (vec){0};
#define TURN(k) x##k = x##k * m + c;
#define ADD(k) sum += x##k;
    EACH(BEGIN)
    for (size_t r = 0; r < rounds; r++) {
        EACH(TURN)
    }
    vec sum = {0};
    EACH(ADD)
    for (size_t l = 0; l < BYTES / sizeof(float); l++) *out += sum[l];
    return rounds * CHAINS * (BYTES / sizeof(float));
}

/* Two arrays (count), each read once and written once a round; they drift towards each other. The
 * barrier keeps the compiler from taking an entry through two rounds while it has it. */
void read_and_write(size_t rounds, size_t count, float keep, float *restrict a, float *restrict b)
{
    const float rest = 1 - keep;
    for (size_t r = 0; r < rounds; r++) {
        for (size_t i = 0; i < count; i++) {
            const float x = a[i], y = b[i];
            a[i] = keep * x + rest * y;
            b[i] = keep * y + rest * x;
        }
        __asm__ volatile("" ::: "memory");
    }
}
