#include "check.h"

static void test_new_is_zeroed(void **state)
{
    (void)state;
    unsigned char *p = memory_new(1000, 3);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(p[i], 0);
    free(p);
    free(memory_new(0, 0));
}

static void test_text(void **state)
{
    (void)state;
    assert_null(memory_text(NULL));
    char *a = memory_text("abc"), *b = memory_text_n("abcdef", 2), *c = memory_print("%d-%s", 4, "x");
    assert_string_equal(a, "abc");
    assert_string_equal(b, "ab");
    assert_string_equal(c, "4-x");
    free(a);
    free(b);
    free(c);
}

static void test_try_is_aligned_and_fails_with_a_line(void **state)
{
    (void)state;
    error err;
    void *p = memory_try(5, "five", &err);
    assert_int_equal((uintptr_t)p % 64, 0);
    free(p);
    assert_null(memory_try(SIZE_MAX - 1, "everything", &err));
    assert_error(&err, ERROR_MEMORY, "everything", "18446744073709551614");
}

static void test_string_grows(void **state)
{
    (void)state;
    string s = {0};
    string_add(&s, "", 0);
    assert_string_equal(s.text, "");
    for (int i = 0; i < 1000; i++)
        string_print(&s, "%d,", i);
    string_puts(&s, "end");
    assert_int_equal(s.length, strlen(s.text));
    assert_int_equal(s.length, 10 * 2 + 90 * 3 + 900 * 4 + 3);
    assert_string_equal(s.text + s.length - 7, "999,end");
    free(s.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_is_zeroed),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_try_is_aligned_and_fails_with_a_line),
        cmocka_unit_test(test_string_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
