/* What is written reads back as what it was, by our reader, and plain only where no reader could mistake it. */
#include "check.h"

#include "base/yaml.h"

static void check_text(const char *text, const char *written)
{
    error err = {0};
    string s = {0};
    yaml_put_text(&s, text);
    if (written)
        assert_string_equal(s.text, written);
    char *document = memory_print("key: %s\n", s.text);
    yaml_value *root = yaml_parse(document, strlen(document), "test", &err);
    if (!root)
        fail_msg("%s: %s", document, err.text);
    const char *read = NULL;
    assert_int_equal(yaml_text(yaml_get(root, "key"), &read, &err), 0);
    assert_string_equal(read, text);
    yaml_free(root);
    free(document);
    free(s.text);
}

static void test_text(void **state)
{
    (void)state;
    check_text("ja", "ja");
    check_text("math-b", "math-b");
    check_text("./models/7b", "./models/7b");
    check_text("/a/b.c_d", "/a/b.c_d");
    check_text("7b", "\"7b\"");
    check_text("1e5", "\"1e5\"");
    check_text("Null", "\"Null\"");
    check_text("yes", "\"yes\"");
    check_text("N", "\"N\"");
    check_text("a: b", "\"a: b\"");
    check_text("x#y \\ \"z\"", NULL);
    check_text("\t\x01 line\nline", NULL);
    check_text("\xc2\x85\xe2\x80\xa8\xef\xbb\xbf\xe6\x97\xa5", NULL);
}

static void test_real(void **state)
{
    (void)state;
    static const double values[] = {0, 1, -0.5, 0.1, 1.0 / 3, 1e300, 5e-324, 123456789.125, 0.9022351614831143};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        string s = {0};
        yaml_put_real(&s, values[i]);
        assert_true(strtod(s.text, NULL) == values[i]);
        assert_true(!strchr(s.text, 'e') || strchr(s.text, '.'));      /* PyYAML takes 1e5 for text */
        free(s.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_real)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
