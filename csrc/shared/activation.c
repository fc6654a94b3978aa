#include "shared/activation.h"
#include "machine/vmath.h"

void NBT(activate)(size_t ldn, nbt_activation activation, const real *restrict h, real *restrict a,
                   real *restrict slope)
{
    if (activation == NBT_SIGMOID)
        for (size_t i = 0; i < ldn; i++) a[i] = vsigmoid(h[i], slope + i);
    else if (activation == NBT_TANH)
        for (size_t i = 0; i < ldn; i++) a[i] = vtanh(h[i], slope + i);
    else
        for (size_t i = 0; i < ldn; i++) a[i] = h[i], slope[i] = 1;
}

void NBT(respond)(const nbt_sizes *at, const nbt_choices *of, const real *restrict h,
                  real *restrict a, real *restrict slope)
{
    const size_t n = at->n, ldn = at->ldn;
    const uint8_t *each = of->activations;
    if (!each) {
        NBT(activate)(ldn, of->activation, h, a, slope);
        return;
    }
    for (size_t i = 0, end; i < n; i = end) { /* units that are alike, at once */
        for (end = i + 1; end < n && each[end] == each[i];) end++;
        if (end == n) end = ldn;
        NBT(activate)(end - i, (nbt_activation)each[i], h + i, a + i, slope + i);
    }
}
