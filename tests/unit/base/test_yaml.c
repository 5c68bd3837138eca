#include "check.h"

#include <math.h>

#include "base/yaml.h"

static yaml_value *parse(const char *text, error *err)
{
    return yaml_parse(text, strlen(text), "f.yml", err);
}

static void assert_refused(const char *text, size_t n, enum error_code code, const char *where, const char *what)
{
    error err;
    yaml_value *root = yaml_parse(text, n, "f.yml", &err);
    if (root)
        fail_msg("accepted: %.60s", text);
    assert_error(&err, code, where, what);
}

static void test_tree(void **state)
{
    (void)state;
    error err;
    yaml_value *root = parse("a: 1\nb: [x, 'y', ~, 2.5]\nc:\n  d: |\n    text\n", &err);
    assert_non_null(root);
    assert_int_equal(root->kind, YAML_MAP);
    assert_int_equal(root->count, 3);
    const yaml_value *b = yaml_get(root, "b");
    assert_int_equal(b->kind, YAML_LIST);
    assert_int_equal(b->count, 4);
    assert_int_equal(b->line, 2);
    assert_int_equal(b->column, 4);
    assert_false(b->items[0]->quoted);
    assert_true(b->items[1]->quoted);
    assert_int_equal(b->items[2]->kind, YAML_NULL);
    assert_string_equal(yaml_get(yaml_get(root, "c"), "d")->text, "text\n");
    assert_null(yaml_get(root, "z"));
    assert_null(yaml_get(b, "a"));
    assert_null(yaml_get(NULL, "a"));
    yaml_free(root);
    root = parse("", &err);
    assert_non_null(root);
    assert_int_equal(root->kind, YAML_NULL);
    assert_int_equal(root->line, 1);
    yaml_free(root);
    yaml_free(NULL);
}

static void test_scalars(void **state)
{
    (void)state;
    error err;
    yaml_value *root = parse("i: -12\nr: 1e-3\nt: yes\nq: '5'\nw: word\nbig: 99999999999999999999\ninf: .inf\nhuge: 1e999\nhex: 0x10\nn:\n", &err);
    int64_t i = 0;
    double r = 0;
    bool t = false;
    const char *text = NULL;
    assert_int_equal(yaml_int(yaml_get(root, "i"), -100, 100, &i, &err), 0);
    assert_int_equal(i, -12);
    assert_int_equal(yaml_int(yaml_get(root, "i"), 0, 100, &i, &err), -1);
    assert_error(&err, ERROR_FORMAT, "f.yml:1:4", "-12", "[0, 100]");
    assert_int_equal(yaml_real(yaml_get(root, "r"), &r, &err), 0);
    assert_true(r == 1e-3);
    assert_int_equal(yaml_bool(yaml_get(root, "t"), &t, &err), 0);
    assert_true(t);
    assert_int_equal(yaml_int(yaml_get(root, "q"), 0, 9, &i, &err), -1);
    assert_int_equal(yaml_text(yaml_get(root, "q"), &text, &err), 0);
    assert_string_equal(text, "5");
    static const char *const not_real[] = {"q", "w", "inf", "huge", "hex"};
    for (size_t k = 0; k < 5; k++)
        assert_int_equal(yaml_real(yaml_get(root, not_real[k]), &r, &err), -1);
    assert_int_equal(yaml_int(yaml_get(root, "big"), INT64_MIN, INT64_MAX, &i, &err), -1);
    assert_error(&err, ERROR_FORMAT, "f.yml:6", "99999999999999999999");
    assert_int_equal(yaml_bool(yaml_get(root, "w"), &t, &err), -1);
    r = 3;
    assert_int_equal(yaml_real(yaml_get(root, "n"), &r, &err), 0);
    assert_int_equal(yaml_real(NULL, &r, &err), 0);
    assert_true(r == 3);
    assert_true(yaml_is_real(yaml_get(root, "r"), &r));
    assert_false(yaml_is_real(yaml_get(root, "w"), &r));
    yaml_free(root);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *where, *what;
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", "f.yml:3:1", "duplicate key 'a', first on line 1"},
        {"{a: 1, 'a': 2}", "f.yml:1:8", "duplicate key 'a'"},
        {"a: !!python/object:os.system x\n", "f.yml:1:4", "tag:yaml.org,2002:python/object:os.system"},
        {"!!python/name:os.system x: 1\n", "f.yml:1:1", "python/name"},
        {"a: !custom x\n", "f.yml:1:4", "!custom"},
        {"a: !!binary aGk=\n", "f.yml:1", "binary"},
        {"a: &x [*x]\n", "f.yml:1:4", "anchor"},
        {"a: *nobody\n", "f.yml:1:4", "undefined alias"},
        {"a: 1\n---\nb: 2\n", "f.yml", "more than one"},
        {"[a, b\n", "f.yml:2", "not valid YAML"},
        {"[x]: 1\n", "f.yml:1:1", "key should be plain"},
        {"a: \"x\\0y\"\n", "f.yml:1:4", "NUL"},
        {"\"x\\0y\": 1\n", "f.yml:1:1", "NUL"},
        {"a: \xff\n", "f.yml", "not valid YAML"},
        {"\ta: 1\n", "f.yml:1:1", "not valid YAML"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(cases[i].text, strlen(cases[i].text), ERROR_FORMAT, cases[i].where, cases[i].what);
}

static void test_alias_bombs(void **state)
{
    (void)state;
    string s = {0};
    string_puts(&s, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 12; i++) {
        string_print(&s, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            string_print(&s, "%s*a%d", k ? "," : "", i - 1);
        string_puts(&s, "]\n");
    }
    assert_refused(s.text, s.length, ERROR_FORMAT, "f.yml", "200000 values");
    free(s.text);
    /* One long text, many times: few values, much memory. */
    s = (string){0};
    string_puts(&s, "t: &t \"");
    for (int i = 0; i < 100000; i++)
        string_puts(&s, "0123456789");
    string_puts(&s, "\"\nl: [");
    for (int i = 0; i < 50000; i++)
        string_puts(&s, "*t,");
    string_puts(&s, "]\n");
    assert_refused(s.text, s.length, ERROR_FORMAT, "f.yml", "16 MiB");
    free(s.text);
    s = (string){0};
    for (int i = 0; i < 1001; i++)
        string_print(&s, "- &n%d x\n", i);
    assert_refused(s.text, s.length, ERROR_FORMAT, "f.yml:1001:3", "1000 anchors");
    free(s.text);
}

static void test_depth_and_size(void **state)
{
    (void)state;
    size_t n = 100000;
    char *text = memory_new(n + 1, 1);
    memset(text, '[', n);
    assert_refused(text, n, ERROR_FORMAT, "f.yml:1", "100 levels");
    free(text);
    n = ((size_t)4 << 20) + 1;
    text = memory_new(n + 1, 1);
    memset(text, ' ', n);
    assert_refused(text, n, ERROR_LIMIT, "f.yml", "4194305");
    free(text);
}

static void test_many_keys_are_quick(void **state)
{
    (void)state;
    string s = {0};
    for (int i = 0; i < 150000; i++)
        string_print(&s, "%x: 1\n", i);
    error err;
    yaml_value *root = yaml_parse(s.text, s.length, "f.yml", &err);
    assert_non_null(root);
    assert_int_equal(root->count, 150000);
    yaml_free(root);
    string_puts(&s, "7: 2\n");
    assert_refused(s.text, s.length, ERROR_FORMAT, "f.yml:150001:1", "duplicate key '7', first on line 8");
    free(s.text);
}

static void test_known_keys(void **state)
{
    (void)state;
    static const char *const known[] = {"models", "search", "tasks", NULL};
    error err;
    yaml_value *root = parse("models: 1\nserach: 2\nl: [1]\n", &err);
    assert_int_equal(yaml_known_keys(root, known, &err), -1);
    assert_error(&err, ERROR_FORMAT, "f.yml:2", "'serach'", "'search'");
    assert_int_equal(yaml_known_keys(yaml_get(root, "l"), known, &err), -1);
    assert_error(&err, ERROR_FORMAT, "f.yml:3:4", "mapping");
    assert_int_equal(yaml_known_keys(NULL, known, &err), 0);
    yaml_free(root);
    assert_string_equal(text_nearest("task", known), "tasks");
    assert_null(text_nearest("qqqqqq", known));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_alias_bombs),
        cmocka_unit_test(test_depth_and_size),
        cmocka_unit_test(test_many_keys_are_quick),
        cmocka_unit_test(test_known_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
