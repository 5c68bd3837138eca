#include "models.h"

#include <math.h>

#include "merge/prune.h"

enum { MOST = 3000 };

static double size_at(int kind, int i, int n, double g, random_stream *s)
{
    return kind == 0 ? g
         : kind == 1 ? bf16_to_f32(bf16_from_f32((float)g))             /* many equal */
         : kind == 2 ? 0
         : kind == 3 ? (i == n / 2 ? 1e30 : g)                          /* one outlier: all others in one bucket */
         : kind == 4 ? ldexp(g, (int)random_below(s, 2000) - 1040)      /* beyond f32 on both sides */
                     : rint(2 * g);                                     /* a handful of values: the row is sorted */
}

static int rank_of(int i, int n, const double *x)
{
    int rank = 0;
    for (int k = 0; k < n; k++)
        rank += fabs(x[k]) < fabs(x[i]) || (fabs(x[k]) == fabs(x[i]) && k < i);
    return rank;
}

static void agrees_with_ranks_counted_one_by_one(void **state)
{
    (void)state;
    static double x[MOST];
    static uint32_t limits[MOST], numbers[MOST], memory[4 * MOST + 128];
    random_stream s = random_stream_for(4, "prune", 0, 0);
    for (int kind = 0; kind < 6; kind++)
        for (int round = 0; round < 12; round++) {
            uint64_t bits[MOST / 64 + 1];
            int n = 1 + (int)random_below(&s, round % 3 ? MOST - 1 : 70);
            double epsilon = round % 2 ? 0.3 : round % 4 ? 0.001 : -0.2;
            for (int i = 0; i < n; i++) {
                x[i] = size_at(kind, i, n, random_normal(&s), &s);
                numbers[i] = (uint32_t)random_below(&s, (uint64_t)1 << 32);
            }
            prune_limits(ROUND_NONE, 0.5, epsilon, 0x1p32, n, limits);
            prune_row(n, x, limits, numbers, memory, bits);
            for (int i = 0; i < n; i++) {
                bool stays = bits[i / 64] >> (i % 64) & 1, should = numbers[i] < limits[rank_of(i, n, x)];
                if (stays != should)
                    fail_msg("kind %d, n %d: element %d of rank %d %s, its number %u, the limit %u", kind, n, i, rank_of(i, n, x),
                             stays ? "stays" : "goes", numbers[i], limits[rank_of(i, n, x)]);
            }
        }
}

static void limits_grow_evenly_from_the_smallest_to_the_largest(void **state)
{
    (void)state;
    uint32_t limits[5], one;
    prune_limits(ROUND_NONE, 0.5, 0.25, 0x1p32, 5, limits);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(limits[i], (2 + i) << 29);
    prune_limits(ROUND_BF16, 0.5, 0.25, 0x1p24, 5, limits);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(limits[i], (2 + i) << 21);
    prune_limits(ROUND_NONE, 0.5, 0.25, 0x1p32, 1, &one);
    assert_int_equal(one, 1u << 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_ranks_counted_one_by_one),
                                       cmocka_unit_test(limits_grow_evenly_from_the_smallest_to_the_largest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
