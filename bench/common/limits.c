#include "limits.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define ROUNDS 2000000

/* 16 independent chains hide the latency of 4 cycles at up to 4 operations a cycle. */
__attribute__((target("avx512f"))) static float chains_avx512(void)
{
    __m512 a[16], b = _mm512_set1_ps(0.999999f), c = _mm512_set1_ps(1e-6f);
    for (int i = 0; i < 16; i++)
        a[i] = _mm512_set1_ps((float)i);
    for (int r = 0; r < ROUNDS; r++)
        for (int i = 0; i < 16; i++)
            a[i] = _mm512_fmadd_ps(a[i], b, c);
    for (int i = 1; i < 16; i++)
        a[0] = _mm512_add_ps(a[0], a[i]);
    return _mm512_reduce_add_ps(a[0]);
}

__attribute__((target("avx2,fma"))) static float chains_avx2(void)
{
    __m256 a[12], b = _mm256_set1_ps(0.999999f), c = _mm256_set1_ps(1e-6f);
    for (int i = 0; i < 12; i++)
        a[i] = _mm256_set1_ps((float)i);
    for (int r = 0; r < ROUNDS; r++)
        for (int i = 0; i < 12; i++)
            a[i] = _mm256_fmadd_ps(a[i], b, c);
    for (int i = 1; i < 12; i++)
        a[0] = _mm256_add_ps(a[0], a[i]);
    return _mm256_cvtss_f32(a[0]);
}

__attribute__((target("avx512f,avx512bf16"))) static float chains_bf16(void)
{
    __m512 a[16];
    __m512bh b = (__m512bh)_mm512_set1_epi16(0x3f7f), c = (__m512bh)_mm512_set1_epi16(0x3586);
    for (int i = 0; i < 16; i++)
        a[i] = _mm512_set1_ps((float)i);
    for (int r = 0; r < ROUNDS; r++)
        for (int i = 0; i < 16; i++)
            a[i] = _mm512_dpbf16_ps(a[i], b, c);
    for (int i = 1; i < 16; i++)
        a[0] = _mm512_add_ps(a[0], a[i]);
    return _mm512_reduce_add_ps(a[0]);
}

static volatile float sink;

typedef struct chains {
    float (*run)(void);
    double operations;
} chains;

static void run_chains(void *context, size_t piece)
{
    (void)piece;
    sink = ((const chains *)context)->run();
}

static double best_rate(chains c, threads *pool)
{
    double best = 0;
    for (int i = 0; i < 5; i++) {
        double began = progress_seconds();
        threads_run(pool, (size_t)threads_count(pool), run_chains, &c);
        double rate = c.operations * threads_count(pool) / (progress_seconds() - began) * 1e-9;
        best = rate > best ? rate : best;
    }
    return best;
}

double limit_gflops(threads *pool)
{
    if (__builtin_cpu_supports("avx512f"))
        return best_rate((chains){chains_avx512, 2.0 * ROUNDS * 16 * 16}, pool);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return best_rate((chains){chains_avx2, 2.0 * ROUNDS * 12 * 8}, pool);
    return 0;
}

double limit_bf16_gflops(threads *pool)
{
    return __builtin_cpu_supports("avx512bf16") ? best_rate((chains){chains_bf16, 2.0 * ROUNDS * 16 * 32}, pool) : 0;
}
#else
double limit_gflops(threads *pool)
{
    (void)pool;
    return 0;
}

double limit_bf16_gflops(threads *pool)
{
    return limit_gflops(pool);
}
#endif

#define READ_BYTES ((size_t)768 << 20)

struct reading { const uint64_t *words; size_t per_piece; uint64_t *sums; };

static void read_piece(void *context, size_t piece)
{
    struct reading *r = context;
    const uint64_t *w = r->words + piece * r->per_piece;
    uint64_t s[8] = {0};
    for (size_t i = 0; i < r->per_piece; i += 8)
        for (int j = 0; j < 8; j++)
            s[j] += w[i + (size_t)j];
    for (int j = 0; j < 8; j++)
        r->sums[piece] += s[j];
}

double limit_gbytes(threads *pool)
{
    size_t pieces = 96;
    struct reading r = {.per_piece = READ_BYTES / 8 / pieces, .sums = memory_new(pieces, sizeof *r.sums)};
    uint64_t *words = memory_try(READ_BYTES, "the bandwidth test", NULL);
    double best = 0;
    if (words) {
        memset(words, 1, READ_BYTES);
        r.words = words;
        for (int i = 0; i < 5; i++) {
            double began = progress_seconds();
            threads_run(pool, pieces, read_piece, &r);
            double rate = (double)READ_BYTES / (progress_seconds() - began) * 1e-9;
            best = rate > best ? rate : best;
        }
    }
    free(words);
    free(r.sums);
    return best;
}

void limits_print(threads *pool)
{
    printf("{\"threads\": %d, \"gflops\": %.1f, \"bf16_gflops\": %.1f, \"gbytes_per_s\": %.1f}\n", threads_count(pool), limit_gflops(pool), limit_bf16_gflops(pool),
           limit_gbytes(pool));
}
