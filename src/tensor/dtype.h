/* Element types of tensors as safetensors names them, and exact scalar conversions.
 * Only F32, F16 and BF16 are computed with; the others are carried (copied when equal). */
#ifndef TENSOR_DTYPE_H
#define TENSOR_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum dtype { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_F64, DTYPE_I64, DTYPE_I32, DTYPE_I16, DTYPE_I8, DTYPE_U8, DTYPE_U16, DTYPE_U32, DTYPE_U64,
             DTYPE_BOOL, DTYPE_F8_E4M3, DTYPE_F8_E5M2, DTYPE_COUNT };

size_t dtype_size(enum dtype d);              /* bytes an element */
const char *dtype_name(enum dtype d);         /* as in a safetensors header: "BF16" */
const char *dtype_torch_name(enum dtype d);   /* as in config.json and recipes: "bfloat16"; NULL where there is none */
int dtype_find(const char *name);             /* either spelling; -1 when unknown */
static inline bool dtype_is_float(enum dtype d) { return d == DTYPE_F32 || d == DTYPE_F16 || d == DTYPE_BF16; }

/* bf16 and f16 to f32 are exact; f32 to bf16 and f16 round to nearest even, NaN stays NaN, overflow becomes infinity. */
static inline float bf16_to_f32(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static inline uint16_t bf16_from_f32(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, 4);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float f16_to_f32(uint16_t x);
uint16_t f16_from_f32(float f);

/* n elements of a float dtype to and from f32. src may be unaligned. */
void dtype_to_f32(enum dtype d, const void *src, float *dst, size_t n);
void dtype_from_f32(enum dtype d, const float *src, void *dst, size_t n);

/* Elements that are NaN or infinite; returns the index of the first, n where there is none. Float dtypes only. */
size_t dtype_first_not_finite(enum dtype d, const void *src, size_t n);

#endif
