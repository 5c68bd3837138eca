#include "merge/philox.h"

#include <stddef.h>

#define BLOCKS 16
#define ROUNDS 10
#define M0 0xD2511F53u
#define M1 0xCD9E8D57u
#define W0 0x9E3779B9u
#define W1 0xBB67AE85u

static void draw_plain(uint64_t key, uint32_t model, uint64_t number, uint32_t words[64])
{
    for (int l = 0; l < BLOCKS; l++) {
        uint64_t block = number * BLOCKS + (uint64_t)l;
        uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = model, c3 = 0, k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
        for (int round = 0; round < ROUNDS; round++) {
            uint64_t p0 = (uint64_t)M0 * c0, p1 = (uint64_t)M1 * c2;
            c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
            c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
            c1 = (uint32_t)p1;
            c3 = (uint32_t)p0;
            k0 += W0;
            k1 += W1;
        }
        words[l] = c0;
        words[l + BLOCKS] = c1;
        words[l + 2 * BLOCKS] = c2;
        words[l + 3 * BLOCKS] = c3;
    }
}

static uint64_t below_plain(const uint32_t words[64], uint32_t limit)
{
    uint64_t bits = 0;
    for (int i = 0; i < 64; i++)
        bits |= (uint64_t)(words[i] < limit) << i;
    return bits;
}

static const philox plain = {draw_plain, below_plain};

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

/* A block in each 64-bit lane. The multiplication reads the low half only, so the high halves may hold anything until the end. */
#define AVX2 __attribute__((target("avx2")))

AVX2 static void draw_avx2(uint64_t key, uint32_t model, uint64_t number, uint32_t words[64])
{
    const __m256i m0 = _mm256_set1_epi64x(M0), m1 = _mm256_set1_epi64x(M1), low_halves = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
    uint64_t first = number * BLOCKS;   /* a multiple of 16: the 16 blocks share their high word */
    __m256i c0[4], c1[4], c2[4], c3[4];
    for (int v = 0; v < 4; v++) {
        c0[v] = _mm256_add_epi64(_mm256_set1_epi64x((long long)(first & 0xffffffff)), _mm256_set_epi64x(4 * v + 3, 4 * v + 2, 4 * v + 1, 4 * v));
        c1[v] = _mm256_set1_epi64x((long long)(first >> 32));
        c2[v] = _mm256_set1_epi64x(model);
        c3[v] = _mm256_setzero_si256();
    }
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < ROUNDS; round++, k0 += W0, k1 += W1) {
        __m256i key0 = _mm256_set1_epi64x(k0), key1 = _mm256_set1_epi64x(k1);
        for (int v = 0; v < 4; v++) {
            __m256i p0 = _mm256_mul_epu32(c0[v], m0), p1 = _mm256_mul_epu32(c2[v], m1);
            c0[v] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p1, 32), c1[v]), key0);
            c2[v] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p0, 32), c3[v]), key1);
            c1[v] = p1;
            c3[v] = p0;
        }
    }
    for (int v = 0; v < 4; v++) {
        __m256i vectors[4] = {c0[v], c1[v], c2[v], c3[v]};
        for (int w = 0; w < 4; w++)
            _mm_storeu_si128((__m128i *)(words + w * BLOCKS + 4 * v), _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(vectors[w], low_halves)));
    }
}

AVX2 static uint64_t below_avx2(const uint32_t words[64], uint32_t limit)
{
    const __m256i sign = _mm256_set1_epi32(INT32_MIN), bound = _mm256_xor_si256(_mm256_set1_epi32((int)limit), sign);
    uint64_t bits = 0;
    for (int v = 0; v < 8; v++) {
        __m256i x = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(words + 8 * v)), sign);
        bits |= (uint64_t)(uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(bound, x))) << 8 * v;
    }
    return bits;
}

#define AVX512 __attribute__((target("avx512f")))

AVX512 static void draw_avx512(uint64_t key, uint32_t model, uint64_t number, uint32_t words[64])
{
    const __m512i m0 = _mm512_set1_epi64(M0), m1 = _mm512_set1_epi64(M1);
    uint64_t first = number * BLOCKS;
    __m512i c0[2], c1[2], c2[2], c3[2];
    for (int v = 0; v < 2; v++) {
        c0[v] = _mm512_add_epi64(_mm512_set1_epi64((long long)(first & 0xffffffff)),
                                 _mm512_set_epi64(8 * v + 7, 8 * v + 6, 8 * v + 5, 8 * v + 4, 8 * v + 3, 8 * v + 2, 8 * v + 1, 8 * v));
        c1[v] = _mm512_set1_epi64((long long)(first >> 32));
        c2[v] = _mm512_set1_epi64(model);
        c3[v] = _mm512_setzero_si512();
    }
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < ROUNDS; round++, k0 += W0, k1 += W1) {
        __m512i key0 = _mm512_set1_epi64(k0), key1 = _mm512_set1_epi64(k1);
        for (int v = 0; v < 2; v++) {
            __m512i p0 = _mm512_mul_epu32(c0[v], m0), p1 = _mm512_mul_epu32(c2[v], m1);
            c0[v] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p1, 32), c1[v], key0, 0x96);
            c2[v] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p0, 32), c3[v], key1, 0x96);
            c1[v] = p1;
            c3[v] = p0;
        }
    }
    for (int v = 0; v < 2; v++) {
        __m512i vectors[4] = {c0[v], c1[v], c2[v], c3[v]};
        for (int w = 0; w < 4; w++)
            _mm256_storeu_si256((__m256i *)(words + w * BLOCKS + 8 * v), _mm512_cvtepi64_epi32(vectors[w]));
    }
}

AVX512 static uint64_t below_avx512(const uint32_t words[64], uint32_t limit)
{
    const __m512i bound = _mm512_set1_epi32((int)limit);
    uint64_t bits = 0;
    for (int v = 0; v < 4; v++)
        bits |= (uint64_t)_mm512_cmplt_epu32_mask(_mm512_loadu_si512(words + 16 * v), bound) << 16 * v;
    return bits;
}

static const philox avx2 = {draw_avx2, below_avx2}, avx512 = {draw_avx512, below_avx512};

const philox *philox_family(int which)
{
    if (which == 2)
        return __builtin_cpu_supports("avx512f") ? &avx512 : NULL;
    if (which == 1)
        return __builtin_cpu_supports("avx2") ? &avx2 : NULL;
    return &plain;
}
#else
const philox *philox_family(int which)
{
    return which == 0 ? &plain : NULL;
}
#endif

const philox *philox_best(void)
{
    for (int which = 2; which > 0; which--)
        if (philox_family(which))
            return philox_family(which);
    return &plain;
}
