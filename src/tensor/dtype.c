#include "tensor/dtype.h"

#include <assert.h>

static const struct {
    const char *name, *torch;
    size_t size;
} types[DTYPE_COUNT] = {
    [DTYPE_F32] = {"F32", "float32", 4},         [DTYPE_F16] = {"F16", "float16", 2},
    [DTYPE_BF16] = {"BF16", "bfloat16", 2},      [DTYPE_F64] = {"F64", "float64", 8},
    [DTYPE_I64] = {"I64", "int64", 8},           [DTYPE_I32] = {"I32", "int32", 4},
    [DTYPE_I16] = {"I16", "int16", 2},           [DTYPE_I8] = {"I8", "int8", 1},
    [DTYPE_U8] = {"U8", "uint8", 1},             [DTYPE_U16] = {"U16", "uint16", 2},
    [DTYPE_U32] = {"U32", "uint32", 4},          [DTYPE_U64] = {"U64", "uint64", 8},
    [DTYPE_BOOL] = {"BOOL", "bool", 1},          [DTYPE_F8_E4M3] = {"F8_E4M3", "float8_e4m3fn", 1},
    [DTYPE_F8_E5M2] = {"F8_E5M2", "float8_e5m2", 1},
};

size_t dtype_size(enum dtype d)
{
    return types[d].size;
}

const char *dtype_name(enum dtype d)
{
    return types[d].name;
}

const char *dtype_torch_name(enum dtype d)
{
    return types[d].torch;
}

int dtype_find(const char *name)
{
    for (int d = 0; d < DTYPE_COUNT; d++)
        if (strcmp(name, types[d].name) == 0 || strcmp(name, types[d].torch) == 0)
            return d;
    return -1;
}

static inline float from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static inline uint32_t to_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, 4);
    return bits;
}

/* Both directions without branches, so that the loops below become vectors (the method of
 * M. Dukhan's FP16 library): normal numbers by rescaling the exponent with one exact multiply,
 * subnormal ones by letting an addition to 0.5 align the bits. */
static inline float half_to_f32(uint16_t x)
{
    uint32_t w = (uint32_t)x << 16, twice = w + w;
    float normal = from_bits((twice >> 4) + (0xE0u << 23)) * 0x1p-112f;
    float subnormal = from_bits((twice >> 17) | (126u << 23)) - 0.5f;
    return from_bits((w & 0x80000000u) | (twice < (1u << 27) ? to_bits(subnormal) : to_bits(normal)));
}

/* The addition of a power of two picked by f's exponent rounds f to the 10 bits that remain, to nearest even. */
static inline uint16_t half_from_f32(float f)
{
    uint32_t w = to_bits(f), twice = w + w, bias = twice & 0xFF000000u;
    float base = (from_bits(w & 0x7FFFFFFFu) * 0x1p+112f) * 0x1p-110f;
    bias = bias < 0x71000000u ? 0x71000000u : bias;
    uint32_t bits = to_bits(from_bits((bias >> 1) + 0x07800000u) + base);
    uint32_t rounded = ((bits >> 13) & 0x7C00u) + (bits & 0x0FFFu);
    return (uint16_t)((w & 0x80000000u) >> 16 | (twice > 0xFF000000u ? 0x7E00u : rounded));
}

float f16_to_f32(uint16_t x)
{
    return half_to_f32(x);
}

uint16_t f16_from_f32(float f)
{
    return half_from_f32(f);
}

static inline uint16_t load16(const unsigned char *at)
{
    uint16_t x;
    memcpy(&x, at, 2);
    return x;
}

void dtype_to_f32(enum dtype d, const void *src, float *dst, size_t n)
{
    assert(dtype_is_float(d));
    const unsigned char *from = src;
    if (d == DTYPE_F32) {
        if (n)
            memcpy(dst, src, 4 * n);
    } else if (d == DTYPE_BF16) {
        for (size_t i = 0; i < n; i++)
            dst[i] = bf16_to_f32(load16(from + 2 * i));
    } else {
        for (size_t i = 0; i < n; i++)
            dst[i] = half_to_f32(load16(from + 2 * i));
    }
}

void dtype_from_f32(enum dtype d, const float *src, void *dst, size_t n)
{
    assert(dtype_is_float(d));
    unsigned char *to = dst;
    if (d == DTYPE_F32) {
        if (n)
            memcpy(dst, src, 4 * n);
    } else if (d == DTYPE_BF16) {
        for (size_t i = 0; i < n; i++) {
            uint16_t x = bf16_from_f32(src[i]);
            memcpy(to + 2 * i, &x, 2);
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            uint16_t x = half_from_f32(src[i]);
            memcpy(to + 2 * i, &x, 2);
        }
    }
}

static inline bool all_finite16(const unsigned char *from, size_t n, uint16_t exponent)
{
    uint16_t bad = 0;
    for (size_t i = 0; i < n; i++)
        bad |= (uint16_t)((load16(from + 2 * i) & exponent) == exponent);
    return !bad;
}

static inline bool all_finite32(const unsigned char *from, size_t n)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t x;
        memcpy(&x, from + 4 * i, 4);
        bad |= (uint32_t)((x & 0x7F800000u) == 0x7F800000u);
    }
    return !bad;
}

static bool all_finite(enum dtype d, const unsigned char *from, size_t n)
{
    return d == DTYPE_F32 ? all_finite32(from, n) : all_finite16(from, n, d == DTYPE_BF16 ? 0x7F80 : 0x7C00);
}

size_t dtype_first_not_finite(enum dtype d, const void *src, size_t n)
{
    assert(dtype_is_float(d));
    const unsigned char *from = src;
    const size_t block = 4096, size = types[d].size;
    for (size_t begin = 0; begin < n; begin += block) {
        size_t end = n - begin < block ? n : begin + block;
        if (all_finite(d, from + begin * size, end - begin))
            continue;
        for (size_t i = begin; i < end; i++)
            if (!all_finite(d, from + i * size, 1))
                return i;
    }
    return n;
}
