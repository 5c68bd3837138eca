/* What the kernels need of AVX-512 (F, BW, VL, DQ): vectors of 16 floats. vector_avx2.h offers the same. */
#ifndef COMPUTE_VECTOR_AVX512_H
#define COMPUTE_VECTOR_AVX512_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#include "tensor/dtype.h"

#define WIDTH 16
#define MAX_TOKENS 6                                 /* of a tile of matmul */
#define TILE_ROWS {0, 8, 8, 4, 4, 4, 4}              /* its rows for so many tokens: what the registers hold */
#define HEADS_AT_ONCE 4                              /* of attention */

typedef __m512 vec;
typedef __m128 vec4;

static inline vec vec_zero(void) { return _mm512_setzero_ps(); }
static inline vec vec_set(float f) { return _mm512_set1_ps(f); }
static inline vec vec_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vec_store(float *p, vec v) { _mm512_storeu_ps(p, v); }
static inline vec vec_add(vec a, vec b) { return _mm512_add_ps(a, b); }
static inline vec vec_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
static inline vec vec_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
static inline vec vec_div(vec a, vec b) { return _mm512_div_ps(a, b); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }     /* a * b + c */
static inline vec vec_max(vec a, vec b) { return _mm512_max_ps(a, b); }                 /* b where a or b is NaN */
static inline vec vec_min(vec a, vec b) { return _mm512_min_ps(a, b); }                 /* the same */
static inline vec vec_abs(vec a) { return _mm512_abs_ps(a); }
/* v, in a register from here on: else the compiler reads it from memory again at each use */
static inline vec vec_keep(vec v) { __asm__("" : "+v"(v)); return v; }
static inline vec4 vec4_load(const float *p) { return _mm_loadu_ps(p); }
static inline void vec4_store(float *p, vec4 v) { _mm_storeu_ps(p, v); }
static inline vec4 vec4_add(vec4 a, vec4 b) { return _mm_add_ps(a, b); }
static inline float vec4_first(vec4 v) { return _mm_cvtss_f32(v); }

static inline __mmask16 first_lanes(int64_t n) { return (__mmask16)((1u << n) - 1); }   /* 0 <= n <= 16 */

/* The first n lanes, 0 <= n <= WIDTH; the other lanes are 0, and untouched in memory. */
static inline vec vec_load_first(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
static inline void vec_store_first(float *p, vec v, int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), v); }

static inline vec vec_where_less(vec a, vec b, vec yes, vec no)   /* a < b ? yes : no */
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
}
static inline bool vec_all_less(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ) == 0xffff; }

/* The sums over the lanes of four vectors, each by the same tree: lanes i and i + 8, then + 4, + 2, + 1. */
static inline vec4 vec_sum4(vec a, vec b, vec c, vec d)
{
    vec ab = _mm512_add_ps(_mm512_mask_blend_ps(0xff00, a, b), _mm512_shuffle_f32x4(a, b, 0x4e));
    vec cd = _mm512_add_ps(_mm512_mask_blend_ps(0xff00, c, d), _mm512_shuffle_f32x4(c, d, 0x4e));
    vec abcd = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
    abcd = _mm512_add_ps(abcd, _mm512_permute_ps(abcd, 0x4e));
    abcd = _mm512_add_ps(abcd, _mm512_permute_ps(abcd, 0xb1));
    const __m512i firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
    return _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, abcd));
}

static inline float vec_largest(vec v) { return _mm512_reduce_max_ps(v); }

/* 2^n * v, n whole: right into the subnormals, and infinity beyond the range. */
static inline vec vec_scale(vec v, vec n) { return _mm512_scalef_ps(v, n); }
static inline vec vec_round(vec v) { return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

/* Half of 2 * WIDTH weights from p, as f32: the even (half 0) or odd ones (half 1) of bf16, a shift or a mask away; the first or second WIDTH of
 * others. */
static inline __attribute__((always_inline)) vec weights_load(enum dtype d, const char *p, int half)
{
    if (d == DTYPE_F32)
        return _mm512_loadu_ps(p + 64 * half);
    if (d == DTYPE_F16)
        return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(p + 32 * half)));
    const __m512i pairs = _mm512_loadu_si512(p);
    return _mm512_castsi512_ps(half ? _mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000)) : _mm512_slli_epi32(pairs, 16));
}

/* 2 * WIDTH activations in the order in which weights_load gives weights. */
static inline void activations_arrange(enum dtype d, const float *x, float *out)
{
    vec a = vec_load(x), b = vec_load(x + WIDTH);
    if (d == DTYPE_BF16) {
        const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
        vec_store(out, _mm512_permutex2var_ps(a, even, b));
        vec_store(out + WIDTH, _mm512_permutex2var_ps(a, odd, b));
    } else {
        vec_store(out, a);
        vec_store(out + WIDTH, b);
    }
}

#endif
