#include "study/optuna.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "study/store_database.h"
#include "study/store_schema.h"

static const char *column(sqlite3_stmt *q, int k)
{
    const char *text = (const char *)sqlite3_column_text(q, k);
    return text ? text : "";
}

/* A text from the file as JSON: what is not UTF-8 cannot be one. */
static json_t *text_json(store *s, const char *text, error *err)
{
    json_t *json = json_string(text);
    if (!json)
        fail(err, ERROR_FORMAT, "%s: a text is not UTF-8", s->path);
    return json;
}

static json_t *parse_column(store *s, sqlite3_stmt *q, int k, const char *what, error *err)
{
    char *name = memory_print("%s: %s", s->path, what);
    json_t *value = json_parse(column(q, k), strlen(column(q, k)), name, err);
    free(name);
    return value;
}

static json_t *attributes(store *s, const char *sql, int64_t id, const char *what, error *err)
{
    json_t *out = json_object();
    sqlite3_stmt *q = database_query(s, err, sql, "i", id);
    int row = q ? 1 : -1;
    while (row == 1 && (row = database_step(s, q, err)) == 1) {
        if (strncmp(column(q, 0), "cma:", 4) == 0)      /* pickles */
            continue;
        json_t *value = parse_column(s, q, 1, what, err);
        if (!value)
            row = -1;
        else if (json_object_set_new(out, column(q, 0), value) != 0)
            row = fail(err, ERROR_FORMAT, "%s: the name of a %s is not UTF-8", s->path, what);
    }
    sqlite3_finalize(q);
    if (row == 0)
        return out;
    json_decref(out);
    return NULL;
}

/* A number, or the text that stands for one that JSON lacks. */
static json_t *number(double x, const char *type)
{
    if (strcmp(type, "INF_POS") == 0)
        return json_string("inf");
    if (strcmp(type, "INF_NEG") == 0)
        return json_string("-inf");
    return strcmp(type, "NAN") == 0 || !isfinite(x) ? json_string("nan") : json_real(x);
}

static int bad_parameter(store *s, const char *name, const char *why, error *err)
{
    return fail(err, ERROR_FORMAT, "%s: parameter '%.80s' has a distribution that %s", s->path, name, why);
}

/* What a stored number means in its distribution. */
static json_t *parameter(store *s, sqlite3_stmt *q, error *err)
{
    json_t *d = parse_column(s, q, 2, "distribution_json", err), *out = NULL;
    if (!d)
        return NULL;
    const char *kind = json_string_value(json_object_get(d, "name")), *name = column(q, 0);
    const json_t *a = json_object_get(d, "attributes"), *choices = json_object_get(a, "choices");
    double x = sqlite3_column_double(q, 1);
    bool is_number = sqlite3_column_type(q, 1) == SQLITE_FLOAT || sqlite3_column_type(q, 1) == SQLITE_INTEGER;
    double low = json_number_value(json_object_get(a, "low")), high = json_number_value(json_object_get(a, "high"));
    bool inside =
        json_is_number(json_object_get(a, "low")) && json_is_number(json_object_get(a, "high")) && x >= low && x <= high;
    if (!kind || !json_is_object(a))
        bad_parameter(s, name, "is none of Optuna's", err);
    else if (!is_number || !isfinite(x))
        bad_parameter(s, name, "holds no finite number", err);
    else if (strcmp(kind, "CategoricalDistribution") == 0 && (x != floor(x) || x < 0 || x >= (double)json_array_size(choices)))
        bad_parameter(s, name, "has no choice of that index", err);
    else if (strcmp(kind, "CategoricalDistribution") == 0)
        out = json_incref(json_array_get(choices, (size_t)x));
    else if (strcmp(kind, "FloatDistribution") != 0 && strcmp(kind, "IntDistribution") != 0)
        bad_parameter(s, name, "is of an unknown kind", err);
    else if (!inside)
        bad_parameter(s, name, "does not contain its value", err);
    else if (strcmp(kind, "FloatDistribution") == 0)
        out = json_real(x);
    else if (x != floor(x) || fabs(x) > 9e15)
        bad_parameter(s, name, "is of whole numbers, its value is none", err);
    else
        out = json_integer((json_int_t)x);
    json_decref(d);
    return out;
}

static json_t *parameters(store *s, int64_t id, error *err)
{
    json_t *out = json_object();
    sqlite3_stmt *q =
        database_query(s, err,
                       "SELECT param_name, param_value, distribution_json FROM trial_params WHERE trial_id = ? ORDER BY param_id",
                       "i", id);
    int row = q ? 1 : -1;
    while (row == 1 && (row = database_step(s, q, err)) == 1) {
        json_t *value = parameter(s, q, err);
        if (!value)
            row = -1;
        else if (json_object_set_new(out, column(q, 0), value) != 0)
            row = fail(err, ERROR_FORMAT, "%s: a parameter's name is not UTF-8", s->path);
    }
    sqlite3_finalize(q);
    if (row == 0)
        return out;
    json_decref(out);
    return NULL;
}

/* Objectives 0, 1, ... without gaps; null where there are none. */
static json_t *values(store *s, int64_t id, error *err)
{
    json_t *out = json_array();
    sqlite3_stmt *q =
        database_query(s, err, "SELECT objective, value, value_type FROM trial_values WHERE trial_id = ? ORDER BY objective", "i",
                       id);
    int row = q ? 1 : -1;
    while (row == 1 && (row = database_step(s, q, err)) == 1) {
        if (sqlite3_column_int64(q, 0) != (int64_t)json_array_size(out))
            row = fail(err, ERROR_FORMAT, "%s: trial id %lld has objective %lld before %zu", s->path, (long long)id,
                       (long long)sqlite3_column_int64(q, 0), json_array_size(out));
        else
            json_array_append_new(out, number(sqlite3_column_double(q, 1), column(q, 2)));
    }
    sqlite3_finalize(q);
    if (row == 0 && json_array_size(out))
        return out;
    json_decref(out);
    return row == 0 ? json_null() : NULL;
}

static json_t *intermediate(store *s, int64_t id, error *err)
{
    json_t *out = json_object();
    sqlite3_stmt *q = database_query(s, err,
                                     "SELECT step, intermediate_value, intermediate_value_type FROM trial_intermediate_values "
                                     "WHERE trial_id = ? ORDER BY step",
                                     "i", id);
    int row = q ? 1 : -1;
    while (row == 1 && (row = database_step(s, q, err)) == 1) {
        char step[32];
        snprintf(step, sizeof step, "%lld", (long long)sqlite3_column_int64(q, 0));
        json_object_set_new(out, step, number(sqlite3_column_double(q, 1), column(q, 2)));
    }
    sqlite3_finalize(q);
    if (row == 0)
        return out;
    json_decref(out);
    return NULL;
}

static json_t *time_json(store *s, sqlite3_stmt *q, int k, error *err)
{
    return text_json(s, sqlite3_column_type(q, k) == SQLITE_NULL ? "None" : column(q, k), err);
}

static bool known_state(const char *state)
{
    static const char *const states[] = {"RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING"};
    for (int i = 0; i < 5; i++)
        if (strcmp(states[i], state) == 0)
            return true;
    return false;
}

static json_t *read_trial(store *s, sqlite3_stmt *q, size_t position, size_t objectives, error *err)
{
    int64_t id = sqlite3_column_int64(q, 0), n = sqlite3_column_int64(q, 1);
    const char *state = column(q, 2);
    if (n != (int64_t)position || !known_state(state)) {
        fail(err, ERROR_FORMAT, "%s: trial id %lld has number %lld and state '%.20s' at place %zu", s->path, (long long)id,
             (long long)n, state, position);
        return NULL;
    }
    json_t *v = values(s, id, err), *p = v ? parameters(s, id, err) : NULL, *m = p ? intermediate(s, id, err) : NULL,
           *user = NULL, *system = NULL;
    json_t *start = NULL, *complete = NULL, *out = NULL;
    if (m &&
        (user = attributes(s, "SELECT \"key\", value_json FROM trial_user_attributes WHERE trial_id = ? ORDER BY 1", id,
                           "trial attribute", err)) &&
        (system = attributes(s, "SELECT \"key\", value_json FROM trial_system_attributes WHERE trial_id = ? ORDER BY 1", id,
                             "trial attribute", err)) &&
        (start = time_json(s, q, 3, err)) && (complete = time_json(s, q, 4, err))) {
        if (strcmp(state, "COMPLETE") == 0 && json_array_size(v) != objectives)
            fail(err, ERROR_FORMAT, "%s: trial %zu is COMPLETE with %zu values of %zu", s->path, position, json_array_size(v),
                 objectives);
        else
            out = json_pack("{s:I, s:s, s:O, s:O, s:O, s:O, s:O, s:O, s:O}", "number", (json_int_t)n, "state", state, "values", v,
                            "params", p, "intermediate", m, "user_attrs", user, "system_attrs", system, "start", start,
                            "complete", complete);
    }
    json_decref(v);
    json_decref(p);
    json_decref(m);
    json_decref(user);
    json_decref(system);
    json_decref(start);
    json_decref(complete);
    return out;
}

static double value_of(const json_t *t, size_t k, const json_t *directions)
{
    const json_t *v = json_array_get(json_object_get(t, "values"), k);
    const char *text = json_string_value(v);
    double x = json_is_number(v) ? json_number_value(v) : text && strcmp(text, "inf") == 0 ? INFINITY : -INFINITY;
    return strcmp(json_string_value(json_array_get(directions, k)), "MINIMIZE") == 0 ? x : -x;      /* smaller is better */
}

/* The trials that no other is better than: one for a single objective, the front for several. */
static json_t *best(const json_t *trials, const json_t *directions)
{
    json_t *out = json_array(), *a, *b;
    size_t i, j, k = json_array_size(directions);
    json_array_foreach(trials, i, a) {
        bool beaten = strcmp(json_string_value(json_object_get(a, "state")), "COMPLETE") != 0;
        json_array_foreach(trials, j, b) {
            bool better = false, worse = false;
            if (beaten || i == j || strcmp(json_string_value(json_object_get(b, "state")), "COMPLETE") != 0)
                continue;
            for (size_t d = 0; d < k; d++) {
                better = better || value_of(b, d, directions) < value_of(a, d, directions);
                worse = worse || value_of(b, d, directions) > value_of(a, d, directions);
            }
            beaten = (better && !worse) || (k == 1 && !better && !worse && j < i);
        }
        if (!beaten)
            json_array_append(out, json_object_get(a, "number"));
    }
    return out;
}

static json_t *read_directions(store *s, int64_t id, error *err)
{
    json_t *out = json_array();
    sqlite3_stmt *q =
        database_query(s, err, "SELECT direction FROM study_directions WHERE study_id = ? ORDER BY objective", "i", id);
    int row = q ? 1 : -1;
    while (row == 1 && (row = database_step(s, q, err)) == 1) {
        if (strcmp(column(q, 0), "MAXIMIZE") != 0 && strcmp(column(q, 0), "MINIMIZE") != 0 &&
            strcmp(column(q, 0), "NOT_SET") != 0)
            row = fail(err, ERROR_FORMAT, "%s: study id %lld has the direction '%.20s'", s->path, (long long)id, column(q, 0));
        else
            json_array_append_new(out, json_string(column(q, 0)));
    }
    sqlite3_finalize(q);
    if (row == 0)
        return out;
    json_decref(out);
    return NULL;
}

static json_t *read_trials(store *s, int64_t id, size_t objectives, error *err)
{
    json_t *out = json_array();
    sqlite3_stmt *q =
        database_query(s, err,
                       "SELECT trial_id, number, state, datetime_start, datetime_complete FROM trials WHERE study_id = ? "
                       "ORDER BY trial_id",
                       "i", id);
    int row = q ? 1 : -1;
    while (row == 1 && (row = database_step(s, q, err)) == 1) {
        json_t *t = read_trial(s, q, json_array_size(out), objectives, err);
        if (!t)
            row = -1;
        else
            json_array_append_new(out, t);
    }
    sqlite3_finalize(q);
    if (row == 0)
        return out;
    json_decref(out);
    return NULL;
}

static json_t *read_study(store *s, int64_t id, const char *name, error *err)
{
    json_t *title = text_json(s, name, err), *directions = title ? read_directions(s, id, err) : NULL, *user = NULL,
           *system = NULL, *trials = NULL;
    json_t *out = NULL;
    if (directions &&
        (user = attributes(s, "SELECT \"key\", value_json FROM study_user_attributes WHERE study_id = ? ORDER BY 1", id,
                           "study attribute", err)) &&
        (system = attributes(s, "SELECT \"key\", value_json FROM study_system_attributes WHERE study_id = ? ORDER BY 1", id,
                             "study attribute", err)) &&
        (trials = read_trials(s, id, json_array_size(directions), err))) {
        json_t *metrics = json_object_get(system, "study:metric_names");
        out = json_pack("{s:O, s:O, s:O, s:O, s:o, s:O}", "name", title, "directions", directions, "user_attrs", user,
                        "metric_names", metrics ? metrics : json_null(), "best", best(trials, directions), "trials", trials);
    }
    json_decref(title);
    json_decref(directions);
    json_decref(user);
    json_decref(system);
    json_decref(trials);
    return out;
}

static int check_head(store *s, error *err)
{
    sqlite3_stmt *q =
        database_query(s, err, "SELECT version_num, (SELECT schema_version FROM version_info) FROM alembic_version", "");
    int row = q ? database_step(s, q, err) : -1;
    if (row == 1 && (strcmp(column(q, 0), STORE_OPTUNA_HEAD) != 0 || sqlite3_column_int64(q, 1) != STORE_OPTUNA_SCHEMA))
        row = fail(err, ERROR_UNSUPPORTED, "%s: Optuna's tables have version '%.40s' (schema %lld), this program reads %s (%d)",
                   s->path, column(q, 0), (long long)sqlite3_column_int64(q, 1), STORE_OPTUNA_HEAD, STORE_OPTUNA_SCHEMA);
    else if (row == 0)
        row = fail(err, ERROR_FORMAT, "%s: Optuna's tables have no version", s->path);
    sqlite3_finalize(q);
    return row == 1 ? 0 : -1;
}

json_t *optuna_read(const char *path, error *err)
{
    store s = {.path = memory_text(path), .lock_fd = -1, .read_only = true};
    json_t *out = NULL;
    if (database_open(&s, false, err) == 0 && check_head(&s, err) == 0) {
        out = json_array();
        sqlite3_stmt *q = database_query(&s, err, "SELECT study_id, study_name FROM studies ORDER BY study_id", "");
        int row = q ? 1 : -1;
        while (row == 1 && (row = database_step(&s, q, err)) == 1) {
            json_t *study = read_study(&s, sqlite3_column_int64(q, 0), column(q, 1), err);
            if (!study)
                row = -1;
            else
                json_array_append_new(out, study);
        }
        sqlite3_finalize(q);
        if (row != 0) {
            json_decref(out);
            out = NULL;
        }
    }
    database_close(&s);
    free(s.path);
    return out;
}
