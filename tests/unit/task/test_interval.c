#include "../base/check.h"

#include <math.h>

#include "task/evaluator.h"

static void fill(double *scores, size_t n, size_t ones)
{
    for (size_t i = 0; i < n; i++)
        scores[i] = i < ones;
}

static void check(size_t n, size_t ones, double low, double high)
{
    double scores[300] = {0}, l, h;
    fill(scores, n, ones);
    score_interval(scores, n, &l, &h);
    if (fabs(l - low) > 1e-9 || fabs(h - high) > 1e-9)
        fail_msg("%zu of %zu: [%.12f, %.12f], wanted [%.12f, %.12f]", ones, n, l, h, low, high);
}

/* scipy.stats.binomtest(k, n).proportion_ci(method="wilson") */
static void test_wilson(void **state)
{
    (void)state;
    check(10, 5, 0.236593090512564, 0.763406909487436);
    check(250, 130, 0.458237077252049, 0.581157590768133);
    check(1, 1, 0.206549314377237, 1);
    check(10, 0, 0, 0.277532799862889);
    check(10, 10, 0.722467200137110, 1);
}

static void test_nothing(void **state)
{
    (void)state;
    check(0, 0, 0, 1);
}

static void test_bootstrap(void **state)
{
    (void)state;
    double scores[200], low, high, again_low, again_high, sum = 0, squares = 0;
    for (int i = 0; i < 200; i++) {
        scores[i] = (double)(i * 37 % 101) / 101;
        sum += scores[i];
        squares += scores[i] * scores[i];
    }
    double mean = sum / 200, error_of_mean = sqrt((squares / 200 - mean * mean) / 200);
    score_interval(scores, 200, &low, &high);
    score_interval(scores, 200, &again_low, &again_high);
    assert_true(low == again_low && high == again_high);
    /* for a mean of 200 the normal interval is close */
    assert_true(fabs(low - (mean - 1.96 * error_of_mean)) < 0.2 * error_of_mean);
    assert_true(fabs(high - (mean + 1.96 * error_of_mean)) < 0.2 * error_of_mean);
    double one = 0.3;
    score_interval(&one, 1, &low, &high);
    assert_true(low == 0 && high == 1);
}

/* Of few scores the bounds are those of a t interval, about. */
static void test_few(void **state)
{
    (void)state;
    static const double scores[] = {0.2, 0.35, 0.5, 0.4, 0.3};
    double low, high;
    score_interval(scores, 5, &low, &high);
    assert_true(fabs(low - 0.211) < 0.03 && fabs(high - 0.489) < 0.03);
    static const double high_ones[] = {1, 1, 0.9, 1};
    score_interval(high_ones, 4, &low, &high);
    assert_true(low > 0.85 && low < 0.95 && high == 1);
}

/* scipy.stats.ttest_1samp(d, 0).confidence_interval() */
static void test_differences(void **state)
{
    (void)state;
    static const double d[] = {0.1, -0.2, 0.3, 0.25, 0, 0.05, -0.1, 0.4};
    double mean, low, high;
    difference_interval(d, 8, &mean, &low, &high);
    assert_true(fabs(mean - 0.1) < 1e-12 && fabs(low - -0.071624440) < 1e-4 && fabs(high - 0.271624440) < 1e-4);
    difference_interval(d, 1, &mean, &low, &high);
    assert_true(mean == 0.1 && low == -1 && high == 1);
    difference_interval(d, 0, &mean, &low, &high);
    assert_true(mean == 0 && low == -1 && high == 1);
}

/* scipy.stats.binomtest(k, n).pvalue */
static void test_sign(void **state)
{
    (void)state;
    assert_true(sign_test(0, 0) == 1 && sign_test(5, 5) == 1);
    assert_true(fabs(sign_test(8, 2) - 0.109375) < 1e-12 && sign_test(2, 8) == sign_test(8, 2));
    assert_true(fabs(sign_test(10, 0) - 0.001953125) < 1e-12);
    assert_true(sign_test(900, 10) > 0 && sign_test(900, 10) < 1e-100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_wilson), cmocka_unit_test(test_nothing),
                                       cmocka_unit_test(test_bootstrap), cmocka_unit_test(test_few),
                                       cmocka_unit_test(test_differences), cmocka_unit_test(test_sign)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
