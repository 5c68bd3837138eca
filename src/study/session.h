/* One run of a study: everything that evolve holds open, from the study file to the candidate's memory.
 *
 * session.c opens it (models, tasks, steps), settings.c says what of it may change between runs, estimate.c what it will take,
 * score.c runs one candidate, run.c searches, winners.c ends a step, finish.c with contender(s).c makes the final choice, outcome.c and
 * best.c write it down. */
#ifndef STUDY_SESSION_H
#define STUDY_SESSION_H

#include "merge/merge.h"
#include "search/optimizer.h"
#include "study/questions.h"
#include "study/run.h"
#include "study/step.h"
#include "study/store.h"

typedef struct session_progress {       /* what the bar shows */
    double began;
    uint64_t asked, total;              /* questions of the search, in this call */
    uint64_t questions, tokens;         /* since the start, for the rates */
    uint64_t tokens_now;                /* of the run in progress */
    double best, mean;                  /* of the newest finished generation; NaN: none yet */
    char label[64];
} session_progress;

typedef struct session_model {
    char *name, *path;                  /* owned */
    checkpoint *checkpoint;             /* owned */
    char digest[65];                    /* sampled */
    const architecture *architecture;
    int layers, index;                  /* index in the study file */
} session_model;

typedef struct session {
    const study_run_options *options;   /* borrowed */
    study_file *file;
    char *out, *db, *scratch;           /* OUT, its study.db, and where candidates of command tasks are saved; owned */
    uint64_t seed;
    const backend *backend;
    threads *pool;
    evaluator *evaluator;               /* owned unless it came with the options */

    session_model *models; size_t n_models;     /* those that the steps name; owned */
    step *steps; size_t n_steps;        /* owned */
    size_t at;                          /* the step that is searched; the last one when all are over */
    checkpoint **winners;               /* [n_steps] what a step has found, for later ones; NULL: not needed yet; owned */
    char (*winner_digests)[65];         /* [n_steps] of its recipe; owned */
    merger *merger;                     /* of the recipe that was merged last */
    const step *merger_step;            /* whose it is; NULL: none */
    checkpoint *candidate;              /* overwritten by merge after merge, until a winner or a race keeps one */

    task_list tasks;
    question_pool search, select, held_out;     /* held_out may be empty */

    store *store;                       /* NULL before a new study is created */
    json_t *settings;                   /* of the store, or of the study to be created; owned */
    optimizer *optimizer;               /* of the step that is searched */
    size_t kv_bytes;                    /* for the evaluator; 0: its choice */
    uint64_t merge_memory;              /* what a merge may take, its result among it; 0: no limit */
    session_progress progress;
} session;

/* Reads and checks everything; the store is open when OUT holds this study. */
session *session_open(const char *study_yml, const study_run_options *options, error *err);
void session_close(session *s);

const char *session_digest(const session *s, const step *st, size_t i);     /* of one of a step's models; of a winner its recipe's */

/* shape.c: the model whose config, tokenizer and eyes what a step finds will have; whether a model cannot answer because it reads text only. */
const session_model *shape_of(const session *s, int step);
bool shape_is_blind(const checkpoint *model, const question_set *sets, size_t n);
int shape_check(const session *s, const step *st, error *err);

/* The evaluator over the engine, unless the options gave one. */
int session_open_evaluator(session *s, error *err);

/* settings.c: what the study is. `settings_check` fails where what may not change differs from the recorded, naming it. */
json_t *settings_new(session *s, error *err);
int settings_check(const session *s, const json_t *recorded, error *err);
int settings_population(const json_t *settings, size_t step);     /* as recorded; 0: not */
bool settings_racing(const json_t *settings, size_t step);

/* estimate.c: times a small probe, says what the study will take, and refuses what does not fit. */
int estimate_run(session *s, error *err);

/* score.c: one candidate on questions. A bad candidate is an outcome, not an error. */
int score_lineup(session *s, const lineup *l, const question_set *sets, size_t n, evaluation *out, error *err);
int score_recipe(session *s, const step *st, const recipe *r, const question_set *sets, size_t n, evaluation *out, error *err);
int score_path(session *s, const step *st, const layer_path *p, const question_set *sets, size_t n, evaluation *out, error *err);
int score_merge(session *s, const step *st, const recipe *r, error *err);   /* only merges, into s->candidate */
void score_drop_merger(session *s);
void score_label(session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* outcome.c: OUT. */
int outcome_check(const char *out, const char *db, bool force, error *err);         /* an OUT that is something else's is refused */
int outcome_apart(const session *s, error *err);                                    /* nor may it be one of the models */
int outcome_interrupted(const session *s, error *err);                              /* ERROR_INTERRUPTED with how to go on */

/* winners.c: the end of a step. Its winner on select is chosen and recorded; that of an earlier step is merged where a later one needs it. */
int winners_choose(session *s, size_t step, error *err);
int winners_open(session *s, size_t step, error *err);      /* the winners among the step's sources */

/* finish.c: the final choice, the unsearched merges, the table, best/. */
int finish_run(session *s, error *err);

#endif
