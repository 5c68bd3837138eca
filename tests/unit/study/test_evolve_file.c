/* mergekit-evolve's files as studies. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "study/study_file.h"

#include <cmocka.h>     /* last: its macro hides our fail() */

static error err;

static study_file *parse(const char *text)
{
    return study_file_parse(text, strlen(text), "folder/mini.yml", &err);
}

static study_file *parsed(const char *text)
{
    study_file *f = parse(text);
    if (!f)
        fail_msg("%s: %s", text, err.text);
    return f;
}

static const study_bound *bound(const study_step *s, const char *name)
{
    for (size_t i = 0; i < s->n_bounds; i++)
        if (strcmp(s->bounds[i].parameter, name) == 0)
            return &s->bounds[i];
    fail_msg("no bounds of %s", name);
    return NULL;
}

#define TASKS "tasks: [mini]\n"
#define GENOME(text) "genome: {models: [m/ja, m/math], " text "}\n"

static void a_whole_file_is_read(void **state)
{
    (void)state;
    study_file *f = parsed("genome:\n"
        "  models: [m/ja, m/math/, other/ja]\n"
        "  merge_method: dare_ties\n"
        "  base_model: m/base\n"
        "  tokenizer_source: base\n"
        "  layer_granularity: 4\n"
        "  normalize: false\n"
        "  allow_negative_weights: true\n"
        "  filters: [self_attn, mlp]\n"
        "  smooth: true\n"
        "tasks: [{name: mini, weight: 2.5, metric: \"number,none\"}, other]\n"
        "limit: 64\nnum_fewshot: 0\nshuffle: true\napply_chat_template: false\nfewshot_as_multiturn: true\n"
        "max_fevals: 300\nsigma0: 0.2\nrandom_seed: 7\nforce_population_size: 20\ntask_search_path: [a, b]\n"
        "held_out: [t.yml]\n");
    const study_step *s = &f->steps[0];
    assert_true(f->n_models == 4 && f->n_steps == 1 && s->n_sources == 3 && s->space == SPACE_PARAMETERS);
    assert_string_equal(f->models[1].name, "math");
    assert_string_equal(f->models[2].name, "ja-2");
    assert_string_equal(s->base_model, "base");
    assert_string_equal(s->name, "PS");
    assert_true(s->tokenizer_base && s->granularity == 4 && s->n_filters == 2 && s->smooth);
    assert_true(s->n_values == 1 && s->values[0].value == 0);
    const study_bound *w = bound(s, "weight"), *d = bound(s, "density");
    assert_true(w->low == -2 && w->high == 2 && w->start == 1.0 / 3 && w->spread == 0.2);
    assert_true(d->low == 0 && d->high == 1 && d->start == 1 && d->spread == 0.2);
    assert_true(s->trials == 300 && s->population == 20 && f->seed == 7 && f->n_task_paths == 2 && f->n_held_out == 1);
    assert_true(f->n_tasks == 2 && f->tasks[0].questions == 64 && f->tasks[0].weight == 2.5 && f->tasks[1].line == 11);
    assert_string_equal(f->tasks[0].metric, "number");
    assert_string_equal(f->tasks[0].split, "search");
    study_file_free(f);
}

static void what_is_not_said_is_mergekits(void **state)
{
    (void)state;
    static const struct { const char *genome; double normalize; size_t sources; const char *base; } cases[] = {
        {GENOME("merge_method: linear"), 1, 2, NULL}, {GENOME("merge_method: linear, base_model: m/ja"), 1, 2, NULL},
        {GENOME("merge_method: ties, base_model: m/base"), 1, 2, "base"}, {GENOME("merge_method: dare_ties, base_model: m/base"), 1, 2, "base"},
        {GENOME("merge_method: task_arithmetic, base_model: m/ja"), 0, 1, "ja"}, {GENOME("merge_method: slerp"), NAN, 1, "ja"},
        {GENOME("merge_method: slerp, base_model: m/math"), NAN, 1, "math"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = memory_print("%s" TASKS, cases[i].genome);
        study_file *f = parsed(text);
        const study_step *s = &f->steps[0];
        assert_int_equal(s->n_sources, cases[i].sources);
        assert_true(isnan(cases[i].normalize) ? s->n_values == 0 : s->n_values == 1 && s->values[0].value == cases[i].normalize);
        assert_true(cases[i].base ? s->base_model && strcmp(s->base_model, cases[i].base) == 0 : !s->base_model);
        assert_true(s->trials == 100 && s->population == 0 && f->seed == 0 && s->granularity == 0 && f->tasks[0].questions == 0);
        if (strcmp(s->method, "slerp") == 0)
            assert_true(bound(s, "t")->start == 0.5 && fabs(bound(s, "t")->spread - sqrt(2) / 24) < 1e-15);
        else
            assert_true(bound(s, "weight")->low == 0 && bound(s, "weight")->start == 0.5 && bound(s, "weight")->spread == 1.0 / 6);
        study_file_free(f);
        free(text);
    }
}

static void what_has_no_counterpart_is_named(void **state)
{
    (void)state;
#define OK GENOME("merge_method: linear") TASKS
    static const struct { const char *text, *part; } cases[] = {
        {GENOME("merge_method: linear"), "'tasks'"},
        {"genome: {merge_method: linear}\n" TASKS, "'models' should be a list"},
        {GENOME("merge_method: lineer") TASKS, "did you mean 'linear'?"},
        {GENOME("base_model: x") TASKS, "'merge_method' is missing"},
        {GENOME("merge_method: linear, smoth: true") TASKS, "folder/mini.yml:1: unknown key 'smoth'"},
        {OK "vllm: true\n", "folder/mini.yml:3: unknown key 'vllm'"},
        {OK "num_fewshot: 3\n", "num_fewshot is 3"},
        {OK "apply_chat_template: true\n", "folder/mini.yml:3:22: apply_chat_template"},
        {OK "random_init: true\n", "random_init"},
        {OK "sigma0: 0\n", "sigma0 is 0"},
        {OK "limit: 0\n", "outside"},
        {GENOME("merge_method: linear, tokenizer_source: union") TASKS, "tokenizer_source is 'union'"},
        {GENOME("merge_method: linear, filters: [\"\"]") TASKS, "a filter is empty"},
        {GENOME("merge_method: slerp, smooth: true") TASKS, "slerp goes without 'smooth'"},
        {GENOME("merge_method: slerp, filters: [mlp]") TASKS, "slerp goes without 'filters'"},
        {GENOME("merge_method: slerp, base_model: x") TASKS, "should be one of its two models"},
        {GENOME("merge_method: slerp, normalize: true") TASKS, "no parameter 'normalize'"},
        {"genome: {models: [a, b, c], merge_method: slerp}\n" TASKS, "slerp of 3 models"},
        {"genome: {models: [a, a], merge_method: linear}\n" TASKS, "stands twice"},
        {"genome: {models: [{model: a}, a], merge_method: linear}\n" TASKS, "BASE+ADAPTER"},
        {"genome: {models: [a], base_model: a, merge_method: ties}\n" TASKS, "all models are the base_model"},
        {GENOME("merge_method: linear") "tasks: [{weight: 1}]\n", "has no name"},
        {GENOME("merge_method: linear") "tasks: [{name: a, weight: -1}]\n", "weight is -1"},
        {GENOME("merge_method: linear") "tasks: []\n", "'tasks' should be a list"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        study_file *f = parse(cases[i].text);
        if (f || !strstr(err.text, cases[i].part) || !strstr(err.text, "folder/mini.yml"))
            fail_msg("%s: %s (expected: %s)", cases[i].text, f ? "accepted" : err.text, cases[i].part);
    }
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char *path = file_join(folder, name);
    if (file_write(path, text, strlen(text), &err) != 0)
        fail_msg("%s", err.text);
    free(path);
}

/* Beside the file, then task_search_path, then what the command line says. */
static void tasks_are_found_by_name(void **state)
{
    (void)state;
    char folder[] = "/tmp/merganser-evolve-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *inner = file_join(folder, "inner"), *last = file_join(folder, "last"), *study = file_join(folder, "s.yml");
    assert_int_equal(file_make_folders(inner, &err) | file_make_folders(last, &err), 0);
    write_file(folder, "first.yml", "name: a\n");
    write_file(inner, "first.yml", "name: b\n");
    write_file(inner, "second.yaml", "name: b\n");
    write_file(last, "third.yml", "name: c\n");
    write_file(last, "foreign.yml", "task: foreign\ndataset_path: gsm8k\n");
    write_file(last, "several.yml", "group: several\ntask: [foreign]\n");
    static const struct { const char *task, *found; } cases[] = {
        {"first", "/first.yml"}, {"second", "/inner/second.yaml"}, {"second.yaml", "/inner/second.yaml"}, {"third", "/last/third.yml"}, {"foreign", "/last/foreign.yml"}, {"several", NULL}, {"inner", NULL}, {"none", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = memory_print(GENOME("merge_method: linear") "tasks: [%s]\ntask_search_path: inner\n", cases[i].task);
        write_file(folder, "s.yml", text);
        const char *paths[] = {last};
        study_file *f = study_file_read(study, paths, 1, &err);
        if (cases[i].found) {
            if (!f)
                fail_msg("%s", err.text);
            assert_string_equal(f->tasks[0].path + strlen(folder), cases[i].found);
        } else if (f || !strstr(err.text, "s.yml:2") || !strstr(err.text, "lm-eval")) {
            fail_msg("%s: %s", cases[i].task, f ? "accepted" : err.text);
        }
        study_file_free(f);
        free(text);
    }
    free(inner);
    free(last);
    free(study);
    file_remove_tree(folder, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_is_read),
        cmocka_unit_test(what_is_not_said_is_mergekits),
        cmocka_unit_test(what_has_no_counterpart_is_named),
        cmocka_unit_test(tasks_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
