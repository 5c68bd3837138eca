#include "models.h"

#include <math.h>

#include "merge/kernel.h"
#include "merge/select.h"

struct entry { double size; int64_t index; };

static int by_size(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

/* By sorting, in x itself. */
static void sorted(double *x, int64_t n, int64_t k, enum select_order which, enum select_fate fate)
{
    struct entry *order = memory_new((size_t)n, sizeof *order);
    for (int64_t i = 0; i < n; i++)
        order[i] = (struct entry){which == SELECT_LARGE ? fabs(x[i]) : -fabs(x[i]), i};
    qsort(order, (size_t)n, sizeof *order, by_size);
    for (int64_t i = fate == SELECT_KEEP ? k : 0; i < (fate == SELECT_KEEP ? n : k); i++)
        x[order[i].index] = 0;
    free(order);
}

static void find_threshold(select_state *s, const double *x, int64_t n, int strip)
{
    for (int passes = 0; s->stage <= SELECT_COUNT; passes++) {
        select_piece *piece = memory_new(1, sizeof *piece);
        for (int64_t at = 0; at < n; at += strip)
            if (s->stage == SELECT_COUNT || at / strip % 3 == 0)
                select_count(s, (int)(n - at < strip ? n - at : strip), x + at, piece);
        select_flush(s, piece);
        select_next(s);
        free(piece);
        assert_true(passes < 10);
    }
}

static void selected(double *x, int64_t n, int64_t k, enum select_order which, enum select_fate fate, int strip)
{
    select_state *s = memory_new(1, sizeof *s);
    select_begin(s, which, k, n);
    if (strip % 2)   /* such small ones are not sampled by themselves */
        s->stage = SELECT_SAMPLE;
    find_threshold(s, x, n, strip);
    if (s->stage == SELECT_TIES) {
        int64_t wanted = (int64_t)s->wanted;
        for (int64_t at = 0; at < n; at += strip) {
            int count = (int)(n - at < strip ? n - at : strip), ties = select_ties(s, count, x + at);
            if (ties >= wanted) {
                s->cut = at + select_tie(s, (int)wanted, count, x + at) + 1;
                break;
            }
            wanted -= ties;
        }
    }
    for (int64_t at = 0; at < n; at += strip)
        select_apply(s, fate, at, (int)(n - at < strip ? n - at : strip), x + at);
    free(s);
}

/* The k-th smallest, signs included. */
static double ranked(const double *x, int64_t n, int64_t k, int strip)
{
    select_state *s = memory_new(1, sizeof *s);
    select_begin(s, SELECT_RANK, k, n);
    find_threshold(s, x, n, strip);
    double value = select_value(s);
    free(s);
    return value;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void agrees_with_sorting(void **state)
{
    (void)state;
    enum { N = 2000 };
    random_stream s = random_stream_for(3, "select", 0, 0);
    for (int kind = 0; kind < 6; kind++)
        for (int round = 0; round < 40; round++) {
            double x[N] = {0}, a[N], b[N];
            int64_t n = 1 + (int64_t)random_below(&s, N), k = 1 + (int64_t)random_below(&s, (size_t)n);
            for (int64_t i = 0; i < n; i++) {
                double g = random_normal(&s);
                x[i] = kind == 0 ? g                                      /* all differ */
                     : kind == 1 ? (float)(0.01 * g)                      /* f32 */
                     : kind == 2 ? bf16_to_f32(bf16_from_f32((float)g))   /* many equal */
                     : kind == 3 ? (double)random_below(&s, 3) - 1        /* nearly all equal, zeros and signs */
                     : kind == 4 ? 1 + (double)random_below(&s, 4) * 0x1p-52   /* the last bits decide */
                                 : ldexp(g, (int)random_below(&s, 2000) - 1000);
            }
            int strip = 1 + (int)random_below(&s, 2 * STRIP);
            for (int way = 0; way < 4; way++) {
                enum select_order order = way & 1 ? SELECT_SMALL : SELECT_LARGE;
                enum select_fate fate = way & 2 ? SELECT_DROP : SELECT_KEEP;
                memcpy(a, x, sizeof a);
                memcpy(b, x, sizeof b);
                sorted(a, n, k, order, fate);
                selected(b, n, k, order, fate, strip);
                for (int64_t i = 0; i < n; i++)
                    if (!(a[i] == b[i]))
                        fail_msg("kind %d, way %d, k %lld of %lld: [%lld] is %g, sorting gives %g", kind, way, (long long)k, (long long)n, (long long)i, b[i], a[i]);
            }
            memcpy(a, x, sizeof a);
            qsort(a, (size_t)n, sizeof *a, by_value);
            assert_true(ranked(x, n, k, strip) == a[k - 1]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_sorting)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
