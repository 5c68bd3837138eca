/* One run of a study: everything that evolve holds open, from the study file to the candidate's memory.
 *
 * session.c opens it (models, tasks, recipe, genome), settings.c says what of it may change between runs, estimate.c what it
 * will take, score.c runs one checkpoint, contenders.c and select.c make the final choice, outcome.c writes it down. */
#ifndef STUDY_SESSION_H
#define STUDY_SESSION_H

#include "merge/merge.h"
#include "search/genome.h"
#include "search/optimizer.h"
#include "study/questions.h"
#include "study/run.h"
#include "study/store.h"

typedef struct session_progress {       /* what the bar shows */
    double began;
    uint64_t asked, total;              /* questions of the search, in this call */
    uint64_t questions, tokens;         /* since the start, for the rates */
    uint64_t tokens_now;                /* of the run in progress */
    double best, mean;                  /* of the newest finished generation; NaN: none yet */
    char label[64];
} session_progress;

typedef struct session {
    const study_run_options *options;   /* borrowed */
    study_file *file;
    char *out, *db, *scratch;           /* OUT, its study.db, and where candidates of command tasks are saved; owned */
    uint64_t seed;
    const backend *backend;
    threads *pool;
    evaluator *evaluator;               /* owned unless it came with the options */

    recipe *recipe;                     /* the search's: its models are those opened, the base last */
    char **names;                       /* [recipe->n_models] owned */
    checkpoint **models;                /* [recipe->n_models] owned; NULL once freed */
    char (*digests)[65];                /* [recipe->n_models] sampled; owned */
    genome *genome;
    merger *merger;
    checkpoint *candidate;              /* allocated once, overwritten by every merge */

    task_list tasks;
    question_pool search, select, held_out;     /* held_out may be empty */

    store *store;                       /* NULL before a new study is created */
    json_t *settings;                   /* of the store, or of the study to be created; owned */
    optimizer *optimizer;
    store_dimension *dims;              /* [genome->count] names borrowed from the genome; owned */
    int population;
    int64_t generations;                /* the last one's number + 1 */
    size_t kv_bytes;                    /* for the evaluator; 0: its choice */
    session_progress progress;
} session;

/* Reads and checks everything; the store is open when OUT holds this study. */
session *session_open(const char *study_yml, const study_run_options *options, error *err);
void session_close(session *s);

/* The search's models: the sources in the study's order, then the base if the method has one. The method is known. */
size_t session_model_count(const study_search *search);
const char *session_model_name(const study_search *search, size_t i);

/* The search's recipe without values, over the models' folders. */
recipe *session_recipe(const study_search *search, const char *const *paths, uint64_t seed);

/* The genome that a study file describes over a recipe whose models have these names. */
genome *session_genome(const study_search *search, const recipe *r, const char *const *names, int layers, error *err);

/* The evaluator over the engine, unless the options gave one. */
int session_open_evaluator(session *s, error *err);

/* settings.c: what the study is. `settings_check` fails where what may not change differs from the recorded, naming it. */
json_t *settings_new(session *s, error *err);
int settings_check(const session *s, const json_t *recorded, error *err);
int64_t settings_generations(const study_file *f, int population, error *err);      /* -1: error */
int settings_population(const study_file *f, size_t n);

/* estimate.c: times a small probe, says what the study will take, and refuses what does not fit. */
int estimate_run(session *s, error *err);

/* score.c: one checkpoint on questions. A bad candidate is an outcome, not an error. */
int score_checkpoint(session *s, const checkpoint *c, const question_set *sets, size_t n, evaluation *out, error *err);
int score_recipe(session *s, merger *m, const recipe *r, const question_set *sets, size_t n, evaluation *out, error *err);
void score_label(session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* outcome.c: OUT. */
int outcome_check(const char *out, const char *db, bool force, error *err);         /* an OUT that is something else's is refused */
int outcome_apart(const session *s, error *err);                                    /* nor may it be one of the models */
int outcome_interrupted(const session *s, error *err);                              /* ERROR_INTERRUPTED with how to go on */

/* finish.c: the final choice, the unsearched merges, the table, best/. */
int finish_run(session *s, error *err);

#endif
