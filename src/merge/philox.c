#include "merge/philox.h"

#include <stddef.h>

#define BLOCKS 16
#define ROUNDS 10
#define M0 0xD2511F53u
#define M1 0xCD9E8D57u
#define W0 0x9E3779B9u
#define W1 0xBB67AE85u

static void plain(uint64_t key, uint32_t model, uint64_t number, uint32_t limit, double x[64])
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
        x[l] = c0 < limit ? x[l] : 0;
        x[l + BLOCKS] = c1 < limit ? x[l + BLOCKS] : 0;
        x[l + 2 * BLOCKS] = c2 < limit ? x[l + 2 * BLOCKS] : 0;
        x[l + 3 * BLOCKS] = c3 < limit ? x[l + 3 * BLOCKS] : 0;
    }
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

/* A block in each 64-bit lane. The multiplication reads the low half only, so the high halves may hold anything until the end. */
__attribute__((target("avx2"))) static void avx2(uint64_t key, uint32_t model, uint64_t number, uint32_t limit, double x[64])
{
    const __m256i m0 = _mm256_set1_epi64x(M0), m1 = _mm256_set1_epi64x(M1), low = _mm256_set1_epi64x(0xffffffff), bound = _mm256_set1_epi64x(limit);
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
        __m256i words[4] = {c0[v], c1[v], c2[v], c3[v]};
        for (int w = 0; w < 4; w++) {
            double *at = x + w * BLOCKS + 4 * v;
            __m256d kept = _mm256_castsi256_pd(_mm256_cmpgt_epi64(bound, _mm256_and_si256(words[w], low)));
            _mm256_storeu_pd(at, _mm256_and_pd(kept, _mm256_loadu_pd(at)));
        }
    }
}

#define AVX512 __attribute__((target("avx512f")))

AVX512 static void avx512(uint64_t key, uint32_t model, uint64_t number, uint32_t limit, double x[64])
{
    const __m512i m0 = _mm512_set1_epi64(M0), m1 = _mm512_set1_epi64(M1), low = _mm512_set1_epi64(0xffffffff), bound = _mm512_set1_epi64(limit);
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
        __m512i words[4] = {c0[v], c1[v], c2[v], c3[v]};
        for (int w = 0; w < 4; w++) {
            double *at = x + w * BLOCKS + 8 * v;
            __mmask8 kept = _mm512_cmplt_epu64_mask(_mm512_and_si512(words[w], low), bound);
            _mm512_storeu_pd(at, _mm512_maskz_loadu_pd(kept, at));
        }
    }
}

philox_function *philox_family(int which)
{
    if (which == 2)
        return __builtin_cpu_supports("avx512f") ? avx512 : NULL;
    if (which == 1)
        return __builtin_cpu_supports("avx2") ? avx2 : NULL;
    return plain;
}
#else
philox_function *philox_family(int which)
{
    return which == 0 ? plain : NULL;
}
#endif

void philox_mask(uint64_t key, uint32_t model, uint64_t number, uint32_t limit, double x[64])
{
    philox_function *best = philox_family(2);
    if (!best)
        best = philox_family(1);
    (best ? best : plain)(key, model, number, limit, x);
}
