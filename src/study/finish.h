/* After the search: contenders (models, unsearched merges, evolved merges), what each scores, and which one wins.
 *
 * Only the select questions choose; search and held-out questions are reported. What a contender scored is kept in the
 * store under a digest of what it is and what it was asked: a run that was killed here goes on where it was, and an
 * `evolve` of a finished study computes nothing again. */
#ifndef STUDY_FINISH_H
#define STUDY_FINISH_H

#include "study/session.h"

#define FINISH_SEARCH_QUESTIONS 200     /* of each search split, the same for every row of the table */

typedef struct contender {
    char *name;                 /* its row's name; owned */
    const char *kind;           /* "source", "unsearched", "evolved", "ablation" */
    int model;                  /* of a source: index into the session's models; else -1 */
    const step *step;           /* of any other: whose models it is made of */
    recipe *recipe;             /* of a merge; owned */
    layer_path *path;           /* of a path; owned */
    int64_t trial;              /* of an evolved one: its number; -1: the distribution's mean, or none */
    json_t *search, *select, *held_out;     /* what it scored (see contender_score); owned, NULL: not run */
} contender;

typedef struct contender_list { contender *items; size_t count; } contender_list;

contender *contender_add(contender_list *l, const char *kind, char *name);      /* takes the name over */
void contender_list_free(contender_list *l);

/* Scores {score, sets, results: [{id, score, raw, answer}]} of a contender on questions, from the store where they are known.
 * {"reason"} without a score for one that cannot be run. */
json_t *contender_score(session *s, const contender *c, const question_set *sets, size_t n, error *err);
double contender_value(const json_t *score);        /* -INFINITY where there is none */

/* What the vector of a step means, as an evolved contender; NULL for a path beyond its limits. Takes the name over. */
contender *contender_decode(contender_list *l, const step *st, char *name, const double *x, int64_t trial);

/* What a step that is over has found: as recorded. */
int contenders_winner(session *s, size_t step, contender_list *l, error *err);

/* Those of the searched step that may win: mean and best trials. The unsearched merges and paths that the study wants, masks chosen on select. */
int contenders_evolved(session *s, contender_list *l, error *err);
int contenders_sources(session *s, contender_list *l, error *err);
int contenders_unsearched(session *s, contender_list *l, json_t *notes, error *err);
int contenders_check_option(const char *option, error *err);      /* --baselines; NULL is fine */
size_t contenders_unsearched_count(const session *s, size_t *masks);

/* best.c: OUT/best, and the recipes and path that make it. */
int best_write(session *s, const contender *winner, json_t **places, error *err);

/* The named results "table", "worked", "places" as report.h describes them. */
json_t *finish_table(session *s, const contender_list *rows, const contender *winner, const json_t *notes);
json_t *finish_worked(session *s, const contender_list *rows, const contender *winner, const question_set *sets, size_t n);

/* What the final choice will take, for the estimate. */
typedef struct finish_load { double merges, evaluations, questions; } finish_load;
finish_load finish_estimate(const session *s);

#endif
