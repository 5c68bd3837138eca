#include "../base/check.h"

#include <math.h>

#include "task/measure.h"

static bool right(const double *loglik, const bool *greedy, const char *choices_text, json_t *gold, enum choice_rule rule)
{
    json_t *choices = json_loads(choices_text, 0, NULL);
    preference p = {(double *)loglik, (bool *)greedy, json_array_size(choices)};
    bool is_right = preference_right(&p, choices, gold, rule);
    json_decref(choices);
    json_decref(gold);
    return is_right;
}

static void test_rules(void **state)
{
    (void)state;
    const bool none[3] = {false, false, false}, second[3] = {false, true, false};
    const char *words = "[\"犬\", \"動物です\", \"abcdef\"]";
    const double tie[3] = {-4, -4, -9}, norm[3] = {-4, -8, -9}, lost[3] = {-INFINITY, -2, -INFINITY};
    assert_true(right(tie, none, words, json_integer(0), CHOICE_ACC));             /* the first of equals */
    assert_false(right(tie, none, words, json_integer(1), CHOICE_ACC));
    assert_true(right(norm, none, words, json_integer(2), CHOICE_ACC_NORM));       /* -4, -2, -1.5 a character */
    assert_true(right(norm, none, words, json_integer(1), CHOICE_ACC_BYTES));      /* -1.33, -0.67, -1.5 a byte */
    assert_false(right(tie, none, words, json_integer(0), CHOICE_ACC_PAIR));       /* nothing wins */
    assert_true(right(tie, second, words, json_integer(1), CHOICE_ACC_PAIR));
    assert_true(right(lost, none, words, json_string("動物です"), CHOICE_ACC));
    assert_true(right(tie, none, words, json_pack("[i, i]", 2, 0), CHOICE_ACC));   /* any of several */
    assert_false(right(tie, none, words, json_integer(7), CHOICE_ACC));
}

static void test_figures(void **state)
{
    (void)state;
    measure m;
    const double scores[4] = {1, 0, 1, 1};
    const int gold[4] = {0, 0, 1, 1}, picked[4] = {0, 1, 1, 1};
    assert_true(measure_of_choices("balanced_acc", &m));
    assert_true(fabs(measure_value(&m, scores, gold, picked, 4) - 0.75) < 1e-12);
    assert_true(isnan(measure_error(&m, scores, 4)));
    measure_clear(&m);
    assert_true(measure_of_choices("acc", &m));
    assert_true(measure_value(&m, scores, gold, picked, 4) == 0.75 && fabs(measure_error(&m, scores, 4) - 0.25) < 1e-12);
    assert_string_equal(measure_summary_name(&m), "mean");
    measure_clear(&m);
    assert_false(measure_of_choices("bleu", &m));
}

static void test_margin(void **state)
{
    (void)state;
    double loglik[3] = {-4, -1.5, -2};
    bool greedy[3] = {false, false, false};
    assert_true(preference_margin(&(preference){loglik, greedy, 3}) == 0.5);
    assert_true(isinf(preference_margin(&(preference){loglik, greedy, 1})));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rules), cmocka_unit_test(test_figures), cmocka_unit_test(test_margin)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
