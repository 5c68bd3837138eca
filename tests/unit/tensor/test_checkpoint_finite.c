#include "craft.h"

#include <math.h>

#include "base/threads.h"

static checkpoint *new_zeros(void)
{
    error err;
    const checkpoint_item items[] = {
        {"a", {.dtype = DTYPE_I64, .rank = 1, .shape = {100}}},
        {"b", {.dtype = DTYPE_BF16, .rank = 2, .shape = {3, 1 << 20}}},
        {"c", {.dtype = DTYPE_F16, .rank = 1, .shape = {0}}},
        {"d", {.dtype = DTYPE_F32, .rank = 1, .shape = {70}}},
    };
    checkpoint *c = checkpoint_new("m", NULL, NULL, items, 4, &err);
    assert_non_null(c);
    memset(c->items[0].tensor.data, 0xff, 800);
    return c;
}

static void test_the_first_is_named_with_any_number_of_threads(void **state)
{
    (void)state;
    for (int n = 0; n <= 3; n++) {
        error err;
        threads *pool = n ? threads_new(n) : NULL;
        checkpoint *c = new_zeros();
        if (checkpoint_check_finite(c, pool, &err) != 0)
            fail_msg("%s", err.text);
        ((float *)c->items[3].tensor.data)[69] = -INFINITY;
        assert_int_equal(checkpoint_check_finite(c, pool, &err), -1);
        assert_error(&err, ERROR_NOT_FINITE, "m: 'd' holds infinity at element 69");
        uint16_t *b = c->items[1].tensor.data;
        b[(2 << 20) + 5] = 0x7fc0;
        b[(3 << 20) - 1] = 0x7f80;
        assert_int_equal(checkpoint_check_finite(c, pool, &err), -1);
        assert_error(&err, ERROR_NOT_FINITE, "m: 'b' holds NaN at element 2097157");
        checkpoint_free(c);
        threads_free(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_first_is_named_with_any_number_of_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
