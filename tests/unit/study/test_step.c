/* Steps that build on one another: a merge, then a path through it; what the study leaves of a path; racing. */
#include "world.h"

#include "merge/fold.h"
#include "study/source.h"

#define MODELS SOURCE_DIR "/miniature/models/"

static void must(int status)
{
    if (status != 0)
        fail_msg("%s", world_error.text);
}

/* A path scores by how near it comes to two hops of its second source and scales of 0.9; anything else scores 0.3. */
typedef struct path_form {
    evaluator self;
    int calls;
    double whole;           /* what a model scores that is no path; 0: 0.3 */
} path_form;

static double path_value(const layer_path *p)
{
    if (!p)
        return 0.3;
    double second = 0, off = 0;
    for (size_t i = 0; i < p->n_hops; i++) {
        second += p->hops[i].source == 1;
        off += fabs(p->hops[i].scale - 0.9) / (double)p->n_hops;
    }
    return 0.9 * exp(-0.3 * fabs(second - 2) - off);
}

static int path_form_run(evaluator *self, const lineup *candidate, const question_set *sets, size_t n_sets, evaluation *out, error *err)
{
    path_form *f = self->context;
    (void)err;
    f->calls++;
    *out = (evaluation){.n_sets = n_sets, .count = sets[0].count, .score = !candidate->path && f->whole > 0 ? f->whole : path_value(candidate->path)};
    out->results = memory_new(out->count, sizeof *out->results);
    out->set_scores = memory_new(n_sets, sizeof *out->set_scores);
    out->set_scores[0] = out->score;
    for (size_t i = 0; i < out->count; i++)
        out->results[i] = (result){.question = sets[0].questions[i], .judged = {out->score, out->score, true}, .answer = memory_text("x")};
    return 0;
}

static void nothing(evaluator *self)
{
    (void)self;
}

static int run_study(const char *name, const char *out, evaluator *e)
{
    char *path = world_path(name);
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    if (!freopen("/dev/null", "w", stdout))
        return -1;
    int status = study_run(path, &(study_run_options){.out = out, .threads = 1, .seed = -1, .evaluator = e}, &world_error);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    free(path);
    return status;
}

static bool there(const char *out, const char *name)
{
    char *path = file_join(out, name);
    bool is = file_exists(path);
    free(path);
    return is;
}

static void write_path_study(const char *name, const char *models, const char *search)
{
    char *text = memory_print("models: {%1$s}\nsearch:\n%2$stasks: [{task: %3$s/task.yml, questions: 12}]\nbaselines: none\nseed: 2\n", models,
                              search, world_folder);
    world_write(name, text);
    free(text);
}

static void a_path_stands_on_a_merge(void **state)
{
    (void)state;
    char *out = world_path("steps"), *db = file_join(out, "study.db"), *exported = world_path("exported");
    path_form f = {.self = {.run = path_form_run, .free = nothing}};
    f.self.context = &f;
    write_path_study("steps.yml", "base: " MODELS "base, ja: " MODELS "ja, math: " MODELS "math-b",
                     "- {method: task_arithmetic, base_model: base, sources: [ja, math], optimizer: {population: 4, generations: 2}}\n"
                     "- {space: data-flow, sources: [best, math], max_hops: 12, optimizer: {population: 16, generations: 15}}\n"
                     "- {space: data-flow, sources: [ja, base], racing: true, optimizer: {population: 8, generations: 1}}\n");
    must(run_study("steps.yml", out, &f.self));
    assert_true(there(out, "best/config.json") && there(out, "best/path.yml") && there(out, "best/recipe-1.yml") && there(out, "recipe-1.yml") &&
                there(out, "recipe.yml") && there(out, "path.yml") && there(out, "report.html"));
    store *s = store_open(db, true, &world_error);
    json_t *table = store_get(s, "table", &world_error), *found = store_get(s, "step/1", &world_error);
    assert_non_null(strstr(json_string_value(json_object_get(table, "winner")), "PS + DFS"));
    assert_string_equal(json_string_value(json_object_get(found, "step")), "PS + DFS");
    int64_t first;
    must(store_step_first(s, 1, &first, &world_error));
    assert_int_equal(first, 2);
    store_close(s);
    json_decref(table);
    json_decref(found);

    /* The path as it lies there, the folder, and the study's own word are one model. */
    source from_file, from_study;
    char *file = file_join(out, "path.yml"), *best = memory_print("%s@best", db), *folder = file_join(out, "best");
    must(source_open(file, NULL, &from_file, &world_error));
    must(source_open(best, NULL, &from_study, &world_error));
    assert_true(path_value(from_file.path) > 0.7);
    char *a = path_text(from_file.path), *b = path_text(from_study.path);
    assert_string_equal(a, b);
    checkpoint *plain = checkpoint_open(folder, &world_error), *again = fold_path(from_file.models, from_file.path, NULL, &world_error);
    assert_true(plain && again && plain->count == again->count);
    for (size_t i = 0; i < plain->count; i++)
        assert_memory_equal(plain->items[i].tensor.data, again->items[i].tensor.data, tensor_bytes(&plain->items[i].tensor));
    free(a);
    free(b);
    checkpoint_free(plain);
    checkpoint_free(again);
    source_close(&from_file);
    source_close(&from_study);

    /* A finished study computes nothing again; its trials can be had. */
    f.calls = 0;
    must(run_study("steps.yml", out, &f.self));
    assert_int_equal(f.calls, 0);
    must(study_export(db, "PS + DFS", exported, false, NULL, &world_error));
    assert_true(there(exported, "recipe-1.yml"));
    must(study_export(db, "PS", exported, true, NULL, &world_error));
    must(study_export(db, "12", exported, true, NULL, &world_error));
    free(folder);
    free(best);
    free(file);
    free(exported);
    free(db);
    free(out);
}

/* Where no config can describe the winner, best/ is its path with digests. */
static void a_path_that_cannot_be_folded(void **state)
{
    (void)state;
    char *out = world_path("mixed"), *other = world_path("other"), *models = memory_print("ja: " MODELS "ja, other: %s", other);
    checkpoint *c = checkpoint_open(MODELS "math-b", &world_error);
    json_t *config = json_deep_copy(c->config);
    json_object_set_new(config, "rope_theta", json_real(5000));
    json_decref(c->config);
    c->config = config;
    must(checkpoint_write(c, other, &(checkpoint_write_options){.replace = true}, &world_error));
    checkpoint_free(c);
    path_form f = {.self = {.run = path_form_run, .free = nothing}};
    f.self.context = &f;
    write_path_study("mixed.yml", models, "- {space: data-flow, sources: [ja, other], optimizer: {population: 16, generations: 10}}\n");
    must(run_study("mixed.yml", out, &f.self));
    assert_true(there(out, "best/path.yml") && !there(out, "best/config.json") && there(out, "path.yml") && !there(out, "recipe.yml"));
    char *file = file_join(out, "best/path.yml");
    layer_path *p = path_read(file, &world_error);
    assert_true(p && p->sources[0].digest && p->sources[1].digest);
    path_free(p);
    free(file);
    source s;
    p = path_new();
    path_add_source(p, "ja", MODELS "ja");
    p->sources[0].digest = memory_text("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    path_add_layers(p, 0, 0, 8);
    assert_int_equal(source_open_path(p, NULL, &s, &world_error), -1);
    assert_non_null(strstr(world_error.text, "another model"));
    free(models);
    free(other);
    free(out);
}

/* A source that was made of a path, and wins: the study's word for its winner is that source. */
static void a_made_source_that_wins(void **state)
{
    (void)state;
    char *out = world_path("made"), *made = world_path("source-of-made.yml"), *db = file_join(out, "study.db"), *best = memory_print("%s@best", db), *folder = file_join(out, "best");
    char *models = memory_print("made: %s, math: " MODELS "math-b", made);
    path_form f = {.self = {.run = path_form_run, .free = nothing}};
    f.self.context = &f;
    world_write("source-of-made.yml", "sources: {ja: " MODELS "ja}\nhops:\n- [ja, 0-5]\n- [ja, 4-7]\n");
    f.whole = 0.99;
    write_path_study("made.yml", models, "- {space: data-flow, sources: [made, math], optimizer: {population: 8, generations: 1}}\n");
    must(run_study("made.yml", out, &f.self));
    source found;
    must(source_open(best, NULL, &found, &world_error));
    assert_true(found.path && found.n_models == 1 && found.path->n_hops == 10);
    checkpoint *plain = checkpoint_open(folder, &world_error);
    assert_true(plain && plain->count == found.models[0]->count);
    for (size_t i = 0; i < plain->count; i++)
        assert_memory_equal(plain->items[i].tensor.data, found.models[0]->items[i].tensor.data, tensor_bytes(&plain->items[i].tensor));
    checkpoint_free(plain);
    source_close(&found);
    free(models);
    free(folder);
    free(best);
    free(db);
    free(made);
    free(out);
}

/* That a path cannot lead through a winner is known before anything is searched. */
static void a_path_is_checked_before_its_merge_is_searched(void **state)
{
    (void)state;
    char *out = world_path("early"), *models = memory_print("base: " MODELS "base, ja: " MODELS "ja, small: %s/a", world_folder);
    path_form f = {.self = {.run = path_form_run, .free = nothing}};
    f.self.context = &f;
    write_path_study("early.yml", models,
                     "- {method: task_arithmetic, base_model: base, sources: [ja], optimizer: {population: 4, generations: 1}}\n"
                     "- {space: data-flow, sources: [best, small], optimizer: {population: 4, generations: 1}}\n");
    assert_int_equal(run_study("early.yml", out, &f.self), -1);
    if (!strstr(world_error.text, "PS + DFS") || !strstr(world_error.text, "hidden"))
        fail_msg("%s", world_error.text);
    assert_true(f.calls == 0 && !file_exists(out));
    free(models);
    free(out);
}

/* What a merge's candidate scores on a question is 0 or 1, by its distance and by chance that belongs to both. */
static int noisy_run(evaluator *self, const lineup *candidate, const question_set *sets, size_t n_sets, evaluation *out, error *err)
{
    closed_form *f = self->context;
    (void)err;
    f->calls += (int)sets[0].count;
    const float *a = checkpoint_find(candidate->models[0], "model.layers.0.mlp.up_proj.weight")->data;
    const float *b = checkpoint_find(candidate->models[0], "model.layers.1.mlp.up_proj.weight")->data;
    *out = (evaluation){.n_sets = n_sets, .count = sets[0].count};
    out->results = memory_new(out->count, sizeof *out->results);
    out->set_scores = memory_new(n_sets, sizeof *out->set_scores);
    for (size_t i = 0; i < out->count; i++) {
        random_stream s = random_stream_for((uint64_t)(a[0] * 1e6f) * 1000003u + (uint64_t)(int64_t)(b[0] * 1e6f), "noise", (uint32_t)sets[0].questions[i]->line, 0);
        double da = a[0] - 0.7, db = b[0] - 0.3, score = exp(-2 * da * da - 2 * db * db) > random_uniform(&s);
        out->results[i] = (result){.question = sets[0].questions[i], .judged = {score, score, true}, .answer = memory_text("x")};
        out->score += score / (double)out->count;
    }
    out->set_scores[0] = out->score;
    return 0;
}

static int64_t count(const char *out, const char *state, char hex[65])
{
    char *db = file_join(out, "study.db");
    store *s = store_open(db, true, &world_error);
    trial *list;
    size_t n;
    int64_t found = 0;
    string all = {0};
    must(store_trials(s, UINT32_MAX, true, &list, &n, &world_error));
    for (size_t i = 0; i < n; i++) {
        found += strcmp(list[i].state, state) == 0;
        string_print(&all, "%s %zu %.17g %.17g\n", list[i].state, list[i].n_scores, list[i].value, list[i].x[0]);
    }
    file_sha256(all.text, all.length, hex);
    free(all.text);
    trials_free(list, n);
    store_close(s);
    free(db);
    return found;
}

static void a_race_saves_questions_and_repeats(void **state)
{
    (void)state;
    char hex[2][65];
    int asked[2];
    for (int k = 0; k < 3; k++) {
        char *name = memory_print("race%d", k), *file = memory_print("race%d.yml", k), *out = world_path(name);
        closed_form f = {.self = {.run = noisy_run, .free = nothing}};
        f.self.context = &f;
        char *text = memory_print("models: {base: %1$s/base, a: %1$s/a, b: %1$s/b}\nsearch: [{method: task_arithmetic, base_model: base, sources: [a, b], racing: %2$s, "
                                  "optimizer: {population: 12, generations: 6}}]\ntasks: [{task: %1$s/task.yml, questions: 30}]\nbaselines: none\nseed: 5\n",
                                  world_folder, k == 2 ? "false" : "true");
        world_write(file, text);
        must(run_study(file, out, &f.self));
        int64_t pruned = count(out, "PRUNED", hex[k == 1]);
        assert_true(k == 2 ? pruned == 0 : pruned > 0);
        asked[k == 2] = f.calls;
        if (k == 1)
            assert_string_equal(hex[0], hex[1]);
        free(text);
        free(out);
        free(file);
        free(name);
    }
    assert_true(asked[0] < asked[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_stands_on_a_merge),
        cmocka_unit_test(a_path_that_cannot_be_folded),
        cmocka_unit_test(a_made_source_that_wins),
        cmocka_unit_test(a_path_is_checked_before_its_merge_is_searched),
        cmocka_unit_test(a_race_saves_questions_and_repeats),
    };
    return cmocka_run_group_tests(tests, world_open, world_close);
}
