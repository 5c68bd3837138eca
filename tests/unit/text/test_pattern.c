#include "check.h"

/* The matches as "start-end ...". */
static char *matches(const char *source, bool regex, const char *text)
{
    error err = {0};
    pattern *p = pattern_new(source, regex, "t.json: x", &err);
    if (!p)
        fail_msg("%s", err.text);
    pattern_search *s = pattern_search_new(p);
    pattern_search_begin(s, text, strlen(text));
    string out = {0};
    string_puts(&out, "");
    size_t start, end;
    int found;
    while ((found = pattern_next(s, &start, &end, &err)) > 0)
        string_print(&out, "%zu-%zu ", start, end);
    if (found < 0)
        fail_msg("%s", err.text);
    pattern_search_free(s);
    pattern_free(p);
    return out.text;
}

static void assert_matches(const char *source, bool regex, const char *text, const char *wanted)
{
    char *got = matches(source, regex, text);
    if (strcmp(got, wanted) != 0)
        fail_msg("'%s' in '%s': %s, wanted %s", source, text, got, wanted);
    free(got);
}

static void test_matches(void **state)
{
    (void)state;
    assert_matches("a.", false, "a.aa.", "0-2 3-5 ");
    assert_matches("aa", false, "aaaaa", "0-2 2-4 ");
    assert_matches("a.", true, "a.aab", "0-2 2-4 ");
    assert_matches("x*", true, "axxb", "0-0 1-3 4-4 ");
    assert_matches("x*", true, "\u3042x", "0-0 3-4 ");
    assert_matches("(?<=a)b", true, "abb", "1-2 ");
    assert_matches("\\G.", true, "ab", "0-1 1-2 ");
}

static void test_refusals(void **state)
{
    (void)state;
    static const char *const patterns[] = {"",         "(",
                                           "[",        "[a",
                                           "a**(",     "\\",
                                           "(?C1)",    "(*ACCEPT)",
                                           "(?{a})",   "[a[b]]",
                                           "[a&&b]",   "[\\W]",
                                           "[]",       "\\p",
                                           "\\pL",     "\\p{Nope}",
                                           "\\u12",    "\\x{110000}",
                                           "\\C",      "(?<n>a)\\g<0",
                                           "a{99999}", "((((a{1,1000}){1,1000}){1,1000}){1,1000})"};
    error err;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        err.code = ERROR_NONE;
        if (pattern_new(patterns[i], true, "t.json: x", &err))
            fail_msg("accepted: %s", patterns[i]);
        assert_error(&err, ERROR_UNSUPPORTED, "t.json: x");
    }
    char *deep = memory_new(2000, 1);
    memset(deep, '(', 500);
    memset(deep + 500, ')', 500);
    assert_null(pattern_new(deep, true, "t.json: x", &err));
    assert_error(&err, ERROR_UNSUPPORTED, "250");
    free(deep);
    char *longest = memory_new(10002, 1);
    memset(longest, 'a', 10001);
    assert_null(pattern_new(longest, false, "t.json: x", &err));
    assert_error(&err, ERROR_UNSUPPORTED, "10001");
    free(longest);
}

static void test_backtracking_ends(void **state)
{
    (void)state;
    static const char *const patterns[] = {"(a+)+$", "(a|aa)+b", "(a*)*b", "(?:a?){40}a{40}b", "(?R)?a+b|(a(?R)?a)+c"};
    char text[2001];
    memset(text, 'a', 2000);
    strcpy(text + 1999, "!");
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        error err = {0};
        pattern *p = pattern_new(patterns[i], true, "t.json: x", &err);
        if (!p)
            fail_msg("%s", err.text);
        pattern_search *s = pattern_search_new(p);
        pattern_search_begin(s, text, strlen(text));
        size_t start, end;
        int found;
        while ((found = pattern_next(s, &start, &end, &err)) > 0) {}
        if (found < 0)
            assert_error(&err, ERROR_LIMIT, "t.json: x", "2000 bytes");
        else
            assert_int_not_equal(i, 0);   /* others may be seen through */
        pattern_search_free(s);
        pattern_free(p);
    }
    tokenizer *t =
        make_tokenizer((parts){.pre = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a+)+$\"},\"behavior\":\"Isolated\"}"});
    token_list ids = {0};
    error err;
    assert_int_equal(tokenizer_encode(t, text, strlen(text), true, &ids, &err), -1);
    assert_error(&err, ERROR_LIMIT, "t.json", "(a+)+$", "backtracks without end");
    token_list_free(&ids);
    tokenizer_free(t);
}

/* A million of what the patterns of real tokenizers must look at twice. */
static void test_long_runs(void **state)
{
    (void)state;
    static const char *const patterns[] = {"\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+", "(?:\\s[\\s])*x|\\s+"};
    size_t n = 1000000;
    char *text = memory_new(n + 1, 1);
    memset(text, ' ', n);
    for (size_t i = 0; i < 2; i++) {
        error err;
        pattern *p = pattern_new(patterns[i], true, "t.json: x", &err);
        pattern_search *s = pattern_search_new(p);
        pattern_search_begin(s, text, n);
        size_t start, end;
        if (pattern_next(s, &start, &end, &err) != 1)
            fail_msg("%s", err.text);
        assert_int_equal(end - start, n);
        pattern_search_free(s);
        pattern_free(p);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matches), cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_backtracking_ends), cmocka_unit_test(test_long_runs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
