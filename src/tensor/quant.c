#include "tensor/quant.h"

#include <float.h>
#include <math.h>
#include <strings.h>

#define QK_K 256   /* elements of a block with scales of its own scales */

static float half_at(const unsigned char *at)
{
    uint16_t x;
    memcpy(&x, at, 2);
    return f16_to_f32(x);
}

/* d, 16 bytes of two halves: the low four bits are the first 16 elements. */
static void read_q4_0(const unsigned char *from, float *out)
{
    float d = half_at(from);
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)((from[2 + i] & 15) - 8);
        out[16 + i] = d * (float)((from[2 + i] >> 4) - 8);
    }
}

static void read_q8_0(const unsigned char *from, float *out)
{
    float d = half_at(from);
    for (int i = 0; i < QUANT_Q8_0_BLOCK; i++)
        out[i] = (float)(int8_t)from[2 + i] * d;
}

/* Scale and minimum of the sub-block i of 8, six bits each: the first four stand alone, the last four are put together
 * from four bits of the last row and the two that the first ones left. */
static void scale_and_minimum(const unsigned char *s, int i, float *scale, float *minimum)
{
    if (i < 4) {
        *scale = (float)(s[i] & 63);
        *minimum = (float)(s[4 + i] & 63);
    } else {
        *scale = (float)((s[4 + i] & 15) | (s[i - 4] >> 2 & 48));
        *minimum = (float)(s[4 + i] >> 4 | (s[i] >> 2 & 48));
    }
}

/* d, dmin, 12 bytes of scales, 128 bytes of quants: each 32 bytes hold two sub-blocks of 32. */
static void read_q4_k(const unsigned char *from, float *out)
{
    float d = half_at(from), dmin = half_at(from + 2);
    for (int i = 0; i < 8; i++) {
        const unsigned char *q = from + 16 + i / 2 * 32;
        float scale, minimum;
        scale_and_minimum(from + 4, i, &scale, &minimum);
        scale *= d;
        minimum *= dmin;
        for (int k = 0; k < 32; k++)
            *out++ = scale * (float)(q[k] >> 4 * (i % 2) & 15) - minimum;
    }
}

/* 128 bytes of low fours, 64 of high twos, 16 scales, d: two halves of 128 elements, each four rows of 32. */
static void read_q6_k(const unsigned char *from, float *out)
{
    float d = half_at(from + 208);
    for (int i = 0; i < QK_K; i++) {
        int half = i / 128, row = i % 128 / 32, k = i % 32;
        int low = from[64 * half + 32 * (row % 2) + k] >> 4 * (row / 2) & 15;
        int high = from[128 + 32 * half + k] >> 2 * row & 3;
        float scale = d * (float)(int8_t)from[192 + i / 16];
        out[i] = scale * (float)((low | high << 4) - 32);
    }
}

static const quant_type types[] = {
    {0, "F32", 1, 4, DTYPE_F32, NULL, true},
    {1, "F16", 1, 2, DTYPE_F16, NULL, true},
    {30, "BF16", 1, 2, DTYPE_BF16, NULL, true},
    {8, "Q8_0", QUANT_Q8_0_BLOCK, QUANT_Q8_0_BYTES, DTYPE_F32, read_q8_0, true},
    {2, "Q4_0", 32, 18, DTYPE_F32, read_q4_0, true},
    {12, "Q4_K", QK_K, 144, DTYPE_F32, read_q4_k, true},
    {14, "Q6_K", QK_K, 210, DTYPE_F32, read_q6_k, true},
    /* Named, so that a message can say what a file holds. */
    {3, "Q4_1", 32, 20, DTYPE_F32, NULL, false},
    {6, "Q5_0", 32, 22, DTYPE_F32, NULL, false},
    {7, "Q5_1", 32, 24, DTYPE_F32, NULL, false},
    {9, "Q8_1", 32, 36, DTYPE_F32, NULL, false},
    {10, "Q2_K", QK_K, 84, DTYPE_F32, NULL, false},
    {11, "Q3_K", QK_K, 110, DTYPE_F32, NULL, false},
    {13, "Q5_K", QK_K, 176, DTYPE_F32, NULL, false},
    {15, "Q8_K", QK_K, 292, DTYPE_F32, NULL, false},
    {16, "IQ2_XXS", QK_K, 66, DTYPE_F32, NULL, false},
    {17, "IQ2_XS", QK_K, 74, DTYPE_F32, NULL, false},
    {18, "IQ3_XXS", QK_K, 98, DTYPE_F32, NULL, false},
    {19, "IQ1_S", QK_K, 50, DTYPE_F32, NULL, false},
    {20, "IQ4_NL", 32, 18, DTYPE_F32, NULL, false},
    {21, "IQ3_S", QK_K, 110, DTYPE_F32, NULL, false},
    {22, "IQ2_S", QK_K, 82, DTYPE_F32, NULL, false},
    {23, "IQ4_XS", QK_K, 136, DTYPE_F32, NULL, false},
    {24, "I8", 1, 1, DTYPE_I8, NULL, false},
    {25, "I16", 1, 2, DTYPE_I16, NULL, false},
    {26, "I32", 1, 4, DTYPE_I32, NULL, false},
    {27, "I64", 1, 8, DTYPE_I64, NULL, false},
    {28, "F64", 1, 8, DTYPE_F64, NULL, false},
    {29, "IQ1_M", QK_K, 56, DTYPE_F32, NULL, false},
    {34, "TQ1_0", QK_K, 54, DTYPE_F32, NULL, false},
    {35, "TQ2_0", QK_K, 66, DTYPE_F32, NULL, false},
    {39, "MXFP4", 32, 17, DTYPE_F32, NULL, false},
};
#define COUNT(a) (sizeof(a) / sizeof *(a))

const quant_type *quant_find(uint32_t id)
{
    for (size_t i = 0; i < COUNT(types); i++)
        if (types[i].id == id)
            return &types[i];
    return NULL;
}

const quant_type *quant_named(const char *name)
{
    for (size_t i = 0; i < COUNT(types); i++)
        if (strcasecmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

void quant_read(const quant_type *type, const unsigned char *from, void *out, size_t n)
{
    if (!type->read) {
        memcpy(out, from, n * (size_t)type->bytes);
        return;
    }
    float *to = out;
    for (size_t i = 0; i < n; i += (size_t)type->block, from += type->bytes)
        type->read(from, to + i);
}

/* Halves go away from zero, as C's roundf does. A block of zeros, or of numbers so small that 1 / scale is infinite, is all zeros. */
int quant_write_q8_0(const float *from, unsigned char *out, size_t n)
{
    int status = 0;
    for (size_t b = 0; b < n; b += QUANT_Q8_0_BLOCK, out += QUANT_Q8_0_BYTES) {
        float largest = 0;
        for (int i = 0; i < QUANT_Q8_0_BLOCK; i++)
            largest = fabsf(from[b + (size_t)i]) > largest ? fabsf(from[b + (size_t)i]) : largest;
        float d = largest / 127, inverse = d > 0 && 1 / d <= FLT_MAX ? 1 / d : 0;
        uint16_t half = f16_from_f32(d);
        if ((half & 0x7C00) == 0x7C00)
            status = -1;
        memcpy(out, &half, 2);
        for (int i = 0; i < QUANT_Q8_0_BLOCK; i++)
            out[2 + i] = (unsigned char)(int8_t)roundf(from[b + (size_t)i] * inverse);
    }
    return status;
}
