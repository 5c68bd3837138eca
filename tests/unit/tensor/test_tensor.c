#include "../base/check.h"

#include "tensor/tensor.h"

static void test_shapes(void **state)
{
    (void)state;
    static const struct {
        tensor t;
        int64_t count, rows, columns;
        size_t bytes;
        const char *text;
    } cases[] = {
        {{.dtype = DTYPE_F32}, 1, 1, 1, 4, "[]"},
        {{.dtype = DTYPE_BF16, .rank = 1, .shape = {7}}, 7, 1, 7, 14, "[7]"},
        {{.dtype = DTYPE_BF16, .rank = 2, .shape = {3, 7}}, 21, 3, 7, 42, "[3, 7]"},
        {{.dtype = DTYPE_I64, .rank = 4, .shape = {2, 3, 1, 5}}, 30, 2, 15, 240, "[2, 3, 1, 5]"},
        {{.dtype = DTYPE_U8, .rank = 2, .shape = {4, 0}}, 0, 4, 0, 0, "[4, 0]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        assert_int_equal(tensor_count(&cases[i].t), cases[i].count);
        assert_int_equal(tensor_rows(&cases[i].t), cases[i].rows);
        assert_int_equal(tensor_columns(&cases[i].t), cases[i].columns);
        assert_int_equal(tensor_bytes(&cases[i].t), cases[i].bytes);
        assert_string_equal(tensor_shape_text(&cases[i].t, text), cases[i].text);
        for (size_t j = 0; j < sizeof cases / sizeof *cases; j++)
            assert_int_equal(tensor_same_shape(&cases[i].t, &cases[j].t), i == j);
    }
}

static void test_a_long_shape_text_stays_inside(void **state)
{
    (void)state;
    tensor t = {.rank = 8};
    char text[128];
    for (int i = 0; i < 8; i++)
        t.shape[i] = INT64_MAX;
    assert_in_range(strlen(tensor_shape_text(&t, text)), 90, 127);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes), cmocka_unit_test(test_a_long_shape_text_stays_inside)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
