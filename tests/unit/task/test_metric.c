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
    assert_int_equal(n, 11);
    assert_null(metric_find("rouge"));
    assert_null(metric_find(""));
}

/* What Python's float() and is_integer() make of the last match. */
static void test_mgsm(void **state)
{
    (void)state;
    static const struct { const char *text; bool has; double value; } cases[] = {
        {"答えは18です。", true, 18}, {"1,000", true, 1000}, {"33 個（10,00）", true, 1000}, {".29", true, 29}, {"3-294", true, -294},
        {"20000e0", true, 0}, {"45です, 以上", false, 0}, {"5.0", true, 5}, {"5.5", false, 0}, {"1.2.3", false, 0}, {"", false, 0},
        {"-", false, 0}, {"x -", false, 0}, {"-.5", false, 0}, {"3−18", true, 18}, {"１８", false, 0}, {"18.", true, 18}, {"-18...", true, -18},
        {"..", false, 0}, {"-,", false, 0}, {"7 -0", true, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double value = 0;
        bool has = number_mgsm(cases[i].text, &value);
        if (has != cases[i].has || value != cases[i].value)
            fail_msg("'%s' reads as %s %g", cases[i].text, has ? "number" : "nothing", value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_mgsm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
