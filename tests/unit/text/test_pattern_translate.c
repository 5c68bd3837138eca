#include "check.h"

/* Whether the first match in text is all of it. */
static bool takes(const char *source, const char *text)
{
    error err = {0};
    pattern *p = pattern_new(source, true, "t.json: x", &err);
    if (!p)
        fail_msg("%s", err.text);
    pattern_search *s = pattern_search_new(p);
    size_t start = 1, end = 0, n = strlen(text);
    pattern_search_begin(s, text, n);
    bool all = pattern_next(s, &start, &end, &err) == 1 && start == 0 && end == n;
    pattern_search_free(s);
    pattern_free(p);
    return all;
}

static void test_meanings(void **state)
{
    (void)state;
    static const struct { const char *pattern, *takes, *leaves;
    } cases[] = {
        {"\\s+", " \t\n\xc2\x85\u00a0\u3000\u2028", "\u180e"},
        {"[\\s]+", "\u3000 ", "\u180e"},
        {"\\S+", "\u180ea", " "},
        {"[^\\s]+", "\u180ea", " "},
        {"[\\S\\n]+", "a\n\u180e", " "},
        {"\\w+", "a_9\u0301\u3042\u24b6", "-"},
        {"[\\w-]+", "a\u0301-", "."},
        {"\\W+", "-. ", "\u0301"},
        {"\\h+", "09afAF", "g"},
        {"\\H+", "xyz", "f"},
        {"[\\hz]+", "fz", "g"},
        {"\\u3042+", "\u3042", "a"},
        {"\\x{3042}", "\u3042", "a"},
        {".", "a", "\n"},
        {"(?m:.)", "\n", ""},
        {"(?m)..", "\n\n", ""},
        {"(?i-m:A.)", "ab", "a\n"},
        {"(?i:'s)", "'\u017f", "'t"},
        {"a{2}+", "aaaa", "a"},
        {"(?:ab){1,2}+", "ababababab", "a"},
        {"[ab]{2}+", "abab", "a"},
        {"a{,2}b", "aab", "aaab"},
        {"a{b", "a{b", "ab"},
        {"a{}", "a{}", "a"},
        {"a{,}", "a{,}", "a"},
        {"\\p{L}+", "a\u3042\U0002EBF0", "1"},
        {"[^\\p{L}]", "1", "\U0002EBF0"},
        {"\\P{L}+", "1-", "\U0002EBF0"},
        {"\\p{^L}+", "1-", "a"},
        {"\\p{Lu}", "A", "a"},
        {"\\p{Han}+", "\u65e5\u672c", "\u3002"},
        {"\\p{Hiragana}+", "\u3042", "\u30fc"},
        {"[[:alpha:]]+", "ab\u3042", "1"},
        {"[\\]\\[]+", "[]", "a"},
        {"\\[a\\]", "[a]", "a"},
        {"(?<name>a)\\k<name>", "aa", "ab"},
        {"a++b", "aab", "a"},
        {"^a$", "a", "b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!takes(cases[i].pattern, cases[i].takes))
            fail_msg("'%s' does not take '%s'", cases[i].pattern, cases[i].takes);
        if (*cases[i].leaves && takes(cases[i].pattern, cases[i].leaves))
            fail_msg("'%s' takes '%s'", cases[i].pattern, cases[i].leaves);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_meanings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
