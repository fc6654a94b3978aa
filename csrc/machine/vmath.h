/* vmath.h: exp, the logistic function and tanh without branches, so that loops over them vectorise;
 * log for one number. Own code because libm's results differ from CPU to CPU.
 *
 * Largest error over 10^6 points against mpmath, in units in the last place, in both precisions and
 * on every instruction set: exp 1.1, logistic 2, tanh 1.6, log 0.9
 * (tests/core/test_vmath_points.py). In a learner results that are not normal are 0 (float_mode.h).
 */
#ifndef NBT_MACHINE_VMATH_H
#define NBT_MACHINE_VMATH_H

#include "machine/real.h"
#include <math.h>
#include <string.h>

NBT_INLINE word bits_of(real x)
{
    word w;
    memcpy(&w, &x, sizeof w);
    return w;
}
NBT_INLINE real real_of(word w)
{
    real x;
    memcpy(&x, &w, sizeof x);
    return x;
}

#if NBT_PRECISION == 32
#define MANTISSA 23
#define BIAS 127
#define ROUNDER 12582912.0f /* 1.5 · 2^23: adding it leaves the nearest integer in the low bits */
#define EXP_LOW -104.0f     /* below: 0 */
#define EXP_HIGH 89.0f      /* above: infinity */
#define FALLING_LOW -88.0f  /* 2^-127 e^r: its bits as an exponent are those of 0 */
#define LOG2E 1.44269504088896341f
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f
NBT_INLINE real exp_poly(real r)
{ /* e^r, |r| ≤ ln 2 / 2: its power series to r^7 */
    real s = 1.0f / 5040;
    s = s * r + 1.0f / 720;
    s = s * r + 1.0f / 120;
    s = s * r + 1.0f / 24;
    s = s * r + 1.0f / 6;
    s = s * r + 0.5f;
    return s * (r * r) + r; /* without the leading 1 */
}
NBT_INLINE real tanh_small(real x)
{ /* |x| < 0.625, Cephes tanhf */
    const real z = x * x;
    real s = -5.70498872745e-3f;
    s = s * z + 2.06390887954e-2f;
    s = s * z - 5.37397155531e-2f;
    s = s * z + 1.33314422036e-1f;
    s = s * z - 3.33332819422e-1f;
    return s * z * x + x;
}
#else
#define MANTISSA 52
#define BIAS 1023
#define ROUNDER 6755399441055744.0 /* 1.5 · 2^52 */
#define EXP_LOW -746.0
#define EXP_HIGH 710.0
#define FALLING_LOW -709.0
#define LOG2E 1.44269504088896340736
#define LN2_HIGH 6.93147180369123816490e-01
#define LN2_LOW 1.90821492927058770002e-10
NBT_INLINE real exp_poly(real r)
{ /* the power series to r^13 */
    real s = 1.0 / 6227020800.0;
    s = s * r + 1.0 / 479001600.0;
    s = s * r + 1.0 / 39916800.0;
    s = s * r + 1.0 / 3628800.0;
    s = s * r + 1.0 / 362880.0;
    s = s * r + 1.0 / 40320.0;
    s = s * r + 1.0 / 5040.0;
    s = s * r + 1.0 / 720.0;
    s = s * r + 1.0 / 120.0;
    s = s * r + 1.0 / 24.0;
    s = s * r + 1.0 / 6.0;
    s = s * r + 0.5;
    return s * (r * r) + r;
}
NBT_INLINE real tanh_small(real x)
{ /* |x| < 0.625, Cephes tanh */
    const real z = x * x;
    const real p =
        (-9.64399179425052238628e-1 * z - 9.92877231001918586564e1) * z - 1.61468768441708447952e3;
    const real q = ((z + 1.12811678491632931402e2) * z + 2.23548839060100448583e3) * z +
                   4.84406305325125486048e3;
    return x + x * z * p / q;
}
#endif

/* e^y = 2^*exponent (what is returned), |*exponent| small enough for the format's. */
NBT_INLINE real exp_parts(real y, word *exponent)
{
    const real shifted = y * (real)LOG2E + (real)ROUNDER;
    const real k = shifted - (real)ROUNDER;
    const real r = (y - k * (real)LN2_HIGH) - k * (real)LN2_LOW;
    *exponent = (word)((uword)bits_of(shifted) - (uword)bits_of((real)ROUNDER));
    return exp_poly(r) + 1;
}
NBT_INLINE real power_of_two(word e) { return real_of((word)((uword)(e + BIAS) << MANTISSA)); }

/* e^x: nearest within about one unit in the last place; NaN in, NaN out. */
NBT_INLINE real vexp(real x)
{
    const real low = x < (real)EXP_LOW ? (real)EXP_LOW : x;
    word e;
    const real part = exp_parts(low > (real)EXP_HIGH ? (real)EXP_HIGH : low, &e);
    const word half = e >> 1; /* two factors, so that results below the normal range round once */
    return part * power_of_two(half) * power_of_two(e - half);
}

/* The same for x ≤ 0, to the bit where the result is normal; others may be 0. A fifth fewer
 * instructions: a step of TBPTT at 20 units takes 0.95 of the time, a Euclidean one 0.97. */
NBT_INLINE real vexp_falling(real x)
{
    word e;
    const int low = x < (real)FALLING_LOW;
    /* no power is made of what is far out; by the same comparison gcc would make it, and drop it */
    const real near = x < (real)FALLING_LOW - (real)0.25 ? x * 0 : x;
    const real part = exp_parts(near, &e);
    return low ? 0 : part * power_of_two(e);
}

/* 1 / (1 + e^-x), and its derivative, from e = e^-|x|, so that nothing cancels. */
NBT_INLINE real vsigmoid(real x, real *slope)
{
    const real e = vexp_falling(x < 0 ? x : -x), whole = 1 + e;
    *slope = e / (whole * whole);
    const real y = (x < 0 ? e : (real)1) / whole, inverse = x < 0 ? 1 - y : y;
    return y - y * (inverse * (e - (whole - 1))); /* what rounding took from the sum: half an ulp */
}

/* tanh x, and its derivative, from e = e^-2|x|. */
NBT_INLINE real vtanh(real x, real *slope)
{
    const real size = x < 0 ? -x : x;
    const real e = vexp_falling(-2 * size), whole = 1 + e;
    const real large = (1 - e) / whole;
    const real signed_large = x < 0 ? -large : large;
    *slope = 4 * e / (whole * whole);
    const real near = size < 1 ? x : x * 0; /* as above */
    return size < (real)0.625 ? tanh_small(near) : signed_large;
}

/* ln (2^-shift x) for normal x; fdlibm's method. */
NBT_INLINE double log_normal(double x, double shift)
{
    int64_t w;
    memcpy(&w, &x, sizeof w);
    const int64_t top = (w - 0x3fe6a09e667f3bcd) >> 52; /* x = 2^top f, f in [√½, √2) */
    const int64_t rest = w - top * ((int64_t)1 << 52);
    double f;
    memcpy(&f, &rest, sizeof f);
    f -= 1;
    const double s = f / (2 + f), z = s * s, k = (double)top - shift, half = 0.5 * f * f;
    double p = 1.479819860511658591e-01;
    p = p * z + 1.531383769920937332e-01;
    p = p * z + 1.818357216161805012e-01;
    p = p * z + 2.222219843214978396e-01;
    p = p * z + 2.857142874366239149e-01;
    p = p * z + 3.999999999940941908e-01;
    p = p * z + 6.666666666666735130e-01;
    p = p * z;
    return k * 6.93147180369123816490e-01 -
           ((half - (s * (half + p) + k * 1.90821492927058770002e-10)) - f);
}

/* ln x; -infinity for 0, NaN below it. */
NBT_INLINE double vlog(double x)
{
    if (x >= 0x1p-1022 && x < (double)INFINITY) return log_normal(x, 0);
    if (x > 0) return x < 1 ? log_normal(x * 0x1p54, 54) : x;
    return x == 0 ? -(double)INFINITY : (double)NAN;
}

#endif
