/* A vision tower's features: the same bits on any number of threads and whatever other views there are, and every family within rounding. */
#include "../base/check.h"

#include <math.h>

#include "base/memory.h"
#include "base/random.h"
#include "engine/features.h"

#define VIEWS 3
#define PIXELS (3 * 56 * 56)

static tower *sight;

static float *run(const backend *b, threads *pool, const float *pixels, int64_t views)
{
    error err = {0};
    float *out = memory_new((size_t)(views * 16 * 32), sizeof *out);
    if (features_run(&(features_job){.tower = sight, .backend = b, .pool = pool}, pixels, views, out, &err) != 0)
        fail_msg("%s", err.text);
    return out;
}

static float *random_pixels(void)
{
    random_stream s = random_stream_for(5, "pixels", 0, 0);
    float *x = memory_new(VIEWS * PIXELS, sizeof *x);
    for (size_t i = 0; i < VIEWS * PIXELS; i++)
        x[i] = (float)(4 * random_uniform(&s) - 2);
    return x;
}

static void test_threads(void **state)
{
    (void)state;
    float *pixels = random_pixels();
    for (const backend *const *b = backend_all(); *b; b++) {
        if (!(*b)->available())
            continue;
        float *whole = run(*b, NULL, pixels, VIEWS);
        for (int n = 2; n <= 5; n += 3) {
            threads *pool = threads_new(n);
            float *other = run(*b, pool, pixels, VIEWS);
            assert_memory_equal(other, whole, VIEWS * 16 * 32 * sizeof *whole);
            free(other);
            threads_free(pool);
        }
        float *last = run(*b, NULL, pixels + 2 * PIXELS, 1);
        assert_memory_equal(last, whole + 2 * 16 * 32, 16 * 32 * sizeof *whole);
        free(last);
        free(whole);
    }
    free(pixels);
}

static void test_families(void **state)
{
    (void)state;
    error err = {0};
    float *pixels = random_pixels(), *want = run(backend_find("reference", &err), NULL, pixels, VIEWS);
    for (const backend *const *b = backend_all(); *b; b++) {
        if (!(*b)->available())
            continue;
        float *have = run(*b, NULL, pixels, VIEWS);
        for (size_t i = 0; i < VIEWS * 16 * 32; i++)
            if (!(fabsf(have[i] - want[i]) <= 2e-5f))
                fail_msg("%s: [%zu] is %g, in plain loops %g", (*b)->name, i, (double)have[i], (double)want[i]);
        free(have);
    }
    free(want);
    free(pixels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_families),
    };
    error err = {0};
    checkpoint *model = checkpoint_open("tests/goldens/golden/engine/llava_next/model", &err);
    sight = model ? tower_build(model, &err) : NULL;
    if (!sight) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tower_free(sight);
    checkpoint_free(model);
    return failed;
}
