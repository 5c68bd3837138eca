#include "check.h"

#include <errno.h>

static void test_text_and_code(void **state)
{
    (void)state;
    error err;
    assert_int_equal(fail(&err, ERROR_FORMAT, "%s: '%s' ends at %d", "a.bin", "w", 7), -1);
    assert_int_equal(err.code, ERROR_FORMAT);
    assert_string_equal(err.text, "a.bin: 'w' ends at 7");
    assert_int_equal(fail(NULL, ERROR_FORMAT, "nobody listens"), -1);
}

static void test_errno_is_told(void **state)
{
    (void)state;
    error err;
    errno = ENOENT;
    assert_int_equal(fail_errno(&err, "%s", "x"), -1);
    assert_int_equal(err.code, ERROR_IO);
    assert_string_equal(err.text, "x: No such file or directory");
}

static void test_context_goes_before(void **state)
{
    (void)state;
    error err;
    fail(&err, ERROR_LIMIT, "inner");
    assert_int_equal(fail_in(&err, "outer %d", 3), -1);
    assert_string_equal(err.text, "outer 3: inner");
    assert_int_equal(err.code, ERROR_LIMIT);
}

static void test_terminal_controls_are_taken_out(void **state)
{
    (void)state;
    error err;
    fail(&err, ERROR_FORMAT, "a\x1b[31mb\nc\x7f\xc2\x9b" "d \xc3\xa9\xe6\x97\xa5");
    assert_string_equal(err.text, "a?[31mb?c???d \xc3\xa9\xe6\x97\xa5");
}

static void test_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    error err;
    char text[3001];
    for (int shift = 0; shift < 3; shift++) {
        memset(text, 'x', (size_t)shift);
        for (int i = shift; i + 3 <= 3000; i += 3)
            memcpy(text + i, "\xe6\x97\xa5", 3);
        text[2998] = '\0';
        fail(&err, ERROR_FORMAT, "%s", text);
        size_t n = strlen(err.text);
        assert_in_range(n, sizeof err.text - 6, sizeof err.text - 1);
        assert_string_equal(err.text + n - 3, "...");
        assert_int_equal((n - 3 - (size_t)shift) % 3, 0);
    }
    memset(text, 'y', sizeof err.text - 1);
    text[sizeof err.text - 1] = '\0';
    fail(&err, ERROR_FORMAT, "%s", text);
    assert_string_equal(err.text, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_and_code),
        cmocka_unit_test(test_errno_is_told),
        cmocka_unit_test(test_context_goes_before),
        cmocka_unit_test(test_terminal_controls_are_taken_out),
        cmocka_unit_test(test_long_text_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
