/* The search loop: ask, decode, merge, run, score, tell, commit; and what comes before it (checks, estimates)
 * and after it (selection, baselines, the table, best/). */
#ifndef STUDY_RUN_H
#define STUDY_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "compute/backend.h"
#include "merge/merge.h"
#include "study/study_file.h"
#include "task/evaluator.h"

typedef struct study_run_options {
    const char *out;               /* OUT folder; NULL: ./<study name> */
    int threads;                   /* 0: all */
    uint64_t memory;               /* 0: no budget */
    const char *backend;           /* NULL: recorded one, else the best */
    const char *baselines;         /* NULL: as the study says; "none" */
    const char *fork;              /* copy the study to this OUT and go on there, with what may not change changed */
    const char *const *task_paths; size_t n_task_paths;    /* where else tasks of a mergekit-evolve file are looked for */
    bool dry_run, force, json;
    int64_t seed;                  /* -1: as the study says */
    int64_t stop_after;            /* generations to run in this call; 0: all */
    evaluator *evaluator;          /* NULL: the engine; tests give a closed form */
} study_run_options;

int study_run(const char *study_yml, const study_run_options *options, error *err);

/* Merges a trial of a study ("best": the winner, "mean": of the distribution, or a trial's number) again, into the folder `out`. The models
 * must be those that the study was run with. */
int study_export(const char *study_db, const char *which, const char *out, bool replace, const merge_options *options, error *err);

/* The final table of a study as text on stdout, or as JSON. */
int study_print_table(const char *study_db, bool json, error *err);

#endif
