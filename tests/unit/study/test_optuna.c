#include <math.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "study/optuna.h"
#include "study/store.h"

#include <cmocka.h>     /* last: its macro hides our fail() */

static char folder[] = "/tmp/merganser-optuna-XXXXXX";
static error err;

/* One study of ours with a complete, a failed and a waiting trial. */
static char *make(const char *name)
{
    static const store_dimension dims[2] = {{"ja.weight.g0", 0, 2}, {"math.weight.g0", -1, 1}};
    static const double x[3][2] = {{0.5, 0.1 + 0.2}, {5e-324, -1}, {2, 1.0 / 3}};
    char *path = file_join(folder, name);
    json_t *settings = json_object();
    store *s = store_create(path, "'); DROP TABLE trials; -- 日本", "acc_ja", settings, &err);
    json_decref(settings);
    if (!s || store_advance(s, 0, 0, "state", 5, dims, 2, x[0], 3, &err) != 0)
        fail_msg("%s", err.text);
    for (int i = 0; i < 2; i++) {
        trial t;
        assert_int_equal(store_claim(s, 0, &t, &err), 1);
        trial_outcome o = {.state = i ? "FAIL" : "COMPLETE", .value = i ? NAN : 1.0 / 3, .reason = i ? "no" : NULL, .seconds = 1};
        assert_int_equal(store_complete(s, t.id, t.fence, &o, &err), 0);
        trial_clear(&t);
    }
    store_close(s);
    return path;
}

static void our_studies_are_optunas(void **state)
{
    (void)state;
    char *path = make("ours.db");
    json_t *studies = optuna_read(path, &err);
    if (!studies)
        fail_msg("%s", err.text);
    json_t *s = json_array_get(studies, 0), *trials = json_object_get(s, "trials"), *first = json_array_get(trials, 0);
    assert_string_equal(json_string_value(json_object_get(s, "name")), "'); DROP TABLE trials; -- 日本");
    assert_string_equal(json_string_value(json_array_get(json_object_get(s, "metric_names"), 0)), "acc_ja");
    assert_int_equal(json_array_size(trials), 3);
    assert_true(json_real_value(json_array_get(json_object_get(first, "values"), 0)) == 1.0 / 3);
    assert_true(json_real_value(json_object_get(json_object_get(first, "params"), "math.weight.g0")) == 0.1 + 0.2);
    assert_true(json_real_value(json_object_get(json_object_get(json_array_get(trials, 1), "params"), "ja.weight.g0")) == 5e-324);
    assert_string_equal(json_string_value(json_object_get(json_object_get(json_array_get(trials, 1), "user_attrs"), "reason")),
                        "no");
    assert_string_equal(json_string_value(json_object_get(json_array_get(trials, 2), "state")), "WAITING");
    assert_string_equal(json_string_value(json_object_get(json_array_get(trials, 2), "start")), "None");
    json_decref(studies);
    free(path);
}

static void hostile_rows_are_one_line(void **state)
{
    (void)state;
    static const struct { const char *change, *part;
    } cases[] = {
        {"UPDATE trial_params SET distribution_json = '{'", "not valid JSON"},
        {"UPDATE trial_params SET distribution_json = '[]'", "none of Optuna's"},
        {"UPDATE trial_params SET distribution_json = '{\"name\": \"Evil\", \"attributes\": {}}'", "unknown kind"},
        {"UPDATE trial_params SET distribution_json = '{\"name\": 3, \"attributes\": {}}'", "none of Optuna's"},
        {"UPDATE trial_params SET distribution_json = '{\"name\": \"FloatDistribution\", \"attributes\": {\"low\": 9, \"high\": "
         "10}}'",
         "does not contain"},
        {"UPDATE trial_params SET distribution_json = '{\"name\": \"FloatDistribution\", \"attributes\": {\"low\": \"x\", "
         "\"high\": null}}'",
         "does not contain"},
        {"UPDATE trial_params SET param_value = 1e300, distribution_json = '{\"name\": \"CategoricalDistribution\", "
         "\"attributes\": {\"choices\": [1]}}'",
         "no choice"},
        {"UPDATE trial_params SET param_value = -1, distribution_json = '{\"name\": \"CategoricalDistribution\", \"attributes\": "
         "{\"choices\": 7}}'",
         "no choice"},
        {"UPDATE trial_params SET param_value = 0.5, distribution_json = '{\"name\": \"IntDistribution\", \"attributes\": "
         "{\"low\": 0, \"high\": 1}}'",
         "whole numbers"},
        {"UPDATE trial_params SET param_value = 'text'", "no finite number"},
        {"UPDATE trial_params SET distribution_json = replace(hex(zeroblob(100000)), '00', '[')", "not valid JSON"},
        {"UPDATE trial_user_attributes SET value_json = 'NaN'", "not valid JSON"},
        {"UPDATE trials SET state = 'DROPPED'", "state 'DROPPED'"},
        {"UPDATE trials SET number = number + 1", "number 1"},
        {"UPDATE trial_values SET objective = 3", "objective 3"},
        {"UPDATE study_directions SET direction = 'UP'", "direction 'UP'"},
        {"DELETE FROM trial_values", "COMPLETE with 0 values"},
        {"UPDATE studies SET study_name = CAST(x'ff41' AS TEXT)", "not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32];
        snprintf(name, sizeof name, "hostile%zu.db", i);
        char *path = make(name);
        sqlite3 *db;
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        if (sqlite3_exec(db, cases[i].change, NULL, NULL, NULL) != SQLITE_OK)
            fail_msg("%s: %s", cases[i].change, sqlite3_errmsg(db));
        sqlite3_close(db);
        json_t *studies = optuna_read(path, &err);
        if (studies || !strstr(err.text, cases[i].part) || !strstr(err.text, path))
            fail_msg("%s: %s (expected: %s)", cases[i].change, studies ? "accepted" : err.text, cases[i].part);
        free(path);
    }
}

static void pickles_are_left_alone(void **state)
{
    (void)state;
    char *path = make("pickle.db");
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_exec(db, "INSERT INTO trial_system_attributes VALUES (1, 1, 'cma:optimizer:0', 'not even JSON')", NULL, NULL, NULL);
    sqlite3_close(db);
    json_t *studies = optuna_read(path, &err);
    if (!studies)
        fail_msg("%s", err.text);
    json_t *first = json_array_get(json_object_get(json_array_get(studies, 0), "trials"), 0);
    assert_int_equal(json_object_size(json_object_get(first, "system_attrs")), 0);
    json_decref(studies);
    free(path);
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return getenv("KEEP") ? 0 : file_remove_tree(folder, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_studies_are_optunas),
        cmocka_unit_test(hostile_rows_are_one_line),
        cmocka_unit_test(pickles_are_left_alone),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
