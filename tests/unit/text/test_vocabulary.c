#include "check.h"

static void test_tokens(void **state)
{
    (void)state;
    vocabulary v = {0};
    error err;
    char text[32];
    assert_int_equal(vocabulary_find(&v, "a", 1), -1);
    for (int i = 0; i < 20000; i++) {
        int n = snprintf(text, sizeof text, "token %d", i * 7);
        assert_int_equal(vocabulary_add(&v, text, (size_t)n, i * 3, "t", &err), 0);
    }
    for (int i = 0; i < 20000; i++) {
        size_t length;
        int n = snprintf(text, sizeof text, "token %d", i * 7);
        assert_int_equal(vocabulary_find(&v, text, (size_t)n), i * 3);
        assert_string_equal(vocabulary_text(&v, i * 3, &length), text);
        assert_int_equal(length, n);
        assert_null(vocabulary_text(&v, i * 3 + 1, NULL));
        assert_int_equal(vocabulary_find(&v, text, (size_t)n - 1),
                         (i * 7) >= 10 && i * 7 / 10 % 7 == 0 ? i * 7 / 10 / 7 * 3 : -1);
    }
    assert_int_equal(vocabulary_add(&v, "new", 3, 3, "t", &err), -1);
    assert_error(&err, ERROR_FORMAT, "both have id 3");
    assert_int_equal(vocabulary_add(&v, "token 7", 7, 1, "t", &err), -1);
    assert_error(&err, ERROR_FORMAT, "two ids", "3", "1");
    vocabulary_free(&v);
}

static void test_merges(void **state)
{
    (void)state;
    merges m = {0};
    assert_null(merges_find(&m, 0, 0));
    for (int i = 0; i < 20000; i++)
        merges_put(&m, i % 200, i / 200, (uint32_t)i, i + 1);
    merges_put(&m, 3, 4, 99999, 7);
    assert_int_equal(m.count, 20000);
    for (int i = 0; i < 20000; i++) {
        const merge *found = merges_find(&m, i % 200, i / 200);
        assert_int_equal(found->rank, i == 803 ? 99999 : i);
        assert_int_equal(found->id, i == 803 ? 7 : i + 1);
    }
    assert_null(merges_find(&m, 4, 200));
    assert_null(merges_find(&m, 100, 99) == NULL ? NULL : merges_find(&m, 100, 100));
    merges_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tokens), cmocka_unit_test(test_merges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
