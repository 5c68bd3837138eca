#include "check.h"

/* The pieces with '|' between them. */
static void check(const char *json, const char *text, const char *wanted)
{
    error err = {0};
    json_t *value = json_parse(json, strlen(json), "p", &err);
    pre_tokenizer *p = pre_tokenizer_read(value, "t.json", &err);
    if (!p)
        fail_msg("%s", err.text);
    pieces got = {0};
    string_puts(&got.text, text);
    pieces_add(&got, 0, got.text.length, true);
    if (pre_tokenizer_run(p, &got, &err) != 0)
        fail_msg("%s", err.text);
    string out = {0};
    string_puts(&out, "");
    for (size_t i = 0; i < got.count; i++) {
        assert_true(got.item[i].length > 0);
        string_puts(&out, i ? "|" : "");
        string_add(&out, got.text.text + got.item[i].start, got.item[i].length);
    }
    if (strcmp(out.text, wanted) != 0)
        fail_msg("%s: '%s' is cut into '%s', wanted '%s'", json, text, out.text, wanted);
    free(out.text);
    pieces_free(&got);
    pre_tokenizer_free(p);
    json_decref(value);
}

static void test_kinds(void **state)
{
    (void)state;
    check("null", "a b", "a b");
    check("{\"type\":\"ByteLevel\",\"add_prefix_space\":false}", "It's  12 \n", "It|'s|\u0120|\u012012|\u0120\u010a");
    check("{\"type\":\"ByteLevel\"}", "a", "\u0120a");
    check("{\"type\":\"ByteLevel\"}", " a", "\u0120a");
    check("{\"type\":\"ByteLevel\",\"use_regex\":false}", "a b", "\u0120a\u0120b");
    check("{\"type\":\"Metaspace\",\"replacement\":\"\u2581\"}", "a  b", "\u2581a|\u2581|\u2581b");
    check("{\"type\":\"Metaspace\",\"replacement\":\"_\",\"split\":false}", "a b", "_a_b");
    check("{\"type\":\"Metaspace\",\"prepend_scheme\":\"never\"}", "a b", "a|\u2581b");
    check("{\"type\":\"Metaspace\",\"add_prefix_space\":false}", "a", "a");
    check(
        "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\"},{\"type\":\"Metaspace\",\"prepend_scheme\":\"first\"}]}",
        "a12b", "\u2581a|12|b");
    check("{\"type\":\"Digits\",\"individual_digits\":true}", "a12\u00bdb", "a|1|2|\u00bd|b");
    check("{\"type\":\"Punctuation\"}", "a,.\u3002b$", "a|,|.|\u3002|b|$");
    check("{\"type\":\"WhitespaceSplit\"}", " a\u3000b ", "a|b");
    check("{\"type\":\"Whitespace\"}", "a-b!! c", "a|-|b|!!|c");
    check("{\"type\":\"BertPreTokenizer\"}", "a, b", "a|,|b");
    check("{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"\u3001\"}", "a\u3001b\u3001", "a|b");
    check("{\"type\":\"Split\",\"pattern\":{\"String\":\".\"},\"behavior\":\"Removed\"}", "a.b..", "a|b");
    check(
        "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"}]}]}",
        "a b", "a|b");
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct { const char *pre, *tells; enum error_code code; } cases[] = {
        {"{\"type\":\"Split\"}", "pattern", ERROR_FORMAT},
        {"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"}}", "'('", ERROR_UNSUPPORTED},
        {"{\"type\":\"Split\",\"pattern\":{\"String\":\"a\",\"Regex\":\"a\"}}", "pattern", ERROR_FORMAT},
        {"{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"Sideways\"}", "Sideways", ERROR_UNSUPPORTED},
        {"{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"invert\":\"no\"}", "invert", ERROR_FORMAT},
        {"{\"type\":\"Metaspace\",\"replacement\":\"ab\"}", "replacement", ERROR_FORMAT},
        {"{\"type\":\"Metaspace\",\"replacement\":\"\"}", "replacement", ERROR_FORMAT},
        {"{\"type\":\"Metaspace\",\"prepend_scheme\":\"last\"}", "last", ERROR_UNSUPPORTED},
        {"{\"type\":\"Metaspace\",\"prepend_scheme\":\"always\",\"add_prefix_space\":false}", "add_prefix_space", ERROR_FORMAT},
        {"{\"type\":\"CharDelimiterSplit\"}", "delimiter", ERROR_FORMAT},
        {"{\"type\":\"Digits\",\"individual_digits\":3}", "individual_digits", ERROR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(((parts){.pre = cases[i].pre}), cases[i].code, "pre_tokenizer", cases[i].tells);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kinds), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
