#include "check.h"

#include "base/json.h"

static json_t *parse(const char *text, error *err)
{
    return json_parse(text, strlen(text), "f.json", err);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *tells;
    } cases[] = {
        {"", "f.json"},
        {"{\"a\": 1,}", "f.json"},
        {"{\"a\": 1} x", "line 1"},
        {"{\"a\": \"\xff\"}", "decode byte 0xff"},
        {"{\"a\": \"\\u0000\"}", "u0000"},
        {"{\"a\\u0000b\": 1}", "NUL"},
        {"{\"n\": 99999999999999999999}", "big integer"},
        {"{\"n\": NaN}", "f.json"},
        {"{\"n\": 1e999}", "real number overflow"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err;
        json_t *value = parse(cases[i].text, &err);
        if (value)
            fail_msg("accepted: %s", cases[i].text);
        assert_error(&err, ERROR_FORMAT, "f.json", cases[i].tells);
    }
}

static void test_a_duplicate_key_is_named(void **state)
{
    (void)state;
    error err;
    assert_null(parse("{\"model.layers.0.self_attn.q_proj.weight\": 1,\n \"b\": {\"x\": 1},\n \"model.layers.0.self_attn.q_proj.weight\": 2}", &err));
    assert_error(&err, ERROR_FORMAT, "f.json", "duplicate key 'model.layers.0.self_attn.q_proj.weight'", "line 3");
    assert_null(parse("{\"\":1,\"\":2}", &err));
    assert_error(&err, ERROR_FORMAT, "duplicate key ''");
    assert_null(parse("{\"a\\\"b\":1,\"a\\\"b\":2}", &err));
    assert_error(&err, ERROR_FORMAT, "duplicate key 'a\\\"b'");
}

static void test_deep_nesting_is_an_error(void **state)
{
    (void)state;
    const size_t depth = 100000;
    error err;
    char *text = memory_new(depth + 1, 1);
    memset(text, '[', depth);
    assert_null(json_parse(text, depth, "deep.json", &err));
    assert_error(&err, ERROR_FORMAT, "deep.json", "depth");
    free(text);
}

static void test_members(void **state)
{
    (void)state;
    error err;
    json_t *o = parse("{\"t\": \"x\", \"i\": 7, \"r\": 0.5, \"b\": true, \"z\": null}", &err);
    const char *text = NULL;
    int64_t i = -1;
    double r = -1;
    bool b = false;
    assert_int_equal(json_want_text(o, "t", "f", &text, &err), 0);
    assert_string_equal(text, "x");
    assert_int_equal(json_want_int(o, "i", "f", 0, 10, &i, &err), 0);
    assert_int_equal(i, 7);
    assert_int_equal(json_want_real(o, "r", "f", &r, &err), 0);
    assert_true(r == 0.5);
    assert_int_equal(json_want_bool(o, "b", "f", &b, &err), 0);
    assert_true(b);
    i = 42;
    assert_int_equal(json_want_int(o, "z", "f", 0, 10, &i, &err), 0);
    assert_int_equal(json_want_int(o, "absent", "f", 0, 10, &i, &err), 0);
    assert_int_equal(i, 42);
    assert_int_equal(json_want_int(o, "i", "f", 0, 6, &i, &err), -1);
    assert_error(&err, ERROR_FORMAT, "f", "'i'", "7", "[0, 6]");
    assert_int_equal(json_want_int(o, "r", "f", 0, 6, &i, &err), -1);
    assert_int_equal(json_want_text(o, "i", "f", &text, &err), -1);
    assert_error(&err, ERROR_FORMAT, "f", "'i'", "string");
    assert_int_equal(json_want_bool(o, "i", "f", &b, &err), -1);
    assert_int_equal(json_want_real(o, "t", "f", &r, &err), -1);
    json_decref(o);
}

static void test_print_reads_back(void **state)
{
    (void)state;
    static const char text[] = "{\"eps\": 1e-05, \"theta\": 10000.0, \"third\": 0.3333333333333333, \"n\": [1, -2, []], \"s\": \"a\\\"\\\\\\n\\u0001\xe6\x97\xa5\", \"o\": {}, "
                               "\"t\": true, \"f\": false, \"z\": null}";
    error err;
    json_t *value = parse(text, &err);
    assert_non_null(value);
    char *line = json_print(json_incref(value), -1);
    assert_string_equal(line, text);
    char *pretty = json_print(json_incref(value), 2);
    assert_non_null(strstr(pretty, "\n  \"eps\": 1e-05,\n"));
    json_t *again = parse(pretty, &err);
    assert_true(json_equal(value, again));
    free(line);
    free(pretty);
    json_decref(again);
    json_decref(value);
}

static int note(void *context, const json_t *value, size_t line, error *err)
{
    int64_t *sum = context;
    if (!json_is_integer(value))
        return fail(err, ERROR_FORMAT, "line %zu is no number", line);
    *sum += json_integer_value(value) * (int64_t)line;
    return 0;
}

static void test_lines(void **state)
{
    (void)state;
    error err;
    int64_t sum = 0;
    char *folder = new_folder(), *path = file_join(folder, "x.jsonl");
    assert_int_equal(file_write(path, "5\n\n \r\n7", 7, &err), 0);
    assert_int_equal(json_lines(path, note, &sum, &err), 0);
    assert_int_equal(sum, 5 * 1 + 7 * 4);
    assert_int_equal(file_write(path, "5\n{\n", 4, &err), 0);
    assert_int_equal(json_lines(path, note, &sum, &err), -1);
    assert_error(&err, ERROR_FORMAT, "x.jsonl line 2");
    free(path);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_a_duplicate_key_is_named),
        cmocka_unit_test(test_deep_nesting_is_an_error),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_print_reads_back),
        cmocka_unit_test(test_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
