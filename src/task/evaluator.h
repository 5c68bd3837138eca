/* candidate -> per-question scores. The built-in evaluator merges nothing and searches nothing: it runs a
 * lineup on questions with the engine (or the user's command on a saved copy) and judges the answers.
 * Tests put a closed form behind the same type. */
#ifndef TASK_EVALUATOR_H
#define TASK_EVALUATOR_H

#include "base/error.h"
#include "engine/engine.h"
#include "engine/feature_store.h"
#include "model/lineup.h"
#include "task/asking.h"
#include "tensor/checkpoint.h"

typedef struct question_set {      /* which questions of which task; `weight` in the overall score */
    const task *task;
    const question **questions;    /* [count] borrowed */
    size_t count;
    double weight;
} question_set;

typedef struct result {            /* of one question */
    const question *question;      /* borrowed */
    judgement judged;              /* by the task's first measure */
    double *scores;                /* [the task's measures]; owned, NULL of commands */
    const asking *asked;           /* borrowed until the evaluator is given another model's tokenizer; NULL of commands */
    preference preference;         /* of choices; owned */
    int gold, picked;              /* of choices: their places; gold -1: several may be right */
    char *answer;                  /* generated, or the choice taken; owned */
    int32_t *tokens; int n_tokens; /* generated ones, end token included; owned */
    float min_margin;
    enum finish finish;
} result;

enum outcome { OUTCOME_COMPLETE, OUTCOME_PRUNED, OUTCOME_INVALID };

typedef struct evaluation {
    enum outcome outcome;
    char *reason;                  /* of OUTCOME_INVALID: one line; owned */
    double score;                  /* weighted mean over sets of the mean over questions */
    double *set_scores;            /* [n_sets] */
    size_t n_sets;
    result *results;               /* [count] over all sets, in order; owned */
    size_t count;
    engine_stats stats;
    feature_counts pictures;       /* computed and found on disk for this evaluation */
} evaluation;
void evaluation_free(evaluation *e);

typedef struct evaluator evaluator;
struct evaluator {
    void *context;
    /* -1 only for what ends a study (memory, ^C, a broken store); a bad candidate is OUTCOME_INVALID. */
    int (*run)(evaluator *self, const lineup *candidate, const question_set *sets, size_t n_sets, evaluation *out,
               error *err);
    void (*free)(evaluator *self);
};

typedef struct evaluator_options {
    const backend *backend;
    threads *pool;
    int slots;
    size_t kv_bytes;
    bool no_prefix_sharing;
    bool check_finite;             /* look at all weights before the run, unless a path leads through models seen before */
    const char *scratch;           /* folder for saved candidates of command tasks */
    const char *features;          /* folder where pictures' features are kept; copied; NULL: they are gone with the process */
    int beams;                     /* in place of the tasks' own; 0: theirs */
    const language_model *lid;     /* borrowed; opened by itself where a task needs it and this is NULL */
    engine_progress *progress; void *progress_context;
    uint64_t seed;                 /* of sampling, where a task has a temperature */
} evaluator_options;

/* Keeps plan, engine and tokenised prompts from candidate to candidate as long as the models are the same objects (their
 * bytes overwritten) and the path is the same; of another path through them the prompts. Tasks must outlive it. */
evaluator *evaluator_new(const evaluator_options *options, error *err);
void evaluator_free(evaluator *e);

/* Confidence intervals of 95 %: Wilson for scores that are all 0 or 1, else a bootstrap of the mean (2000 resamples, fixed
 * seed), wider for few scores as Student's t is. One score that is neither 0 nor 1 tells nothing: [0, 1]. */
void score_interval(const double *scores, size_t n, double *low, double *high);

/* Of paired differences: their mean and its t interval; [-1, 1] where there are fewer than two. */
void difference_interval(const double *differences, size_t n, double *mean, double *low, double *high);

/* The two-sided sign test: how likely so uneven a split of better + worse paired differences is by chance. 1 without any. */
double sign_test(size_t better, size_t worse);

#endif
