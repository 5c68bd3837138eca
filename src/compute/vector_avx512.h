/* What the kernels need of AVX-512 (F, BW, VL, DQ): vectors of 16 floats. vector_avx2.h offers the same. */
#ifndef COMPUTE_VECTOR_AVX512_H
#define COMPUTE_VECTOR_AVX512_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#include "tensor/dtype.h"

#define WIDTH 16
#define DECODE_MAX_TOKENS 6                          /* tokens of the largest decode tile */
#define DECODE_ROWS {0, 8, 8, 4, 4, 4, 4}            /* rows of the tile for so many tokens: what 32 registers hold */
#define HEADS_AT_ONCE 4                              /* of attention: 4 heads x 4 keys, or 4 vectors of values */
#define PREFILL_TOKENS 12                            /* 12 x 32 sums in 24 registers */

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
    vec ab = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    vec cd = _mm512_add_ps(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xee));
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

/* 2 * WIDTH weights from p as f32: the even ones and the odd ones of bf16 (a shift and a mask away), the first and the second half of others. */
static inline __attribute__((always_inline)) void weights_load(enum dtype d, const char *p, vec *a, vec *b)
{
    if (d == DTYPE_BF16) {
        __m512i pairs = _mm512_loadu_si512(p);
        *a = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
        *b = _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000)));
    } else if (d == DTYPE_F16) {
        *a = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
        *b = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(p + 32)));
    } else {
        *a = _mm512_loadu_ps(p);
        *b = _mm512_loadu_ps(p + 64);
    }
}

/* The same with the first n of them, 0 < n < 2 * WIDTH, and zeros behind. */
static inline __attribute__((always_inline)) void weights_load_first(enum dtype d, const char *p, int64_t n, vec *a, vec *b)
{
    char full[128] __attribute__((aligned(64)));
    if (d == DTYPE_F32) {
        _mm512_store_ps(full, _mm512_maskz_loadu_ps(first_lanes(n < 16 ? n : 16), p));
        _mm512_store_ps(full + 64, _mm512_maskz_loadu_ps(first_lanes(n < 16 ? 0 : n - 16), p + 64));
    } else {
        _mm512_store_si512(full, _mm512_maskz_loadu_epi16((1u << n) - 1, p));
    }
    weights_load(d, full, a, b);
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

/* r[i] lane j becomes r[j] lane i. */
static inline void transpose(__m512i r[16])
{
    __m512i t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    /* r[4g + j]: 128-bit lane l holds column 4l + j of rows 4g .. 4g + 3 */
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        __m512i a = _mm512_shuffle_i32x4(r[j], r[4 + j], 0x88), b = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0x88);
        __m512i c = _mm512_shuffle_i32x4(r[j], r[4 + j], 0xdd), d = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0xdd);
        t[j] = _mm512_shuffle_i32x4(a, b, 0x88);
        t[8 + j] = _mm512_shuffle_i32x4(a, b, 0xdd);
        t[4 + j] = _mm512_shuffle_i32x4(c, d, 0x88);
        t[12 + j] = _mm512_shuffle_i32x4(c, d, 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        r[i] = t[i];
}

/* WIDTH rows of weights, row_bytes apart, turned into out[k][stride] as f32, k columns of them. Rows from `rows` on count as 0.
 * Columns are written 64 bytes of weights at a time: `out` has room for k rounded up to 32, zeros there. */
static inline __attribute__((always_inline)) void weights_transpose(enum dtype d, const char *w, int64_t row_bytes, int64_t rows, int64_t k, float *out,
                                                                   int64_t stride)
{
    const int64_t size = d == DTYPE_F32 ? 4 : 2, step = 64 / size;
    for (int64_t k0 = 0; k0 < k; k0 += step, w += 64, out += step * stride) {
        __m512i r[16];
        if (rows >= 16 && k - k0 >= step) {
#pragma GCC unroll 16
            for (int i = 0; i < 16; i++)
                r[i] = _mm512_loadu_si512(w + i * row_bytes);
        } else {
            uint64_t bytes = k - k0 >= step ? ~(uint64_t)0 : ((uint64_t)1 << (k - k0) * size) - 1;
#pragma GCC unroll 16
            for (int i = 0; i < 16; i++)
                r[i] = _mm512_maskz_loadu_epi8(i < rows ? bytes : 0, w + (i < rows ? i * row_bytes : 0));
        }
        transpose(r);
#pragma GCC unroll 16
        for (int j = 0; j < 16; j++) {
            if (d == DTYPE_BF16) {
                _mm512_store_si512(out + 2 * j * stride, _mm512_slli_epi32(r[j], 16));
                _mm512_store_si512(out + (2 * j + 1) * stride, _mm512_and_si512(r[j], _mm512_set1_epi32((int)0xffff0000)));
            } else if (d == DTYPE_F16) {
                _mm512_store_ps(out + 2 * j * stride, _mm512_cvtph_ps(_mm512_cvtepi32_epi16(r[j])));
                _mm512_store_ps(out + (2 * j + 1) * stride, _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(r[j], 16))));
            } else {
                _mm512_store_si512(out + j * stride, r[j]);
            }
        }
    }
}

#endif
