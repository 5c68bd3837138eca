/* The parts of `eval`: what it is asked to run, and the ways its results are told. */
#ifndef CMD_EVAL_PARTS_H
#define CMD_EVAL_PARTS_H

#include "task/evaluator.h"
#include "task/group.h"

typedef struct eval_run {
    const char *model, *split;
    task **tasks;                  /* [n] owned */
    question_set *sets;            /* [n] owned */
    size_t n;
    task_group *groups; size_t n_groups;   /* owned */
    evaluation done;
    double seconds;
} eval_run;

/* Reads task and group files; `limit` > 0 takes the first questions of each. */
int eval_open(eval_run *r, const char *const *paths, size_t n_paths, int64_t limit, uint64_t seed, error *err);
void eval_close(eval_run *r);

/* The table, or JSON, on stdout. */
void eval_print(const eval_run *r, bool json);

/* --answers */
int eval_write_answers(const eval_run *r, const char *path, error *err);

/* --results: lm-eval's files. */
int eval_write_results(const eval_run *r, const char *folder, uint64_t seed, error *err);

#endif
