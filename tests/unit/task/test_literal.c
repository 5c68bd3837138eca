#include "../base/check.h"

#include "task/literal.h"

static void assert_list(const char *text, const char *printed)
{
    json_t *list = literal_list(text);
    char *again = list ? literal_print(list) : NULL;
    if (!printed)
        assert_null(list);
    else if (!again || strcmp(again, printed) != 0)
        fail_msg("%s reads as %s, not %s", text, again ? again : "nothing", printed);
    free(again);
    json_decref(list);
}

/* As ast.literal_eval and str have it. */
static void test_lists(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[1,2]", "[1, 2]"}, {"[]", "[]"}, {"['a', \"b\"]", "['a', 'b']"}, {"[\"it's\"]", "[\"it's\"]"}, {"['a' 'b']", "['ab']"}, {"[1.5, -3, True, None]", "[1.5, -3, True, None]"},
        {"[[1], ['東京',],]", "[[1], ['東京']]"}, {"['\\u6771\\n']", "['東\\n']"}, {"['\\q']", "['\\\\q']"}, {"[貞子]", NULL}, {"[1", NULL}, {"[1] x", NULL}, {"[01]", NULL}, {"[,]", NULL},
        {"{1}", NULL}, {"[(1,)]", NULL}, {"['a]", NULL}, {"['''a''']", NULL}, {"['\\x00']", NULL}, {"[1e3]", "[1000.0]"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_list(cases[i][0], cases[i][1]);
}

static void test_depth(void **state)
{
    (void)state;
    char deep[402];
    memset(deep, '[', 200);
    memset(deep + 200, ']', 200);
    deep[400] = '\0';
    assert_list(deep, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lists), cmocka_unit_test(test_depth)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
