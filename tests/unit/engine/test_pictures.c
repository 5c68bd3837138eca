/* Requests with pictures: the rows stand where they should, whatever is shared with whom, and a least number of tokens. */
#include "../model/tiny.h"

#include "engine/engine.h"

#define HIDDEN 32
#define ROWS 40
#define PROMPT 64
#define PROMPTS 6

typedef struct world {
    checkpoint *model;
    plan *plan;
    int32_t ids[PROMPTS][PROMPT];
    float rows[2][ROWS * HIDDEN];
    request_picture pictures[PROMPTS];
    request requests[PROMPTS];
} world;

static void world_open(world *w)
{
    error err = {0};
    random_stream s = random_stream_for(3, "pictures", 0, 0);
    w->model = tiny_checkpoint((tiny){0});
    w->plan = plan_build(w->model, &err);
    if (!w->plan)
        fail_msg("%s", err.text);
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; i < ROWS * HIDDEN; i++)
            w->rows[p][i] = (float)random_uniform(&s) - 0.5f;
    for (int i = 0; i < PROMPTS; i++) {   /* the same words; prompts 0, 1 and 4 show one picture, the others the other; they end differently */
        for (int k = 0; k < PROMPT; k++)
            w->ids[i][k] = k < 10 ? k + 3 : k < 10 + ROWS ? 39 : 3 + (k * 7) % 20 + (k > 58 ? i : 0);
        w->pictures[i] = (request_picture){.rows = w->rows[i % 4 > 1], .first = 10, .n = ROWS};
        w->requests[i] = (request){.ids = w->ids[i], .n_ids = PROMPT, .pictures = &w->pictures[i], .n_pictures = 1, .max_new = 8, .ignore_stops = true,
                                   .beams = i == 0 || i == 5 ? 3 : 0};
    }
}

static void world_close(world *w)
{
    plan_free(w->plan);
    checkpoint_free(w->model);
}

static void run(const world *w, const engine_options *o, answer *answers)
{
    error err = {0};
    engine *e = engine_new(w->plan, o, &err);
    if (!e || engine_run(e, w->requests, PROMPTS, answers, NULL, NULL, &err) != 0)
        fail_msg("%s", err.text);
    engine_free(e);
}

/* Alone, together, slot by slot: no bit differs; and what is shared is shared. */
static void test_sharing(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    answer alone[PROMPTS], other[PROMPTS];
    run(&w, &(engine_options){.slots = 1, .no_prefix_sharing = true}, alone);
    threads *pool = threads_new(2);
    const engine_options options[] = {{.slots = 64}, {.slots = 4}, {.slots = 64, .pool = pool}, {.slots = 3, .pool = pool}};
    for (size_t k = 0; k < sizeof options / sizeof *options; k++) {
        run(&w, &options[k], other);
        for (int i = 0; i < PROMPTS; i++) {
            assert_int_equal(other[i].n_tokens, 8);
            assert_memory_equal(other[i].tokens, alone[i].tokens, 8 * sizeof(int32_t));
            assert_int_equal(other[i].n_beams, alone[i].n_beams);
            for (int b = 0; b < other[i].n_beams; b++)
                assert_true(other[i].beams[b].score == alone[i].beams[b].score);
        }
        answers_free(other, PROMPTS);
    }
    error err = {0};
    engine *e = engine_new(w.plan, &(engine_options){.slots = 64}, &err);
    assert_int_equal(engine_run(e, w.requests, PROMPTS, other, NULL, NULL, &err), 0);
    assert_true(engine_statistics(e).shared_tokens > 2 * ROWS);    /* pictures, not only the words before them */
    answers_free(other, PROMPTS);
    engine_free(e);
    threads_free(pool);
    answers_free(alone, PROMPTS);
    world_close(&w);
}

/* Rows that are the embeddings of tokens are those tokens. */
static void test_rows_are_embeddings(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    error err = {0};
    float *rows = memory_new(ROWS * HIDDEN, sizeof *rows), *words = memory_new(PROMPT * 40, sizeof *words), *seen = memory_new(PROMPT * 40, sizeof *seen);
    for (int i = 0; i < ROWS; i++)
        dtype_to_f32(w.plan->embedding->dtype, (const char *)w.plan->embedding->data + 2 * HIDDEN * (5 + i % 30), rows + i * HIDDEN, HIDDEN);
    engine *e = engine_new(w.plan, &(engine_options){0}, &err);
    w.pictures[0].rows = rows;
    assert_int_equal(engine_request_logits(e, &w.requests[0], seen, &err), 0);
    for (int i = 0; i < ROWS; i++)
        w.ids[0][10 + i] = 5 + i % 30;
    assert_int_equal(engine_logits(e, w.ids[0], PROMPT, words, &err), 0);
    assert_memory_equal(seen, words, PROMPT * 40 * sizeof *words);
    engine_free(e);
    free(rows);
    free(words);
    free(seen);
    world_close(&w);
}

/* A stop id that would come at once does not before min_new, greedily and in beams. */
static void test_min_new(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    error err = {0};
    answer a;
    engine *e = engine_new(w.plan, &(engine_options){0}, &err);
    for (int beams = 0; beams <= 3; beams += 3) {
        request r = w.requests[1];
        r.beams = beams;
        assert_int_equal(engine_run(e, &r, 1, &a, NULL, NULL, &err), 0);
        int32_t stops[3] = {a.tokens[0], 1000, -1};
        answers_free(&a, 1);
        r.stops = stops;
        r.n_stops = 3;
        r.min_new = 3;
        assert_int_equal(engine_run(e, &r, 1, &a, NULL, NULL, &err), 0);
        assert_true(a.n_tokens >= 3 || a.finish == FINISH_LENGTH);
        for (size_t i = 0; i < 3; i++)
            assert_true(a.tokens[i] != stops[0]);
        answers_free(&a, 1);
    }
    engine_free(e);
    world_close(&w);
}

static void refused(const world *w, request r, const char *part)
{
    error err = {0};
    answer a;
    engine *e = engine_new(w->plan, &(engine_options){0}, &err);
    assert_int_equal(engine_run(e, &r, 1, &a, NULL, NULL, &err), -1);
    assert_error(&err, ERROR_USAGE, "request 0", part, NULL);
    engine_free(e);
}

static void test_refuses(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    request r = w.requests[1];
    request_picture two[2] = {{w.rows[0], 0, 10}, {w.rows[1], 9, 10}};
    r.pictures = two;
    r.n_pictures = 2;
    refused(&w, r, "picture 1 has rows at 9 to 19");
    two[1].first = PROMPT - 9;
    refused(&w, r, "the prompt has 64 tokens");
    two[1].n = SIZE_MAX;
    refused(&w, r, "picture 1");
    r = w.requests[1];
    r.min_new = 9;
    refused(&w, r, "at least 9 new tokens");
    r.min_new = 0;
    r.max_new = 200;
    r.truncate_left = true;
    refused(&w, r, "picture");
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_rows_are_embeddings),
        cmocka_unit_test(test_min_new),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
