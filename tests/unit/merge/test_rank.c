#include "models.h"

#include <math.h>

#include "merge/rank.h"

static const double *row;

static int by_size(const void *a, const void *b)
{
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    double x = fabs(row[i]), y = fabs(row[k]);
    return x != y ? (x < y ? -1 : 1) : i < k ? -1 : i > k;
}

static void agrees_with_sorting(void **state)
{
    (void)state;
    enum { N = 3000 };
    random_stream s = random_stream_for(3, "rank", 0, 0);
    for (int kind = 0; kind < 6; kind++)
        for (int round = 0; round < 30; round++) {
            double x[N];
            uint32_t order[N], want[N], memory[2 * N];
            int n = 1 + (int)random_below(&s, round % 3 ? N : 5);
            for (int i = 0; i < n; i++) {
                double g = random_normal(&s);
                x[i] = kind == 0 ? g
                     : kind == 1 ? bf16_to_f32(bf16_from_f32((float)g))             /* many equal */
                     : kind == 2 ? 0
                     : kind == 3 ? (i == n / 2 ? 1e30 : g)                          /* one outlier: all others in one bucket */
                     : kind == 4 ? ldexp(g, (int)random_below(&s, 2000) - 1040)     /* down to subnormal numbers */
                                 : g * 0x1p-1070;
                want[i] = (uint32_t)i;
            }
            row = x;
            qsort(want, (size_t)n, sizeof *want, by_size);
            rank_row(n, x, order, memory);
            for (int i = 0; i < n; i++)
                if (order[i] != want[i])
                    fail_msg("kind %d, n %d: rank %d is element %u, by sorting %u", kind, n, i, order[i], want[i]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_sorting)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
