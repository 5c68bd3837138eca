/* The durable record of a study: SQLite with Optuna's tables and a few of our own. The same five calls will
 * stand in front of PostgreSQL.
 *
 * Invariants
 * 1. A finished trial commits by itself, with its per-question scores.
 * 2. One transaction moves to the next generation: the optimiser's new state and the next trials. Only the newest state is kept.
 * 3. A claimed trial carries a fence; completing it with another fence is an error and changes nothing.
 * 4. The move from generation g to g + 1 happens once (UNIQUE(study, generation)). Generations are numbered through all steps of a
 *    search; a step's number never falls from one to the next. */
#ifndef STUDY_STORE_H
#define STUDY_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct store store;

typedef struct store_dimension { const char *name; double low, high; } store_dimension;   /* for Optuna's distribution_json */

/* Creates the file with its study, or fails when it exists. `settings` is everything that was resolved when the study was
 * created (JSON): file texts, models and digests, population, backend. */
store *store_create(const char *path, const char *study_name, const char *metric, const json_t *settings, error *err);

/* Opens an existing one; a corrupt database, a foreign schema, another Optuna version are errors in one line. */
store *store_open(const char *path, bool read_only, error *err);
void store_close(store *s);
int store_copy(store *s, const char *to, error *err);               /* the whole file, to one that must not be there */

json_t *store_settings(store *s, error *err);                       /* new reference */
int store_set_settings(store *s, const json_t *settings, error *err);
const char *store_study_name(const store *s);

/* The move to generation g, which belongs to step `step` of the study's search: its trials [n] (vectors of `dims` values; genomes of at most 64 dimensions also go to trial_params) and
 * the optimiser's state. Fails with ERROR_STATE when that generation exists, or the one before it is not there or not finished. */
int store_advance(store *s, uint32_t step, uint32_t generation, const void *state, size_t state_bytes,
                  const store_dimension *dims, size_t n_dims, const double *vectors, size_t n, error *err);
void *store_state(store *s, size_t *n, uint32_t *step, uint32_t *generation, error *err);   /* newest optimiser state; free() it; NULL with err->code ERROR_NONE when there is none */

typedef struct trial {
    int64_t id; int64_t number;     /* number counts from 0 */
    uint32_t step, generation, candidate;
    int64_t fence;
    char state[10];                 /* WAITING RUNNING COMPLETE PRUNED FAIL */
    double *x; size_t n;            /* owned */
    double value;                   /* of COMPLETE, and of PRUNED so far; NaN otherwise */
    double *scores; char **answers; size_t n_scores;   /* per question; owned; answers may be NULL */
    char *reason;                   /* of FAIL; owned */
    double seconds;
} trial;
void trial_clear(trial *t);
bool trial_is_open(const trial *t);     /* WAITING or RUNNING */

/* The lowest waiting trial of a generation becomes RUNNING with a new fence; so does a running one (its process is gone: SQLite studies have
 * one process). Returns 1 with *out filled, 0 when none is left, -1 on error. */
int store_claim(store *s, uint32_t generation, trial *out, error *err);

typedef struct trial_outcome {
    const char *state;              /* COMPLETE PRUNED FAIL */
    double value;
    const double *scores; const char *const *answers; const char *const *question_ids; size_t n_scores;
    const char *reason;
    double seconds;
} trial_outcome;
/* COMPLETE with a value that is not finite is recorded as FAIL: Optuna has no row for it. */
int store_complete(store *s, int64_t trial_id, int64_t fence, const trial_outcome *outcome, error *err);

/* The first generation of a step, -1 where it has not begun; and the number that the next generation of all will have. */
int store_step_first(store *s, uint32_t step, int64_t *first, error *err);
int store_next_generation(store *s, int64_t *next, error *err);

/* Trials in order of number: of one generation, or all with generation == UINT32_MAX. with_scores also fills scores and answers. */
int store_trials(store *s, uint32_t generation, bool with_scores, trial **out, size_t *n, error *err);
void trials_free(trial *trials, size_t n);

/* Named results beside the trials (baselines, selection, the table): JSON by name. Replaced when written again. */
int store_put(store *s, const char *name, const json_t *value, error *err);
json_t *store_get(store *s, const char *name, error *err);          /* new reference; NULL with ERROR_NONE when absent */

/* Holds the study for this process (flock on FILE.lock): a second evolve on the same study is told so. */
int store_lock(store *s, error *err);

#endif
