/* Penalties, greedy choice, and sampling by probability. */
#include "../base/check.h"

#include <math.h>

#include "engine/sample.h"

static int32_t draw(const float *logits, int n, sampling how, float *margin)
{
    float copy[16];
    memcpy(copy, logits, (size_t)n * sizeof *copy);
    return sample_token(backend_best(), &how, copy, n, margin);
}

static void test_greedy(void **state)
{
    (void)state;
    const float logits[] = {1, 3.5f, -2, 3};
    float margin;
    assert_int_equal(draw(logits, 4, (sampling){0}, &margin), 1);
    assert_float_equal(margin, 0.5f, 0);
}

static void test_penalty(void **state)
{
    (void)state;
    seen_tokens seen;
    float logits[] = {2, -2, 2, -2};
    seen_open(&seen, 100);
    seen_add(&seen, 0);
    seen_add(&seen, 1);
    seen_add(&seen, 0);   /* once each, however often it occurs */
    seen_penalise(&seen, 1.5f, logits);
    assert_true(logits[0] == 2 / 1.5f);
    assert_true(logits[1] == -3);
    assert_true(logits[2] == 2 && logits[3] == -2);
    seen_close(&seen);
}

static void test_frequencies(void **state)
{
    (void)state;
    const float logits[] = {0, 1, 2, -1, 0.5f};
    const float temperature = 0.8f;
    int counts[5] = {0}, trials = 20000;
    double total = 0;
    float margin;
    for (int i = 0; i < 5; i++)
        total += exp(logits[i] / temperature);
    for (int i = 0; i < trials; i++)
        counts[draw(logits, 5, (sampling){.temperature = temperature, .seed = 9, .question = 3, .position = (uint32_t)i},
                    &margin)]++;
    for (int i = 0; i < 5; i++) {
        double p = exp(logits[i] / temperature) / total, spread = sqrt(p * (1 - p) * trials);
        if (fabs(counts[i] - p * trials) > 4 * spread)
            fail_msg("token %d came %d times, expected %g +- %g", i, counts[i], p * trials, spread);
    }
}

/* Probabilities .5 .25 .15 .1: the nucleus of .7 is the first two, in proportion 2 to 1. */
static void test_top_p(void **state)
{
    (void)state;
    const float logits[] = {logf(.15f), logf(.5f), logf(.1f), logf(.25f)};
    int counts[4] = {0};
    float margin;
    for (int i = 0; i < 3000; i++)
        counts[draw(logits, 4, (sampling){.temperature = 1, .top_p = .7f, .seed = 1, .position = (uint32_t)i}, &margin)]++;
    assert_int_equal(counts[0] + counts[2], 0);
    assert_in_range(counts[1], 1900, 2100);
    /* however small, the likeliest stays */
    for (int i = 0; i < 100; i++)
        assert_int_equal(draw(logits, 4, (sampling){.temperature = 1, .top_p = .001f, .position = (uint32_t)i}, &margin), 1);
}

static void test_keyed_by_place(void **state)
{
    (void)state;
    float logits[16] = {0}, margin;
    int same_seed = 0, other_question = 0, other_seed = 0;
    for (uint32_t i = 0; i < 64; i++) {
        sampling how = {.temperature = 1, .seed = 5, .question = 2, .position = i}, question = how, seed = how;
        question.question = 3;
        seed.seed = 6;
        int32_t token = draw(logits, 16, how, &margin);
        same_seed += token == draw(logits, 16, how, &margin);
        other_question += token == draw(logits, 16, question, &margin);
        other_seed += token == draw(logits, 16, seed, &margin);
    }
    assert_int_equal(same_seed, 64);
    assert_in_range(other_question, 0, 20);
    assert_in_range(other_seed, 0, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_greedy), cmocka_unit_test(test_penalty),
                                       cmocka_unit_test(test_frequencies), cmocka_unit_test(test_top_p),
                                       cmocka_unit_test(test_keyed_by_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
