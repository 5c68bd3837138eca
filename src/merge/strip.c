#include "merge/strip.h"

#include <math.h>

#include "tensor/dtype.h"

typedef uint16_t unaligned16 __attribute__((aligned(1), may_alias));
typedef float unaligned32 __attribute__((aligned(1), may_alias));

static inline float float_of(uint32_t bits)
{
    union { uint32_t u; float f; } x = {bits};
    return x.f;
}

static inline uint32_t bits_of(float f)
{
    union { float f; uint32_t u; } x = {f};
    return x.u;
}

/* The nearest bf16 as an f32, ties to even. */
static inline float nearest_bf16(float f)
{
    uint32_t bits = bits_of(f), rounded = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    return float_of((bits & 0x7fffffff) > 0x7f800000 ? (bits & 0xffff0000) | 0x400000 : rounded);
}

/* The nearest f16 as an f32, ties to even. Below 2^-14 the spacing is 2^-24, which is that of f32 at 1/2: adding
 * and taking away 1/2 rounds to it. */
static inline float nearest_f16(float f)
{
    uint32_t bits = bits_of(f), sign = bits & 0x80000000, size = bits & 0x7fffffff;
    uint32_t normal = (size + 0xfff + (size >> 13 & 1)) & 0xffffe000;
    uint32_t small = bits_of((float_of(size) + 0.5f) - 0.5f);
    uint32_t rounded = size < 0x38800000 ? small : normal >= 0x47800000 ? 0x7f800000 : normal;
    return float_of(sign | (size > 0x7f800000 ? size : rounded));
}

CPU_CLONES static void load_bf16(const unaligned16 *from, int n, double *x)
{
    for (int i = 0; i < n; i++)
        x[i] = float_of((uint32_t)from[i] << 16);
}

CPU_CLONES static void load_f32(const unaligned32 *from, int n, double *x)
{
    for (int i = 0; i < n; i++)
        x[i] = from[i];
}

/* Through the exponent bias of f32: exact, subnormals included. */
CPU_CLONES static void load_f16(const unaligned16 *from, int n, double *x)
{
    for (int i = 0; i < n; i++) {
        uint32_t h = from[i], sign = (h & 0x8000) << 16, size = (h & 0x7fff) << 13;
        float value = float_of(size) * 0x1p112f;
        uint32_t bits = size >= 0x7c00u << 13 ? size | 0x7f800000 : bits_of(value);
        x[i] = float_of(sign | bits);
    }
}

void strip_load(const tensor *t, int64_t begin, int n, double *x)
{
    if (t->dtype == DTYPE_BF16)
        load_bf16((const unaligned16 *)t->data + begin, n, x);
    else if (t->dtype == DTYPE_F16)
        load_f16((const unaligned16 *)t->data + begin, n, x);
    else
        load_f32((const unaligned32 *)t->data + begin, n, x);
}

void strip_expect(const tensor *t, int64_t begin, int n)
{
    size_t size = dtype_size(t->dtype);
    const char *from = (const char *)t->data + (size_t)begin * size;
    for (size_t at = 0; at < (size_t)n * size; at += 64)
        __builtin_prefetch(from + at);
}

CPU_CLONES static void store_bf16(const double *x, int n, unaligned16 *to)
{
    for (int i = 0; i < n; i++)
        to[i] = (uint16_t)(bits_of(nearest_bf16((float)x[i])) >> 16);
}

CPU_CLONES static void store_f16(const double *x, int n, unaligned16 *to)
{
    for (int i = 0; i < n; i++) {
        uint32_t bits = bits_of(nearest_f16((float)x[i])), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
        uint32_t small = (uint32_t)(int32_t)(float_of(size < 0x38800000 ? size : 0) * 0x1p24f);
        uint32_t normal = (size - (112u << 23)) >> 13;
        uint32_t special = size > 0x7f800000 ? 0x7e00 : 0x7c00;
        to[i] = (uint16_t)(sign | (size >= 0x7f800000 ? special : size < 0x38800000 ? small : normal));
    }
}

CPU_CLONES static void store_f32(const double *x, int n, unaligned32 *to)
{
    for (int i = 0; i < n; i++)
        to[i] = (float)x[i];
}

void strip_store(const double *x, int n, enum dtype d, void *bytes, int64_t begin)
{
    if (d == DTYPE_BF16)
        store_bf16(x, n, (unaligned16 *)bytes + begin);
    else if (d == DTYPE_F16)
        store_f16(x, n, (unaligned16 *)bytes + begin);
    else
        store_f32(x, n, (unaligned32 *)bytes + begin);
}

typedef uint32_t unaligned_bits __attribute__((aligned(1), may_alias));

CPU_CLONES static bool all_below_16(const unaligned16 *x, int n, uint16_t limit)
{
    uint16_t most = 0;
    for (int i = 0; i < n; i++) {
        uint16_t size = x[i] & 0x7fff;
        most = size > most ? size : most;
    }
    return most < limit;
}

CPU_CLONES static bool all_below_32(const unaligned_bits *x, int n, uint32_t limit)
{
    uint32_t most = 0;
    for (int i = 0; i < n; i++) {
        uint32_t size = x[i] & 0x7fffffff;
        most = size > most ? size : most;
    }
    return most < limit;
}

bool strip_is_finite(enum dtype d, const void *bytes, int64_t begin, int n)
{
    return d == DTYPE_F32 ? all_below_32((const unaligned_bits *)bytes + begin, n, 0x7f800000)
                          : all_below_16((const unaligned16 *)bytes + begin, n, d == DTYPE_F16 ? 0x7c00 : 0x7f80);
}

CPU_CLONES static bool all_below(const double *x, int n, double limit)
{
    int bad = 0;
    for (int i = 0; i < n; i++)
        bad |= !(fabs(x[i]) < limit);
    return bad == 0;
}

static int first_from(const double *x, int n, double limit)
{
    int i = 0;
    if (all_below(x, n, limit))
        return n;
    while (fabs(x[i]) < limit)
        i++;
    return i;
}

int strip_first_not_finite(const double *x, int n)
{
    return first_from(x, n, INFINITY);
}

/* Half a unit above the largest number, and from there half a unit of f32 down, as values go through f32. */
int strip_first_overflow(const double *x, int n, enum dtype d)
{
    return first_from(x, n, d == DTYPE_F16 ? 65520 - 0x1p-9 : d == DTYPE_BF16 ? 0x1.feffffp127 : 0x1.ffffffp127);
}

CPU_CLONES static void round_f32(double *x, int n)
{
    for (int i = 0; i < n; i++)
        x[i] = (float)x[i];
}

CPU_CLONES static void round_bf16(double *x, int n)
{
    for (int i = 0; i < n; i++)
        x[i] = nearest_bf16((float)x[i]);
}

CPU_CLONES static void round_f16(double *x, int n)
{
    for (int i = 0; i < n; i++)
        x[i] = nearest_f16((float)x[i]);
}

void strip_round(enum rounding r, double *x, int n)
{
    if (r == ROUND_F32)
        round_f32(x, n);
    else if (r == ROUND_BF16)
        round_bf16(x, n);
    else if (r == ROUND_F16)
        round_f16(x, n);
}

CPU_CLONES static void subtract(const double *x, const double *y, int n, double *out)
{
    for (int i = 0; i < n; i++)
        out[i] = x[i] - y[i];
}

void strip_subtract(enum rounding r, const double *x, const double *y, int n, double *out)
{
    subtract(x, y, n, out);
    strip_round(r, out, n);
}

CPU_CLONES static void scale(double *x, double c, int n)
{
    for (int i = 0; i < n; i++)
        x[i] *= c;
}

void strip_scale(enum rounding r, double *x, double c, int n)
{
    scale(x, c, n);
    strip_round(r, x, n);
}

double round_one(enum rounding r, double x)
{
    strip_round(r, &x, 1);
    return x;
}

static inline double fold(const double lane[8])
{
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

CPU_CLONES double strip_sum_abs(const double *x, int n)
{
    double lane[8] = {0};
    int i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++)
            lane[l] += fabs(x[i + l]);
    for (; i < n; i++)
        lane[i % 8] += fabs(x[i]);
    return fold(lane);
}

CPU_CLONES double strip_dot(const double *x, const double *y, int n)
{
    double lane[8] = {0};
    int i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++)
            lane[l] += x[i + l] * y[i + l];
    for (; i < n; i++)
        lane[i % 8] += x[i] * y[i];
    return fold(lane);
}

double strip_dot_rounded(enum rounding r, const double *x, const double *y, int n)
{
    double product[STRIP], sum = 0;
    if (r == ROUND_NONE)
        return strip_dot(x, y, n);
    for (int at = 0; at < n; at += STRIP) {
        int count = n - at < STRIP ? n - at : STRIP;
        for (int i = 0; i < count; i++)
            product[i] = x[at + i] * y[at + i];
        strip_round(r, product, count);
        for (int i = 0; i < count; i++)
            sum += product[i];
    }
    return sum;
}

CPU_CLONES static void add_scaled(const double *x, double c, int n, double *restrict out)
{
    for (int i = 0; i < n; i++)
        out[i] += c * x[i];
}

void strip_add_scaled(enum rounding r, const double *x, double c, int n, double *out)
{
    double term[STRIP];
    if (r == ROUND_NONE) {
        add_scaled(x, c, n, out);
        return;
    }
    for (int at = 0; at < n; at += STRIP) {
        int count = n - at < STRIP ? n - at : STRIP;
        for (int i = 0; i < count; i++)
            term[i] = x[at + i] * c;
        strip_round(r, term, count);
        for (int i = 0; i < count; i++)
            out[at + i] = (float)(out[at + i] + term[i]);
    }
}
