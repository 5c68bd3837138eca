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

/* The k largest by sorting, in x itself. */
static void sorted(double *x, int64_t n, int64_t k)
{
    struct entry *order = memory_new((size_t)n, sizeof *order);
    for (int64_t i = 0; i < n; i++)
        order[i] = (struct entry){fabs(x[i]), i};
    qsort(order, (size_t)n, sizeof *order, by_size);
    for (int64_t i = k; i < n; i++)
        x[order[i].index] = 0;
    free(order);
}

static void selected(double *x, int64_t n, int64_t k, int strip)
{
    select_state *s = memory_new(1, sizeof *s);
    select_begin(s, k);
    int passes = 0;
    while (s->stage == SELECT_COUNT) {
        select_piece *piece = memory_new(1, sizeof *piece);
        for (int64_t at = 0; at < n; at += strip)
            select_count(s, (int)(n - at < strip ? n - at : strip), x + at, piece);
        select_flush(s, piece);
        select_next(s);
        free(piece);
        assert_true(++passes <= 6);
    }
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
        select_apply(s, at, (int)(n - at < strip ? n - at : strip), x + at);
    free(s);
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
            memcpy(a, x, sizeof a);
            memcpy(b, x, sizeof b);
            sorted(a, n, k);
            selected(b, n, k, 1 + (int)random_below(&s, STRIP));
            for (int64_t i = 0; i < n; i++)
                if (!(a[i] == b[i]))
                    fail_msg("kind %d, k %lld of %lld: [%lld] is %g, sorting gives %g", kind, (long long)k, (long long)n, (long long)i, b[i], a[i]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_sorting)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
