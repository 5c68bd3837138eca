#include "check.h"
#include "functions.h"

#include "search/optimizer.h"

enum { LAYERS = 20, N = 2 * LAYERS, COUNT = 32 };

/* LAYERS binaries, each with a real one that needs it. */
static optimizer *layers_new(double start_on, uint64_t seed)
{
    enum variable kinds[N];
    int needs[N];
    double start[N], low[N] = {0}, high[N], spread[N];
    error err;
    for (int i = 0; i < N; i++) {
        bool binary = i < LAYERS;
        kinds[i] = binary ? VARIABLE_BINARY : VARIABLE_REAL;
        needs[i] = binary ? -1 : i - LAYERS;
        start[i] = binary ? start_on : 1;
        high[i] = binary ? 1 : 3;
        spread[i] = .3;
    }
    optimizer *o = optimizer_new("bernoulli-cma", &(optimizer_options){.n = N, .kinds = kinds, .needs = needs, .start = start, .low = low, .high = high,
                                                                       .spread = spread, .population = COUNT, .seed = seed, .active = 1}, &err);
    if (!o)
        fail_msg("%s", err.text);
    return o;
}

static double scale_of(int layer)
{
    return .6 + .04 * layer;
}

/* Even layers belong on the path, and there their scale matters; of odd ones it would, were they on. */
static double path_and_scales(const double *x)
{
    double sum = 0;
    for (int k = 0; k < LAYERS; k++) {
        double off = x[LAYERS + k] - scale_of(k);
        sum -= x[k] == (k % 2 == 0) ? 0 : 1;
        sum -= x[k] * off * off;
    }
    return sum;
}

typedef double value(const double *x);

static void run(optimizer *o, value *f, int generations)
{
    double x[COUNT * N];
    fate fates[COUNT] = {0};
    error err;
    for (int g = 0; g < generations; g++) {
        optimizer_ask(o, x);
        for (int c = 0; c < COUNT; c++)
            fates[c].objective = f(x + c * N);
        if (optimizer_tell(o, fates, &err) < 0)
            fail_msg("%s", err.text);
    }
}

static void test_a_mixed_function_is_solved(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        optimizer *o = layers_new(.5, seed);
        run(o, path_and_scales, 300);
        const double *mean = optimizer_mean(o);
        for (int k = 0; k < LAYERS; k++) {
            if ((mean[k] > .5) != (k % 2 == 0))
                fail_msg("seed %d: the probability of layer %d is %g", (int)seed, k, mean[k]);
            if (k % 2 == 0 && !(fabs(mean[LAYERS + k] - scale_of(k)) < .01))
                fail_msg("seed %d: the scale of layer %d is %g, wanted %g", (int)seed, k, mean[LAYERS + k], scale_of(k));
        }
        optimizer_free(o);
    }
}

static void test_a_real_whose_binary_is_off_stands_at_the_mean(void **state)
{
    (void)state;
    optimizer *o = layers_new(.5, 4);
    double x[COUNT * N];
    for (int g = 0; g < 20; g++) {
        optimizer_ask(o, x);
        int drawn = 0;
        for (int c = 0; c < COUNT; c++)
            for (int k = 0; k < LAYERS; k++) {
                double at = x[c * N + LAYERS + k], mean = optimizer_mean(o)[LAYERS + k];
                if (x[c * N + k] == 0 && at != mean)
                    fail_msg("generation %d, candidate %d: layer %d is off and its scale %g, not %g", g, c, k, at, mean);
                drawn += at != mean;
            }
        assert_true(drawn > 0);
        run(o, path_and_scales, 1);
    }
    optimizer_free(o);
}

/* Only the first half of the layers counts: as many ones as there can be. */
static double ones_of_the_first_half(const double *x)
{
    double sum = 0;
    for (int k = 0; k < LAYERS / 2; k++)
        sum += x[k];
    return sum;
}

static double noughts(const double *x)
{
    double sum = 0;
    for (int k = 0; k < LAYERS; k++)
        sum -= x[k];
    return sum;
}

/* Once every layer is all but off, the scales are drawn in 1 of 640 candidates: they hardly move, and the step size does not
 * wither for want of news. */
static void test_scales_of_layers_that_are_off_do_not_drift(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        optimizer *o = layers_new(.1, seed);
        run(o, noughts, 100);
        double before[N], sigma = optimizer_sigma(o);
        memcpy(before, optimizer_mean(o), sizeof before);
        run(o, noughts, 300);
        for (int k = 0; k < LAYERS; k++) {
            assert_near(optimizer_mean(o)[k], 1.0 / (LAYERS * COUNT), 1e-12, "the probability of a layer nobody wants");
            assert_near(optimizer_mean(o)[LAYERS + k], before[LAYERS + k], .3, "the scale of a layer nobody wants");
        }
        assert_true(optimizer_sigma(o) > sigma / 3 && optimizer_sigma(o) < sigma * 3);
        optimizer_free(o);
    }
}

static void test_probabilities_keep_the_margin_and_the_way_back(void **state)
{
    (void)state;
    const double margin = 1.0 / (LAYERS * COUNT);
    static value *const wishes[] = {ones_of_the_first_half, noughts, ones_of_the_first_half};
    optimizer *o = layers_new(1, 3);
    assert_near(optimizer_mean(o)[0], 1 - margin, 1e-12, "a probability that starts at 1");
    for (int w = 0; w < 3; w++) {
        for (int g = 0; g < 150; g++) {
            run(o, wishes[w], 1);
            for (int k = 0; k < LAYERS; k++)
                if (!(optimizer_mean(o)[k] >= margin && optimizer_mean(o)[k] <= 1 - margin))
                    fail_msg("wish %d, generation %d: probability %d is %g", w, g, k, optimizer_mean(o)[k]);
        }
        for (int k = 0; k < LAYERS / 2; k++)
            if ((optimizer_mean(o)[k] > .5) != (w != 1))
                fail_msg("wish %d: probability %d is %g", w, k, optimizer_mean(o)[k]);
    }
    optimizer_free(o);
}

/* As many ones as possible of 100, from .5: median evaluations of 15 seeds until a candidate has them all. */
static void test_one_max(void **state)
{
    (void)state;
    enum { BITS = 100, SEEDS = 15 };
    static enum variable kinds[BITS];
    double start[BITS], counts[SEEDS], x[COUNT * BITS];
    fate fates[COUNT];
    error err;
    for (int i = 0; i < BITS; i++) {
        kinds[i] = VARIABLE_BINARY;
        start[i] = .5;
    }
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        optimizer *o = optimizer_new("bernoulli-cma", &(optimizer_options){.n = BITS, .kinds = kinds, .start = start, .seed = seed}, &err);
        if (!o)
            fail_msg("%s", err.text);
        assert_int_equal(optimizer_population(o), COUNT);
        counts[seed] = INFINITY;
        for (int done = 0; done < 20000 && isinf(counts[seed]); done += COUNT) {
            optimizer_ask(o, x);
            for (int c = 0; c < COUNT; c++) {
                fates[c] = (fate){0};
                for (int i = 0; i < BITS; i++)
                    fates[c].objective += x[c * BITS + i];
                if (fates[c].objective == BITS)
                    counts[seed] = done + c + 1;
            }
            assert_int_equal(optimizer_tell(o, fates, &err), 0);
        }
        optimizer_free(o);
    }
    qsort(counts, SEEDS, sizeof *counts, ascending);
    if (!(counts[SEEDS / 2] < 4000))
        fail_msg("median %g evaluations until all %d bits are 1", counts[SEEDS / 2], BITS);
}

/* With nothing binary it is the separable CMA-ES. */
static void test_reals_alone_go_the_way_of_sep_cma_es(void **state)
{
    (void)state;
    enum { REALS = 6 };
    static const char *const names[] = {"bernoulli-cma", "sep-cma-es"};
    const double start[REALS] = {1, 1, 1, 1, 1, 1}, low[REALS] = {0, -3, -3, -3, -3, -3}, high[REALS] = {2, 3, 3, 3, 3, 3};
    optimizer *o[2];
    double x[2][COUNT * REALS];
    error err;
    for (int k = 0; k < 2; k++)
        o[k] = optimizer_new(names[k], &(optimizer_options){.n = REALS, .start = start, .low = low, .high = high, .sigma = .5, .population = COUNT, .seed = 8,
                                                            .active = 1}, &err);
    for (int g = 0; g < 40; g++) {
        for (int k = 0; k < 2; k++) {
            fate fates[COUNT] = {0};
            optimizer_ask(o[k], x[k]);
            for (int c = 0; c < COUNT; c++)
                fates[c] = c % 7 == 3 ? (fate){.state = FATE_INVALID} : (fate){.objective = -ellipsoid(x[k] + c * REALS, REALS)};
            assert_int_equal(optimizer_tell(o[k], fates, &err), 0);
        }
        for (int i = 0; i < COUNT * REALS; i++)
            assert_near(x[0][i], x[1][i], 1e-9, "a coordinate");
        assert_near(optimizer_sigma(o[0]), optimizer_sigma(o[1]), 1e-9, "sigma");
    }
    for (int k = 0; k < 2; k++)
        optimizer_free(o[k]);
}

/* Four candidates, the last three invalid: the second, whose rank has a positive weight, says nothing. */
static void test_invalid_candidates_pull_nothing(void **state)
{
    (void)state;
    enum { BITS = 64 };
    static enum variable kinds[BITS];
    double start[BITS], x[4 * BITS];
    const fate fates[4] = {{.objective = 1}, {.state = FATE_INVALID}, {.state = FATE_INVALID}, {.state = FATE_INVALID}};
    error err;
    for (int i = 0; i < BITS; i++) {
        kinds[i] = VARIABLE_BINARY;
        start[i] = .5;
    }
    optimizer *o = optimizer_new("bernoulli-cma", &(optimizer_options){.n = BITS, .kinds = kinds, .start = start, .population = 4, .seed = 1}, &err);
    optimizer_ask(o, x);
    assert_int_equal(optimizer_tell(o, fates, &err), 0);
    const double *mean = optimizer_mean(o);
    int told_apart = 0;
    for (int i = 0; i < BITS; i++)
        for (int k = 0; k < i; k++) {
            bool alike = x[i] == x[k] && x[2 * BITS + i] == x[2 * BITS + k] && x[3 * BITS + i] == x[3 * BITS + k];
            if (alike && mean[i] != mean[k])
                fail_msg("probabilities %d and %d are %g and %g; only the second candidate's bits differ", k, i, mean[k], mean[i]);
            told_apart += mean[i] != mean[k];
        }
    assert_true(told_apart > 0);
    optimizer_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_mixed_function_is_solved), cmocka_unit_test(test_a_real_whose_binary_is_off_stands_at_the_mean),
        cmocka_unit_test(test_scales_of_layers_that_are_off_do_not_drift), cmocka_unit_test(test_probabilities_keep_the_margin_and_the_way_back),
        cmocka_unit_test(test_one_max), cmocka_unit_test(test_reals_alone_go_the_way_of_sep_cma_es), cmocka_unit_test(test_invalid_candidates_pull_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
