#include "compute/scalar.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LN2_HI 0x1.62e42feep-1             /* 33 bits: times any exponent it is exact */
#define LN2_LO 0x1.a39ef35793c76p-33
#define INV_LN2 0x1.71547652b82fep0
#define TWO_OVER_PI 0x1.45f306dc9c883p-1
#define ROUND_TO_INTEGER 0x1.8p52          /* adding and subtracting it rounds |x| < 2^51 to nearest even */

/* 1/0! .. 1/19! */
static const double inverse_factorial[20] = {
    1, 1, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800,
    1.0 / 479001600, 1.0 / 6227020800, 1.0 / 87178291200, 1.0 / 1307674368000, 1.0 / 20922789888000, 1.0 / 355687428096000,
    1.0 / 6402373705728000, 1.0 / 121645100408832000,
};

static double power_of_two(int64_t n)   /* -1022 <= n <= 1023 */
{
    uint64_t bits = (uint64_t)(n + 1023) << 52;
    double d;
    memcpy(&d, &bits, 8);
    return d;
}

double scalar_exp64(double x)
{
    if (isnan(x))
        return x;
    double n = (x * INV_LN2 + ROUND_TO_INTEGER) - ROUND_TO_INTEGER;
    double r = (x - n * LN2_HI) - n * LN2_LO;   /* |r| <= ln(2)/2: the 13th Taylor polynomial is good to 4e-18 */
    double p = inverse_factorial[13];
    for (int i = 12; i >= 2; i--)
        p = p * r + inverse_factorial[i];
    return (1 + (r + r * r * p)) * power_of_two((int64_t)n);
}

float scalar_exp(float x)
{
    if (x < -104)
        return 0;
    if (x > 89)
        return INFINITY;
    return (float)scalar_exp64(x);
}

double scalar_log64(double x)
{
    int64_t exponent = 0;
    if (!(x < INFINITY))
        return x;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        exponent = -54;
    }
    uint64_t bits;
    memcpy(&bits, &x, 8);
    exponent += (int64_t)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffff) | (uint64_t)1023 << 52;
    double m;
    memcpy(&m, &bits, 8);
    if (m > 0x1.6a09e667f3bcdp0) {
        m /= 2;
        exponent++;
    }
    /* log(m) = 2 artanh(s) = 2s + 2/3 s^3 + 2/5 s^5 ...; |s| <= 0.172 */
    double f = m - 1, s = f / (2 + f), z = s * s, p = 0;
    for (int i = 23; i >= 3; i -= 2)
        p = (p + 2.0 / i) * z;
    double e = (double)exponent;
    return e * LN2_HI + (e * LN2_LO + s * p + 2 * s);
}

/* hi + lo += x, exactly but for what lo loses beyond its 53 bits. */
static void add_exactly(double *hi, double *lo, double x)
{
    double sum = *hi + x, back = sum - *hi;
    *lo += (*hi - (sum - back)) + (x - back);
    *hi = sum;
}

void scalar_sincos64(double x, double *sine, double *cosine)
{
    /* pi/2 in pieces of at most 22 bits: times n (31 bits) each product is exact */
    static const double half_pi[6] = {0x1.921fbp+0, 0x1.5110bp-22, 0x1.184698p-44, 0x1.31988p-69, 0x1.1701b8p-88, 0x1.cd12p-115};
    double n = (x * TWO_OVER_PI + ROUND_TO_INTEGER) - ROUND_TO_INTEGER;
    double r = x, low = 0;
    for (int i = 0; i < 6; i++)
        add_exactly(&r, &low, -n * half_pi[i]);
    double z = r * r, s = inverse_factorial[19], c = inverse_factorial[18];
    for (int i = 17; i >= 3; i -= 2) {
        s = inverse_factorial[i] - z * s;
        c = inverse_factorial[i - 1] - z * c;
    }
    double sin_r = r - r * z * s, cos_r = 1 - z * c;
    double sin_full = sin_r + low * cos_r, cos_full = cos_r - low * sin_r;
    switch ((int64_t)n & 3) {
    case 0: *sine = sin_full, *cosine = cos_full; break;
    case 1: *sine = cos_full, *cosine = -sin_full; break;
    case 2: *sine = -sin_full, *cosine = -cos_full; break;
    default: *sine = -cos_full, *cosine = sin_full; break;
    }
}

float scalar_tanh(float x)
{
    double d = x, a = fabs(d), z = d * d;
    if (a < 0.02)
        return (float)(d * (1 + z * (-1.0 / 3 + z * (2.0 / 15 - z * 17.0 / 315))));
    if (a > 10)
        return x > 0 ? 1 : -1;
    if (isnan(x))
        return x;
    double e = scalar_exp64(2 * d);
    return (float)((e - 1) / (e + 1));
}

/* 2/sqrt(pi) exp(-x^2) (x + 2/3 x^3 + 4/15 x^5 ...): all terms of one sign. */
float scalar_erf(float x)
{
    double d = x, square = d * d, term = d, sum = d;
    if (isnan(x) || fabs(d) > 4)
        return isnan(x) ? x : x > 0 ? 1 : -1;
    for (int n = 1; fabs(term) > 1e-17 * fabs(sum); n++) {
        term *= 2 * square / (2 * n + 1);
        sum += term;
    }
    return (float)(0x1.20dd750429b6dp0 * scalar_exp64(-square) * sum);
}

double scalar_pow64(double base, double exponent)
{
    return scalar_exp64(exponent * scalar_log64(base));
}
