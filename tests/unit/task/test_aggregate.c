#include "../base/check.h"

#include <math.h>

#include "task/aggregate.h"

static void check(double got, double wanted)
{
    if (fabs(got - wanted) > 1e-12)
        fail_msg("%.17g, wanted %.17g", got, wanted);
}

/* What scikit-learn gives: balanced_accuracy_score, matthews_corrcoef, f1_score(average="macro"). */
static void test_classes(void **state)
{
    (void)state;
    static const int gold[] = {0, 0, 0, 1, 1, 2, 2, 2}, chosen[] = {0, 1, 0, 1, 2, 2, 2, 3};
    check(aggregate_balanced_accuracy(gold, chosen, 8), (2.0 / 3 + 1.0 / 2 + 2.0 / 3) / 3);
    check(aggregate_mcc(gold, chosen, 8), 21 / sqrt(42 * 46));
    check(aggregate_macro_f1(gold, chosen, 8), (4.0 / 5 + 2.0 / 4 + 4.0 / 6 + 0) / 4);
}

static void test_one_class(void **state)
{
    (void)state;
    static const int gold[] = {1, 1, 1}, same[] = {1, 1, 1}, other[] = {0, 1, 0};
    check(aggregate_balanced_accuracy(gold, same, 3), 1);
    check(aggregate_mcc(gold, same, 3), 0);
    check(aggregate_mcc(gold, other, 3), 0);
    check(aggregate_macro_f1(gold, same, 3), 1);
    check(aggregate_balanced_accuracy(gold, other, 3), 1.0 / 3);
    check(aggregate_macro_f1(gold, other, 3), 0.25);
}

static void test_means(void **state)
{
    (void)state;
    static const double scores[] = {0, 1, 0, 1, 1};
    check(aggregate_mean(scores, 5), 0.6);
    check(aggregate_standard_error(scores, 5), 0.24494897427831783);
    check(aggregate_standard_error(scores, 1), 0);
}

/* numpy: RandomState(1234), 1000 times choice(5, 5). */
static void test_bootstrap(void **state)
{
    (void)state;
    static const double scores[] = {0.1, 0.9, 0.25, 0.5, 0.05};
    check(aggregate_bootstrap_median(scores, 5, 1234), 0.36);
    check(aggregate_bootstrap_median(scores, 5, 1), 0.35);
    check(aggregate_bootstrap_median(scores, 1, 1), 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_classes), cmocka_unit_test(test_one_class), cmocka_unit_test(test_means), cmocka_unit_test(test_bootstrap)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
