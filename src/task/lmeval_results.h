/* Results as lm-eval writes them: results_<date>.json and samples_<task>_<date>.jsonl, for whatever reads those. */
#ifndef TASK_LMEVAL_RESULTS_H
#define TASK_LMEVAL_RESULTS_H

#include "task/evaluator.h"
#include "task/group.h"

/* One line of a task's samples: what question `doc_id` of its split was asked and answered, through filter `filter`. A new reference. */
json_t *lmeval_sample(const task *t, const result *r, size_t doc_id, size_t filter, error *err);

/* {task: {alias, sample_len, "metric,filter": value, "metric_stderr,filter": error or "N/A"}} of one task: a new reference. */
json_t *lmeval_task_results(const task *t, const result *results, size_t n);

/* The whole file, without what only the caller knows (date, seconds). `results` are those of all sets in order. */
json_t *lmeval_results(const question_set *sets, size_t n_sets, const result *results, const task_group *groups, size_t n_groups, const char *model,
                       uint64_t seed);

/* A figure of a task as a whole. */
double lmeval_value(const task *t, size_t measure_index, const result *results, size_t n);
double lmeval_error(const task *t, size_t measure_index, const result *results, size_t n);   /* NAN: none */

#endif
