/* What the kernels need of AVX2, FMA and F16C: vectors of 8 floats. vector_avx512.h offers the same. */
#ifndef COMPUTE_VECTOR_AVX2_H
#define COMPUTE_VECTOR_AVX2_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tensor/dtype.h"

#define WIDTH 8
#define MAX_TOKENS 5                                 /* of a tile of matmul */
#define TILE_ROWS {0, 8, 4, 2, 2, 2}                  /* its rows for so many tokens: what the registers hold */
#define HEADS_AT_ONCE 2                              /* of attention */

typedef __m256 vec;
typedef __m128 vec4;

static inline vec vec_zero(void) { return _mm256_setzero_ps(); }
static inline vec vec_set(float f) { return _mm256_set1_ps(f); }
static inline vec vec_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vec_store(float *p, vec v) { _mm256_storeu_ps(p, v); }
static inline vec vec_add(vec a, vec b) { return _mm256_add_ps(a, b); }
static inline vec vec_sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
static inline vec vec_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
static inline vec vec_div(vec a, vec b) { return _mm256_div_ps(a, b); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }     /* a * b + c */
static inline vec vec_max(vec a, vec b) { return _mm256_max_ps(a, b); }                 /* b where a or b is NaN */
static inline vec vec_min(vec a, vec b) { return _mm256_min_ps(a, b); }                 /* the same */
static inline vec vec_abs(vec a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
/* v, in a register from here on: else the compiler reads it from memory again at each use */
static inline vec vec_keep(vec v) { __asm__("" : "+x"(v)); return v; }
static inline vec4 vec4_load(const float *p) { return _mm_loadu_ps(p); }
static inline void vec4_store(float *p, vec4 v) { _mm_storeu_ps(p, v); }
static inline vec4 vec4_add(vec4 a, vec4 b) { return _mm_add_ps(a, b); }
static inline float vec4_first(vec4 v) { return _mm_cvtss_f32(v); }

static inline __m256i first_lanes(int64_t n)   /* 0 <= n <= 8 */
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* The first n lanes, 0 <= n <= WIDTH; the other lanes are 0, and untouched in memory. */
static inline vec vec_load_first(const float *p, int64_t n) { return n >= 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, first_lanes(n)); }
static inline void vec_store_first(float *p, vec v, int64_t n)
{
    if (n >= 8)
        _mm256_storeu_ps(p, v);
    else
        _mm256_maskstore_ps(p, first_lanes(n), v);
}

static inline vec vec_where_less(vec a, vec b, vec yes, vec no)   /* a < b ? yes : no */
{
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
static inline bool vec_all_less(vec a, vec b) { return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_LT_OQ)) == 0xff; }

/* The sums over the lanes of four vectors, each by the same tree: lanes i and i + 4, then + 2, + 1. */
static inline vec4 vec_sum4(vec a, vec b, vec c, vec d)
{
    vec ac = _mm256_add_ps(_mm256_permute2f128_ps(a, c, 0x20), _mm256_permute2f128_ps(a, c, 0x31));
    vec bd = _mm256_add_ps(_mm256_permute2f128_ps(b, d, 0x20), _mm256_permute2f128_ps(b, d, 0x31));
    vec low = _mm256_shuffle_ps(ac, bd, 0x44), high = _mm256_shuffle_ps(ac, bd, 0xee);   /* a0 a1 b0 b1 | c0 c1 d0 d1; a2 a3 ... */
    vec pairs = _mm256_add_ps(low, high);
    __m128 ab = _mm256_castps256_ps128(pairs), cd = _mm256_extractf128_ps(pairs, 1);
    return _mm_add_ps(_mm_shuffle_ps(ab, cd, 0x88), _mm_shuffle_ps(ab, cd, 0xdd));
}

static inline float vec_largest(vec v)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

static inline vec vec_round(vec v) { return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

/* 2^n * v, n whole and |n| <= 252: in two steps, the first exact; right into the subnormals, and infinity beyond the range. */
static inline vec vec_scale(vec v, vec n)
{
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1), rest = _mm256_sub_epi32(whole, half);
    const __m256i one = _mm256_set1_epi32(127);
    v = _mm256_mul_ps(v, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, one), 23)));
    return _mm256_mul_ps(v, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, one), 23)));
}

/* Half of 2 * WIDTH weights from p, as f32: the even (half 0) or odd ones (half 1) of bf16, a shift or a mask away; the first or second WIDTH of
 * others. */
static inline __attribute__((always_inline)) vec weights_load(enum dtype d, const char *p, int half)
{
    if (d == DTYPE_F32)
        return _mm256_loadu_ps((const float *)(p + 32 * half));
    if (d == DTYPE_F16)
        return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 16 * half)));
    const __m256i pairs = _mm256_loadu_si256((const __m256i *)p);
    return _mm256_castsi256_ps(half ? _mm256_and_si256(pairs, _mm256_set1_epi32((int)0xffff0000)) : _mm256_slli_epi32(pairs, 16));
}

/* 2 * WIDTH activations in the order in which weights_load gives weights. */
static inline void activations_arrange(enum dtype d, const float *x, float *out)
{
    vec a = vec_load(x), b = vec_load(x + WIDTH);
    if (d == DTYPE_BF16) {
        __m256 low = _mm256_permute2f128_ps(a, b, 0x20), high = _mm256_permute2f128_ps(a, b, 0x31);   /* 0..3 8..11; 4..7 12..15 */
        vec_store(out, _mm256_shuffle_ps(low, high, 0x88));
        vec_store(out + WIDTH, _mm256_shuffle_ps(low, high, 0xdd));
    } else {
        vec_store(out, a);
        vec_store(out + WIDTH, b);
    }
}

#endif
