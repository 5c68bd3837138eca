#include "../base/check.h"

#include "task/python_regex.h"

/* All matches, group 0 and 1, as "(whole|one)". */
static char *all(const char *pattern, const char *text)
{
    error err = {0};
    python_regex *re = python_regex_new(pattern, "r", &err);
    if (!re)
        fail_msg("%s", err.text);
    python_cursor at = {0};
    python_span g[PYTHON_GROUPS];
    string out = {0};
    int status;
    string_puts(&out, "");
    while ((status = python_regex_next(re, text, strlen(text), &at, g, &err)) > 0) {
        string_print(&out, "(%.*s", (int)(g[0].end - g[0].begin), text + g[0].begin);
        if (python_regex_groups(re) > 0 && g[1].begin != SIZE_MAX)
            string_print(&out, "|%.*s", (int)(g[1].end - g[1].begin), text + g[1].begin);
        string_puts(&out, ")");
    }
    if (status < 0)
        fail_msg("%s", err.text);
    python_regex_free(re);
    return out.text;
}

static void check(const char *pattern, const char *text, const char *wanted)
{
    char *got = all(pattern, text);
    if (strcmp(got, wanted) != 0)
        fail_msg("'%s' on '%s': %s, wanted %s", pattern, text, got, wanted);
    free(got);
}

/* What Python 3.11's re.finditer gives. */
static void test_as_python(void **state)
{
    (void)state;
    check("(\\-?[0-9\\.\\,]+)", "3-18, x", "(3|3)(-18,|-18,)");
    check("x*", "abxd", "()()(x)()()");
    check("a|b*", "abb", "(a)(bb)()");
    check("^\\s*(\\S+?)(?:です)?[。\\s]*$", " 雨です。\n", "( 雨です。\n|雨)");
    check("^b", "a\nb", "");
    check("(?m)^b", "a\nb", "(b)");
    check("b$", "ab\n", "(b)");
    check("b\\Z", "ab\n", "");
    check(".+", "a\rb\nc", "(a\rb)(c)");
    check("\\d+", "１２3", "(１２3)");
    check("[[:x]+", "a[:x]", "([:x)");
    check("[]a]+", "a]b", "(a])");
    check("[^]a]+", "a]bc", "(bc)");
    check("a{,2}", "aaa", "(aa)(a)()");
    check("\\u3042|\\U0001F600", "あ😀", "(あ)(😀)");
    check("(?P<n>a)(?P=n)", "aa", "(aa|a)");
    check("(a)?b", "b", "(b)");
    check("\\v", "a\vb\n", "(\v)");
}

static void test_remove(void **state)
{
    (void)state;
    error err;
    python_regex *re = python_regex_new("[,円]", "r", &err);
    char *left = python_regex_remove(re, "1,000円です", &err);
    assert_string_equal(left, "1000です");
    free(left);
    left = python_regex_remove(re, "", &err);
    assert_string_equal(left, "");
    free(left);
    python_regex_free(re);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"(", "\\q", "\\u12", "\\", "*a", "\xff", "[a", "\\G", "\\K", "(?<=a+)b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error err = {0};
        if (python_regex_new(bad[i], "task.yml", &err))
            fail_msg("'%s' compiles", bad[i]);
        assert_non_null(strstr(err.text, "task.yml"));
    }
    error err;
    char *many = memory_new(401, 1);
    for (size_t i = 0; i < 100; i++)
        memcpy(many + 4 * i, "(a)?", 4);
    assert_null(python_regex_new(many, "r", &err));
    assert_error(&err, ERROR_LIMIT, "99 groups");
    free(many);
    python_regex *re = python_regex_new("(a+)+$", "r", &err);
    char text[64] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
    assert_null(python_regex_remove(re, text, &err));
    assert_error(&err, ERROR_LIMIT, "without end");
    python_regex_free(re);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_python), cmocka_unit_test(test_remove), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
