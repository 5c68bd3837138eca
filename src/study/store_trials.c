/* Generations and trials: the store's calls that move a study forward. Invariants: store.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "study/store_database.h"

#define MAX_SHOWN_DIMENSIONS 64     /* wider genomes stay out of trial_params: thousands of rows a trial help nobody */

void trial_clear(trial *t)
{
    for (size_t i = 0; t->answers && i < t->n_scores; i++)
        free(t->answers[i]);
    free(t->answers);
    free(t->scores);
    free(t->x);
    free(t->reason);
    *t = (trial){.value = NAN};
}

bool trial_is_open(const trial *t)
{
    return strcmp(t->state, "WAITING") == 0 || strcmp(t->state, "RUNNING") == 0;
}

void trials_free(trial *trials, size_t n)
{
    for (size_t i = 0; i < n; i++)
        trial_clear(&trials[i]);
    free(trials);
}

/* Takes `value` over. */
static int put_attribute(store *s, int64_t id, const char *key, json_t *value, error *err)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    json_decref(value);
    int status = database_do(s, err,
                             "INSERT INTO trial_user_attributes (trial_id, \"key\", value_json) VALUES (?, ?, ?) "
                             "ON CONFLICT (trial_id, \"key\") DO UPDATE SET value_json = excluded.value_json",
                             "itt", id, key, text ? text : "null");
    free(text);
    return status;
}

/* Optuna refuses a parameter outside its distribution and bounds that are not finite. */
static int put_parameters(store *s, int64_t id, const store_dimension *dims, char *const *distributions, size_t n,
                          const double *x, error *err)
{
    for (size_t d = 0; d < n; d++)
        if (distributions[d] && x[d] >= dims[d].low && x[d] <= dims[d].high &&
            database_do(s, err,
                        "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?, ?, ?, ?)",
                        "itrt", id, dims[d].name, x[d], distributions[d]) != 0)
            return -1;
    return 0;
}

static char *distribution_text(const store_dimension *d)
{
    if (!isfinite(d->low) || !isfinite(d->high))
        return NULL;
    json_t *json = json_pack("{s:s, s:{s:n, s:f, s:f, s:b}}", "name", "FloatDistribution", "attributes", "step", "low", d->low,
                             "high", d->high, "log", 0);
    char *text = json_dumps(json, 0);
    json_decref(json);
    return text;
}

static int add_trial(store *s, uint32_t generation, size_t candidate, const double *x, size_t n, int64_t *id, error *err)
{
    if (database_do(s, err,
                    "INSERT INTO trials (number, study_id, state) SELECT count(*), 1, 'WAITING' FROM trials WHERE study_id = 1",
                    "") != 0)
        return -1;
    *id = sqlite3_last_insert_rowid(s->db);
    if (database_do(s, err, "INSERT INTO mg_trials (trial_id, generation, candidate, x) VALUES (?, ?, ?, ?)", "iiib", *id,
                    (int64_t)generation, (int64_t)candidate, (const void *)x, n * sizeof *x) != 0)
        return -1;
    if (put_attribute(s, *id, "generation", json_integer(generation), err) != 0)
        return -1;
    return put_attribute(s, *id, "candidate", json_integer((json_int_t)candidate), err);
}

/* Generations begin in order, once each, when all trials of the step so far are finished; a step before may have been cut short. */
static int check_move(store *s, uint32_t step, uint32_t generation, error *err)
{
    int64_t newest = -1, open = 0, last = 0;
    if (database_int(s, &newest, NULL, err, "SELECT coalesce(max(generation), -1) FROM mg_generations", "") != 0)
        return -1;
    if (newest >= generation)
        return fail(err, ERROR_STATE, "%s: generation %u has begun already", s->path, generation);
    if (newest + 1 != generation)
        return fail(err, ERROR_STATE, "%s: generation %u cannot follow generation %lld", s->path, generation, (long long)newest);
    if (database_int(s, &last, NULL, err, "SELECT coalesce(max(step), 0) FROM mg_generations", "") != 0)
        return -1;
    if (last > step)
        return fail(err, ERROR_STATE, "%s: step %lld has begun, and step %u is over", s->path, (long long)last, step);
    if (database_int(s, &open, NULL, err,
                     "SELECT count(*) FROM mg_trials JOIN trials USING (trial_id) JOIN mg_generations USING (generation) "
                     "WHERE step = ? AND state IN ('WAITING', 'RUNNING')",
                     "i", (int64_t)step) != 0)
        return -1;
    return open == 0 ? 0
                     : fail(err, ERROR_STATE, "%s: %lld trials of generation %lld are not finished", s->path, (long long)open,
                            (long long)newest);
}

int store_advance(store *s, uint32_t step, uint32_t generation, const void *state, size_t state_bytes, const store_dimension *dims,
                  size_t n_dims, const double *vectors, size_t n, error *err)
{
    bool shown = n_dims <= MAX_SHOWN_DIMENSIONS;
    char **distributions = memory_new(n_dims, sizeof *distributions), now[32];
    for (size_t d = 0; shown && d < n_dims; d++)
        distributions[d] = distribution_text(&dims[d]);
    database_now(now);
    int status = database_begin(s, err);
    if (status != 0)
        goto done;
    status = check_move(s, step, generation, err);
    if (status == 0)
        status = database_do(s, err, "INSERT INTO mg_generations VALUES (1, ?, ?, ?)", "iit", (int64_t)generation, (int64_t)step, now);
    if (status == 0)
        status = database_do(
            s, err,
            "INSERT INTO mg_state VALUES (1, ?, ?, ?) ON CONFLICT (study_id) DO UPDATE SET generation = excluded.generation, "
            "step = excluded.step, state = excluded.state",
            "iib", (int64_t)generation, (int64_t)step, state, state_bytes);
    for (size_t c = 0; status == 0 && c < n; c++) {
        int64_t id;
        status = add_trial(s, generation, c, vectors + c * n_dims, n_dims, &id, err);
        if (status == 0 && shown)
            status = put_parameters(s, id, dims, distributions, n_dims, vectors + c * n_dims, err);
    }
    status = database_end(s, status, err);
done:
    for (size_t d = 0; d < n_dims; d++)
        free(distributions[d]);
    free(distributions);
    return status;
}

int store_step_first(store *s, uint32_t step, int64_t *first, error *err)
{
    return database_int(s, first, NULL, err, "SELECT coalesce(min(generation), -1) FROM mg_generations WHERE step = ?", "i", (int64_t)step);
}

int store_next_generation(store *s, int64_t *next, error *err)
{
    return database_int(s, next, NULL, err, "SELECT coalesce(max(generation), -1) + 1 FROM mg_generations", "");
}

void *store_state(store *s, size_t *n, uint32_t *step, uint32_t *generation, error *err)
{
    if (err)
        *err = (error){.code = ERROR_NONE};
    sqlite3_stmt *q = database_query(s, err, "SELECT generation, state, step FROM mg_state", "");
    int row = q ? database_step(s, q, err) : -1;
    char *bytes = NULL;
    if (row == 1) {
        int64_t g = sqlite3_column_int64(q, 0);
        *n = (size_t)sqlite3_column_bytes(q, 1);
        int64_t of = sqlite3_column_int64(q, 2);
        *generation = (uint32_t)g;
        *step = (uint32_t)of;
        if (of < 0 || of >= UINT32_MAX)
            fail(err, ERROR_FORMAT, "%s: the optimiser's state has step %lld", s->path, (long long)of);
        else if (g < 0 || g >= UINT32_MAX)
            fail(err, ERROR_FORMAT, "%s: the optimiser's state has generation %lld", s->path, (long long)g);
        else if (*n == 0)
            fail(err, ERROR_FORMAT, "%s: the optimiser's state is empty", s->path);
        else
            bytes = memory_text_n(sqlite3_column_blob(q, 1), *n);
    }
    sqlite3_finalize(q);
    return bytes;
}

#define TRIAL_COLUMNS                                                                                                            \
    "SELECT t.trial_id, t.number, m.generation, m.candidate, m.fence, t.state, m.x, m.value, m.reason, m.seconds, g.step "       \
    "FROM trials t JOIN mg_trials m USING (trial_id) LEFT JOIN mg_generations g USING (generation) "

/* Fills *out from a row of TRIAL_COLUMNS, distrusting it: databases come from strangers too. */
static int read_trial(store *s, sqlite3_stmt *q, trial *out, error *err)
{
    *out = (trial){.id = sqlite3_column_int64(q, 0),
                   .number = sqlite3_column_int64(q, 1),
                   .fence = sqlite3_column_int64(q, 4),
                   .value = NAN};
    int64_t generation = sqlite3_column_int64(q, 2), candidate = sqlite3_column_int64(q, 3);
    if (generation < 0 || generation >= UINT32_MAX || candidate < 0 || candidate >= UINT32_MAX)
        return fail(err, ERROR_FORMAT, "%s: trial %lld has generation %lld, candidate %lld", s->path, (long long)out->number,
                    (long long)generation, (long long)candidate);
    out->generation = (uint32_t)generation;
    out->candidate = (uint32_t)candidate;
    out->step = (uint32_t)sqlite3_column_int64(q, 10);
    const char *state = (const char *)sqlite3_column_text(q, 5);
    snprintf(out->state, sizeof out->state, "%s", state ? state : "");
    size_t bytes = (size_t)sqlite3_column_bytes(q, 6);
    if (bytes % sizeof(double) != 0)
        return fail(err, ERROR_FORMAT, "%s: trial %lld's vector has %zu bytes", s->path, (long long)out->number, bytes);
    out->n = bytes / sizeof(double);
    out->x = memory_new(out->n, sizeof(double));
    if (bytes)
        memcpy(out->x, sqlite3_column_blob(q, 6), bytes);
    for (size_t i = 0; i < out->n; i++)
        if (!isfinite(out->x[i]))
            return fail(err, ERROR_FORMAT, "%s: trial %lld's vector has %g at %zu", s->path, (long long)out->number, out->x[i],
                        i);
    if (strcmp(out->state, "COMPLETE") == 0) {
        out->value = sqlite3_column_type(q, 7) == SQLITE_FLOAT || sqlite3_column_type(q, 7) == SQLITE_INTEGER
                         ? sqlite3_column_double(q, 7)
                         : NAN;
        if (!isfinite(out->value))
            return fail(err, ERROR_FORMAT, "%s: trial %lld is COMPLETE without a finite value", s->path, (long long)out->number);
    }
    if (strcmp(out->state, "PRUNED") == 0) {
        out->value = sqlite3_column_double(q, 7);
        if (sqlite3_column_type(q, 7) == SQLITE_NULL || !isfinite(out->value))
            return fail(err, ERROR_FORMAT, "%s: trial %lld is PRUNED without a finite value", s->path, (long long)out->number);
    }
    out->reason = database_text(q, 8);
    out->seconds = sqlite3_column_double(q, 9);
    return 0;
}

int store_claim(store *s, uint32_t generation, trial *out, error *err)
{
    char now[32];
    database_now(now);
    if (database_begin(s, err) != 0)
        return -1;
    sqlite3_stmt *q =
        database_query(s, err,
                       TRIAL_COLUMNS "WHERE m.generation = ? AND t.state IN ('WAITING', 'RUNNING') ORDER BY t.number LIMIT 1",
                       "i", (int64_t)generation);
    int row = q ? database_step(s, q, err) : -1;
    *out = (trial){.value = NAN};
    int status = row < 0 ? -1 : row == 1 ? read_trial(s, q, out, err) : 0;
    sqlite3_finalize(q);
    if (status == 0 && row == 1) {
        out->fence++;
        snprintf(out->state, sizeof out->state, "RUNNING");
        status =
            database_do(s, err, "UPDATE trials SET state = 'RUNNING', datetime_start = ? WHERE trial_id = ?", "ti", now, out->id);
        if (status == 0)
            status = database_do(s, err, "UPDATE mg_trials SET fence = ? WHERE trial_id = ?", "ii", out->fence, out->id);
    }
    status = database_end(s, status, err);
    if (status != 0)
        trial_clear(out);
    return status != 0 ? -1 : row;
}

static int check_fence(store *s, int64_t id, int64_t fence, error *err)
{
    sqlite3_stmt *q =
        database_query(s, err, "SELECT state, fence FROM trials JOIN mg_trials USING (trial_id) WHERE trial_id = ?", "i", id);
    int row = q ? database_step(s, q, err) : -1;
    int status = row < 0 ? -1 : 0;
    if (row == 0) {
        status = fail(err, ERROR_STATE, "%s: there is no trial with id %lld", s->path, (long long)id);
    } else if (row == 1) {
        const char *state = (const char *)sqlite3_column_text(q, 0);
        int64_t held = sqlite3_column_int64(q, 1);
        if (!state || strcmp(state, "RUNNING") != 0)
            status = fail(err, ERROR_STATE, "%s: trial id %lld is %s, not RUNNING: its result is not taken", s->path,
                          (long long)id, state ? state : "?");
        else if (held != fence)
            status = fail(err, ERROR_STATE, "%s: trial id %lld was taken over (fence %lld, now %lld): this result is not taken",
                          s->path, (long long)id, (long long)fence, (long long)held);
    }
    sqlite3_finalize(q);
    return status;
}

static int put_scores(store *s, int64_t id, const trial_outcome *o, error *err)
{
    for (size_t i = 0; i < o->n_scores; i++)
        if (database_do(s, err, "INSERT INTO mg_scores VALUES (?, ?, ?, ?, ?)", "iitrt", id, (int64_t)i,
                        o->question_ids ? o->question_ids[i] : NULL, o->scores[i], o->answers ? o->answers[i] : NULL) != 0)
            return -1;
    return 0;
}

int store_complete(store *s, int64_t id, int64_t fence, const trial_outcome *o, error *err)
{
    bool complete = strcmp(o->state, "COMPLETE") == 0, finite = isfinite(o->value);
    const char *state = complete && !finite ? "FAIL" : o->state;
    const char *reason = complete && !finite ? "the score is not a finite number" : o->reason;
    char now[32];
    database_now(now);
    if (strcmp(state, "COMPLETE") != 0 && strcmp(state, "PRUNED") != 0 && strcmp(state, "FAIL") != 0)
        return fail(err, ERROR_USAGE, "%s: a trial cannot end as '%s'", s->path, state);
    if (database_begin(s, err) != 0)
        return -1;
    int status = check_fence(s, id, fence, err);
    if (status == 0)   /* a clock that was set back must not end a trial before it began */
        status = database_do(s, err, "UPDATE trials SET state = ?, datetime_complete = max(?, datetime_start) WHERE trial_id = ?",
                             "tti", state, now, id);
    if (status == 0)
        status = database_do(s, err, "UPDATE mg_trials SET value = ?, reason = ?, seconds = ? WHERE trial_id = ?", "rtri",
                             strcmp(state, "FAIL") == 0 ? NAN : o->value, reason, o->seconds, id);
    if (status == 0 && finite && strcmp(state, "FAIL") != 0)
        status =
            database_do(s, err, "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, 0, ?, 'FINITE')",
                        "ir", id, o->value);
    if (status == 0)
        status = put_scores(s, id, o, err);
    if (status == 0 && reason)
        status = put_attribute(s, id, "reason", json_string(reason), err);
    return database_end(s, status, err);
}

static int read_scores(store *s, trial *t, error *err)
{
    int64_t n = 0;
    if (database_int(s, &n, NULL, err, "SELECT count(*) FROM mg_scores WHERE trial_id = ?", "i", t->id) != 0)
        return -1;
    sqlite3_stmt *q =
        database_query(s, err, "SELECT score, answer FROM mg_scores WHERE trial_id = ? ORDER BY position", "i", t->id);
    t->scores = memory_new((size_t)n, sizeof *t->scores);
    t->answers = memory_new((size_t)n, sizeof *t->answers);
    int row = q ? 1 : -1;
    while (row == 1 && t->n_scores < (size_t)n && (row = database_step(s, q, err)) == 1) {
        t->scores[t->n_scores] = sqlite3_column_type(q, 0) == SQLITE_NULL ? NAN : sqlite3_column_double(q, 0);
        t->answers[t->n_scores++] = database_text(q, 1);
    }
    sqlite3_finalize(q);
    return row < 0 ? -1 : 0;
}

int store_trials(store *s, uint32_t generation, bool with_scores, trial **out, size_t *n, error *err)
{
    sqlite3_stmt *q = generation == UINT32_MAX ? database_query(s, err, TRIAL_COLUMNS "ORDER BY t.number", "")
                                               : database_query(s, err, TRIAL_COLUMNS "WHERE m.generation = ? ORDER BY t.number",
                                                                "i", (int64_t)generation);
    trial *list = NULL;
    size_t count = 0, capacity = 0;
    int row = q ? 1 : -1;
    while (row == 1 && (row = database_step(s, q, err)) == 1) {
        if (count == capacity)
            list = memory_grow(list, capacity = capacity ? 2 * capacity : 32, sizeof *list);
        count++;
        if (read_trial(s, q, &list[count - 1], err) != 0 || (with_scores && read_scores(s, &list[count - 1], err) != 0))
            row = -1;
    }
    sqlite3_finalize(q);
    if (row < 0) {
        trials_free(list, count);
        return -1;
    }
    *out = list;
    *n = count;
    return 0;
}
