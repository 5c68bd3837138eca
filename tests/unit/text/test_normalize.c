#include "check.h"

static void run(const char *json, const char *text, const char *wanted, bool still_first)
{
    error err = {0};
    json_t *value = json_parse(json, strlen(json), "n", &err);
    normalizer *n = normalizer_read(value, "t.json", &err);
    if (!n)
        fail_msg("%s", err.text);
    string s = {0};
    bool first = true;
    string_puts(&s, text);
    if (normalizer_run(n, &s, &first, &err) != 0)
        fail_msg("%s", err.text);
    if (s.length != strlen(wanted) || memcmp(s.text, wanted, s.length) != 0)
        fail_msg("%s: '%s' becomes '%.*s', wanted '%s'", json, text, (int)s.length, s.text, wanted);
    assert_int_equal(first, still_first);
    free(s.text);
    normalizer_free(n);
    json_decref(value);
}

static void test_steps(void **state)
{
    (void)state;
    run("{\"type\":\"Prepend\",\"prepend\":\"_\"}", "a", "_a", true);
    run("{\"type\":\"Prepend\",\"prepend\":\"_\"}", "", "", true);
    run("{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"__\"}", " a ", "__a__", true);
    run("{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"[ab]+\"},\"content\":\"$1\"}", "abcb", "$1c$1", true);
    run("{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":\"\"}", "ab", "b", false);
    run("{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":\"\"}", "ba", "b", true);
    run("{\"type\":\"Strip\"}", " \u3000a b\t", "a b", false);
    run("{\"type\":\"Strip\",\"strip_left\":false}", " a ", " a", true);
    run("{\"type\":\"Strip\",\"strip_right\":false}", "  ", "", false);
    run("{\"type\":\"Lowercase\"}", "\u0130I\u03a3\u1e9e", "i\u0307i\u03c3\u00df", true);
    run("{\"type\":\"StripAccents\"}", "e\u0301\u00e9", "e\u00e9", true);
    run("{\"type\":\"NFC\"}", "e\u0301 \u212b \u0958", "\u00e9 \u00c5 \u0915\u093c", true);
    run("{\"type\":\"NFD\"}", "\u00e9", "e\u0301", true);
    run("{\"type\":\"NFKC\"}", "\ufb01\uff21\u00bd\u3300", "fiA1\u20442\u30a2\u30d1\u30fc\u30c8", true);
    run("{\"type\":\"NFKD\"}", "\u1e9b\u0323", "s\u0323\u0307", true);
    run("{\"type\":\"NFKC\"}", "a\u32ff\ufb01", "a\u32fffi", true);   /* U+32FF is newer than the library's tables */
    run("{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFD\"},{\"type\":\"StripAccents\"},{\"type\":\"Lowercase\"}]}",
        "\u00c9", "e", true);
    run("{\"type\":\"Sequence\",\"normalizers\":[]}", "a", "a", true);
    run("null", " a", " a", true);
}

static void test_refusals(void **state)
{
    (void)state;
    assert_refused(((parts){.normalizer = "{\"type\":\"Prepend\"}"}), ERROR_FORMAT, "prepend");
    assert_refused(((parts){.normalizer = "{\"type\":\"Replace\",\"content\":\"a\"}"}), ERROR_FORMAT, "pattern");
    assert_refused(((parts){.normalizer = "{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"}}"}), ERROR_FORMAT, "content");
    assert_refused(((parts){.normalizer = "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"a\"}"}),
                   ERROR_UNSUPPORTED, "0 bytes");
    assert_refused(((parts){.normalizer = "{\"type\":\"Strip\",\"strip_left\":1}"}), ERROR_FORMAT, "strip_left");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
