#include "craft.h"

static void test_new_is_sorted_and_aligned(void **state)
{
    (void)state;
    error err;
    const checkpoint_item items[] = {
        {"b.weight", {.dtype = DTYPE_BF16, .rank = 2, .shape = {3, 5}}},
        {"a.weight", {.dtype = DTYPE_F32, .rank = 1, .shape = {7}}},
        {"c", {.dtype = DTYPE_F32}},
        {"empty", {.dtype = DTYPE_F32, .rank = 2, .shape = {0, 4}}},
    };
    json_t *config = json_pack("{s:i}", "hidden_size", 4);
    checkpoint *c = checkpoint_new("merged", "some/folder", config, items, 4, &err);
    json_decref(config);
    assert_non_null(c);
    assert_int_equal(c->count, 4);
    for (size_t i = 0; i < c->count; i++) {
        assert_int_equal((uintptr_t)c->items[i].tensor.data % 64, 0);
        assert_true(i == 0 || strcmp(c->items[i - 1].name, c->items[i].name) < 0);
        memset(c->items[i].tensor.data, (int)i + 1, tensor_bytes(&c->items[i].tensor));
    }
    const tensor *b = checkpoint_find(c, "b.weight");
    assert_int_equal(b->dtype, DTYPE_BF16);
    assert_int_equal(b->shape[1], 5);
    for (size_t i = 0; i < c->count; i++)
        for (size_t k = 0; k < tensor_bytes(&c->items[i].tensor); k++)
            assert_int_equal(((char *)c->items[i].tensor.data)[k], i + 1);
    assert_null(checkpoint_find(c, "b"));
    assert_null(checkpoint_find(c, "zzz"));
    assert_int_equal(checkpoint_bytes(c), 30 + 28 + 4);
    assert_string_equal(c->folder, "some/folder");
    assert_int_equal(json_integer_value(json_object_get(c->config, "hidden_size")), 4);
    assert_int_equal(checkpoint_check(c, &err), 0);
    checkpoint_free(c);
    checkpoint_free(NULL);
}

static void test_new_refuses(void **state)
{
    (void)state;
    error err;
    const checkpoint_item twice[] = {{"a", {.dtype = DTYPE_F32}}, {"b", {.dtype = DTYPE_F32}}, {"a", {.dtype = DTYPE_F16}}};
    assert_null(checkpoint_new("m", NULL, NULL, twice, 3, &err));
    assert_error(&err, ERROR_FORMAT, "m", "'a'", "twice");
    const checkpoint_item huge[] = {{"big", {.dtype = DTYPE_F32, .rank = 2, .shape = {(int64_t)1 << 40, (int64_t)1 << 40}}}};
    assert_null(checkpoint_new("m", NULL, NULL, huge, 1, &err));
    assert_error(&err, ERROR_LIMIT, "m", "'big'", "overflows");
    const checkpoint_item large[] = {{"big", {.dtype = DTYPE_U8, .rank = 1, .shape = {(int64_t)1 << 60}}}};
    assert_null(checkpoint_new("m", NULL, NULL, large, 1, &err));
    assert_error(&err, ERROR_MEMORY, "m", "1152921504606846976");
    checkpoint *none = checkpoint_new("m", NULL, NULL, NULL, 0, &err);
    assert_int_equal(none->count, 0);
    checkpoint_free(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_new_is_sorted_and_aligned), cmocka_unit_test(test_new_refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
