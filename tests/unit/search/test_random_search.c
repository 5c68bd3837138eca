#include "check.h"

#include "search/optimizer.h"

static void test_uniform_in_finite_bounds(void **state)
{
    (void)state;
    enum { N = 2, COUNT = 5000 };
    const double start[N] = {0, 5}, low[N] = {-1, 4}, high[N] = {3, 6};
    error err;
    optimizer *o = optimizer_new("random", &(optimizer_options){.n = N, .start = start, .low = low, .high = high, .population = COUNT, .seed = 1}, &err);
    double *x = memory_new(COUNT * N, sizeof *x);
    optimizer_ask(o, x);
    for (int k = 0; k < N; k++) {
        double sum = 0, width = high[k] - low[k];
        int quarter = 0;
        for (int i = 0; i < COUNT; i++) {
            assert_true(x[i * N + k] >= low[k] && x[i * N + k] <= high[k]);
            sum += x[i * N + k];
            quarter += x[i * N + k] < low[k] + width / 4;
        }
        assert_near(sum / COUNT, (low[k] + high[k]) / 2, 0.02 * width, "the mean");
        assert_near((double)quarter / COUNT, .25, .025, "the share in the first quarter");
    }
    assert_null(optimizer_mean(o));
    free(x);
    optimizer_free(o);
}

static void test_normal_where_a_bound_is_missing(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    const double start = 2, low = 1, high = INFINITY, spread = .5;
    error err;
    optimizer *o = optimizer_new("random", &(optimizer_options){.n = 1, .start = &start, .low = &low, .high = &high, .spread = &spread, .sigma = 2,
                                                                .population = COUNT}, &err);
    double *x = memory_new(COUNT, sizeof *x);
    int above = 0, at_bound = 0;
    optimizer_ask(o, x);
    for (int i = 0; i < COUNT; i++) {
        assert_true(x[i] >= low);
        above += x[i] > 3;
        at_bound += x[i] == low;
    }
    assert_near((double)above / COUNT, .1587, .02, "the share above one standard deviation");
    assert_near((double)at_bound / COUNT, .1587, .02, "the share at the bound");
    free(x);
    optimizer_free(o);
}

static void test_binaries_keep_their_probability(void **state)
{
    (void)state;
    enum { N = 2, COUNT = 5000 };
    const enum variable kinds[N] = {VARIABLE_BINARY, VARIABLE_BINARY};
    const double start[N] = {.1, .75};
    error err;
    optimizer *o = optimizer_new("random", &(optimizer_options){.n = N, .kinds = kinds, .start = start, .population = COUNT, .seed = 2}, &err);
    double *x = memory_new(COUNT * N, sizeof *x);
    optimizer_ask(o, x);
    for (int k = 0; k < N; k++) {
        double sum = 0;
        for (int i = 0; i < COUNT; i++)
            sum += x[i * N + k];
        assert_near(sum / COUNT, start[k], .02, "the share of ones");
    }
    free(x);
    optimizer_free(o);
}

static void test_generations_differ_and_do_not_learn(void **state)
{
    (void)state;
    const double start[2] = {.5, .5}, low[2] = {0, 0}, high[2] = {1, 1};
    optimizer *o[2];
    error err;
    double first[8], x[2][8];
    for (int k = 0; k < 2; k++)
        o[k] = optimizer_new("random", &(optimizer_options){.n = 2, .start = start, .low = low, .high = high, .population = 4, .seed = 4}, &err);
    optimizer_ask(o[0], first);
    for (int k = 0; k < 2; k++) {
        fate fates[4] = {{.objective = k}, {.objective = 1}, {.state = FATE_INVALID}, {.state = FATE_PRUNED}};
        assert_int_equal(optimizer_tell(o[k], fates, &err), 0);
        optimizer_ask(o[k], x[k]);
        optimizer_free(o[k]);
    }
    assert_memory_equal(x[0], x[1], sizeof x[0]);
    assert_memory_not_equal(first, x[0], sizeof first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uniform_in_finite_bounds), cmocka_unit_test(test_normal_where_a_bound_is_missing),
        cmocka_unit_test(test_binaries_keep_their_probability), cmocka_unit_test(test_generations_differ_and_do_not_learn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
