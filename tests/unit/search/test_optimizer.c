#include "check.h"

#include "base/file.h"
#include "search/optimizer.h"

#define HEAD 20     /* magic, version, length */
#define TAIL 64     /* checksum */

static const char *const names[] = {"cma-es", "sep-cma-es", "cma-es-margin", "sep-cma-es-margin", "bernoulli-cma", "genetic", "random"};
enum { NAMES = sizeof names / sizeof *names };

enum { N = 4, COUNT = 8 };
static const double start[N] = {.5, .5, .5, 1}, low[N] = {0, 0, 0, -INFINITY}, high[N] = {1, 1, 2, INFINITY}, spread[N] = {.2, .2, .3, 1};

static optimizer_options plain(void)
{
    return (optimizer_options){.n = N, .start = start, .low = low, .high = high, .spread = spread, .population = COUNT, .seed = 11, .active = 1};
}

/* The same box with two binaries, one of which a real one needs. */
static optimizer_options mixed(void)
{
    static const enum variable kinds[N] = {VARIABLE_BINARY, VARIABLE_BINARY, VARIABLE_REAL, VARIABLE_REAL};
    static const int needs[N] = {-1, -1, 0, -1};
    optimizer_options options = plain();
    options.kinds = kinds;
    options.needs = needs;
    return options;
}

static optimizer_options space(int i)
{
    return i ? mixed() : plain();
}

static optimizer *new_in(const char *name, optimizer_options options)
{
    error err;
    optimizer *o = optimizer_new(name, &options, &err);
    if (!o)
        fail_msg("%s", err.text);
    return o;
}

static optimizer *new_one(const char *name)
{
    return new_in(name, plain());
}

/* One generation of something with every kind of fate in it. */
static void run_generation(optimizer *o)
{
    double x[COUNT * N];
    fate fates[COUNT] = {0};
    error err;
    optimizer_ask(o, x);
    for (int i = 0; i < COUNT; i++) {
        double d = 0;
        for (int k = 0; k < N; k++)
            d += (x[i * N + k] - .3 * k) * (x[i * N + k] - .3 * k);
        fates[i].objective = -floor(20 * d);
        if (i == 3 && d > .5)
            fates[i] = (fate){.state = FATE_PRUNED, .round = 2, .partial = -d};
        if (i == 5 && d > .5)
            fates[i] = (fate){.state = FATE_INVALID, .objective = NAN};
    }
    if (optimizer_tell(o, fates, &err) < 0)
        fail_msg("%s", err.text);
}

static void assert_same_state(const optimizer *a, const optimizer *b)
{
    size_t n, m;
    void *p = optimizer_save(a, &n), *q = optimizer_save(b, &m);
    assert_int_equal(n, m);
    assert_memory_equal(p, q, n);
    free(p);
    free(q);
}

static optimizer *reload(const optimizer *o)
{
    error err;
    size_t n;
    void *bytes = optimizer_save(o, &n);
    optimizer *again = optimizer_load(bytes, n, &err);
    if (!again)
        fail_msg("%s", err.text);
    free(bytes);
    return again;
}

/* Killed and loaded before every generation, the search goes the same way to the bit. */
static void test_a_loaded_search_goes_on_as_if_nothing_had_happened(void **state)
{
    (void)state;
    for (int k = 0; k < 2 * NAMES; k++) {
        optimizer *whole = new_in(names[k / 2], space(k % 2)), *cut = new_in(names[k / 2], space(k % 2));
        for (int g = 0; g < 40; g++) {
            double x[2][COUNT * N];
            optimizer *again = reload(cut);
            optimizer_free(cut);
            cut = again;
            optimizer_ask(whole, x[0]);
            optimizer_ask(cut, x[1]);
            assert_memory_equal(x[0], x[1], sizeof x[0]);
            run_generation(whole);
            run_generation(cut);
            assert_same_state(whole, cut);
            if (optimizer_mean(whole))
                assert_memory_equal(optimizer_mean(whole), optimizer_mean(cut), N * sizeof(double));
        }
        assert_int_equal(optimizer_generation(cut), 40);
        assert_string_equal(optimizer_name(cut), names[k / 2]);
        optimizer_free(whole);
        optimizer_free(cut);
    }
}

static void test_ask_repeats_until_tell(void **state)
{
    (void)state;
    for (int k = 0; k < 2 * NAMES; k++) {
        double x[3][COUNT * N];
        optimizer *o = new_in(names[k / 2], space(k % 2));
        optimizer_ask(o, x[0]);
        optimizer_ask(o, x[1]);
        assert_memory_equal(x[0], x[1], sizeof x[0]);
        run_generation(o);
        optimizer_ask(o, x[2]);
        assert_memory_not_equal(x[0], x[2], sizeof x[0]);
        optimizer_free(o);
    }
}

static void tell(optimizer *o, const fate *fates)
{
    error err;
    if (optimizer_tell(o, fates, &err) < 0)
        fail_msg("%s", err.text);
}

/* Only the order counts: complete by objective, pruned by round, partial, index, equal ones by index. */
static void test_ranking(void **state)
{
    (void)state;
    optimizer *a = new_one("cma-es"), *b = new_one("cma-es");
    const fate mixed[COUNT] = {
        {.objective = 5}, {.state = FATE_PRUNED, .round = 1, .partial = 900}, {.objective = 7}, {.state = FATE_PRUNED, .round = 2, .partial = 3},
        {.objective = 5}, {.state = FATE_PRUNED, .round = 2, .partial = 4}, {.state = FATE_PRUNED, .round = 2, .partial = 3}, {.objective = -1e300},
    };
    const int rank[COUNT] = {1, 7, 0, 5, 2, 4, 6, 3};
    fate plain_ones[COUNT] = {0};
    for (int i = 0; i < COUNT; i++)
        plain_ones[i].objective = -rank[i];
    tell(a, mixed);
    tell(b, plain_ones);
    assert_same_state(a, b);
    optimizer_free(a);
    optimizer_free(b);
}

static void test_an_invalid_candidate_never_pulls_the_mean(void **state)
{
    (void)state;
    optimizer *o = new_one("cma-es");
    double x[COUNT * N], to[N] = {0}, moved = 0;
    fate fates[COUNT];
    optimizer_ask(o, x);
    for (int i = 0; i < COUNT; i++)
        fates[i] = (fate){.state = i == 6 ? FATE_COMPLETE : FATE_INVALID};
    tell(o, fates);
    const double *mean = optimizer_mean(o);
    for (int k = 0; k < 2; k++)
        to[k] = (mean[k] - start[k]) / (x[6 * N + k] - start[k]);
    assert_near(to[0], to[1], 1e-9, "the step along the only valid candidate");
    assert_true(to[0] > 0 && to[0] < 1);
    for (int k = 0; k < N; k++)
        moved += fabs(mean[k] - start[k]);
    assert_true(moved > 0);
    optimizer_free(o);
}

/* All equal, all invalid, all pruned alike: the distribution stays, the next candidates are new. */
static void test_a_generation_that_tells_nothing(void **state)
{
    (void)state;
    for (int k = 0; k < 2 * NAMES; k++)
        for (int what = FATE_COMPLETE; what <= FATE_INVALID; what++) {
            optimizer *o = new_in(names[k / 2], space(k % 2));
            for (int g = 0; g < 5; g++)
                run_generation(o);
            double mean[N], sigma = optimizer_sigma(o), x[2][COUNT * N];
            fate fates[COUNT];
            if (optimizer_mean(o))
                memcpy(mean, optimizer_mean(o), sizeof mean);
            for (int g = 0; g < 100; g++) {
                for (int i = 0; i < COUNT; i++)
                    fates[i] = (fate){.state = what, .objective = .25, .round = 3, .partial = .5};
                optimizer_ask(o, x[0]);
                tell(o, fates);
                optimizer_ask(o, x[1]);
                assert_memory_not_equal(x[0], x[1], sizeof x[0]);
            }
            assert_int_equal(optimizer_generation(o), 105);
            assert_true(optimizer_sigma(o) == sigma);
            if (optimizer_mean(o))
                assert_memory_equal(mean, optimizer_mean(o), sizeof mean);
            run_generation(o);
            optimizer_free(o);
        }
}

static void test_a_score_that_is_no_number_changes_nothing(void **state)
{
    (void)state;
    const double bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 6; i++) {
        optimizer *o = new_one("cma-es"), *same = new_one("cma-es");
        fate fates[COUNT] = {0};
        error err;
        fates[2] = i < 3 ? (fate){.objective = bad[i]} : (fate){.state = FATE_PRUNED, .partial = bad[i - 3]};
        assert_int_equal(optimizer_tell(o, fates, &err), -1);
        assert_error(&err, ERROR_NOT_FINITE, "candidate 2 of generation 0");
        assert_same_state(o, same);
        fates[2] = (fate){.state = (enum fate_state)7};
        assert_int_equal(optimizer_tell(o, fates, &err), -1);
        assert_same_state(o, same);
        optimizer_free(o);
        optimizer_free(same);
    }
}

static void refused(const char *name, const optimizer_options *options, const char *thing)
{
    error err = {0};
    optimizer *o = optimizer_new(name, options, &err);
    if (o)
        fail_msg("%s was made; wanted an error about %s", name, thing);
    if (!strstr(err.text, thing))
        fail_msg("'%s' does not tell '%s'", err.text, thing);
}

static void test_options_that_make_no_sense(void **state)
{
    (void)state;
    const double outside[N] = {.5, 1.5, .5, 1}, nan[N] = {.5, NAN, .5, 1}, upside[N] = {1, 1, 2, -INFINITY}, none[N] = {.2, 0, .2, 1};
    optimizer_options o = plain();
    refused("cma", &o, "'cma'");
    o.start = outside;
    refused("cma-es", &o, "dimension 1 starts at 1.5");
    o.start = nan;
    refused("random", &o, "dimension 1 starts at nan");
    o = plain();
    o.low = upside;
    refused("cma-es", &o, "dimension 0");
    o = plain();
    o.spread = none;
    refused("cma-es", &o, "spread 0");
    o = plain();
    o.sigma = -1;
    refused("cma-es", &o, "sigma is -1");
    o.sigma = NAN;
    refused("cma-es", &o, "sigma is nan");
    o = plain();
    o.population = 1;
    refused("cma-es", &o, "population of 1");
    o.population = -3;
    refused("random", &o, "population of -3");
    o.population = 2000000000;
    refused("random", &o, "2000000000");
    o = plain();
    o.n = 0;
    refused("cma-es", &o, "0 dimensions");
    o.n = (size_t)1 << 40;
    refused("cma-es", &o, "dimensions");
}

static void test_binaries_that_make_no_sense(void **state)
{
    (void)state;
    const enum variable wide[N] = {VARIABLE_REAL, VARIABLE_REAL, VARIABLE_BINARY, VARIABLE_REAL}, unknown[N] = {0, (enum variable)2, 0, 0};
    const int far[N] = {-1, -1, 4, -1}, negative[N] = {-1, -1, -2, -1}, real[N] = {-1, -1, 3, -1}, binary[N] = {1, -1, 0, -1};
    const double sure[N] = {1.5, .5, .5, 1};
    const struct { const int *needs; const char *thing; } cases[] = {
        {far, "dimension 2 needs 4"}, {negative, "needs -2"}, {real, "dimension 2 needs 3: only a real"}, {binary, "dimension 0 needs 1: only a real"},
    };
    optimizer_options o = mixed();
    for (size_t k = 0; k < NAMES; k++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            o.needs = cases[i].needs;
            refused(names[k], &o, cases[i].thing);
        }
    o = mixed();
    o.start = sure;
    refused("bernoulli-cma", &o, "dimension 0 starts at 1.5");
    o = plain();
    o.kinds = wide;
    refused("cma-es", &o, "dimension 2 is binary: bounds [0, 2]");
    o.kinds = unknown;
    refused("cma-es", &o, "dimension 1 is of the unknown kind 2");
}

/* Of every optimizer: exact values, and probabilities as the binaries' means. Bounds and spread of a binary may be left out. */
static void test_binaries(void **state)
{
    (void)state;
    const double none[N] = {0, 0, .3, 1};
    for (size_t k = 0; k < NAMES; k++) {
        optimizer_options options = mixed();
        options.low = options.high = NULL;
        options.spread = none;
        optimizer *o = new_in(names[k], options);
        for (int g = 0; g < 60; g++) {
            double x[COUNT * N];
            optimizer_ask(o, x);
            for (int i = 0; i < COUNT * N; i++)
                if (i % N < 2 && x[i] != 0.0 && x[i] != 1.0)
                    fail_msg("%s: candidate %d, dimension %d is %g", names[k], i / N, i % N, x[i]);
            for (int i = 0; i < 2 && optimizer_mean(o); i++)
                assert_true(optimizer_mean(o)[i] >= 0 && optimizer_mean(o)[i] <= 1);
            run_generation(o);
        }
        optimizer_free(o);
    }
}

static void test_full_covariance_above_1000_dimensions(void **state)
{
    (void)state;
    enum { MANY = 1001 };
    static const double zeros[MANY];
    static const char *const asked[] = {"cma-es", "cma-es-margin"}, *const diagonal[] = {"sep-cma-es", "sep-cma-es-margin"};
    for (int k = 0; k < 2; k++)
        for (int full = 0; full < 2; full++) {
            optimizer *o = new_in(asked[k], (optimizer_options){.n = MANY, .start = zeros, .population = 2, .full = full});
            assert_string_equal(optimizer_name(o), full ? asked[k] : diagonal[k]);
            optimizer_free(o);
        }
    optimizer_options options = {.n = 8193, .start = zeros, .full = true};
    refused("cma-es", &options, "8193 dimensions");
}

static void test_sizes(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 2, 10, 1000, 1001};
    double *zeros = memory_new(1001, sizeof *zeros);
    error err;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        optimizer *o = optimizer_new("cma-es", &(optimizer_options){.n = sizes[i], .start = zeros, .active = 1}, &err);
        if (!o)
            fail_msg("%s", err.text);
        assert_string_equal(optimizer_name(o), sizes[i] > 1000 ? "sep-cma-es" : "cma-es");
        assert_int_equal(optimizer_population(o), 4 + (int)floor(3 * log((double)sizes[i])));
        assert_int_equal(optimizer_dimensions(o), sizes[i]);
        assert_true(optimizer_sigma(o) == 1);
        optimizer_free(o);
    }
    free(zeros);
    assert_string_equal(optimizer_names()[0], "cma-es");
    assert_null(optimizer_names()[NAMES]);
    assert_string_equal(optimizer_default(false), "cma-es");
    assert_string_equal(optimizer_default(true), "bernoulli-cma");
}

/* A saved state after some generations, with its length and checksum made right again after `change`. */
static void sign(unsigned char *bytes, size_t n)
{
    uint64_t length = n - HEAD - TAIL;
    char hex[65];
    memcpy(bytes + 12, &length, sizeof length);
    file_sha256(bytes, n - TAIL, hex);
    memcpy(bytes + n - TAIL, hex, TAIL);
}

static unsigned char *saved_in(const char *name, optimizer_options options, size_t *n)
{
    optimizer *o = new_in(name, options);
    for (int g = 0; g < 6; g++)
        run_generation(o);
    unsigned char *bytes = optimizer_save(o, n);
    optimizer_free(o);
    return bytes;
}

static unsigned char *saved(const char *name, size_t *n)
{
    return saved_in(name, plain(), n);
}

static void test_truncated_and_flipped_bytes(void **state)
{
    (void)state;
    for (int k = 0; k < 2 * NAMES; k++) {
        size_t n;
        unsigned char *bytes = saved_in(names[k / 2], space(k % 2), &n);
        error err;
        for (size_t i = 0; i < n; i++) {
            unsigned char *shorter = memory_new(n, 1);
            memcpy(shorter, bytes, i);
            assert_null(optimizer_load(shorter, i, &err));
            if (i >= HEAD + TAIL) {     /* the same, but whole as far as length and checksum can tell */
                sign(shorter, i);
                assert_null(optimizer_load(shorter, i, &err));
                assert_null(strchr(err.text, '\n'));
            }
            free(shorter);
            bytes[i] ^= 0x10;
            assert_null(optimizer_load(bytes, n, &err));
            bytes[i] ^= 0x10;
        }
        bytes = memory_grow(bytes, n + 8, 1);
        memset(bytes + n, 0, 8);
        sign(bytes, n + 8);
        assert_null(optimizer_load(bytes, n + 8, &err));
        free(bytes);
    }
}

/* Where things lie in the saved state of a cma-es of N dimensions and COUNT candidates. */
enum {
    AT_N = HEAD + 4 + 6, AT_POPULATION = AT_N + 8, AT_ACTIVE = AT_POPULATION + 4, AT_GENERATION = AT_ACTIVE + 4, AT_SIGMA0 = AT_GENERATION + 4 + 8,
    AT_KINDS = AT_SIGMA0 + 8, AT_NEEDS = AT_KINDS + 4 * N, AT_LOW = AT_NEEDS + 4 * N,
    AT_SPREAD = AT_LOW + 2 * 8 * N, AT_X = AT_SPREAD + 8 * N, AT_DECOMPOSED = AT_X + 8 * COUNT * N, AT_SIGMA = AT_DECOMPOSED + 4,
    AT_MEAN = AT_SIGMA + 8, AT_PS = AT_MEAN + 8 * N, AT_PC = AT_PS + 8 * N, AT_D = AT_PC + 8 * N, AT_C = AT_D + 8 * N, AT_B = AT_C + 8 * N * N,
    AT_Y = AT_B + 8 * N * N, AT_END = AT_Y + 8 * COUNT * N
};

static void test_lies_behind_a_right_checksum(void **state)
{
    (void)state;
    static const struct { int at; double value; const char *thing; } lies[] = {
        {AT_SIGMA, 0, "sigma is 0"}, {AT_SIGMA, -1, "sigma is -1"}, {AT_SIGMA, NAN, "sigma is nan"}, {AT_SIGMA, INFINITY, "sigma is inf"},
        {AT_SIGMA0, 0, "sigma is 0"}, {AT_SPREAD + 8, -1, "spread -1"}, {AT_SPREAD, NAN, "spread nan"}, {AT_LOW, 3, "bounds [3, 1]"}, {AT_LOW, NAN, "bounds"},
        {AT_X, 1.5, "candidate 0, dimension 0 is 1.5"}, {AT_X + 8 * (N + 3), NAN, "candidate 1, dimension 3 is nan"},
        {AT_MEAN, NAN, "the mean"}, {AT_PS + 8, INFINITY, "number 1 of ps"}, {AT_PC, NAN, "pc"}, {AT_D, NAN, "D"}, {AT_D, 0, "D[0] is 0"}, {AT_D + 16, -1, "D[2] is -1"},
        {AT_C, NAN, "C is nan"}, {AT_C, -1, "not positive definite"}, {AT_C, 1e-30, "not positive definite"}, {AT_C + 8, .5, "not symmetric"},
        {AT_B, NAN, "B is nan"}, {AT_B, 2, "not orthonormal"}, {AT_Y, NAN, "the steps"},
    };
    size_t n;
    unsigned char *bytes = saved("cma-es", &n);
    assert_int_equal(n, AT_END + TAIL);
    error err;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        unsigned char *copy = memory_new(n, 1);
        memcpy(copy, bytes, n);
        memcpy(copy + lies[i].at, &lies[i].value, 8);
        sign(copy, n);
        optimizer *o = optimizer_load(copy, n, &err);
        if (o)
            fail_msg("case %zu (%s) was loaded", i, lies[i].thing);
        if (!strstr(err.text, lies[i].thing) || strchr(err.text, '\n'))
            fail_msg("case %zu: '%s' does not tell '%s'", i, err.text, lies[i].thing);
        free(copy);
    }
    static const struct { int at; uint32_t value; const char *thing; } numbers[] = {
        {8, 3, "version 3"}, {HEAD, 200, "name of 200"}, {HEAD + 4, 0x41414141, "unknown optimizer"}, {AT_N, 5, ""}, {AT_N, 0, "0 dimensions"}, {AT_N, 3, ""},
        {AT_N, 0xffffffff, "dimensions"}, {AT_N + 4, 0x80000000, "dimensions"}, {AT_POPULATION, 0, "population of 0"}, {AT_POPULATION, 0xffffffff, "population"},
        {AT_POPULATION, 1, "population of 1"}, {AT_POPULATION, 9, ""}, {AT_ACTIVE, 2, "active 2"}, {AT_KINDS, 2, "unknown kind 2"},
        {AT_KINDS, 1, "neither 0 nor 1"}, {AT_KINDS + 8, 1, "must be 0 and 1"},
        {AT_NEEDS, 1, "only a binary one"}, {AT_NEEDS, N, "needs 4"}, {AT_NEEDS, 0xfffffffe, "needs -2"}, {AT_DECOMPOSED, 7, "generation 7"},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        unsigned char *copy = memory_new(n, 1);
        memcpy(copy, bytes, n);
        memcpy(copy + numbers[i].at, &numbers[i].value, 4);
        sign(copy, n);
        optimizer *o = optimizer_load(copy, n, &err);
        if (o || !strstr(err.text, numbers[i].thing))
            fail_msg("number case %zu: '%s' does not tell '%s'", i, o ? "it was loaded" : err.text, numbers[i].thing);
        free(copy);
    }
    free(bytes);
}

static void test_lies_about_probabilities(void **state)
{
    (void)state;
    enum { SIGMA = AT_X + 8 * COUNT * N, MEAN = SIGMA + 8, PATHS = MEAN + 8 * N, VARIANCES = PATHS + 2 * 8 * N, STEPS = VARIANCES + 8 * N };
    static const struct { int at; double value; const char *thing; } lies[] = {
        {AT_X, .5, "candidate 0, dimension 0 is 0.5, neither 0 nor 1"}, {SIGMA, 0, "sigma is 0"}, {MEAN, 0, "probability of dimension 0 is 0"},
        {MEAN + 8, .99, "probability of dimension 1 is 0.99"}, {MEAN, NAN, "the mean"}, {PATHS, INFINITY, "ps"}, {PATHS + 8 * N, NAN, "pc"},
        {VARIANCES + 16, 0, "C[2] is 0"}, {VARIANCES, NAN, "C is nan"}, {STEPS, NAN, "the steps"},
    };
    size_t n;
    unsigned char *bytes = saved_in("bernoulli-cma", mixed(), &n), *copy = memory_new(n, 1);
    assert_int_equal(n, STEPS + 7 + 8 * COUNT * N + TAIL);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        error err;
        memcpy(copy, bytes, n);
        memcpy(copy + lies[i].at + 7, &lies[i].value, 8);       /* its name is 7 bytes longer than the one AT_ stands for */
        sign(copy, n);
        optimizer *o = optimizer_load(copy, n, &err);
        if (o || !strstr(err.text, lies[i].thing))
            fail_msg("case %zu: '%s' does not tell '%s'", i, o ? "it was loaded" : err.text, lies[i].thing);
    }
    free(bytes);
    free(copy);
}

/* A C that is symmetric, with a positive diagonal, and still indefinite. */
static void test_an_indefinite_C(void **state)
{
    (void)state;
    size_t n;
    unsigned char *bytes = saved("cma-es", &n);
    double C[N * N] = {1, 2, 0, 0, 2, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    error err;
    memcpy(bytes + AT_C, C, sizeof C);
    sign(bytes, n);
    assert_null(optimizer_load(bytes, n, &err));
    assert_error(&err, ERROR_FORMAT, "C is not positive definite (pivot 1 is -3)");
    free(bytes);
}

/* Any one byte, checksum right: it loads and runs, or it is one line. */
static void test_random_bytes_behind_a_right_checksum(void **state)
{
    (void)state;
    random_stream s = random_stream_for(3, "bytes", 0, 0);
    int loaded = 0;
    for (int k = 0; k < 2 * NAMES; k++) {
        size_t n;
        unsigned char *bytes = saved_in(names[k / 2], space(k % 2), &n);
        for (int i = 0; i < 1500; i++) {
            unsigned char *copy = memory_new(n, 1);
            memcpy(copy, bytes, n);
            copy[8 + random_below(&s, n - TAIL - 8)] = (unsigned char)random_next(&s);
            sign(copy, n);
            error err = {0};
            optimizer *o = optimizer_load(copy, n, &err);
            if (o) {
                fate fates[COUNT] = {{.objective = 1}, {.objective = 3}};
                loaded++;
                if (optimizer_dimensions(o) == N && optimizer_population(o) == COUNT)
                    (void)optimizer_tell(o, fates, &err);
                optimizer_free(o);
            } else {
                assert_true(err.code != ERROR_NONE && !strchr(err.text, '\n'));
            }
            free(copy);
        }
        free(bytes);
    }
    assert_true(loaded > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_loaded_search_goes_on_as_if_nothing_had_happened), cmocka_unit_test(test_ask_repeats_until_tell), cmocka_unit_test(test_ranking),
        cmocka_unit_test(test_an_invalid_candidate_never_pulls_the_mean), cmocka_unit_test(test_a_generation_that_tells_nothing),
        cmocka_unit_test(test_a_score_that_is_no_number_changes_nothing), cmocka_unit_test(test_options_that_make_no_sense), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_binaries_that_make_no_sense), cmocka_unit_test(test_binaries), cmocka_unit_test(test_full_covariance_above_1000_dimensions),
        cmocka_unit_test(test_truncated_and_flipped_bytes), cmocka_unit_test(test_lies_behind_a_right_checksum), cmocka_unit_test(test_lies_about_probabilities),
        cmocka_unit_test(test_an_indefinite_C),
        cmocka_unit_test(test_random_bytes_behind_a_right_checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
