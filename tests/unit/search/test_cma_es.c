#include "check.h"
#include "functions.h"

#include "search/optimizer.h"

/* In [0, 1]: best at the corner 0. */
static double linear(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

/* In [0, 1]: every other coordinate would like to be -0.3, the rest 0.6. */
static double beyond(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += i % 2 ? (x[i] + 0.3) * (x[i] + 0.3) - 0.09 : (x[i] - 0.6) * (x[i] - 0.6);
    return sum;
}

/* In [0, 1]: optima on both bounds and inside, axes 100 times as steep as others. */
static double ill(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double t = x[i] - (i % 3 == 0 ? 0 : i % 3 == 1 ? 0.6 : 1);
        sum += pow(100, (double)i / ((double)n - 1)) * t * t;
    }
    return sum;
}

static double evaluations(const char *name, const optimizer_options *options, function *f, double target, double limit)
{
    error err;
    optimizer *o = optimizer_new(name, options, &err);
    if (!o)
        fail_msg("%s", err.text);
    size_t n = options->n, count = (size_t)optimizer_population(o);
    double *x = memory_new(count * n, sizeof *x), done = 0, at = INFINITY;
    fate *fates = memory_new(count, sizeof *fates);
    while (done < limit && isinf(at)) {
        optimizer_ask(o, x);
        for (size_t i = 0; i < count; i++) {
            for (size_t j = 0; options->low && j < n; j++)
                if (x[i * n + j] < options->low[j] || x[i * n + j] > options->high[j])
                    fail_msg("candidate %zu, dimension %zu is %g, outside [%g, %g]", i, j, x[i * n + j], options->low[j], options->high[j]);
            double value = f(x + i * n, n);
            if (value <= target && isinf(at))
                at = done + (double)i + 1;
            fates[i].objective = -value;
        }
        done += (double)count;
        if (optimizer_tell(o, fates, &err) < 0)
            fail_msg("%s", err.text);
        for (size_t j = 0; options->low && j < n; j++)
            assert_true(optimizer_mean(o)[j] >= options->low[j] && optimizer_mean(o)[j] <= options->high[j]);
    }
    free(x);
    free(fates);
    optimizer_free(o);
    return at;
}

/* Median evaluations to 1e-8 of 15 seeds against the simulation of the specification, within 10 %. */
static void test_as_fast_as_the_specification(void **state)
{
    (void)state;
    static const struct { const char *name; function *f; double x0, sigma; int active; double median; } cases[] = {
        {"sphere", sphere, 1, .5, 1, 1333}, {"sphere", sphere, 1, .5, 0, 1320}, {"ellipsoid", ellipsoid, 1, .5, 1, 3888},
        {"ellipsoid", ellipsoid, 1, .5, 0, 5487}, {"Rosenbrock", rosenbrock, 0, .1, 1, 4990}, {"Rosenbrock", rosenbrock, 0, .1, 0, 5839},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double start[10], counts[15];
        for (int k = 0; k < 10; k++)
            start[k] = cases[i].x0;
        for (uint64_t seed = 0; seed < 15; seed++) {
            optimizer_options options = {.n = 10, .start = start, .sigma = cases[i].sigma, .seed = seed, .active = cases[i].active};
            counts[seed] = evaluations("cma-es", &options, cases[i].f, 1e-8, 60000);
        }
        qsort(counts, 15, sizeof *counts, ascending);
        if (!(fabs(counts[7] - cases[i].median) <= 0.1 * cases[i].median))
            fail_msg("%s, active %d: median %g evaluations, wanted %g within 10 %%", cases[i].name, cases[i].active, counts[7], cases[i].median);
    }
}

static void test_optima_on_and_beyond_the_bounds_are_reached(void **state)
{
    (void)state;
    enum { N = 24 };
    static const struct { const char *name; function *f; double limit; } cases[] = {{"linear", linear, 1000}, {"beyond", beyond, 8000}, {"ill", ill, 12000}};
    double start[N], low[N], high[N], spread[N];
    for (int i = 0; i < N; i++) {
        start[i] = .5;
        low[i] = 0;
        high[i] = 1;
        spread[i] = 1.0 / 6;
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            optimizer_options options = {.n = N, .start = start, .low = low, .high = high, .spread = spread, .seed = seed, .active = 1};
            double took = evaluations("cma-es", &options, cases[i].f, 1e-6, cases[i].limit);
            if (isinf(took))
                fail_msg("%s, seed %llu: not there after %g evaluations", cases[i].name, (unsigned long long)seed, cases[i].limit);
        }
}

/* Units do not matter: the same search in other units gives the same candidates in those units. */
static void test_spread_is_a_unit(void **state)
{
    (void)state;
    enum { N = 3 };
    const double start[2][N] = {{.5, .5, .5}, {32, .5, .0625}}, spread[2][N] = {{1, 1, 1}, {64, 1, .125}};
    optimizer *o[2];
    error err;
    double x[2][7 * N];
    fate fates[7] = {0};
    for (int k = 0; k < 2; k++)
        o[k] = optimizer_new("cma-es", &(optimizer_options){.n = N, .start = start[k], .spread = spread[k], .sigma = .25, .seed = 9, .active = 1}, &err);
    for (int g = 0; g < 20; g++) {
        for (int k = 0; k < 2; k++) {
            optimizer_ask(o[k], x[k]);
            for (int i = 0; i < 7 * N; i++)
                x[k][i] /= spread[k][i % N];
        }
        assert_memory_equal(x[0], x[1], sizeof x[0]);
        for (int i = 0; i < 7; i++)
            fates[i].objective = -rosenbrock(x[0] + i * N, N);
        assert_int_equal(optimizer_tell(o[0], fates, &err), 0);
        assert_int_equal(optimizer_tell(o[1], fates, &err), 0);
    }
    optimizer_free(o[0]);
    optimizer_free(o[1]);
}

/* Noise makes CMA-ES grow its steps: they stop at half the box. */
static void test_steps_stay_within_the_box(void **state)
{
    (void)state;
    static const char *const names[] = {"cma-es", "sep-cma-es"};
    for (int kind = 0; kind < 2; kind++) {
        enum { N = 5, COUNT = 8 };
        double start[N] = {.5, .5, .5, .5, .5}, low[N] = {0}, high[N] = {1, 1, 1, 1, 1}, x[COUNT * N];
        error err;
        fate fates[COUNT] = {0};
        optimizer *o = optimizer_new(names[kind], &(optimizer_options){.n = N, .start = start, .low = low, .high = high, .sigma = .3, .population = COUNT,
                                                                       .active = 1}, &err);
        for (int g = 0; g < 400; g++) {
            optimizer_ask(o, x);
            for (int i = 0; i < COUNT; i++)     /* far from the middle is good: a pull to grow without end */
                fates[i].objective = fabs(x[i * N] - .5) + fabs(x[i * N + 1] - .5);
            assert_int_equal(optimizer_tell(o, fates, &err), 0);
            assert_true(optimizer_sigma(o) > 0 && optimizer_sigma(o) < 1e6);
        }
        optimizer_free(o);
    }
}

static void test_separable_form_on_many_dimensions(void **state)
{
    (void)state;
    enum { N = 100 };
    double start[N];
    for (int i = 0; i < N; i++)
        start[i] = 1;
    double took = evaluations("sep-cma-es", &(optimizer_options){.n = N, .start = start, .sigma = .5, .seed = 3, .active = 1}, ellipsoid, 1e-8, 60000);
    if (!(took < 60000))
        fail_msg("the separable ellipsoid took %g evaluations", took);
}

enum { BITS = 24, CANDIDATES = 16 };

static optimizer *binary_search_of(const char *name, double p, double sigma, uint64_t seed)
{
    static const enum variable kinds[BITS] = {[0 ... BITS - 1] = VARIABLE_BINARY};
    double start[BITS];
    error err;
    for (int i = 0; i < BITS; i++)
        start[i] = p;
    optimizer *o = optimizer_new(name, &(optimizer_options){.n = BITS, .kinds = kinds, .start = start, .sigma = sigma, .population = CANDIDATES,
                                                            .seed = seed, .active = 1}, &err);
    if (!o)
        fail_msg("%s", err.text);
    return o;
}

/* A generation that wants ones, or noughts. */
static void want(optimizer *o, int bit)
{
    double x[CANDIDATES * BITS];
    fate fates[CANDIDATES] = {0};
    error err;
    optimizer_ask(o, x);
    for (int c = 0; c < CANDIDATES; c++)
        for (int i = 0; i < BITS; i++)
            fates[c].objective += x[c * BITS + i] == bit;
    assert_int_equal(optimizer_tell(o, fates, &err), 0);
}

/* start is the probability, whatever sigma; 0 and 1 are clipped. */
static void test_a_binary_starts_with_its_probability(void **state)
{
    (void)state;
    static const double starts[][2] = {{0, 1e-6}, {.1, .1}, {.5, .5}, {.97724986805182079, .97724986805182079}, {1, 1 - 1e-6}};
    for (size_t k = 0; k < sizeof starts / sizeof *starts; k++)
        for (int s = 0; s < 2; s++) {
            optimizer *o = binary_search_of("cma-es", starts[k][0], s ? 1.0 / 6 : 1, 1);
            double ones = 0;
            for (int g = 0; g < 40; g++) {
                double x[CANDIDATES * BITS];
                fate flat[CANDIDATES] = {0};
                error err;
                optimizer_ask(o, x);
                for (int i = 0; i < CANDIDATES * BITS; i++)
                    ones += x[i];
                assert_int_equal(optimizer_tell(o, flat, &err), 0);
            }
            assert_near(optimizer_mean(o)[0], starts[k][1], 1e-12, "the probability at the start");
            assert_near(ones / (40 * CANDIDATES * BITS), starts[k][1], .015, "the share of ones");
            optimizer_free(o);
        }
}

/* Without a margin the binaries settle and stay; with one each side keeps 1 / (n population), and the way back is open. */
static void test_margin(void **state)
{
    (void)state;
    static const char *const margins[] = {"cma-es-margin", "sep-cma-es-margin"};
    const double margin = 1.0 / (BITS * CANDIDATES);
    for (int k = 0; k < 2; k++) {
        optimizer *o = binary_search_of(margins[k], .5, 1, 5);
        for (int bit = 1; bit >= 0; bit--) {
            for (int g = 0; g < 400; g++) {
                want(o, bit);
                for (int i = 0; i < BITS; i++)
                    if (!(optimizer_mean(o)[i] >= margin * (1 - 1e-9) && optimizer_mean(o)[i] <= 1 - margin * (1 - 1e-9)))
                        fail_msg("%s, generation %d: probability %d is %g, outside the margin %g", margins[k], g, i, optimizer_mean(o)[i], margin);
            }
            for (int i = 0; i < BITS; i++)
                if ((optimizer_mean(o)[i] > .5) != bit)
                    fail_msg("%s: wanted %d, probability %d is %g", margins[k], bit, i, optimizer_mean(o)[i]);
        }
        optimizer_free(o);
    }
    optimizer *o = binary_search_of("cma-es", .5, 1, 5);
    for (int g = 0; g < 400; g++)
        want(o, 1);
    double most = 0;
    for (int i = 0; i < BITS; i++)
        most = fmax(most, optimizer_mean(o)[i]);
    assert_true(most > 1 - margin / 10);
    optimizer_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_fast_as_the_specification), cmocka_unit_test(test_optima_on_and_beyond_the_bounds_are_reached),
        cmocka_unit_test(test_spread_is_a_unit), cmocka_unit_test(test_steps_stay_within_the_box), cmocka_unit_test(test_separable_form_on_many_dimensions),
        cmocka_unit_test(test_a_binary_starts_with_its_probability), cmocka_unit_test(test_margin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
