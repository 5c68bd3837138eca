/* Beam search over a table of what follows what: wide enough beams find every sequence, and stop tokens end some early.
 * That it does what transformers does is what the goldens test. */
#include "../model/tiny.h"

#include <math.h>

#include "engine/beam.h"

#define VOCAB 5

static const float follows[VOCAB][VOCAB] = {{0.1f, 1.2f, -0.3f, 0.4f, 0.0f},
                                            {0.9f, -0.5f, 0.7f, 0.2f, 0.3f},
                                            {-0.2f, 0.6f, 0.5f, 1.1f, -0.9f},
                                            {0.8f, 0.35f, -0.4f, -0.1f, 0.65f},
                                            {1.0f, 0.15f, 0.25f, -0.6f, 0.55f}};

static double log_p(int from, int to)
{
    double sum = 0;
    for (int i = 0; i < VOCAB; i++)
        sum += exp((double)follows[from][i]);
    return (double)follows[from][to] - log(sum);
}

static beam_search search(int width, int max_new, const int32_t *stops, int n_stops, float penalty, kv_cache *kv)
{
    static const int32_t prompt[] = {0};
    beam_search s;
    beam_open(&s, width, n_stops, max_new, VOCAB);
    s.prompt = prompt;
    s.n_prompt = 1;
    s.penalty = penalty;
    do {
        for (int i = 0; i < s.n_live; i++)
            beam_candidates(&s, i, backend_best(), follows[s.step ? s.live[i].tokens[s.step - 1] : 0]);
    } while (beam_advance(&s, kv, stops, n_stops));
    return s;
}

static void test_finds_everything(void **state)
{
    (void)state;
    kv_cache kv = {0};
    beam_search s = search(VOCAB * VOCAB, 2, NULL, 0, 1, &kv);
    assert_int_equal(s.n_done, VOCAB * VOCAB);
    bool found[VOCAB][VOCAB] = {0};
    for (int i = 0; i < s.n_done; i++) {
        int a = s.done[i].tokens[0], b = s.done[i].tokens[1];
        assert_int_equal(s.done[i].n, 2);
        assert_false(found[a][b]);
        found[a][b] = true;
        if (fabs(s.done[i].score - (log_p(0, a) + log_p(a, b)) / 2) > 1e-6)
            fail_msg("%d %d: score %g, expected %g", a, b, s.done[i].score, (log_p(0, a) + log_p(a, b)) / 2);
        assert_true(i == 0 || s.done[i - 1].score >= s.done[i].score);
    }
    beam_close(&s, &kv);
}

static void test_stops(void **state)
{
    (void)state;
    kv_cache kv = {0};
    const int32_t stops[] = {1};
    beam_search s = search(2, 6, stops, 1, 1, &kv);
    assert_int_equal(s.n_done, 2);
    for (int i = 0; i < s.n_done; i++)
        for (size_t k = 0; k + 1 < s.done[i].n; k++)
            assert_true(s.done[i].tokens[k] != 1);   /* a stop token stands last or nowhere */
    /* 0 -> 1 is the likeliest step of all: it ends at once and nothing longer is better */
    assert_int_equal(s.done[0].n, 1);
    assert_int_equal(s.done[0].tokens[0], 1);
    assert_true(fabs(s.done[0].score - log_p(0, 1)) < 1e-6);
    beam_close(&s, &kv);
}

/* The penalty multiplies log p of what the prompt and the hypothesis hold, and that is what adds up. */
static void test_penalty(void **state)
{
    (void)state;
    kv_cache kv = {0};
    beam_search s = search(VOCAB * VOCAB, 2, NULL, 0, 2, &kv);
    for (int i = 0; i < s.n_done; i++) {
        int a = s.done[i].tokens[0], b = s.done[i].tokens[1];
        double first = log_p(0, a) * (a == 0 ? 2 : 1), second = log_p(a, b) * (b == 0 || b == a ? 2 : 1);
        if (fabs(s.done[i].score - (first + second) / 2) > 1e-6)
            fail_msg("%d %d: score %g, expected %g", a, b, s.done[i].score, (first + second) / 2);
    }
    beam_close(&s, &kv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_finds_everything), cmocka_unit_test(test_stops),
                                       cmocka_unit_test(test_penalty)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
