/* usage: bench-matmul [--threads N] [--backend NAME] [--dtype BF16|F16|F32] [--tokens M] [KxN ...]
 * GFLOPS of each family's matrix kernel for M tokens, weights read from DRAM (many matrices in turn), best of several
 * short runs, beside the two limits: f32 FMA, and M * 2 operations a weight at the rate at which DRAM gives weights. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/random.h"
#include "compute/backend.h"
#include "limits.h"

#define WEIGHT_BYTES ((size_t)192 << 20)
#define RUNS 5

static const int64_t batches[] = {1, 2, 4, 8, 16, 32, 64, 128, 256};
#define MAX_BATCH 256

static void fill(float *x, size_t n)
{
    random_stream s = random_stream_for(1, "bench", 0, 0);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)random_uniform(&s) - 0.5f;
}

static double gflops(const backend *b, matrix w, const char *weights, const float *x, float *y, int64_t m, threads *pool)
{
    const size_t bytes = (size_t)(w.n * w.k) * dtype_size(w.dtype), matrices = WEIGHT_BYTES / bytes;
    const double flops = 2.0 * (double)m * (double)(w.n * w.k);
    double best = 0;
    for (int run = 0; run < RUNS; run++) {
        size_t done = 0;
        const double began = progress_seconds();
        double seconds = 0;
        for (; seconds < 0.06; seconds = progress_seconds() - began, done++) {
            w.data = weights + (done + (size_t)run) % matrices * bytes;
            b->matmul(&w, x, w.k, y, w.n, m, pool);
        }
        const double rate = flops * (double)done / seconds * 1e-9;
        best = rate > best ? rate : best;
    }
    return best;
}

static void measure(const char *family, int64_t only, int64_t k, int64_t n, enum dtype d, const char *weights, threads *pool, double peak, double gbytes)
{
    const int64_t *m = only ? &only : batches, most = only > MAX_BATCH ? only : MAX_BATCH;
    const size_t n_batches = only ? 1 : sizeof batches / sizeof *batches;
    float *x = memory_new((size_t)(most * k), sizeof *x), *y = memory_new((size_t)(most * n), sizeof *y);
    fill(x, (size_t)(most * k));
    printf("\nK %lld, N %lld, %s weights, GFLOPS\n%-18s", (long long)k, (long long)n, dtype_name(d), "M");
    for (size_t i = 0; i < n_batches; i++)
        printf(" %7lld", (long long)m[i]);
    printf("\n%-18s", "limit");
    for (size_t i = 0; i < n_batches; i++) {
        const double memory = 2 * (double)m[i] * gbytes / (double)dtype_size(d);
        printf(" %7.1f", memory < peak ? memory : peak);
    }
    printf("\n");
    for (const backend *const *b = backend_all(); *b; b++) {
        if (!(*b)->available() || (family ? strcmp((*b)->name, family) != 0 : strcmp((*b)->name, "reference") == 0))
            continue;
        printf("%-18s", (*b)->name);
        for (size_t i = 0; i < n_batches; i++) {
            printf(" %7.1f", gflops(*b, (matrix){.dtype = d, .n = n, .k = k}, weights, x, y, m[i], pool));
            fflush(stdout);
        }
        printf("\n");
    }
    free(x);
    free(y);
}

int main(int argc, char **argv)
{
    int n_threads = 1, at = 1, d = DTYPE_BF16;
    long only = 0;
    const char *family = NULL;
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
        if (strcmp(argv[at], "--threads") == 0)
            n_threads = (int)strtol(argv[at + 1], NULL, 10);
        else if (strcmp(argv[at], "--backend") == 0)
            family = argv[at + 1];
        else if (strcmp(argv[at], "--dtype") == 0)
            d = dtype_find(argv[at + 1]);
        else if (strcmp(argv[at], "--tokens") == 0)
            only = strtol(argv[at + 1], NULL, 10);
    }
    error err;
    char *weights = memory_try(WEIGHT_BYTES, "the weights", &err);
    if (d < 0 || !dtype_is_float((enum dtype)d) || !weights || (family && !backend_find(family, &err))) {
        fprintf(stderr, "bench-matmul: %s\n", !weights || family ? err.text : "--dtype takes BF16, F16 or F32");
        return 2;
    }
    float *values = memory_new(1 << 20, sizeof *values);
    fill(values, 1 << 20);
    const size_t size = dtype_size((enum dtype)d);
    for (size_t i = 0; i < WEIGHT_BYTES / size; i += 1 << 20)
        dtype_from_f32((enum dtype)d, values, weights + i * size, 1 << 20);
    threads *pool = threads_new(n_threads);
    const double peak = limit_gflops(pool), gbytes = limit_gbytes(pool);
    printf("%d thread%s: f32 FMA %.1f GFLOPS, DRAM %.1f GB/s\n", n_threads, n_threads == 1 ? "" : "s", peak, gbytes);
    if (at == argc) {
        measure(family, only, 2048, 2048, (enum dtype)d, weights, pool, peak, gbytes);
        measure(family, only, 2048, 5632, (enum dtype)d, weights, pool, peak, gbytes);
        measure(family, only, 4096, 4096, (enum dtype)d, weights, pool, peak, gbytes);
    }
    for (; at < argc; at++) {
        char *by;
        const long k = strtol(argv[at], &by, 10), n = *by == 'x' ? strtol(by + 1, NULL, 10) : 0;
        if (k < 1 || n < 1 || (size_t)k * (size_t)n > WEIGHT_BYTES / size) {
            fprintf(stderr, "bench-matmul: '%s' is no shape KxN of at most %zu weights\n", argv[at], WEIGHT_BYTES / size);
            return 2;
        }
        measure(family, only, k, n, (enum dtype)d, weights, pool, peak, gbytes);
    }
    threads_free(pool);
    free(values);
    free(weights);
    return 0;
}
