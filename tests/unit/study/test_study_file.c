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

#define MODELS "models: {base: m/base, ja: m/ja, math-a: m/a, math-b: m/b}\n"
#define TASKS "tasks: [{task: t.yml, questions: 64}]\n"
#define FLOW(text) "search: [{space: data-flow, optimizer: {trials: 9}, " text "}]\n"
#define SEARCH "search: [{method: ties, base_model: base, optimizer: {generations: 20}}]\n"

static void a_whole_file_is_read(void **state)
{
    (void)state;
    study_file *f = parse(MODELS
        "search:\n"
        "  - space: parameters\n"
        "    method: dare_ties\n"
        "    base_model: base\n"
        "    sources: [ja, math-a]\n"
        "    layer_groups: [[0, 2], [2, 8]]\n"
        "    split: [attention, mlp, embeddings]\n"
        "    optimizer: {name: cma-es, population: 16, generations: 20, trials: 300, sigma: 0.1667}\n"
        "    bounds: {weight: {low: -1, high: 2, start: 0.5, spread: 0.3}, density: {low: 0.2}}\n"
        "    start: start.yml\n"
        "    parameters: {normalize: false, lambda: 0.9}\n"
        "    mode: compat\n"
        "    tokenizer: base\n"
        "tasks: [{task: recipes/tasks/mini-math-ja.yml, split: search, questions: 64, weight: 2.5}]\n"
        "select: [{task: recipes/tasks/mini-math-ja.yml, split: select}]\n"
        "held_out: [recipes/tasks/mini-math-ja.yml]\n"
        "baselines: [linear, ties]\n"
        "target: 0.8\nworkers: 20\nseed: 7\nname: eine Studie\n");
    if (!f)
        fail_msg("%s", err.text);
    study_step *s = &f->steps[0];
    assert_string_equal(f->name, "eine Studie");
    assert_true(f->n_models == 4 && s->n_sources == 2 && s->n_ranges == 2 && s->n_groups == 2 && s->ranges[1][1] == 8);
    assert_string_equal(f->models[2].name, "math-a");
    assert_string_equal(f->models[2].path, "m/a");
    assert_string_equal(s->method, "dare_ties");
    assert_string_equal(s->base_model, "base");
    assert_string_equal(s->start, "start.yml");
    assert_string_equal(s->mode, "compat");
    assert_true(s->split_attention_mlp && s->split_embeddings && s->tokenizer_base);
    assert_true(s->population == 16 && s->generations == 20 && s->trials == 300 && s->sigma == 0.1667);
    assert_true(s->n_bounds == 2 && s->bounds[0].low == -1 && s->bounds[0].spread == 0.3);
    assert_true(s->bounds[1].low == 0.2 && isnan(s->bounds[1].high) && isnan(s->bounds[1].start));
    assert_true(s->n_values == 2 && s->values[0].value == 0 && s->values[1].value == 0.9);
    assert_string_equal(s->values[1].parameter, "lambda");
    assert_true(f->n_tasks == 1 && f->tasks[0].questions == 64 && f->tasks[0].weight == 2.5);
    assert_string_equal(f->select[0].split, "select");
    assert_string_equal(f->held_out[0].split, "test");
    assert_true(f->n_baselines == 2 && f->target == 0.8 && f->workers == 20 && f->seed == 7);
    study_file_free(f);
}

static void what_is_not_said_has_a_standard(void **state)
{
    (void)state;
    study_file *f = parse(MODELS TASKS SEARCH);
    if (!f)
        fail_msg("%s", err.text);
    assert_string_equal(f->name, "mini");
    assert_int_equal(f->steps[0].n_sources, 3);     /* all but the base */
    assert_string_equal(f->steps[0].sources[0], "ja");
    assert_string_equal(f->steps[0].name, "PS");
    assert_null(f->steps[0].optimizer);
    assert_string_equal(f->steps[0].mode, "exact");
    assert_true(f->steps[0].n_groups == 1 && !f->steps[0].split_attention_mlp && f->steps[0].population == 0);
    assert_true(isnan(f->target) && f->seed == 0 && f->n_select == 0 && !f->baselines);
    assert_string_equal(f->tasks[0].split, "search");
    study_file_free(f);
    f = parse(MODELS TASKS SEARCH "baselines: none\n");
    assert_string_equal(f->baselines[0], "none");
    study_file_free(f);
}

static void steps_build_on_one_another(void **state)
{
    (void)state;
    study_file *f = parse(MODELS TASKS "search:\n"
                          "- {method: ties, base_model: base, optimizer: {trials: 9}}\n"
                          "- {space: data-flow, sources: [ja, math-a], optimizer: {trials: 9}, max_hops: 12, bounds: {scale: {low: 0.8}}}\n"
                          "- {space: data-flow, name: both, sources: [PS, ja], preset: paper, pin_ends: no}\n"
                          "- {space: data-flow, sources: [PS, ja], optimizer: {trials: 9}, scales: network}\n");
    if (!f)
        fail_msg("%s", err.text);
    assert_int_equal(f->n_steps, 4);
    assert_string_equal(f->steps[1].name, "DFS");
    assert_string_equal(f->steps[3].name, "PS + DFS");
    assert_int_equal(study_file_step(f, "both"), 2);
    assert_string_equal(f->steps[2].sources[0], "PS");
    assert_true(f->steps[1].max_hops == 12 && f->steps[1].pin_ends && f->steps[1].repetitions == 2 && f->steps[1].scales == FLOW_SLOTS);
    assert_true(f->steps[1].bounds[0].low == 0.8 && isnan(f->steps[1].bounds[0].high));
    assert_true(f->steps[2].paper && !f->steps[2].pin_ends && f->steps[2].repetitions == 3 && f->steps[2].scales == FLOW_MATRIX);
    assert_true(f->steps[2].generations == 100 && f->steps[3].scales == FLOW_NETWORK);
    study_file_free(f);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct { const char *text, *part; enum error_code code;
    } cases[] = {
        {"", "should be a map", ERROR_FORMAT},
        {"[1]", "should be a map", ERROR_FORMAT},
        {TASKS SEARCH, "'models' is missing", ERROR_FORMAT},
        {MODELS SEARCH, "'tasks' is missing", ERROR_FORMAT},
        {MODELS TASKS, "'search' is missing", ERROR_FORMAT},
        {"models: {a: x}\n" TASKS SEARCH, "at least two", ERROR_FORMAT},
        {"models: {a: x, b: }\n" TASKS SEARCH, "model 'b' has no path", ERROR_FORMAT},
        {MODELS TASKS SEARCH "sed: 1\n", "folder/mini.yml:4: unknown key 'sed'; did you mean 'seed'?", ERROR_FORMAT},
        {MODELS TASKS SEARCH "seed: -1\n", "outside", ERROR_FORMAT},
        {MODELS TASKS SEARCH "seed: 1.5\n", "not a whole number", ERROR_FORMAT},
        {MODELS TASKS SEARCH "target: .nan\n", "not a finite number", ERROR_FORMAT},
        {MODELS TASKS SEARCH "name: a/b\n", "without '/'", ERROR_FORMAT},
        {MODELS TASKS SEARCH "name: \"a\\nb\"\n", "control character", ERROR_FORMAT},
        {MODELS TASKS SEARCH "name: ..\n", "without '/'", ERROR_FORMAT},
        {MODELS TASKS SEARCH "baselines: [lineer]\n", "did you mean 'linear'?", ERROR_FORMAT},
        {MODELS TASKS SEARCH "genome: {}\n", "unknown key 'models'", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, parameters: {lambda: x}, optimizer: {trials: 9}}]\n", "'lambda'", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, parameters: {lamda: 1}, optimizer: {trials: 9}}]\n", "did you mean 'lambda'?", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, parameters: {density: 2}, optimizer: {trials: 9}}]\n", "in [0, 1]", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, parameters: {density: }, optimizer: {trials: 9}}]\n", "has no value", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, parameters: {normalize: 2}, optimizer: {trials: 9}}]\n", "'normalize'", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, parameters: {density: 1}, bounds: {density: {low: 0}}, optimizer: {trials: 9}}]\n", "to be fixed", ERROR_FORMAT},
        {MODELS "tasks: []\n" SEARCH, "'tasks' is empty", ERROR_FORMAT},
        {MODELS "tasks: [{split: x}]\n" SEARCH, "'task' is missing", ERROR_FORMAT},
        {MODELS "tasks: [{task: x, weight: 0}]\n" SEARCH, "weight is 0", ERROR_FORMAT},
        {MODELS "tasks: [{task: x, questions: -3}]\n" SEARCH, "outside", ERROR_FORMAT},
        {MODELS TASKS "search: []\n", "0 steps", ERROR_FORMAT},
        {MODELS TASKS "search: [{space: data-flow}]\n", "how long to search", ERROR_FORMAT},
        {MODELS TASKS "search: [{space: flow}]\n", "parameters or data-flow", ERROR_FORMAT},
        {MODELS TASKS FLOW("sources: [best]"), "this is the first", ERROR_FORMAT},
        {MODELS TASKS FLOW("sources: [jaa]"), "did you mean 'ja'?", ERROR_FORMAT},
        {MODELS TASKS FLOW("method: ties"), "unknown key 'method'", ERROR_FORMAT},
        {MODELS TASKS FLOW("repetitions: 0"), "outside", ERROR_FORMAT},
        {MODELS TASKS FLOW("preset: papr"), "only 'paper'", ERROR_FORMAT},
        {MODELS TASKS FLOW("scales: some"), "slots, matrix, network or none", ERROR_FORMAT},
        {MODELS TASKS FLOW("start_on: 2"), "probabilities", ERROR_FORMAT},
        {MODELS TASKS FLOW("bounds: {weight: {low: 0}}"), "bounds of 'scale' only", ERROR_FORMAT},
        {MODELS TASKS FLOW("name: ja"), "a model's or another step's", ERROR_FORMAT},
        {MODELS TASKS FLOW("name: mean"), "means a trial", ERROR_FORMAT},
        {MODELS TASKS FLOW("name: 17"), "means a trial", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, name: x, optimizer: {trials: 9}}, {method: ties, sources: [x], optimizer: {trials: 9}}]\n",
         "only a data-flow step", ERROR_FORMAT},
        {MODELS TASKS "search: [{space: data-flow, optimizer: {trials: 9}}, {space: data-flow, sources: [best], optimizer: {trials: 9}}]\n",
         "no source of another path", ERROR_FORMAT},
        {MODELS TASKS "search: [{base_model: base}]\n", "'method' is missing", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, base_model: bass, optimizer: {trials: 9}}]\n", "did you mean 'base'?",
         ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, sources: [jaa], optimizer: {trials: 9}}]\n", "did you mean 'ja'?", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, sources: [ja, ja], optimizer: {trials: 9}}]\n", "stands twice", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, base_model: ja, sources: [ja], optimizer: {trials: 9}}]\n", "is the base_model",
         ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties}]\n", "how long to search", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, layer_groups: [[0, 4], [5, 8]], optimizer: {trials: 9}}]\n", "does not follow",
         ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, layer_groups: 0, optimizer: {trials: 9}}]\n", "outside", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, component: eyes, optimizer: {trials: 9}}]\n", "'eyes' is not one of language_model", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, dtype: int8, optimizer: {trials: 9}}]\n", "'int8' is not one of float32", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, base_model: base, sources: [ja], config_from: jaa, optimizer: {trials: 9}}]\n", "neither a source nor the base_model", ERROR_FORMAT},
        {MODELS TASKS FLOW("dtype: bfloat16"), "unknown key 'dtype'", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, split: [attn], optimizer: {trials: 9}}]\n", "unknown part 'attn'", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, optimizer: {trials: 9, sigma: 0}}]\n", "sigma is 0", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, optimizer: {trails: 9}}]\n", "did you mean 'trials'?", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, bounds: {weight: {low: 2, high: 1}}, optimizer: {trials: 9}}]\n",
         "low 2 is above high 1", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, bounds: {weight: {low: 0, start: -1}}, optimizer: {trials: 9}}]\n",
         "start -1 is outside", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, bounds: {weight: {spread: 0}}, optimizer: {trials: 9}}]\n", "spread is 0",
         ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, mode: fast, optimizer: {trials: 9}}]\n", "exact or compat", ERROR_FORMAT},
        {MODELS TASKS "search: [{method: ties, tokenizer: union, optimizer: {trials: 9}}]\n", "only 'base'", ERROR_FORMAT},
        {MODELS MODELS TASKS SEARCH, "duplicate key 'models'", ERROR_FORMAT},
        {MODELS TASKS SEARCH "name: !!python/object:os.system x\n", "tag", ERROR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        study_file *f = parse(cases[i].text);
        if (f || !strstr(err.text, cases[i].part) || !strstr(err.text, "folder/mini.yml") || err.code != cases[i].code)
            fail_msg("%s: %s (expected: %s)", cases[i].text, f ? "accepted" : err.text, cases[i].part);
    }
}

static void paths_stand_beside_the_file_unless_here(void **state)
{
    (void)state;
    char folder[] = "/tmp/merganser-studyfile-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *beside = file_join(folder, "t.yml"), *study = file_join(folder, "s.yml");
    static const char text[] = "models: {base: CMakeLists.txt, ja: nowhere}\n" TASKS SEARCH;
    assert_int_equal(file_write(beside, "x", 1, &err), 0);
    assert_int_equal(file_write(study, text, sizeof text - 1, &err), 0);
    study_file *f = study_file_read(study, NULL, 0, &err);
    if (!f)
        fail_msg("%s", err.text);
    assert_string_equal(f->models[0].path, "CMakeLists.txt");     /* tests run in the source folder */
    assert_string_equal(f->models[1].path, "nowhere");
    assert_string_equal(f->tasks[0].path, beside);
    study_file_free(f);
    free(beside);
    free(study);
    file_remove_tree(folder, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_is_read),
        cmocka_unit_test(what_is_not_said_has_a_standard),
        cmocka_unit_test(steps_build_on_one_another),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(paths_stand_beside_the_file_unless_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
