#include "check.h"

#include "search/normal.h"

static void test_known_values(void **state)
{
    (void)state;
    static const struct { double z, p; } known[] = {    /* DLMF 7.17 and tables of erf, to 16 digits */
        {0, .5}, {1, .8413447460685429}, {-1, .15865525393145705}, {2, .9772498680518208}, {-3, .0013498980316300946}, {-5, 2.866515718791939e-7},
        {-8, 6.22096057427178e-16},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_near(normal_cdf(known[i].z), known[i].p, 1e-14 * known[i].p, "Phi");
        assert_near(normal_quantile(known[i].p), known[i].z, 1e-13 * (1 + fabs(known[i].z)), "its inverse");
    }
    assert_true(normal_quantile(0) == -INFINITY && normal_quantile(1) == INFINITY);
}

static void test_there_and_back(void **state)
{
    (void)state;
    for (double p = 1e-300; p < 0.5; p = p < 1e-3 ? p * 3 : p + 1e-3) {
        double z = normal_quantile(p);
        assert_near(normal_cdf(z), p, 1e-13 * p * (1 + z * z), "Phi of the quantile");
        if (1 - p < 1)
            assert_near(normal_quantile(1 - p), -normal_quantile(1 - (1 - p)), 1e-12 * (1 + fabs(z)), "the other tail");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known_values), cmocka_unit_test(test_there_and_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
