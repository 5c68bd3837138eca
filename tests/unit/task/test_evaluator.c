#include "scene.h"

#include <math.h>

#include "../model/tiny.h"
#include "task/evaluator.h"

#define MINIATURE SOURCE_DIR "/miniature/models/base"

static task *sums, *words;
static evaluator_options options;

static int open_tasks(void **state)
{
    scene_open(state);
    scene_questions("q.jsonl", "q", 0, 12);
    sums = scene_good_task("splits: {test: q.jsonl}\nprompt: \"{question}\\n\"\nmax_new_tokens: 8\nmetric: number_paper\n", 1);
    words = scene_good_task("splits: {test: {file: q.jsonl, range: [3, 8]}}\nprompt: \"Q: {question}\\n\"\nmax_new_tokens: 6\n"
                            "metric: exact_match\n", 1);
    options = (evaluator_options){.check_finite = true, .slots = 4, .scratch = file_join(scene, "scratch")};
    return 0;
}

static int close_tasks(void **state)
{
    task_free(sums);
    task_free(words);
    free((char *)options.scratch);
    return scene_close(state);
}

/* A random model that reads and writes with the miniature's tokenizer. */
static checkpoint *random_model(uint64_t seed)
{
    checkpoint *c = tiny_checkpoint((tiny){.vocab = 937, .seed = seed});
    c->folder = memory_text(MINIATURE);
    return c;
}

static question_set set_of(const task *t, double weight)
{
    return (question_set){.task = t, .questions = t->splits[0].questions, .count = t->splits[0].count, .weight = weight};
}

static evaluation evaluate(evaluator *e, checkpoint *c, const question_set *sets, size_t n)
{
    error err = {0};
    evaluation out;
    if (e->run(e, &(lineup){.models = &c}, sets, n, &out, &err) != 0)
        fail_msg("%s", err.text);
    return out;
}

static void assert_same_answers(const evaluation *a, const evaluation *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->results[i].n_tokens, b->results[i].n_tokens);
        assert_memory_equal(a->results[i].tokens, b->results[i].tokens, (size_t)a->results[i].n_tokens * sizeof(int32_t));
        assert_string_equal(a->results[i].answer, b->results[i].answer);
    }
}

static void test_sets_and_weights(void **state)
{
    (void)state;
    checkpoint *c = random_model(1);
    evaluator *e = evaluator_new(&options, NULL);
    question_set sets[] = {set_of(sums, 1), set_of(words, 3)};
    evaluation all = evaluate(e, c, sets, 2);
    assert_int_equal(all.outcome, OUTCOME_COMPLETE);
    assert_int_equal(all.count, 17);
    assert_int_equal(all.n_sets, 2);
    assert_true(all.score == (all.set_scores[0] + 3 * all.set_scores[1]) / 4);
    for (size_t i = 0; i < 17; i++) {
        const result *r = &all.results[i];
        assert_ptr_equal(r->question, i < 12 ? sums->splits[0].questions[i] : words->splits[0].questions[i - 12]);
        assert_true(r->n_tokens > 0 && r->n_tokens <= (i < 12 ? 8 : 6));
        assert_non_null(r->answer);
        assert_true(r->judged.language_ok && (r->judged.score == 0 || r->judged.score == 1));
    }
    assert_true(all.stats.decode_tokens > 0);
    /* the sets one by one, by another evaluator, are the same answers */
    evaluator *other = evaluator_new(&options, NULL);
    evaluation second = evaluate(other, c, &sets[1], 1);
    evaluation tail = all;
    tail.results += 12;
    tail.count = 5;
    assert_same_answers(&second, &tail);
    assert_true(second.score == all.set_scores[1]);
    evaluation_free(&second);
    evaluation_free(&all);
    evaluator_free(other);
    evaluator_free(e);
    checkpoint_free(c);
}

/* The candidate's bytes are overwritten in place: norms too must be read anew. */
static void test_overwritten_candidate(void **state)
{
    (void)state;
    checkpoint *c = random_model(1), *wanted = random_model(2);
    evaluator *e = evaluator_new(&options, NULL), *fresh = evaluator_new(&options, NULL);
    question_set set = set_of(sums, 1);
    evaluation first = evaluate(e, c, &set, 1);
    for (size_t i = 0; i < c->count; i++)
        memcpy(c->items[i].tensor.data, wanted->items[i].tensor.data, tensor_bytes(&c->items[i].tensor));
    evaluation second = evaluate(e, c, &set, 1), expected = evaluate(fresh, wanted, &set, 1);
    assert_same_answers(&second, &expected);
    bool differs = false;
    for (size_t i = 0; i < first.count; i++)
        differs = differs || strcmp(first.results[i].answer, second.results[i].answer) != 0;
    assert_true(differs);
    /* and another checkpoint takes the place of the first */
    evaluation third = evaluate(e, wanted, &set, 1);
    assert_same_answers(&third, &expected);
    evaluation_free(&first);
    evaluation_free(&second);
    evaluation_free(&third);
    evaluation_free(&expected);
    evaluator_free(e);
    evaluator_free(fresh);
    checkpoint_free(c);
    checkpoint_free(wanted);
}

static void assert_invalid(evaluation *e, const char *tells, const char *also)
{
    if (e->outcome != OUTCOME_INVALID || !e->reason || !strstr(e->reason, tells) || !strstr(e->reason, also))
        fail_msg("'%s' does not tell '%s' and '%s'", e->reason ? e->reason : "(valid)", tells, also);
    assert_int_equal(e->count, 0);
    assert_null(e->results);
    assert_true(isnan(e->score));
    evaluation_free(e);
}

static void test_not_finite(void **state)
{
    (void)state;
    checkpoint *c = random_model(1);
    uint16_t nan_bits = 0x7fc0, kept;
    void *place = checkpoint_find(c, "model.layers.1.mlp.up_proj.weight")->data;
    memcpy(&kept, place, 2);
    memcpy(place, &nan_bits, 2);
    question_set set = set_of(sums, 1);
    evaluator *e = evaluator_new(&options, NULL);
    evaluation out = evaluate(e, c, &set, 1);
    assert_invalid(&out, "model.layers.1.mlp.up_proj.weight", "");
    evaluator_options unchecked = options;
    unchecked.check_finite = false;
    evaluator *other = evaluator_new(&unchecked, NULL);
    out = evaluate(other, c, &set, 1);
    assert_invalid(&out, "logits are not finite", "q.jsonl line 1");
    memcpy(place, &kept, 2);   /* the next candidate is well again */
    out = evaluate(other, c, &set, 1);
    assert_int_equal(out.outcome, OUTCOME_COMPLETE);
    evaluation_free(&out);
    evaluator_free(e);
    evaluator_free(other);
    checkpoint_free(c);
}

static void refused(checkpoint *c, const question_set *set, enum error_code code, const char *tells)
{
    error err = {0};
    evaluator *e = evaluator_new(&options, NULL);
    evaluation out;
    assert_int_equal(e->run(e, &(lineup){.models = &c}, set, 1, &out, &err), -1);
    assert_error(&err, code, tells);
    assert_null(out.results);
    assert_null(out.reason);
    evaluator_free(e);
}

static void test_refused(void **state)
{
    (void)state;
    checkpoint *c = random_model(1);
    question_set set = set_of(sums, 1);
    set.weight = NAN;
    refused(c, &set, ERROR_USAGE, "weight nan");
    set.weight = -1;
    refused(c, &set, ERROR_USAGE, "weight -1");
    set.weight = 0;
    refused(c, &set, ERROR_USAGE, "sum to 0");
    set.weight = 1;
    set.count = 0;
    refused(c, &set, ERROR_USAGE, "no questions");
    task *strange = scene_good_task("splits: {test: q.jsonl}\nprompt: \"{question}\"\nmax_new_tokens: 8\nmetric: {name: number, "
                                    "language: jp}\n", 1);
    set = set_of(strange, 1);
    refused(c, &set, ERROR_USAGE, "'jp'");
    free(c->folder);
    c->folder = NULL;
    set = set_of(sums, 1);
    refused(c, &set, ERROR_STATE, "tokenizer");
    task_free(strange);
    checkpoint_free(c);
}

static bool stop_at_once(void *context, size_t done, size_t n, const engine_stats *stats)
{
    (void)done;
    (void)n;
    (void)stats;
    ++*(int *)context;
    return false;
}

static void test_stopped(void **state)
{
    (void)state;
    checkpoint *c = random_model(1);
    int calls = 0;
    evaluator_options stopping = options;
    stopping.progress = stop_at_once;
    stopping.progress_context = &calls;
    evaluator *e = evaluator_new(&stopping, NULL);
    question_set set = set_of(sums, 1);
    error err = {0};
    evaluation out;
    assert_int_equal(e->run(e, &(lineup){.models = &c}, &set, 1, &out, &err), -1);
    assert_error(&err, ERROR_INTERRUPTED, "interrupted");
    assert_true(calls == 1 && !out.results);
    evaluator_free(e);
    checkpoint_free(c);
}

static task *command_task(const char *more, const char *run, double seconds)
{
    char *yaml = memory_print("name: theirs\n%scommand: {run: \"%s\", seconds: %g}\n", more, run, seconds);
    task *t = scene_good_task(yaml, 1);
    free(yaml);
    return t;
}

static evaluation run_command(const char *more, const char *run)
{
    checkpoint *c = random_model(1);
    evaluator *e = evaluator_new(&options, NULL);
    task *t = command_task(more, run, 5);
    question_set set = set_of(t, 1);
    evaluation out = evaluate(e, c, &set, 1);
    for (size_t i = 0; i < out.count; i++)
        out.results[i].question = NULL;   /* goes with the task */
    task_free(t);
    evaluator_free(e);
    checkpoint_free(c);
    char *left = file_join(options.scratch, "candidate");
    assert_false(file_exists(left));
    free(left);
    return out;
}

static void test_commands(void **state)
{
    (void)state;
    evaluation out = run_command("", "test -s {model}/model.safetensors && test -s {model}/tokenizer.json && grep -q hidden_size "
                                     "{model}/config.json && echo '{\\\"score\\\": 0.5}'");
    if (out.outcome != OUTCOME_COMPLETE)
        fail_msg("%s", out.reason);
    assert_true(out.score == 0.5 && out.count == 1 && out.results[0].judged.score == 0.5);
    evaluation_free(&out);
    out = run_command("splits: {test: {file: q.jsonl, range: [2, 5]}}\n",
                      "test -d {model} && head -n 1 {questions} | grep -q q-2 && test $(wc -l < {questions}) = 3 && echo "
                      "'{\\\"score\\\": 0.5, \\\"scores\\\": [1, 0, 0.25]}'");
    if (out.outcome != OUTCOME_COMPLETE)
        fail_msg("%s", out.reason);
    assert_true(out.score == 0.5 && out.count == 3);
    assert_true(out.results[0].judged.score == 1 && out.results[1].judged.raw == 0 && out.results[2].judged.score == 0.25);
    evaluation_free(&out);
}

static void test_bad_commands(void **state)
{
    (void)state;
    evaluation out = run_command("", "echo {model}; echo broken >&2; exit 7");
    assert_invalid(&out, "task 'theirs'", "status 7: broken");
    out = run_command("", "test {model}; echo '{\\\"score\\\": NaN}'");
    assert_invalid(&out, "task 'theirs'", "NaN");
    out = run_command("splits: {test: {file: q.jsonl, range: [2, 5]}}\n",
                      "test {model}; echo '{\\\"score\\\": 0.5, \\\"scores\\\": [1, 0]}'");
    assert_invalid(&out, "2 scores for 3 questions", "");
}

static void test_command_beside_engine(void **state)
{
    (void)state;
    checkpoint *c = random_model(1);
    evaluator *e = evaluator_new(&options, NULL);
    task *t = command_task("", "test -d {model} && echo '{\\\"score\\\": 1}'", 5);
    question_set sets[] = {set_of(t, 1), set_of(sums, 1), set_of(t, 2)};
    evaluation out = evaluate(e, c, sets, 3);
    if (out.outcome != OUTCOME_COMPLETE)
        fail_msg("%s", out.reason);
    assert_int_equal(out.count, 14);
    assert_true(out.score == (3 + out.set_scores[1]) / 4);
    assert_ptr_equal(out.results[1].question, sums->splits[0].questions[0]);
    assert_true(out.results[1].n_tokens > 0 && out.results[13].judged.score == 1);
    evaluation_free(&out);
    evaluator_free(e);
    task_free(t);
    checkpoint_free(c);
}

/* Recorded answers of transformers, token for token, from a real model. */
static void test_recorded(void **state)
{
    (void)state;
    error err = {0};
    task *t = task_read(SOURCE_DIR "/recipes/tasks/mini-math-ja.yml", 0, &err);
    checkpoint *c = checkpoint_open(SOURCE_DIR "/miniature/models/ja", &err);
    dataset *recorded = dataset_read(SOURCE_DIR "/tests/data/answers/ja.math-ja-test.jsonl", "id", &err);
    if (!t || !c || !recorded)
        fail_msg("%s", err.text);
    question_set set = {.task = t, .questions = task_split_find(t, "test", &err)->questions, .count = 12, .weight = 1};
    evaluator *e = evaluator_new(&options, NULL);
    evaluation out = evaluate(e, c, &set, 1);
    for (size_t i = 0; i < set.count; i++) {
        const char *wanted = json_string_value(json_object_get(recorded->items[i].fields, "text"));
        if (strcmp(out.results[i].answer, wanted) != 0 && out.results[i].min_margin > 1e-3f)
            fail_msg("question %zu: '%s', wanted '%s'", i, out.results[i].answer, wanted);
        assert_true(out.results[i].judged.language_ok);
    }
    evaluation_free(&out);
    evaluator_free(e);
    dataset_free(recorded);
    checkpoint_free(c);
    task_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets_and_weights), cmocka_unit_test(test_overwritten_candidate), cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_stopped), cmocka_unit_test(test_commands),
        cmocka_unit_test(test_bad_commands),
        cmocka_unit_test(test_command_beside_engine), cmocka_unit_test(test_recorded),
    };
    return cmocka_run_group_tests(tests, open_tasks, close_tasks);
}
