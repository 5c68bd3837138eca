#include "scene.h"

static dataset *read_text(const char *text, error *err)
{
    char *path = scene_write("q.jsonl", text);
    *err = (error){0};
    dataset *d = dataset_read(path, "id", err);
    free(path);
    return d;
}

static void test_lines(void **state)
{
    (void)state;
    error err;
    dataset *d = read_text("{\"id\": \"a\", \"x\": 1}\n\n  \n{\"id\": 7}\r\n{\"x\": 2}", &err);
    assert_non_null(d);
    assert_int_equal(d->count, 3);
    assert_string_equal(d->items[0].id, "a");
    assert_string_equal(d->items[1].id, "7");
    assert_string_equal(d->items[2].id, "5");
    assert_int_equal(d->items[2].line, 5);
    assert_string_equal(d->items[2].file, d->path);
    assert_int_equal(json_integer_value(json_object_get(d->items[2].fields, "x")), 2);
    dataset_free(d);
}

static void refused(const char *text, enum error_code code, const char *tells, const char *also)
{
    error err;
    assert_null(read_text(text, &err));
    assert_error(&err, code, "q.jsonl", tells, also);
}

static void test_refused(void **state)
{
    (void)state;
    refused("", ERROR_FORMAT, "no questions", "");
    refused("\n\n", ERROR_FORMAT, "no questions", "");
    refused("{\"a\": 1}\n[1]\n", ERROR_FORMAT, "line 2", "object");
    refused("{\"a\": 1}\n{\"a\": \n", ERROR_FORMAT, "line 2", "not valid JSON");
    refused("{\"a\": 1, \"a\": 2}\n", ERROR_FORMAT, "line 1", "duplicate");
    refused("{\"a\": \"\xff\"}\n", ERROR_FORMAT, "line 1", "decode byte 0xff");
    refused("{\"id\": 1}\n{\"id\": 2}\n{\"id\": 1}\n", ERROR_FORMAT, "lines 1 and 3", "'1'");
    refused("{\"id\": \"1\"}\n{\"id\": 1}\n", ERROR_FORMAT, "lines 1 and 2", "'1'");
    refused("{\"a\": 1}\n{\"id\": 1}\n", ERROR_FORMAT, "lines 1 and 2", "'1'");
}

static void test_not_a_file(void **state)
{
    (void)state;
    error err = {0};
    assert_null(dataset_read(scene, "id", &err));
    assert_error(&err, ERROR_IO, "not a regular file");
    assert_null(dataset_read("/dev/zero", "id", &err));
    assert_error(&err, ERROR_IO, "/dev/zero");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_not_a_file)};
    return cmocka_run_group_tests(tests, scene_open, scene_close);
}
