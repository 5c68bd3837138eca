#include "check.h"

#include "tensor/gguf_model.h"
#include "text/companion.h"

static void reads_files_and_objects(void **state)
{
    (void)state;
    error err = {0};
    char *folder = new_folder(), *path = file_join(folder, "a.json"), *text;
    json_t *object;
    size_t n;
    assert_int_equal(companion_read(folder, "a.json", 1000, &text, &n, &err), 0);
    assert_null(text);
    assert_int_equal(companion_object(folder, "a.json", &object, &err), 0);
    assert_null(object);
    static const char content[] = "{\"big\": 1000000000000000019884624838656, \"list\": [1, 2.5, {\"n\": -7}]}";
    assert_int_equal(file_write(path, content, strlen(content), &err), 0);
    assert_int_equal(companion_read(folder, "a.json", 1000, &text, &n, &err), 0);
    assert_string_equal(text, content);
    free(text);
    assert_int_equal(companion_object(folder, "a.json", &object, &err), 0);
    text = json_print(object, -1);
    assert_string_equal(text, "{\"big\": 1e+30, \"list\": [1, 2.5, {\"n\": -7}]}");
    free(text);
    static const char *const bad[] = {"[]", "{\"a\": 1, \"a\": 2}", "{", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(file_write(path, bad[i], strlen(bad[i]), &err), 0);
        assert_int_equal(companion_object(folder, "a.json", &object, &err), -1);
        assert_error(&err, ERROR_FORMAT, folder, "a.json");
    }
    free(path);
    remove_folder(folder);
}

static void finds_a_tokenizer(void **state)
{
    (void)state;
    error err = {0};
    static const char *const names[] = {"tokenizer.json", "tokenizer.model"};
    for (size_t i = 0; i < 2; i++) {
        char *folder = new_folder(), *path = file_join(folder, names[i]);
        assert_false(companion_has_tokenizer(folder));
        assert_int_equal(file_write(path, "", 0, &err), 0);
        assert_true(companion_has_tokenizer(folder));
        free(path);
        remove_folder(folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_files_and_objects), cmocka_unit_test(finds_a_tokenizer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
