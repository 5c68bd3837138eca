#include "../base/check.h"

#include "task/metric.h"

static void test_table(void **state)
{
    (void)state;
    size_t n = 0;
    for (const char *const *name = metric_names(); *name; name++, n++) {
        const metric *m = metric_find(*name);
        if (!m || strcmp(m->name, *name) != 0 || !m->score || !m->help[0])
            fail_msg("'%s' is a name without a metric", *name);
    }
    assert_int_equal(n, 3);
    assert_null(metric_find("rouge"));
    assert_null(metric_find(""));
}

static void check(const char *answer, const char *gold, double wanted)
{
    json_t *json = json_loads(gold, JSON_DECODE_ANY, NULL);
    error err = {0};
    double score = -2;
    if (metric_find("exact_match")->score(answer, json, &score, &err) != 0)
        score = -1;
    if (score != wanted)
        fail_msg("'%s' against %s is %g, wanted %g: %s", answer, gold, score, wanted, err.text);
    json_decref(json);
}

static void test_exact_match(void **state)
{
    (void)state;
    check("台所", "\"台所\"", 1);
    check("台所。", "\"台所\"", 0);
    check(" 台所", "\"台所\"", 0);
    check("UFO", "\"ufo\"", 0);
    check("b", "[\"a\", \"b\"]", 1);
    check("c", "[\"a\", \"b\"]", 0);
    check("42", "42", 1);
    check("42.0", "42", 0);
    check("", "\"\"", 1);
    check("a", "[]", -1);
    check("a", "null", -1);
    check("a", "1.5", -1);
    check("a", "[[\"a\"]]", -1);
    check("a", "[\"a\", {}]", -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_exact_match)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
