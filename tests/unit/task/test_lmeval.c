#include "scene.h"

#include "task/asking.h"
#include "task/group.h"

#define DATA "dataset_kwargs: {data_files: {train: t.jsonl, validation: v.jsonl}}\n"
#define HEAD "task: t\n" DATA "validation_split: validation\ndoc_to_text: \"{{ q }}?\"\n"

static int open_with_questions(void **state)
{
    scene_open(state);
    free(scene_write("t.jsonl", "{\"q\": \"t0\", \"label\": 0, \"golds\": [\"a\"]}\n{\"q\": \"t1\", \"label\": 1, \"golds\": [\"b\"]}\n"));
    free(scene_write("v.jsonl", "{\"q\": \"v0\", \"label\": 1, \"golds\": [\"a\", \"b\"]}\n{\"q\": \"v1\", \"label\": 0, \"golds\": [\"c\"]}\n"));
    return 0;
}

static void test_choice(void **state)
{
    (void)state;
    error err = {0};
    asking a;
    const size_t shown[2] = {0, 1};
    task *t = scene_good_task(HEAD "fewshot_split: train\nnum_fewshot: 2\nfewshot_config: {sampler: first_n, target_delimiter: \"=\"}\nfewshot_delimiter: \"|\"\n"
                                   "doc_to_target: label\ndoc_to_choice: [\"{no}\", yes]\noutput_type: multiple_choice\n", 1);
    assert_string_equal(t->splits[0].name, "test");
    assert_int_equal(task_split_find(t, "search", &err)->count + task_split_find(t, "select", &err)->count, t->splits[0].count);
    assert_int_equal(t->n_measures, 2);      /* acc and acc_norm where nothing is said */
    assert_int_equal(asking_make(t, t->splits[0].questions[0], shown, 2, &a, &err), 0);
    assert_string_equal(a.context, "t0?={no}|t1?=yes|v0?");
    assert_string_equal(a.continuations[0], " {no}");
    assert_int_equal(t->truncation, TRUNCATE_LEFT_WITH_BOS);
    asking_clear(&a);
    task_free(t);
}

static void test_generate(void **state)
{
    (void)state;
    error err = {0};
    judgement j;
    task *t = scene_good_task(HEAD "doc_to_target: \"{{ golds }}\"\ngen_prefix: \"A:\"\n", 1);
    assert_true(t->stops_in_turn && t->n_stops == 1 && t->max_new == 256 && t->gold_is_list);
    assert_string_equal(t->stops[0], "\n\n");
    assert_int_equal(task_judge(t, t->splits[0].questions[0], "b", NULL, &j, &err), 0);
    assert_true(j.score == 1);
    assert_int_equal(task_judge(t, t->splits[0].questions[0], "b ", NULL, &j, &err), 0);
    assert_true(j.score == 0);               /* white space counts */
    task_free(t);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct { const char *yaml, *tells; } bad[] = {
        {HEAD "doc_to_target: label\nprocess_docs: !function utils.f\n", "task.yml:6:15: '!function utils.f' is Python code"},
        {HEAD "doc_to_target: !function utils.t\n", "'!function utils.t' is Python code"},
        {HEAD "doc_to_target: label\noutput_type: loglikelihood_rolling\n", "'loglikelihood_rolling' is not read here"},
        {HEAD "doc_to_target: label\nmetric_list: [{metric: bleu}]\n", "'bleu' of generate_until is not known"},
        {HEAD "doc_to_target: label\nfilter_list: [{name: x, filter: [{function: custom}]}]\n", "the filter 'custom' is not known"},
        {HEAD "doc_to_target: label\nrepeats: 4\n", "repeats is 4"},
        {HEAD "doc_to_target: label\nuse_prompt: x\n", "'use_prompt' of lm-eval is not read here"},
        {HEAD "doc_to_target: label\ndoc_to_txt: x\n", "unknown key 'doc_to_txt'"},
        {HEAD "doc_to_target: label\ngeneration_kwargs: {num_beams: 4}\n", "unknown key 'num_beams'"},
        {HEAD "doc_to_target: label\nnum_fewshot: 1\nfewshot_config: {sampler: balanced}\n", "the sampler 'balanced'"},
        {"task: t\ndataset_path: a/b\ndataset_name: c\ntest_split: test\ndoc_to_text: x\ndoc_to_target: y\n", "no file a/b/c/test.jsonl"},
        {"task: t\ndataset_path: ../b\ntest_split: test\ndoc_to_text: x\ndoc_to_target: y\n", "is no name of a data set"},
        {"task: t\ndoc_to_text: x\n", "neither test_split nor validation_split"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error err;
        task *t = scene_task(bad[i].yaml, 1, &err);
        if (t || !strstr(err.text, bad[i].tells))
            fail_msg("%s: '%s' does not tell '%s'", bad[i].yaml, t ? "accepted" : err.text, bad[i].tells);
    }
}

static void test_group(void **state)
{
    (void)state;
    error err = {0};
    task_group g;
    free(scene_write("one.yaml", "x: 1\n"));
    char *path = scene_write("group.yml", "group: g\ntasks: [one, {task: one.yaml, weight: 3}]\naverage: weighted\n");
    assert_int_equal(group_read(path, &g, &err), 1);
    assert_int_equal(g.n, 2);
    assert_true(group_average(&g, (double[]){1, 0}, (size_t[]){3, 1}) == 0.5);
    group_clear(&g);
    free(path);
    path = scene_write("theirs.yml", "group: g\ntask:\n  - one\nmetadata:\n  version: 1.0\n");
    assert_int_equal(group_read(path, &g, &err), 1);
    assert_true(g.average == AVERAGE_NONE && strcmp(g.version, "1.0") == 0);
    group_clear(&g);
    free(path);
    path = scene_write("bad.yml", "group: g\ntasks: [two]\n");
    assert_int_equal(group_read(path, &g, &err), -1);
    assert_non_null(strstr(err.text, "no task file 'two'"));
    free(path);
    path = scene_write("none.yml", "name: a\n");
    assert_int_equal(group_read(path, &g, &err), 0);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_choice), cmocka_unit_test(test_generate), cmocka_unit_test(test_refused), cmocka_unit_test(test_group)};
    return cmocka_run_group_tests(tests, open_with_questions, scene_close);
}
