#include "../base/check.h"

#include "tensor/strided.h"

static void test_what_is_contiguous(void **state)
{
    (void)state;
    static const struct { tensor t; int64_t stride[3]; bool contiguous; } cases[] = {
        {{.rank = 0}, {0}, true},
        {{.rank = 1, .shape = {5}}, {1}, true},
        {{.rank = 1, .shape = {5}}, {2}, false},
        {{.rank = 2, .shape = {2, 3}}, {3, 1}, true},
        {{.rank = 2, .shape = {2, 3}}, {1, 2}, false},
        {{.rank = 2, .shape = {1, 3}}, {99, 1}, true},
        {{.rank = 3, .shape = {2, 1, 3}}, {3, INT64_MAX, 1}, true},
        {{.rank = 2, .shape = {0, 3}}, {7, 7}, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(strided_is_contiguous(&cases[i].t, cases[i].stride), cases[i].contiguous);
}

/* Any rows, of any element size: the same as picking each element. */
static void test_gather(void **state)
{
    (void)state;
    static const enum dtype dtypes[] = {DTYPE_U8, DTYPE_BF16, DTYPE_F32, DTYPE_F64};
    static const int64_t strides[][3] = {{1, 4, 12}, {15, 1, 3}, {5, 1, 20}, {0, 1, 7}};
    unsigned char from[128 * 8], out[4 * 3 * 5 * 8];
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (unsigned char)(i * 37 + i / 256);
    for (size_t d = 0; d < 4; d++)
        for (size_t s = 0; s < 4; s++) {
            tensor t = {.dtype = dtypes[d], .rank = 3, .shape = {4, 3, 5}};
            size_t size = dtype_size(t.dtype);
            tensor_maker *m = strided_new(&t, from, strides[s]);
            for (int64_t first = 0; first < 4; first++) {
                error err;
                assert_int_equal(m->make(m, &t, first, 4 - first, out, &err), 0);
                for (int64_t i = first, n = 0; i < 4; i++)
                    for (int64_t j = 0; j < 3; j++)
                        for (int64_t k = 0; k < 5; k++, n++)
                            assert_memory_equal(out + (size_t)n * size,
                                                from + (size_t)(i * strides[s][0] + j * strides[s][1] + k * strides[s][2]) * size, size);
            }
            m->free(m);
        }
}

static void test_a_vector_and_a_dimension_of_one(void **state)
{
    (void)state;
    error err;
    const uint16_t from[] = {0, 1, 2, 3, 4, 5, 6};
    uint16_t out[3];
    tensor t = {.dtype = DTYPE_BF16, .rank = 1, .shape = {3}};
    tensor_maker *m = strided_new(&t, from, (const int64_t[]){3});
    assert_int_equal(tensor_make(&t, NULL, out, &err), 0);
    assert_memory_equal(out, ((const uint16_t[]){0, 3, 6}), 6);
    m->free(m);
    t = (tensor){.dtype = DTYPE_BF16, .rank = 2, .shape = {3, 1}};
    m = strided_new(&t, from, (const int64_t[]){2, INT64_MAX});
    assert_int_equal(tensor_make(&t, NULL, out, &err), 0);
    assert_memory_equal(out, ((const uint16_t[]){0, 2, 4}), 6);
    m->free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_is_contiguous), cmocka_unit_test(test_gather),
                                       cmocka_unit_test(test_a_vector_and_a_dimension_of_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
