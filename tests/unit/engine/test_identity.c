/* The promise of the engine: bits do not depend on the batch, the order, the neighbours, threads, sharing or memory. */
#include "../model/tiny.h"

#include "engine/engine.h"

#define N 64

typedef struct questions {
    int32_t ids[N][80], continuation[N][5];
    request request[N];
} questions;

/* Greedy, sampled, penalised, beams and likelihoods; 40 tokens in common (more than a block), some prompts more alike. */
static questions *make_questions(void)
{
    questions *q = memory_new(1, sizeof *q);
    random_stream s = random_stream_for(11, "questions", 0, 0);
    int32_t common[40];
    for (int i = 0; i < 40; i++)
        common[i] = i ? 3 + (int32_t)random_below(&s, 37) : 1;
    for (int i = 0; i < N; i++) {
        size_t n = 42 + random_below(&s, 38);
        memcpy(q->ids[i], common, sizeof common);
        for (size_t k = 40; k < n; k++)
            q->ids[i][k] = 3 + (int32_t)random_below(&s, 37);
        if (i % 8 == 5) {   /* the same question again: its prompt is taken over from a neighbour */
            memcpy(q->ids[i], q->ids[i - 1], sizeof q->ids[i]);
            n = q->request[i - 1].n_ids;
        }
        q->request[i] = (request){.ids = q->ids[i],
                                  .n_ids = n,
                                  .max_new = 3 + (int)random_below(&s, 30),
                                  .ignore_stops = i % 2,
                                  .question = (uint32_t)i,
                                  .seed = 3};
        if (i % 8 == 1)
            q->request[i].temperature = 0.9f;
        if (i % 8 == 2)
            q->request[i].temperature = 1.2f, q->request[i].top_p = 0.8f;
        if (i % 8 == 3)
            q->request[i].repetition_penalty = 1.3f;
        if (i % 16 == 6)
            q->request[i].beams = 3, q->request[i].repetition_penalty = 1.2f;
        if (i % 8 == 7) {
            for (int k = 0; k < 5; k++)
                q->continuation[i][k] = 3 + (int32_t)random_below(&s, 37);
            q->request[i].max_new = 0;
            q->request[i].continuation = q->continuation[i];
            q->request[i].n_continuation = 5;
        }
    }
    return q;
}

static void same(const answer *a, const answer *b, int i, const char *what)
{
    bool good = a->finish == b->finish && a->n_tokens == b->n_tokens &&
                memcmp(a->tokens, b->tokens, a->n_tokens * sizeof *a->tokens) == 0 &&
                memcmp(&a->min_margin, &b->min_margin, sizeof a->min_margin) == 0 &&
                memcmp(&a->loglik_sum, &b->loglik_sum, sizeof a->loglik_sum) == 0 && a->loglik_greedy == b->loglik_greedy &&
                a->n_beams == b->n_beams;
    for (int k = 0; good && k < a->n_beams; k++)
        good = a->beams[k].n == b->beams[k].n &&
               memcmp(a->beams[k].tokens, b->beams[k].tokens, a->beams[k].n * sizeof(int32_t)) == 0 &&
               memcmp(&a->beams[k].score, &b->beams[k].score, sizeof(double)) == 0;
    if (!good)
        fail_msg("%s: question %d answers otherwise: margin %.9g and %.9g, loglik %.17g and %.17g", what, i,
                 (double)a->min_margin, (double)b->min_margin, a->loglik_sum, b->loglik_sum);
}

static void run(const plan *p, const engine_options *options, const request *requests, answer *answers, engine_stats *stats)
{
    error err = {0};
    engine *e = engine_new(p, options, &err);
    if (!e || engine_run(e, requests, N, answers, NULL, NULL, &err) != 0)
        fail_msg("%s", err.text);
    *stats = engine_statistics(e);
    engine_free(e);
}

static void check_family(const backend *family, const plan *p, const questions *q)
{
    threads *two = threads_new(2);
    const size_t block = engine_kv_bytes(p, 1);   /* one KV block */
    const struct { const char *what; engine_options options; bool reversed; } ways[] = {
        {"7 slots", {.slots = 7, .no_prefix_sharing = true}, false},
        {"64 slots", {.slots = 64, .no_prefix_sharing = true}, false},
        {"64 slots, sharing", {.slots = 64}, false},
        {"7 slots, sharing, reversed", {.slots = 7}, true},
        {"1 slot, sharing, 2 threads, reversed", {.slots = 1, .pool = two}, true},
        {"64 slots, 2 threads", {.slots = 64, .pool = two, .no_prefix_sharing = true}, false},
        {"64 slots, sharing, 2 threads", {.slots = 64, .pool = two}, false},
        {"64 slots, sharing, little memory", {.slots = 64, .kv_bytes = 12 * block}, false},
        {"16 slots, sharing, 2 threads, little memory, reversed", {.slots = 16, .kv_bytes = 18 * block, .pool = two}, true},
    };
    answer *first = memory_new(N, sizeof *first), *other = memory_new(N, sizeof *other);
    request *reversed = memory_new(N, sizeof *reversed);
    engine_stats alone, stats;
    for (int i = 0; i < N; i++)
        reversed[i] = q->request[N - 1 - i];
    run(p, &(engine_options){.backend = family, .slots = 1, .no_prefix_sharing = true}, q->request, first, &alone);
    assert_int_equal(alone.shared_tokens, 0);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        engine_options options = ways[w].options;
        options.backend = family;
        run(p, &options, ways[w].reversed ? reversed : q->request, other, &stats);
        for (int i = 0; i < N; i++)
            same(&first[i], &other[ways[w].reversed ? N - 1 - i : i], i, ways[w].what);
        assert_int_equal(stats.decode_tokens, alone.decode_tokens);
        if (options.no_prefix_sharing)
            assert_int_equal(stats.prefill_tokens, alone.prefill_tokens);
        else
            assert_true(stats.prefill_tokens + 40 * (N - 1) <= alone.prefill_tokens && stats.shared_tokens >= 40 * (N - 1));
        answers_free(other, N);
    }
    answers_free(first, N);
    free(first);
    free(other);
    free(reversed);
    threads_free(two);
}

/* Takes c over. */
static void check_checkpoint(checkpoint *c, bool fastest_only)
{
    error err = {0};
    plan *p = c ? plan_build(c, &err) : NULL;
    if (!p)
        fail_msg("%s", err.text);
    questions *q = make_questions();
    for (const backend *const *family = backend_all(); *family; family++)
        if ((*family)->available()) {
            check_family(*family, p, q);
            if (fastest_only)
                break;
        }
    free(q);
    plan_free(p);
    checkpoint_free(c);
}

static void check_model(tiny t, bool fastest_only)
{
    check_checkpoint(tiny_checkpoint(t), fastest_only);
}

/* The goldens' models: windows of some layers, limits of scores and logits, four norms a layer; parallel residuals with woven queries; learned
 * positions with stacked ones; experts, each of which runs over those rows of a step that chose it. */
static void test_architectures(void **state)
{
    (void)state;
    static const char *const names[] = {"gemma2", "gemma3", "gpt2", "gptneox", "mixtral", "olmo2", "phi3", "stablelm"};
    error err = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = memory_print(SOURCE_DIR "/tests/goldens/golden/engine/%s/model", names[i]);
        checkpoint *c = checkpoint_open(path, &err);
        if (!c)
            fail_msg("%s", err.text);
        check_checkpoint(c, strcmp(names[i], "mixtral") != 0);
        free(path);
    }
}

static void test_mistral(void **state)
{
    (void)state;
    check_model((tiny){0}, false);
}

static void test_window_and_odd_sizes(void **state)
{
    (void)state;
    check_model((tiny){.hidden = 44,
                       .intermediate = 51,
                       .head_dim = 10,
                       .wide = true,
                       .more = ",\"sliding_window\":37,\"max_position_embeddings\":128"}, false);
}

/* Layers so large that all threads share one worker's products. */
static void test_large_layers(void **state)
{
    (void)state;
    check_model((tiny){.hidden = 64, .intermediate = 5600}, true);
    check_model((tiny){.type = "mixtral", .hidden = 64, .intermediate = 2000, .experts = 5}, true);
}

/* The logits of a position do not depend on what follows it, nor on where a prompt is cut into steps. */
static void test_logits(void **state)
{
    (void)state;
    error err = {0};
    checkpoint *c = tiny_checkpoint((tiny){.half = true, .more = ",\"sliding_window\":null,\"max_position_embeddings\":700"});
    plan *p = plan_build(c, &err);
    int32_t ids[600];
    float *all = memory_new(600 * 40, sizeof *all), *some = memory_new(600 * 40, sizeof *some);
    for (int i = 0; i < 600; i++)
        ids[i] = 3 + i * i % 37;
    for (const backend *const *family = backend_all(); *family; family++) {
        if (!(*family)->available())
            continue;
        engine *e = engine_new(p, &(engine_options){.backend = *family}, &err);
        assert_int_equal(engine_logits(e, ids, 600, all, &err), 0);
        for (size_t n = 1; n < 600; n = n * 2 + 5) {
            assert_int_equal(engine_logits(e, ids, n, some, &err), 0);
            assert_memory_equal(all, some, n * 40 * sizeof(float));
        }
        engine_free(e);
    }
    free(all);
    free(some);
    plan_free(p);
    checkpoint_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mistral), cmocka_unit_test(test_window_and_odd_sizes), cmocka_unit_test(test_large_layers), cmocka_unit_test(test_architectures),
                                       cmocka_unit_test(test_logits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
