#include "../base/check.h"

#include "task/draw.h"

static void assert_drawn(const size_t *got, const size_t *wanted, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(got[i], wanted[i]);
}

/* Of lm-eval's sampler with seed 1234. */
static void test_sample(void **state)
{
    (void)state;
    static const size_t wanted[][3] = {{14, 3, 0}, {2, 18, 1}, {2, 3, 11}};
    drawer d;
    size_t out[3];
    drawer_open(&d, &(draw_rule){.pool = 20}, 1234);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(drawer_next(&d, 3, NULL, NULL, out), 0);
        assert_drawn(out, wanted[i], 3);
    }
    assert_int_equal(drawer_next(&d, 21, NULL, NULL, out), -1);
    drawer_close(&d);
}

static bool below(void *context, size_t index)
{
    return index < *(size_t *)context;
}

/* One more is drawn and what is excluded dropped; where all of them fall away, anew from what is left. */
static void test_excluded(void **state)
{
    (void)state;
    static const size_t wanted[3] = {14, 3, 2};
    drawer d;
    size_t out[3], most = 1;
    drawer_open(&d, &(draw_rule){.pool = 20}, 1234);
    assert_int_equal(drawer_next(&d, 3, below, &most, out), 0);
    assert_drawn(out, wanted, 3);
    most = 17;
    assert_int_equal(drawer_next(&d, 3, below, &most, out), 0);
    for (size_t i = 0; i < 3; i++)
        assert_true(out[i] >= 17 && out[i] < 20 && (i == 0 || out[i] != out[i - 1]));
    most = 18;
    assert_int_equal(drawer_next(&d, 3, below, &most, out), -1);
    drawer_close(&d);
}

static void test_first(void **state)
{
    (void)state;
    static const size_t wanted[2] = {1, 2};
    drawer d;
    size_t out[2], most = 1;
    drawer_open(&d, &(draw_rule){.kind = DRAW_FIRST, .pool = 3}, 0);
    assert_int_equal(drawer_next(&d, 2, below, &most, out), 0);
    assert_drawn(out, wanted, 2);
    assert_int_equal(drawer_next(&d, 0, NULL, NULL, out), 0);
    most = 2;
    assert_int_equal(drawer_next(&d, 2, below, &most, out), -1);
    drawer_close(&d);
}

/* Stability's: int(share * k) of each class, the rest to the first smallest. */
static void test_stratified(void **state)
{
    (void)state;
    size_t labels[9] = {0, 0, 0, 0, 0, 0, 1, 1, 2}, out[3];
    drawer d;
    drawer_open(&d, &(draw_rule){.pool = 9, .labels = labels, .classes = 3}, 42);
    for (int round = 0; round < 20; round++) {
        size_t seen[3] = {0};
        assert_int_equal(drawer_next(&d, 3, NULL, NULL, out), 0);
        for (size_t i = 0; i < 3; i++)
            seen[labels[out[i]]]++;
        assert_true(seen[0] == 2 && seen[1] == 1 && seen[2] == 0);
    }
    drawer_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sample), cmocka_unit_test(test_excluded), cmocka_unit_test(test_first), cmocka_unit_test(test_stratified)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
