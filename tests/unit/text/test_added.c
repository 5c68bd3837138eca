#include "check.h"

#define TOKEN(id, content, flags) "{\"id\":" #id ",\"content\":\"" content "\"" flags "}"
#define SINGLE ",\"single_word\":true"
#define LEFT ",\"lstrip\":true"
#define RIGHT ",\"rstrip\":true"
#define NORMAL ",\"normalized\":true"

static void check(const char *added, const char *normal, const char *text, const char *wanted)
{
    tokenizer *t = make_tokenizer((parts){.added = added, .normalizer = normal});
    assert_ids(t, text, false, wanted);
    tokenizer_free(t);
}

static void test_longest_leftmost(void **state)
{
    (void)state;
    const char *added = "[" TOKEN(10, "<x", "") "," TOKEN(11, "<xy>", "") "," TOKEN(12, "y><", "") "]";
    check(added, NULL, "<xy>", "11");
    check(added, NULL, "<xy", "10");
    check(added, NULL, "<xy><x", "11 10");
    check(added, NULL, "ay><xy>b", "0 12 5 1");
    check(added, NULL, "", "");
}

static void test_flags(void **state)
{
    (void)state;
    check("[" TOKEN(10, "cat", SINGLE) "]", NULL, "cat", "10");
    check("[" TOKEN(10, "cat", SINGLE) "]", NULL, "acat cat. xcat", "0 2 0 4 10 4 5 2 0");
    check("[" TOKEN(10, "<t>", LEFT) "]", NULL, "a  <t> b", "0 10 4 1");
    check("[" TOKEN(10, "<t>", RIGHT) "]", NULL, "a <t>\u3000 b", "0 4 10 1");
    check("[" TOKEN(10, "<t>", LEFT RIGHT) "]", NULL, "a <t> <t> b", "0 10 10 1");
    check("[" TOKEN(10, "<t>", RIGHT) "," TOKEN(11, "<u>", LEFT) "]", NULL, "<t>  <u>", "10 11");
}

static void test_normalized(void **state)
{
    (void)state;
    check("[" TOKEN(10, "T", NORMAL) "]", "{\"type\":\"Lowercase\"}", "aTt", "0 10 10");
    check("[" TOKEN(10, "T", "") "]", "{\"type\":\"Lowercase\"}", "aTta", "0 10 0");
    check("[" TOKEN(4, " ", NORMAL) "]", "{\"type\":\"Strip\"}", "a", "0");   /* nothing is left of it: it matches nothing */
    check("[" TOKEN(10, "T", NORMAL) "," TOKEN(11, "t", NORMAL) "," TOKEN(12, "tt", "") "]", "{\"type\":\"Lowercase\"}", "tT tt",
          "10 10 4 12");
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct { const char *added, *tells;
    } cases[] = {
        {"{}", "added_tokens"},
        {"[3]", "added token 0"},
        {"[{\"id\":1}]", "content"},
        {"[{\"content\":\"<s>\"}]", "id"},
        {"[{\"id\":-1,\"content\":\"<s>\"}]", "-1"},
        {"[{\"id\":4194304,\"content\":\"<s>\"}]", "4194304"},
        {"[{\"id\":1.5,\"content\":\"<s>\"}]", "id"},
        {"[{\"id\":9,\"content\":3}]", "content"},
        {"[" TOKEN(10, "x", "") "]", "'x' has id 10, but 5"},
        {"[" TOKEN(5, "<s>", "") "]", "'<s>' has id 5, which is 'x'"},
        {"[" TOKEN(10, "<s>", "") "," TOKEN(10, "<t>", "") "]", "both have id 10"},
        {"[" TOKEN(10, "<s>", "") "," TOKEN(11, "<s>", "") "]", "two ids"},
        {"[" TOKEN(10, "<s>", ",\"special\":1") "]", "special"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(((parts){.added = cases[i].added}), ERROR_FORMAT, cases[i].tells);
    check("[" TOKEN(10, "", "") "," TOKEN(5, "x", ",\"special\":true") "," TOKEN(11, "<s>", "") "," TOKEN(11, "<s>", "") "]",
          NULL, "ax<s>", "0 5 11");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_longest_leftmost), cmocka_unit_test(test_flags),
                                       cmocka_unit_test(test_normalized), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
