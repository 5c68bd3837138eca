/* Tasks with choices and examples: how they are read, what is asked, what is refused. */
#include "scene.h"

#include "task/asking.h"
#include "task/evaluator.h"

#define HEAD "splits: {test: nli.jsonl}\nprompt: \"{a}/{b}:\"\nchoices: [yes, no, maybe]\nanswer: label\nmetric: [acc, mcc]\n"

static int open_with_questions(void **state)
{
    scene_open(state);
    string s = {0};
    for (int i = 0; i < 9; i++)
        string_print(&s, "{\"id\": %d, \"a\": \"a%d\", \"b\": \"b%d\", \"label\": %d}\n", i, i, i, i % 3);
    free(scene_write("nli.jsonl", s.text));
    free(scene_write("list.jsonl", "{\"q\": \"one\", \"options\": [\"x\", \"y\"], \"answer\": \"y\"}\n"));
    free(s.text);
    return 0;
}

static char *context_of(const task *t, size_t i, asking *a)
{
    error err = {0};
    shot_plan plan_of_shots;
    if (asking_plan(t, &t->splits[0], NULL, 0, &plan_of_shots, &err) != 0 ||
        asking_make(t, t->splits[0].questions[i], plan_of_shots.shown + i * plan_of_shots.most, plan_of_shots.n[i], a, &err) != 0)
        fail_msg("%s", err.text);
    shot_plan_clear(&plan_of_shots);
    return a->context;
}

static void test_asking(void **state)
{
    (void)state;
    asking a;
    task *t = scene_good_task(HEAD "description: \"Say: \"\ntarget_delimiter: \" \"\nshots: {from: nli.jsonl, indices: [4, 0], delimiter: \";\"}\n", 1);
    assert_int_equal(t->kind, TASK_CHOICE);
    assert_string_equal(context_of(t, 2, &a), "Say: a4/b4: no;a0/b0: yes;a2/b2:");
    assert_int_equal(a.n, 3);
    assert_string_equal(a.continuations[2], " maybe");
    assert_int_equal(json_integer_value(a.gold), 2);
    asking_clear(&a);
    task_free(t);
    t = scene_good_task("splits: {test: list.jsonl}\nprompt: \"{q}\"\nchoices: {field: options}\nmetric: acc\n", 1);
    context_of(t, 0, &a);
    assert_int_equal(wording_gold_index(a.gold, a.choices), 1);
    asking_clear(&a);
    task_free(t);
}

/* What a question is shown does not depend on which others are asked, nor are they themselves. */
static void test_draws(void **state)
{
    (void)state;
    asking a;
    task *t = scene_good_task(HEAD "shots: {count: 2, split: test, draw: lm-eval}\n", 1);
    for (size_t i = 0; i < 9; i++) {
        char own[16];
        snprintf(own, sizeof own, "a%zu/", i);
        char *first = strstr(context_of(t, i, &a), own);
        assert_true(first && strstr(first + 1, own) == NULL && first > a.context);      /* once, at the end */
        asking_clear(&a);
    }
    task_free(t);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct { const char *yaml, *tells; } bad[] = {
        {HEAD "stop: x\n", "'stop' does not go with choices"},
        {HEAD "aggregate: bootstrap\n", "'aggregate' does not go with choices"},
        {HEAD "encoding: both\n", "encoding is joint or separate"},
        {HEAD "truncate: right\n", "truncate can only be"},
        {HEAD "shots: {count: 2}\n", "one of the three"},
        {HEAD "shots: {count: 20, from: nli.jsonl}\n", "20 examples are to be shown, and there are 9"},
        {HEAD "shots: {count: 9, split: test}\n", "beside the question itself"},
        {HEAD "shots: {count: 2, from: nli.jsonl, draw: luck}\n", "draw is lm-eval, stability or first"},
        {HEAD "shots: {count: 2, from: nli.jsonl, stratify: nothing}\n", "no field 'nothing'"},
        {HEAD "shots: {from: nli.jsonl, indices: [9]}\n", "outside [0, 8]"},
        {HEAD "shots: {count: 2, from: train.jsonl}\n", "docs/data.md"},
        {"splits: {test: nli.jsonl}\nprompt: \"{a}\"\nchoices: [yes]\nanswer: label\nmetric: acc\n", "2 to 1000 texts"},
        {"splits: {test: nli.jsonl}\nprompt: \"{a}\"\nchoices: [yes, no]\nanswer: label\nmetric: acc\n", "is none of the 2 choices"},
        {"splits: {test: nli.jsonl}\nprompt: \"{a}\"\nchoices: [yes, no, c]\nanswer: label\nmetric: f1\n", "unknown metric of choices 'f1'"},
        {"splits: {test: nli.jsonl}\nprompt: \"{a}\"\nchoices: {jinja: \"{{ a }}\"}\nanswer: label\nmetric: acc\n", "are not a list"},
        {"splits: {test: nli.jsonl}\nprompt: {jinja: \"{{ a \"}\nchoices: [yes, no, c]\nanswer: label\nmetric: acc\n", "task.yml:2: prompt"},
        {"include: task.yml\n", "includes itself"},
        {"group: g\ntasks: [a.yml]\n", "a group of tasks"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error err;
        task *t = scene_task(bad[i].yaml, 1, &err);
        if (t || !strstr(err.text, bad[i].tells))
            fail_msg("%s: '%s' does not tell '%s'", bad[i].yaml, t ? "accepted" : err.text, bad[i].tells);
    }
}

static void test_include(void **state)
{
    (void)state;
    free(scene_write("base.yml", "name: base\n" HEAD));
    task *t = scene_good_task("include: base.yml\nname: mine\nmetric: acc_norm\n", 1);
    assert_string_equal(t->name, "mine");
    assert_string_equal(task_metric_name(t), "acc_norm");
    assert_int_equal(t->splits[0].count, 9);
    task_free(t);
}

/* Log-likelihoods do not depend on what is shared, nor on the batch. */
static void test_evaluated(void **state)
{
    (void)state;
    error err = {0};
    task *t = scene_good_task(HEAD "description: \"Numbers: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30.\\n\"\n"
                                   "shots: {count: 2, from: nli.jsonl}\n", 1);
    checkpoint *c = checkpoint_open(SOURCE_DIR "/miniature/models/base", &err);
    if (!c)
        fail_msg("%s", err.text);
    question_set set = {.task = t, .questions = t->splits[0].questions, .count = 9, .weight = 1};
    evaluation e[2];
    for (int i = 0; i < 2; i++) {
        evaluator *ev = evaluator_new(&(evaluator_options){.slots = i ? 1 : 16, .no_prefix_sharing = i}, NULL);
        if (ev->run(ev, &(lineup){.models = &c}, &set, 1, &e[i], &err) != 0)
            fail_msg("%s", err.text);
        evaluator_free(ev);
    }
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(e[0].results[i].preference.n, 3);
        assert_memory_equal(e[0].results[i].preference.loglik, e[1].results[i].preference.loglik, 3 * sizeof(double));
        assert_true(e[0].results[i].preference.loglik[0] < 0 && e[0].results[i].gold == (int)(i % 3));
        assert_true(e[0].results[i].judged.score == (e[0].results[i].picked == e[0].results[i].gold));
    }
    assert_true(e[0].stats.shared_tokens > 0 && e[0].stats.prefill_tokens < e[1].stats.prefill_tokens);
    evaluation_free(&e[0]);
    evaluation_free(&e[1]);
    checkpoint_free(c);
    task_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_asking), cmocka_unit_test(test_draws), cmocka_unit_test(test_refused), cmocka_unit_test(test_include),
                                       cmocka_unit_test(test_evaluated)};
    return cmocka_run_group_tests(tests, open_with_questions, scene_close);
}
