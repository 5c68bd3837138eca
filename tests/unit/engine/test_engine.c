/* What a run gives back and refuses: stops, text, limits, interruption, weights that are not finite. */
#include "../model/tiny.h"

#include <math.h>

#include "engine/engine.h"
#include "engine/run.h"
#include "words.h"

typedef struct world {
    checkpoint *checkpoint;
    plan *plan;
    engine *engine;
} world;

static world world_new(tiny t, engine_options options)
{
    error err = {0};
    world w = {.checkpoint = tiny_checkpoint(t)};
    w.plan = plan_build(w.checkpoint, &err);
    if (!w.plan)
        fail_msg("%s", err.text);
    options.tokenizer = words;
    w.engine = engine_new(w.plan, &options, &err);
    if (!w.engine)
        fail_msg("%s", err.text);
    return w;
}

static void world_free(world *w)
{
    engine_free(w->engine);
    plan_free(w->plan);
    checkpoint_free(w->checkpoint);
}

static answer run_one(const world *w, request r)
{
    error err = {0};
    answer a;
    if (engine_run(w->engine, &r, 1, &a, NULL, NULL, &err) != 0)
        fail_msg("%s", err.text);
    return a;
}

static void refused(const world *w, request r, enum error_code code, const char *part)
{
    error err = {0};
    answer a[2];
    const int32_t one[] = {1};
    request both[2] = {{.ids = one, .n_ids = 1, .max_new = 1}, r};
    if (engine_run(w->engine, both, 2, a, NULL, NULL, &err) == 0)
        fail_msg("accepted: %s", part);
    assert_error(&err, code, "request 1", part);
    assert_null(a[0].tokens);   /* nothing had been run */
}

static const int32_t prompt[] = {1, 5, 9, 30, 12, 7};
#define PROMPT .ids = prompt, .n_ids = 6

static void test_lengths_and_stops(void **state)
{
    (void)state;
    world w = world_new((tiny){0}, (engine_options){0});
    answer whole = run_one(&w, (request){PROMPT, .max_new = 20, .ignore_stops = true});
    assert_true(whole.finish == FINISH_LENGTH);
    assert_int_equal(whole.n_tokens, 20);
    assert_true(whole.min_margin > 0 && isfinite(whole.min_margin));
    /* stopping at the first token that did not occur before it */
    size_t at = 3;
    for (bool fresh = false; !fresh; at++) {
        fresh = true;
        for (size_t i = 0; i < at; i++)
            fresh = fresh && whole.tokens[i] != whole.tokens[at];
        if (fresh)
            break;
    }
    answer stopped =
        run_one(&w, (request){PROMPT, .max_new = 20, .ignore_stops = true, .stops = &whole.tokens[at], .n_stops = 1});
    assert_true(stopped.finish == FINISH_STOP_TOKEN);
    assert_int_equal(stopped.n_tokens, at + 1);
    assert_memory_equal(stopped.tokens, whole.tokens, (at + 1) * sizeof(int32_t));
    /* the model's own end token is 2; here it is made one that comes */
    w.plan->config.stops[0] = whole.tokens[at];
    answer own = run_one(&w, (request){PROMPT, .max_new = 20});
    assert_true(own.finish == FINISH_STOP_TOKEN);
    assert_int_equal(own.n_tokens, at + 1);
    answer none = run_one(&w, (request){PROMPT});
    assert_true(none.finish == FINISH_LENGTH);
    assert_int_equal(none.n_tokens, 0);
    answers_free(&whole, 1);
    answers_free(&stopped, 1);
    answers_free(&own, 1);
    answers_free(&none, 1);
    world_free(&w);
}

static void gather(void *context, size_t which, const char *text)
{
    assert_int_equal(which, 0);
    string_puts(context, text);
}

static void test_text(void **state)
{
    (void)state;
    world w = world_new((tiny){0}, (engine_options){0});
    string shown = {0};
    engine_on_text(w.engine, gather, &shown);
    answer whole = run_one(&w, (request){PROMPT, .max_new = 24, .ignore_stops = true});
    char *decoded = tokenizer_decode(words, whole.tokens, whole.n_tokens, true, NULL);
    assert_string_equal(whole.text, decoded);
    /* What is shown as it comes is certain; of bytes that make no character the whole text may say it otherwise. */
    token_stream *stream = token_stream_new(words, true);
    string wanted = {0};
    for (size_t i = 0; i < whole.n_tokens; i++)
        string_puts(&wanted, token_stream_add(stream, whole.tokens[i]));
    string_puts(&wanted, token_stream_finish(stream));
    assert_string_equal(shown.text, wanted.text);
    token_stream_free(stream);
    free(wanted.text);
    assert_true(strlen(decoded) > 12);
    /* three letters from the middle, where they occur first */
    char stop[4] = {0};
    memcpy(stop, decoded + 6, 3);
    const char *const stops[] = {"never", stop};
    shown.length = 0;
    answer cut = run_one(&w, (request){PROMPT, .max_new = 24, .ignore_stops = true, .stop_strings = stops, .n_stop_strings = 2});
    size_t at = (size_t)(strstr(decoded, stop) - decoded);
    assert_true(cut.finish == FINISH_STOP_STRING);
    assert_int_equal(strlen(cut.text), at);
    assert_memory_equal(cut.text, decoded, at);
    assert_string_equal(shown.text, cut.text);
    assert_true(cut.n_tokens < whole.n_tokens);
    answers_free(&whole, 1);
    answers_free(&cut, 1);
    free(decoded);
    free(shown.text);
    world_free(&w);
}

static void test_refusals(void **state)
{
    (void)state;
    world w = world_new((tiny){0}, (engine_options){.kv_bytes = 200000});
    const int32_t bad[] = {1, 40}, low[] = {-1};
    int32_t *longest = memory_new(300, sizeof *longest);
    const char *const stop[] = {"x"};
    refused(&w, (request){.max_new = 1}, ERROR_USAGE, "the prompt is empty");
    refused(&w, (request){.ids = bad, .n_ids = 2, .max_new = 1}, ERROR_USAGE,
            "tiny: request 1: token 1 of the prompt is 40, the model's vocabulary has 40");
    refused(&w, (request){PROMPT, .continuation = low, .n_continuation = 1}, ERROR_USAGE, "token 0 of the continuation is -1");
    refused(&w, (request){PROMPT, .continuation = prompt, .n_continuation = 1, .max_new = 2}, ERROR_USAGE, "not both");
    refused(&w, (request){PROMPT, .max_new = -1}, ERROR_USAGE, "-1 new tokens");
    refused(&w, (request){PROMPT, .max_new = 1, .temperature = NAN}, ERROR_USAGE, "temperature");
    refused(&w, (request){PROMPT, .max_new = 1, .beams = 3, .temperature = 1}, ERROR_USAGE, "beam search does not sample");
    refused(&w, (request){.ids = longest, .n_ids = 250, .max_new = 7}, ERROR_USAGE,
            "250 prompt tokens and 7 more do not fit into the model's 256 positions");
    refused(&w, (request){PROMPT, .max_new = 300, .truncate_left = true}, ERROR_USAGE, "300 more do not fit");
    /* one block of 32 positions takes 8192 bytes */
    refused(&w, (request){PROMPT, .beams = 2, .continuation = prompt, .n_continuation = 2}, ERROR_USAGE, "beam search does not go with");
    refused(&w, (request){PROMPT, .max_new = 200, .beams = 4}, ERROR_MEMORY, "--memory");
    engine_options options = {0};
    error err = {0};
    answer a;
    engine *mute = engine_new(w.plan, &options, &err);
    request r = {PROMPT, .max_new = 1, .stop_strings = stop, .n_stop_strings = 1};
    assert_int_equal(engine_run(mute, &r, 1, &a, NULL, NULL, &err), -1);
    assert_error(&err, ERROR_USAGE, "stop strings need a tokenizer");
    assert_int_equal(engine_run(mute, NULL, 0, NULL, NULL, NULL, &err), 0);
    engine_free(mute);
    free(longest);
    world_free(&w);
}

static void same_answer(const answer *a, const answer *b)
{
    assert_int_equal(a->n_tokens, b->n_tokens);
    assert_memory_equal(a->tokens, b->tokens, a->n_tokens * sizeof(int32_t));
    assert_memory_equal(&a->min_margin, &b->min_margin, sizeof a->min_margin);
}

static void test_truncation(void **state)
{
    (void)state;
    world w = world_new((tiny){0}, (engine_options){0});
    int32_t ids[300], cut[246];
    for (int i = 0; i < 300; i++)
        ids[i] = i ? 3 + i * 7 % 37 : 1;
    /* 256 positions - 10 new tokens: BOS and the last 245; without BOS in front the last 246 */
    cut[0] = 1;
    memcpy(cut + 1, ids + 55, 245 * sizeof *cut);
    answer a = run_one(&w, (request){.ids = ids, .n_ids = 300, .max_new = 10, .truncate_left = true, .ignore_stops = true});
    answer b = run_one(&w, (request){.ids = cut, .n_ids = 246, .max_new = 10, .ignore_stops = true});
    same_answer(&a, &b);
    answers_free(&a, 1);
    answers_free(&b, 1);
    ids[0] = 3;
    a = run_one(&w, (request){.ids = ids, .n_ids = 300, .max_new = 10, .truncate_left = true, .ignore_stops = true});
    b = run_one(&w, (request){.ids = ids + 54, .n_ids = 246, .max_new = 10, .ignore_stops = true});
    same_answer(&a, &b);
    answers_free(&a, 1);
    answers_free(&b, 1);
    /* a continuation's last token takes no position */
    a = run_one(&w, (request){.ids = ids + 54, .n_ids = 246, .continuation = ids, .n_continuation = 11});
    assert_int_equal(a.n_tokens, 0);
    assert_true(isfinite(a.loglik_sum) && a.loglik_sum < 0);
    answers_free(&a, 1);
    world_free(&w);
}

/* log p from engine_logits, by hand. */
static void test_likelihood(void **state)
{
    (void)state;
    world w = world_new((tiny){0}, (engine_options){0});
    const int32_t all[] = {1, 5, 9, 30, 12, 7, 22, 8, 14};
    float logits[8][40];
    error err = {0};
    assert_int_equal(engine_logits(w.engine, all, 8, &logits[0][0], &err), 0);
    answer a = run_one(&w, (request){.ids = all, .n_ids = 6, .continuation = all + 6, .n_continuation = 3});
    double sum = 0;
    bool greedy = true;
    for (int i = 0; i < 3; i++) {
        double total = 0;
        int best = 0;
        for (int t = 0; t < 40; t++) {
            total += exp((double)logits[5 + i][t]);
            best = logits[5 + i][t] > logits[5 + i][best] ? t : best;
        }
        double p = (double)logits[5 + i][all[6 + i]] - log(total);
        if (fabs(p - a.loglik[i]) > 1e-7)
            fail_msg("token %d: %.12g, expected %.12g", i, a.loglik[i], p);
        sum += p;
        greedy = greedy && best == all[6 + i];
    }
    assert_true(fabs(sum - a.loglik_sum) < 1e-6);
    assert_int_equal(a.loglik_greedy, greedy);
    answer chosen = run_one(&w, (request){PROMPT, .max_new = 1, .ignore_stops = true});
    answer likely = run_one(&w, (request){PROMPT, .continuation = chosen.tokens, .n_continuation = 1});
    assert_true(likely.loglik_greedy);
    answers_free(&a, 1);
    answers_free(&chosen, 1);
    answers_free(&likely, 1);
    world_free(&w);
}

static bool stop_after(void *context, size_t done, size_t n, const engine_stats *stats)
{
    (void)done;
    (void)n;
    (void)stats;
    return --*(int *)context > 0;
}

static void test_interruption(void **state)
{
    (void)state;
    world w = world_new((tiny){0}, (engine_options){.slots = 2});
    request r[4];
    answer a[4];
    error err = {0};
    int steps = 6;
    for (int i = 0; i < 4; i++)
        r[i] = (request){PROMPT, .max_new = i == 0 ? 2 : 30, .ignore_stops = true};
    assert_int_equal(engine_run(w.engine, r, 4, a, stop_after, &steps, &err), 0);
    assert_true(a[0].finish == FINISH_LENGTH);
    for (int i = 1; i < 4; i++)
        assert_true(a[i].finish == FINISH_INTERRUPTED);
    assert_in_range(a[1].n_tokens, 2, 29);
    assert_int_equal(a[3].n_tokens, 0);
    answers_free(a, 4);
    /* the engine is as good as new */
    answer again = run_one(&w, r[1]);
    assert_int_equal(again.n_tokens, 30);
    answers_free(&again, 1);
    world_free(&w);
}

/* NaN in the embedding of one token: who never meets it answers as before. */
static void test_not_finite(void **state)
{
    (void)state;
    world w = world_new((tiny){0}, (engine_options){0});
    const int32_t poison[] = {1, 5, 39, 30}, clean[] = {1, 5, 9, 30};
    request r[4] = {{.ids = clean, .n_ids = 4, .max_new = 6, .ignore_stops = true},
                    {.ids = poison, .n_ids = 4, .max_new = 6, .ignore_stops = true},
                    {.ids = poison, .n_ids = 4, .max_new = 6, .beams = 3},
                    {.ids = poison, .n_ids = 4, .continuation = clean, .n_continuation = 3}};
    answer before[4], after[4];
    error err = {0};
    assert_int_equal(engine_run(w.engine, r, 4, before, NULL, NULL, &err), 0);
    for (size_t i = 0; i < before[0].n_tokens; i++)
        assert_true(before[0].tokens[i] != 39);
    uint16_t *embedding = checkpoint_find(w.checkpoint, "model.embed_tokens.weight")->data;
    embedding[39 * 32 + 5] = 0x7fc0;
    assert_int_equal(engine_run(w.engine, r, 4, after, NULL, NULL, &err), 0);
    same_answer(&before[0], &after[0]);
    for (int i = 1; i < 4; i++) {
        assert_true(before[i].finish != FINISH_NOT_FINITE);
        assert_true(after[i].finish == FINISH_NOT_FINITE);
        assert_int_equal(after[i].n_tokens, 0);
        assert_int_equal(after[i].n_beams, 0);
    }
    answers_free(before, 4);
    answers_free(after, 4);
    world_free(&w);
}

static void test_scale_of_a_hop(void **state)
{
    (void)state;
    /* Powers of two fold exactly: hop 0's scale into the embeddings, hop 1's into hop 0's down_proj. */
    world scaled = world_new((tiny){.wide = true}, (engine_options){0});
    world folded = world_new((tiny){.wide = true}, (engine_options){0});
    scaled.plan->hops[0].scale = 0.5f;
    scaled.plan->hops[1].scale = 4;
    float *e = checkpoint_find(folded.checkpoint, "model.embed_tokens.weight")->data,
          *d = checkpoint_find(folded.checkpoint, "model.layers.0.mlp.down_proj.weight")->data;
    for (int i = 0; i < 40 * 32; i++)
        e[i] *= 0.5f;
    for (int i = 0; i < 32 * 48; i++)
        d[i] *= 4;
    answer a = run_one(&scaled, (request){PROMPT, .max_new = 12, .ignore_stops = true}),
           b = run_one(&folded, (request){PROMPT, .max_new = 12, .ignore_stops = true});
    same_answer(&a, &b);
    answers_free(&a, 1);
    answers_free(&b, 1);
    world_free(&scaled);
    world_free(&folded);
}

static void test_kv_bytes(void **state)
{
    (void)state;
    world w = world_new((tiny){0}, (engine_options){0});
    assert_int_equal(engine_kv_bytes(w.plan, 33), 2 * 8192);
    world_free(&w);
}

static int64_t blocks_held(const engine *e)
{
    int64_t blocks = 0;
    for (int i = 0; i < e->n_workers; i++)
        blocks += e->workers[i].forward.kv.n_blocks;
    return blocks;
}

/* One run needs nearly all memory for one worker, the next one shares it among four, and back again. */
static void test_memory_holds_over_runs(void **state)
{
    (void)state;
    const int64_t limit = 10;
    threads *four = threads_new(4);
    world w = world_new((tiny){0}, (engine_options){.pool = four, .slots = 32, .kv_bytes = (size_t)limit * 2 * 2 * 16 * KV_BLOCK * sizeof(float)});
    for (int round = 0; round < 4; round++) {
        error err = {0};
        request requests[32];
        answer answers[32];
        for (int i = 0; i < 32; i++)
            requests[i] = (request){PROMPT, .max_new = round % 2 == 0 && i == 3 ? 200 : 20};
        assert_int_equal(engine_run(w.engine, requests, 32, answers, NULL, NULL, &err), 0);
        assert_int_equal(answers[31].finish == FINISH_LENGTH || answers[31].finish == FINISH_STOP_TOKEN, 1);
        assert_int_equal(w.engine->n_workers, round ? 4 : 1);
        assert_true(blocks_held(w.engine) <= limit);
        answers_free(answers, 32);
    }
    world_free(&w);
    threads_free(four);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths_and_stops), cmocka_unit_test(test_text),           cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_truncation),        cmocka_unit_test(test_likelihood),     cmocka_unit_test(test_interruption),
        cmocka_unit_test(test_not_finite),        cmocka_unit_test(test_scale_of_a_hop), cmocka_unit_test(test_kv_bytes), cmocka_unit_test(test_memory_holds_over_runs)};
    return cmocka_run_group_tests(tests, open_words, close_words);
}
