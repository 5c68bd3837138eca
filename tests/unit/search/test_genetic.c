#include "check.h"

#include "base/random.h"
#include "search/optimizer.h"

enum { LAYERS = 24, N = 2 * LAYERS, COUNT = 32 };

/* LAYERS binaries that start off, each with a real one that needs it. */
static optimizer *layers_new(optimizer_move *move, const void *context, uint64_t seed)
{
    enum variable kinds[N];
    int needs[N];
    double start[N], low[N] = {0}, high[N], spread[N];
    error err;
    for (int i = 0; i < N; i++) {
        bool binary = i < LAYERS;
        kinds[i] = binary ? VARIABLE_BINARY : VARIABLE_REAL;
        needs[i] = binary ? -1 : i - LAYERS;
        start[i] = binary ? .05 : 1;
        high[i] = binary ? 1 : 3;
        spread[i] = .2;
    }
    optimizer *o = optimizer_new("genetic", &(optimizer_options){.n = N, .kinds = kinds, .needs = needs, .start = start, .low = low, .high = high,
                                                                 .spread = spread, .population = COUNT, .seed = seed, .move = move,
                                                                 .move_context = context}, &err);
    if (!o)
        fail_msg("%s", err.text);
    return o;
}

typedef double value(const double *x, int generation, int candidate);

static void run(optimizer *o, value *f, int generations)
{
    double x[COUNT * N];
    fate fates[COUNT] = {0};
    error err;
    for (int g = 0; g < generations; g++) {
        optimizer_ask(o, x);
        for (int c = 0; c < COUNT; c++)
            fates[c].objective = f(x + c * N, g, c);
        if (optimizer_tell(o, fates, &err) < 0)
            fail_msg("%s", err.text);
    }
}

/* Only whole blocks of four help, and in them the scale: single flips cost something. */
static double blocks(const double *x, int generation, int candidate)
{
    (void)generation;
    (void)candidate;
    double sum = 0;
    for (int b = 0; b < LAYERS; b += 4) {
        double on = x[b] + x[b + 1] + x[b + 2] + x[b + 3];
        sum += on == 4 ? 1 : -.05 * on;
    }
    for (int k = 0; k < LAYERS; k++)
        sum -= x[k] * (x[LAYERS + k] - 1.3) * (x[LAYERS + k] - 1.3);
    return sum;
}

static void move_block(const void *context, double *x, random_stream *s)
{
    size_t block = 4 * random_below(s, LAYERS / 4);
    ++*(int *)context;
    for (size_t k = 0; k < 4; k++)
        x[block + k] = 1 - x[block + k];
}

static void test_moves_find_blocks(void **state)
{
    (void)state;
    int calls = 0;
    optimizer *o = layers_new(move_block, &calls, 1);
    run(o, blocks, 150);
    const double *best = optimizer_mean(o);
    assert_true(calls > 0);
    assert_true(blocks(best, 0, 0) > 5.5);
    for (int i = 0; i < LAYERS; i++)
        assert_true(best[i] == 1);
    optimizer_free(o);
}

static double ones(const double *x, int generation, int candidate)
{
    random_stream s = random_stream_for(7, "noise", (uint32_t)generation, (uint32_t)candidate);
    double sum = 2 * random_normal(&s);
    for (int k = 0; k < LAYERS; k++)
        sum += x[k];
    return sum;
}

static void test_flips_alone_under_noise(void **state)
{
    (void)state;
    optimizer *o = layers_new(NULL, NULL, 2);
    run(o, ones, 120);
    double sum = 0;
    for (int k = 0; k < LAYERS; k++)
        sum += optimizer_mean(o)[k];
    assert_true(sum >= LAYERS - 3);
    optimizer_free(o);
}

/* The better half is asked again, first. */
static void test_parents_are_asked_again(void **state)
{
    (void)state;
    double before[COUNT * N], after[COUNT * N];
    fate fates[COUNT] = {0};
    error err;
    optimizer *o = layers_new(NULL, NULL, 3);
    optimizer_ask(o, before);
    for (int c = 0; c < COUNT; c++)
        fates[c].objective = c;
    assert_int_equal(optimizer_tell(o, fates, &err), 0);
    optimizer_ask(o, after);
    for (int k = 0; k < COUNT / 2; k++)
        assert_memory_equal(after + k * N, before + (COUNT - 1 - k) * N, N * sizeof(double));
    /* what was lucky once falls back: 31 scores 0 now, 30 its 30 again */
    for (int c = 0; c < COUNT; c++)
        fates[c].objective = c == 0 ? 0 : c < COUNT / 2 ? COUNT - 1 - c : 0;
    assert_int_equal(optimizer_tell(o, fates, &err), 0);
    assert_memory_equal(optimizer_mean(o), before + (COUNT - 2) * N, N * sizeof(double));
    optimizer_free(o);
}

static void test_inactive_reals_stay(void **state)
{
    (void)state;
    double x[COUNT * N];
    optimizer *o = layers_new(NULL, NULL, 4);
    optimizer_ask(o, x);
    for (int c = 0; c < COUNT; c++)
        for (int k = 0; k < LAYERS; k++)
            assert_true(x[c * N + k] == 1 || x[c * N + LAYERS + k] == 1);
    optimizer_free(o);
}

/* A study that goes on elsewhere breeds the same children: the moves are given again. */
static void test_goes_on_after_a_load(void **state)
{
    (void)state;
    int calls = 0;
    size_t n;
    error err;
    double x[COUNT * N], y[COUNT * N];
    optimizer *a = layers_new(move_block, &calls, 5);
    run(a, blocks, 5);
    void *bytes = optimizer_save(a, &n);
    optimizer *b = optimizer_load(bytes, n, &err);
    if (!b)
        fail_msg("%s", err.text);
    optimizer_set_move(b, move_block, &calls);
    run(a, blocks, 5);
    run(b, blocks, 5);
    optimizer_ask(a, x);
    optimizer_ask(b, y);
    assert_memory_equal(x, y, sizeof x);
    free(bytes);
    optimizer_free(a);
    optimizer_free(b);
}

static void test_invalid_ones_do_not_breed(void **state)
{
    (void)state;
    double x[COUNT * N], y[COUNT * N];
    fate fates[COUNT] = {0};
    error err;
    optimizer *o = layers_new(NULL, NULL, 6);
    optimizer_ask(o, x);
    for (int c = 0; c < COUNT; c++)
        fates[c] = (fate){.state = c < COUNT / 2 ? FATE_INVALID : FATE_COMPLETE, .objective = -c, .violation = 1};
    assert_int_equal(optimizer_tell(o, fates, &err), 0);
    optimizer_ask(o, y);
    for (int k = 0; k < COUNT / 2; k++)
        assert_memory_equal(y + k * N, x + (COUNT / 2 + k) * N, N * sizeof(double));
    optimizer_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves_find_blocks),   cmocka_unit_test(test_flips_alone_under_noise),
        cmocka_unit_test(test_parents_are_asked_again), cmocka_unit_test(test_inactive_reals_stay),
        cmocka_unit_test(test_goes_on_after_a_load), cmocka_unit_test(test_invalid_ones_do_not_breed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
