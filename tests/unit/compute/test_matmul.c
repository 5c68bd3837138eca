/* Every family's matrix products against f64, on shapes that fit no tile, and bit for bit against themselves. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "compute/backend.h"

#include <cmocka.h>  /* behind the others: it defines a macro named fail */

#define CANARY 12345.5f

static const enum dtype dtypes[] = {DTYPE_BF16, DTYPE_F16, DTYPE_F32};

/* A product whose weights end where readable memory ends, at an odd address. */
typedef struct problem {
    matrix w;
    float *wide;              /* [n][k] weights as f32 */
    float *x;                 /* [m][ldx] */
    int64_t m, ldx;
    void *mapping;
    size_t mapping_bytes;
} problem;

static float uniform(random_stream *s)
{
    return (float)(random_uniform(s) * 2 - 1);
}

static problem problem_new(enum dtype d, int64_t m, int64_t n, int64_t k, bool bias)
{
    random_stream s = random_stream_for(7, "matmul", (uint32_t)n, (uint32_t)k);
    problem p = {.m = m, .ldx = k + 3};
    const size_t count = (size_t)(n * k), bytes = count * dtype_size(d), page = (size_t)sysconf(_SC_PAGESIZE);
    p.mapping_bytes = (bytes / page + 3) * page;
    p.mapping = mmap(NULL, p.mapping_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(p.mapping, MAP_FAILED);
    mprotect((char *)p.mapping + p.mapping_bytes - page, page, PROT_NONE);
    char *data = (char *)p.mapping + p.mapping_bytes - page - bytes - 1;
    memset(p.mapping, 0xff, p.mapping_bytes - page);   /* NaN, whichever type */
    p.wide = memory_new(count, sizeof(float));
    for (size_t i = 0; i < count; i++)
        p.wide[i] = uniform(&s);
    dtype_from_f32(d, p.wide, data, count);
    dtype_to_f32(d, data, p.wide, count);
    p.x = memory_new((size_t)(m * p.ldx), sizeof(float));
    for (int64_t i = 0; i < m * p.ldx; i++)
        p.x[i] = i % p.ldx < k ? uniform(&s) : NAN;
    float *biases = NULL;
    if (bias) {
        biases = memory_new((size_t)n, sizeof(float));
        for (int64_t i = 0; i < n; i++)
            biases[i] = uniform(&s);
    }
    p.w = (matrix){.data = data, .dtype = d, .n = n, .k = k, .bias = biases};
    return p;
}

static void problem_free(problem *p)
{
    free((void *)p->w.bias);
    free(p->wide);
    free(p->x);
    munmap(p->mapping, p->mapping_bytes);
}

/* y [rows][n + 2], rows [first, first + rows) of the problem's tokens */
static float *multiply(const backend *b, const problem *p, int64_t first, int64_t rows, threads *pool)
{
    const int64_t ldy = p->w.n + 2;
    float *y = memory_new((size_t)(rows * ldy), sizeof(float));
    for (int64_t i = 0; i < rows * ldy; i++)
        y[i] = CANARY;
    b->matmul(&p->w, p->x + first * p->ldx, p->ldx, y, ldy, rows, pool);
    for (int64_t i = 0; i < rows; i++)
        assert_true(y[i * ldy + p->w.n] == CANARY && y[i * ldy + p->w.n + 1] == CANARY);
    return y;
}

/* An output is right within sqrt(K) f32 roundings of the sum of its terms' sizes (one more for small K). */
static void check(const backend *b, const problem *p, const float *y)
{
    const matrix *w = &p->w;
    const int64_t outputs = p->m * w->n, samples = outputs < 4000 ? outputs : 4000;
    for (int64_t i = 0; i < samples; i++) {
        const int64_t at = i < 200 ? i : outputs - 1 - (i - 200) * (outputs - 200) / (samples - 200 > 0 ? samples - 200 : 1);
        const int64_t m = at / w->n, n = at % w->n;
        double want = w->bias ? w->bias[n] : 0, size = fabs(want);
        for (int64_t k = 0; k < w->k; k++) {
            const double term = (double)p->x[m * p->ldx + k] * (double)p->wide[n * w->k + k];
            want += term;
            size += fabs(term);
        }
        const double got = y[m * (w->n + 2) + n], bound = (sqrt((double)w->k) + 1) * 0x1p-24 * size;
        if (!(fabs(got - want) <= bound))
            fail_msg("%s, %s, M %lld N %lld K %lld: [%lld][%lld] is %.9g, should be %.9g within %.3g", b->name, dtype_name(w->dtype), (long long)p->m, (long long)w->n, (long long)w->k, (long long)m, (long long)n, got, want, bound);
    }
}

static void every_shape_is_right(void **state)
{
    (void)state;
    static const struct { int64_t m, n, k; } shapes[] = {
        {1, 1, 1}, {1, 1, 33}, {2, 3, 7}, {3, 5, 31}, {4, 15, 32}, {5, 17, 33}, {6, 31, 64}, {7, 33, 65}, {8, 8, 100}, {9, 4, 255}, {11, 63, 257},
        {12, 64, 256}, {13, 65, 129}, {16, 127, 512}, {17, 129, 300}, {25, 40, 1023}, {1, 130, 1024}, {6, 7, 1025}, {64, 40, 288}, {300, 17, 33}, {300, 1, 64},
        {2, 32003, 33}, {13, 32003, 34}, {1, 33, 14336}, {3, 17, 14336}, {14, 9, 14336}, {1, 515, 2048}, {7, 300, 1100}, {100, 258, 130},
    };
    threads *pool = threads_new(2);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (int d = 0; d < 3; d++) {
            problem p = problem_new(dtypes[d], shapes[i].m, shapes[i].n, shapes[i].k, i % 2 == 0);
            for (const backend *const *b = backend_all(); *b; b++) {
                if ((*b)->available()) {
                    float *y = multiply(*b, &p, 0, p.m, pool);
                    check(*b, &p, y);
                    free(y);
                }
            }
            problem_free(&p);
        }
    }
    threads_free(pool);
}

static void bits_depend_on_neither_batch_nor_threads(void **state)
{
    (void)state;
    static const int64_t batches[] = {1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 16, 23, 64};
    threads *pool = threads_new(2);
    for (int d = 0; d < 3; d++) {
        problem p = problem_new(dtypes[d], 300, 203, 1100 + d, true);
        for (const backend *const *b = backend_all(); *b; b++) {
            if ((*b)->available()) {
                const size_t row_bytes = (size_t)(p.w.n + 2) * sizeof(float);
                float *all = multiply(*b, &p, 0, p.m, NULL);
                for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
                    for (int64_t first = 0; first + batches[i] <= p.m; first += 97) {
                        float *some = multiply(*b, &p, first, batches[i], i % 2 ? pool : NULL);
                        for (int64_t m = 0; m < batches[i]; m++)
                            if (memcmp(some + m * (p.w.n + 2), all + (first + m) * (p.w.n + 2), row_bytes) != 0)
                                fail_msg("%s, %s: token %lld in a batch of %lld differs from itself in a batch of 300", (*b)->name, dtype_name(dtypes[d]), (long long)(first + m), (long long)batches[i]);
                        free(some);
                    }
                }
                free(all);
            }
        }
        problem_free(&p);
    }
    threads_free(pool);
}

/* Rows of weights are computed alike wherever they lie: the last rows of a matrix as the first rows of another. */
static void bits_do_not_depend_on_the_row(void **state)
{
    (void)state;
    for (int d = 0; d < 3; d++) {
        problem p = problem_new(dtypes[d], 13, 150, 700, false);
        for (const backend *const *b = backend_all(); *b; b++) {
            if ((*b)->available()) {
                float *all = multiply(*b, &p, 0, p.m, NULL);
                for (int64_t skip = 1; skip < 150; skip += 12) {
                    problem part = p;
                    part.w.n -= skip;
                    part.w.data = (const char *)p.w.data + skip * p.w.k * (int64_t)dtype_size(dtypes[d]);
                    float *some = multiply(*b, &part, 0, p.m, NULL);
                    for (int64_t m = 0; m < p.m; m++)
                        assert_memory_equal(some + m * (part.w.n + 2), all + m * (p.w.n + 2) + skip, (size_t)part.w.n * sizeof(float));
                    free(some);
                }
                free(all);
            }
        }
        problem_free(&p);
    }
}

/* A NaN or an infinity among the weights reaches the outputs of its row, and those only. */
static void not_finite_weights_are_seen(void **state)
{
    (void)state;
    for (int d = 0; d < 3; d++) {
        problem p = problem_new(dtypes[d], 5, 70, 90, false);
        float bad = NAN;
        dtype_from_f32(dtypes[d], &bad, (char *)p.w.data + (37 * 90 + 89) * (int64_t)dtype_size(dtypes[d]), 1);
        for (const backend *const *b = backend_all(); *b; b++) {
            if ((*b)->available()) {
                float *y = multiply(*b, &p, 0, p.m, NULL);
                for (int64_t m = 0; m < p.m; m++)
                    for (int64_t n = 0; n < 70; n++)
                        assert_true((n == 37) == !isfinite(y[m * 72 + n]));
                free(y);
            }
        }
        problem_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_is_right), cmocka_unit_test(bits_depend_on_neither_batch_nor_threads),
        cmocka_unit_test(bits_do_not_depend_on_the_row), cmocka_unit_test(not_finite_weights_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
