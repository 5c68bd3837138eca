/* Studies from their file to their table, in closed form. */
#include <sqlite3.h>

#include "world.h"

static char *out_of(const char *name)
{
    return world_path(name);
}

static void must(int status)
{
    if (status != 0)
        fail_msg("%s", world_error.text);
}

static void must_fail(int status, enum error_code code, const char *part)
{
    if (status == 0 || world_error.code != code || !strstr(world_error.text, part))
        fail_msg("status %d, code %d: %s (expected %d: %s)", status, world_error.code, world_error.text, code, part);
}

static store *open_db(const char *out)
{
    char *path = file_join(out, "study.db");
    store *s = store_open(path, true, &world_error);
    if (!s)
        fail_msg("%s", world_error.text);
    free(path);
    return s;
}

static size_t count_trials(const char *out, const char *state)
{
    store *s = open_db(out);
    trial *list;
    size_t n, count = 0;
    must(store_trials(s, UINT32_MAX, false, &list, &n, &world_error));
    for (size_t i = 0; i < n; i++)
        count += !state || strcmp(list[i].state, state) == 0;
    trials_free(list, n);
    store_close(s);
    return count;
}

static json_t *result_of(const char *out, const char *name)
{
    store *s = open_db(out);
    json_t *value = store_get(s, name, &world_error);
    store_close(s);
    if (!value)
        fail_msg("no result '%s'", name);
    return value;
}

static void a_study_finds_the_optimum_and_leaves_everything(void **state)
{
    (void)state;
    char *out = out_of("whole");
    closed_form f = closed_form_new();
    world_write_study("whole.yml", "population: 8, generations: 15", "seed: 3\n");
    must(world_run("whole.yml", &f, (study_run_options){.out = out}));
    assert_int_equal(count_trials(out, "COMPLETE"), 120);
    assert_int_equal(count_trials(out, NULL), 120);
    json_t *table = result_of(out, "table"), *rows = json_object_get(table, "rows"), *row;
    const char *winner = json_string_value(json_object_get(table, "winner"));
    assert_non_null(strstr(winner, "evolved"));
    size_t i, sources = 0, unsearched = 0;
    json_array_foreach(rows, i, row) {
        double score = json_number_value(json_object_get(json_object_get(row, "held_out"), "score"));
        const char *kind = json_string_value(json_object_get(row, "kind"));
        if (strcmp(kind, "evolved") == 0)
            assert_true(score > 0.98);
        else
            assert_true(score < 0.97);
        sources += strcmp(kind, "source") == 0;
        unsearched += strcmp(kind, "unsearched") == 0;
        assert_int_equal(json_integer_value(json_object_get(json_object_get(row, "held_out"), "n")), 15);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(row, "search"), "n")), 30);
    }
    assert_int_equal(sources, 3);
    assert_int_equal(unsearched, 5);
    json_decref(table);
    json_t *worked = result_of(out, "worked"), *item;
    assert_int_equal(json_array_size(worked), 3);
    json_array_foreach(worked, i, item)
        assert_int_equal(json_array_size(json_object_get(item, "answers")), 4);    /* base, a, b and the winner */
    json_decref(worked);
    static const char *const files[] = {"best/config.json",    "best/model.safetensors",
                                        "best/tokenizer.json", "recipe.yml",
                                        "report.html",         "study.db"};
    for (i = 0; i < 6; i++) {
        char *path = file_join(out, files[i]);
        if (!file_exists(path))
            fail_msg("%s is missing", path);
        free(path);
    }
    /* So does the study alone: the winner, and any trial. */
    char *db = file_join(out, "study.db"), *best = file_join(out, "best/model.safetensors"), *exported = out_of("exported");
    char *model = file_join(exported, "model.safetensors"), whole[2][65];
    must(study_export(db, "best", exported, true, NULL, &world_error));
    must(file_sha256_path(best, whole[0], &world_error));
    must(file_sha256_path(model, whole[1], &world_error));
    assert_string_equal(whole[0], whole[1]);
    must(study_export(db, "17", exported, true, NULL, &world_error));
    store *s = open_db(out);
    trial *list;
    size_t n;
    must(store_trials(s, UINT32_MAX, false, &list, &n, &world_error));
    checkpoint *c = checkpoint_open(exported, &world_error);
    assert_true(((float *)checkpoint_find(c, "model.layers.0.mlp.up_proj.weight")->data)[0] == (float)list[17].x[0]);
    assert_true(((float *)checkpoint_find(c, "model.layers.1.mlp.up_proj.weight")->data)[0] == (float)list[17].x[1]);
    checkpoint_free(c);
    trials_free(list, n);
    store_close(s);
    must(study_export(db, "mean", exported, true, NULL, &world_error));
    must_fail(study_export(db, "120", exported, true, NULL, &world_error), ERROR_USAGE, "has no trial 120");
    must_fail(study_export(db, "first", exported, true, NULL, &world_error), ERROR_USAGE, "give its number");
    free(model);
    free(exported);
    free(best);
    free(db);
    /* The recipe gives best/ again, byte for byte. */
    char *yaml = file_join(out, "recipe.yml"), *again = out_of("again"), *a = file_join(out, "best/model.safetensors"),
         *b = file_join(again, "model.safetensors");
    recipe *r = recipe_read(yaml, &world_error);
    must(merge_to_folder(r, &(merge_output){.path = again, .replace = true}, &(merge_options){0}, &world_error));
    char hex[2][65];
    must(file_sha256_path(a, hex[0], &world_error));
    must(file_sha256_path(b, hex[1], &world_error));
    assert_string_equal(hex[0], hex[1]);
    recipe_free(r);
    free(yaml);
    free(again);
    free(a);
    free(b);
    free(out);
}

static void generations_may_be_added_and_nothing_is_done_twice(void **state)
{
    (void)state;
    char *parts = out_of("parts"), *once = out_of("once");
    closed_form f = closed_form_new();
    world_write_study("parts.yml", "population: 6, generations: 3", "baselines: none\n");
    must(world_run("parts.yml", &f, (study_run_options){.out = parts}));
    f.calls = 0;
    f.stop_after = 1;       /* would fail if anything were evaluated */
    f.calls = 1;
    must(world_run("parts.yml", &f, (study_run_options){.out = parts}));
    f.stop_after = 0;
    world_write_study("parts.yml", "population: 6, generations: 7", "baselines: none\n");
    must(world_run("parts.yml", &f, (study_run_options){.out = parts, .stop_after = 2}));
    assert_int_equal(count_trials(parts, NULL), 5 * 6 - 6);     /* the generation that was done already is told first */
    must(world_run("parts.yml", &f, (study_run_options){.out = parts}));
    must(world_run("parts.yml", &f, (study_run_options){.out = once}));
    json_t *a = result_of(parts, "mean"), *b = result_of(once, "mean");
    assert_true(json_equal(a, b));
    json_decref(a);
    json_decref(b);
    json_t *table = result_of(parts, "table"), *note = json_array_get(json_object_get(table, "notes"), 0);
    assert_non_null(strstr(json_string_value(note), "Held-out results had been seen after generation 3"));
    json_decref(table);
    free(parts);
    free(once);
}

static void interrupted_studies_go_on(void **state)
{
    (void)state;
    char *out = out_of("interrupted"), *once = out_of("uninterrupted");
    closed_form f = closed_form_new();
    world_write_study("interrupted.yml", "population: 5, generations: 4", "");
    bool done = false;
    for (int i = 0; i < 40 && !done; i++) {
        f.calls = 0;
        f.stop_after = 4;
        done = world_run("interrupted.yml", &f, (study_run_options){.out = out}) == 0;
        if (!done)
            must_fail(-1, ERROR_INTERRUPTED, "To go on: merganser evolve");
    }
    assert_true(done);
    f.stop_after = 0;
    must(world_run("interrupted.yml", &f, (study_run_options){.out = once}));
    json_t *a = result_of(out, "table"), *b = result_of(once, "table");
    assert_true(json_equal(a, b));
    json_decref(a);
    json_decref(b);
    free(out);
    free(once);
}

static void bad_candidates_do_not_end_a_study(void **state)
{
    (void)state;
    char *out = out_of("bad");
    closed_form f = closed_form_new();
    f.invalid_above = 0.25;
    world_write_study("bad.yml", "population: 8, generations: 4", "baselines: none\n");
    must(world_run("bad.yml", &f, (study_run_options){.out = out}));
    assert_true(count_trials(out, "FAIL") > 0);
    assert_int_equal(count_trials(out, "FAIL") + count_trials(out, "COMPLETE"), 32);
    free(out);
}

static void ties_break_nothing(void **state)
{
    (void)state;
    char *out = out_of("ties");
    closed_form f = closed_form_new();
    f.flat = true;
    world_write_study("ties.yml", "population: 8, generations: 5", "");
    must(world_run("ties.yml", &f, (study_run_options){.out = out}));
    assert_int_equal(count_trials(out, "COMPLETE"), 40);
    free(out);
}

static void a_source_that_wins_is_said_to(void **state)
{
    (void)state;
    char *out = out_of("source");
    closed_form f = closed_form_new();
    /* Merges stay far from the optimum; source a (weight 1, 0) is nearer. */
    char *text = memory_print(
        "models: {base: %1$s/base, a: %1$s/a, b: %1$s/b}\nsearch: [{method: task_arithmetic, base_model: base, "
        "optimizer: {population: 4, generations: 2}, bounds: {weight: {low: -1, high: -0.5, start: -0.7, spread: 0.1}}}]\n"
        "tasks: [%1$s/task.yml]\nbaselines: none\n",
        world_folder);
    world_write("source.yml", text);
    must(world_run("source.yml", &f, (study_run_options){.out = out}));
    json_t *table = result_of(out, "table");
    assert_string_equal(json_string_value(json_object_get(table, "winner")), "a");
    assert_non_null(strstr(json_string_value(json_array_get(json_object_get(table, "notes"), 0)), "A source wins on select"));
    json_decref(table);
    char *best = file_join(out, "best");
    checkpoint *c = checkpoint_open(best, &world_error);
    assert_non_null(c);
    assert_true(((float *)checkpoint_find(c, "model.layers.0.mlp.up_proj.weight")->data)[5] == 1);
    checkpoint_free(c);
    free(best);
    free(text);
    free(out);
}

static void what_may_not_change_is_refused_by_name(void **state)
{
    (void)state;
    char *out = out_of("fixed"), *fork = out_of("forked");
    closed_form f = closed_form_new();
    world_write_study("fixed.yml", "population: 4, generations: 2", "baselines: none\nseed: 1\n");
    must(world_run("fixed.yml", &f, (study_run_options){.out = out}));
    must_fail(world_run("fixed.yml", &f, (study_run_options){.out = out, .seed = 2}), ERROR_STATE, "seed was 1, is 2 now");
    world_write_study("fixed.yml", "population: 5, generations: 2", "baselines: none\nseed: 1\n");
    must_fail(world_run("fixed.yml", &f, (study_run_options){.out = out}), ERROR_STATE, "optimizer.population was 4, is 5 now");
    must_fail(world_run("fixed.yml", &f, (study_run_options){.out = out, .fork = fork}), ERROR_STATE, "not even a fork");
    world_write_study("fixed.yml", "population: 4, generations: 2, sigma: 0.5", "baselines: none\nseed: 1\n");
    must_fail(world_run("fixed.yml", &f, (study_run_options){.out = out}), ERROR_STATE, "optimizer.sigma");
    world_write_study("fixed.yml", "population: 4, generations: 3", "baselines: none\nseed: 1\n");
    world_write_model("b", 1, 1.25f, 10000);
    must_fail(world_run("fixed.yml", &f, (study_run_options){.out = out}), ERROR_STATE, "models.b");
    must(world_run("fixed.yml", &f, (study_run_options){.out = out, .fork = fork}));
    assert_int_equal(count_trials(out, NULL), 8);
    assert_int_equal(count_trials(fork, NULL), 12);
    must(world_run("fixed.yml", &f, (study_run_options){.out = fork}));
    world_write_model("b", 1, 1, 10000);
    must(world_run("fixed.yml", &f, (study_run_options){.out = out}));
    must_fail(world_run("fixed.yml", &f, (study_run_options){.out = out, .backend = "no-such"}), ERROR_USAGE, "--backend");
    /* The questions of the search may not change; those held out may. */
    char *path = world_path("task.yml");
    size_t n;
    char *text = file_read(path, 4096, &n, &world_error), *at = strstr(text, "[45, 60]");
    memcpy(at, "[45, 59]", 8);
    world_write("task.yml", text);
    must(world_run("fixed.yml", &f, (study_run_options){.out = out}));
    memcpy(strstr(text, "[0, 30]"), "[0, 29]", 7);
    world_write("task.yml", text);
    must_fail(world_run("fixed.yml", &f, (study_run_options){.out = out}), ERROR_STATE, "tasks[0]");
    memcpy(strstr(text, "[0, 29]"), "[0, 31]", 7);
    world_write("task.yml", text);
    must_fail(world_run("fixed.yml", &f, (study_run_options){.out = out}), ERROR_FORMAT, "share a question");
    memcpy(strstr(text, "[0, 31]"), "[0, 30]", 7);
    memcpy(at, "[45, 60]", 8);
    world_write("task.yml", text);
    free(text);
    free(path);
    free(out);
    free(fork);
}

static void change_db(const char *out, const char *change)
{
    char *path = file_join(out, "study.db");
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, change, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", change, sqlite3_errmsg(db));
    sqlite3_close(db);
    free(path);
}

static void a_meddled_study_is_refused_in_one_line(void **state)
{
    (void)state;
    static const struct { const char *change, *part;
    } cases[] = {
        {"UPDATE mg_state SET state = x'4d47'", "optimizer state"},
        {"UPDATE mg_state SET state = substr(state, 1, length(state) - 70) || zeroblob(70)", "checksum"},
        {"UPDATE mg_state SET generation = 9", "is not this study's"},
        {"UPDATE mg_trials SET x = x'0000000000000000' WHERE generation = 1; UPDATE trials SET state = 'WAITING' WHERE trial_id "
         "> 4",
         "has 1 numbers"},
        {"UPDATE mg_trials SET candidate = candidate + 1000 WHERE generation = 1", "(candidate 1000)"},
        {"UPDATE trials SET state = 'FROZEN' WHERE trial_id = 6", "is FROZEN"},
        {"DELETE FROM mg_trials WHERE trial_id = 6", "has 3 trials"},
        {"UPDATE mg_study SET settings = '{}'", "lack what they are compared with"},
        {"UPDATE mg_study SET settings = json_set(settings, '$.backend', 'magic')", "was begun with the kernel family 'magic'"},
    };
    closed_form f = closed_form_new();
    world_write_study("meddled.yml", "population: 4, generations: 2", "baselines: none\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32];
        snprintf(name, sizeof name, "meddled%zu", i);
        char *out = out_of(name);
        must(world_run("meddled.yml", &f, (study_run_options){.out = out}));
        change_db(out, cases[i].change);
        int status = world_run("meddled.yml", &f, (study_run_options){.out = out});
        if (status == 0 || !strstr(world_error.text, cases[i].part))
            fail_msg("%s: %s (expected: %s)", cases[i].change, status ? world_error.text : "accepted", cases[i].part);
        free(out);
    }
}

static void mistakes_are_found_before_anything_runs(void **state)
{
    (void)state;
    char *out = out_of("mistakes");
    closed_form f = closed_form_new();
    f.stop_after = 1;
    f.calls = 1;        /* any evaluation would fail as interrupted */
    world_write_study("mistakes.yml", "population: 8, trials: 7", "");
    must_fail(world_run("mistakes.yml", &f, (study_run_options){.out = out}), ERROR_USAGE, "fewer than one generation of 8");
    world_write_study("mistakes.yml", "name: cma, generations: 2", "");
    f.stop_after = 0;
    must_fail(world_run("mistakes.yml", &f, (study_run_options){.out = out}), ERROR_USAGE, "cma-es");
    world_write_study("mistakes.yml", "generations: 2", "select: [{task: nowhere.yml}]\n");
    must_fail(world_run("mistakes.yml", &f, (study_run_options){.out = out}), ERROR_IO, "nowhere.yml");
    world_write_study("mistakes.yml", "generations: 2", "");
    must_fail(world_run("mistakes.yml", &f, (study_run_options){.out = out, .memory = 1 << 20}), ERROR_MEMORY, "--memory");
    must_fail(world_run("mistakes.yml", &f, (study_run_options){.out = out, .baselines = "linear,tie"}), ERROR_USAGE,
              "did you mean 'ties'?");
    char *model = world_path("a");
    must_fail(world_run("mistakes.yml", &f, (study_run_options){.out = model}), ERROR_USAGE, "no study; give another");
    must_fail(world_run("mistakes.yml", &f, (study_run_options){.out = model, .force = true}), ERROR_USAGE,
              "would overwrite the model 'a'");
    free(model);
    assert_false(file_exists(out));
    must(world_run("mistakes.yml", &f, (study_run_options){.out = out, .dry_run = true}));
    assert_false(file_exists(out));
    world_write_model("b", 1, NAN, 10000);
    must_fail(world_run("mistakes.yml", &f, (study_run_options){.out = out}), ERROR_NOT_FINITE, "up_proj");
    world_write_model("b", 1, 1, 10000);
    free(out);
}

static void the_population_follows_the_rule(void **state)
{
    (void)state;
    static const struct { int n, workers; int64_t generations, trials; int expected; } cases[] = {
        {2, 0, 10, 0, 6}, {10, 0, 10, 0, 10}, {10, 24, 10, 0, 24}, {24, 0, 0, 700, 13}, {40, 0, 0, 1000, 64}, {40, 0, 0, 300, 20},
        {40, 0, 0, 100, 15}, {40, 0, 100, 0, 64}, {40, 0, 10, 0, 15}, {192, 100, 0, 1000, 100},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        study_step s = {.generations = cases[i].generations, .trials = cases[i].trials};
        assert_int_equal(step_population(&s, cases[i].workers, (size_t)cases[i].n), cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_study_finds_the_optimum_and_leaves_everything),
        cmocka_unit_test(generations_may_be_added_and_nothing_is_done_twice),
        cmocka_unit_test(interrupted_studies_go_on),
        cmocka_unit_test(bad_candidates_do_not_end_a_study),
        cmocka_unit_test(ties_break_nothing),
        cmocka_unit_test(a_source_that_wins_is_said_to),
        cmocka_unit_test(what_may_not_change_is_refused_by_name),
        cmocka_unit_test(a_meddled_study_is_refused_in_one_line),
        cmocka_unit_test(mistakes_are_found_before_anything_runs),
        cmocka_unit_test(the_population_follows_the_rule),
    };
    return cmocka_run_group_tests(tests, world_open, world_close);
}
