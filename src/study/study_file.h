/* study.yml as data, checked against what it names. */
#ifndef STUDY_STUDY_FILE_H
#define STUDY_STUDY_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/yaml.h"
#include "search/flow.h"

typedef struct study_model { char *name, *path; } study_model;

typedef struct study_bound { char *parameter; double low, high, start, spread; } study_bound;   /* NaN: not given */

typedef struct study_value { char *parameter; double value; } study_value;

typedef struct study_task {
    char *path, *split;
    int64_t questions;                  /* 0: all */
    double weight;
    char *metric;                       /* the task's must be this; NULL: whatever it is */
    int line;                           /* of the study file, of a task named as mergekit-evolve does; 0: else */
} study_task;

enum study_space { SPACE_PARAMETERS, SPACE_DATA_FLOW };

typedef struct study_step {             /* one of `search:` */
    char *name;                         /* unique; what later steps call its winner: "PS", "DFS", "PS + DFS" unless `name:` says otherwise */
    enum study_space space;
    char **sources; size_t n_sources;   /* names of models or, of a path's, of parameter steps before */
    char *optimizer;                    /* "cma-es"; NULL: the best for the space */
    int population;                     /* 0: chosen */
    int64_t generations, trials;        /* either bounds the search; 0: the other one does */
    double sigma;
    study_bound *bounds; size_t n_bounds;   /* by parameter; of a path: "scale" */
    study_value *values; size_t n_values;   /* parameters that are not searched */
    char *start;                        /* a recipe or a path to begin from; NULL */
    bool racing;
    bool language_only;                 /* component: language_model: of models that also see, that part is searched (merge/component.h) */
    /* parameters */
    char *method, *base_model;          /* base_model: a name of models; NULL for methods without one */
    char *config_from;                  /* whose config, and eyes, the merges get: a source or the base_model; NULL: chosen */
    int dtype;                          /* of the merges: an enum dtype; -1: the models' */
    int n_groups; int (*ranges)[2]; int n_ranges;
    bool split_attention_mlp, split_embeddings;
    int granularity;                    /* layers of a group, of a mergekit-evolve file; 0: n_groups or ranges say */
    char **filters; size_t n_filters;   /* a mergekit-evolve file's, as is smooth: see search/genome.h */
    bool smooth;
    char *mode;                         /* "exact" | "compat" */
    bool tokenizer_base;
    /* data flow */
    bool paper;                         /* preset: paper */
    int repetitions, max_hops;          /* max_hops 0: chosen */
    bool pin_ends;
    enum flow_scales scales;
    double start_on, start_off;         /* NaN: chosen */
} study_step;

typedef struct study_file {
    char *path, *text, *name;           /* name: the file's without .yml unless `name:` says otherwise */
    study_model *models; size_t n_models;
    study_step *steps; size_t n_steps;
    study_task *tasks, *select, *held_out; size_t n_tasks, n_select, n_held_out;
    char **task_paths; size_t n_task_paths; /* where a mergekit-evolve file has its tasks looked for */
    char **baselines; size_t n_baselines;   /* NULL: the standard ones; "none": none */
    double target;                      /* stop when the mean of a generation reaches it; NaN: none */
    int workers;
    uint64_t seed;
} study_file;

/* A study, or a mergekit-evolve file (genome: and tasks:), which becomes a study of one step.
 *
 * Paths of what is read with study_file_read: as they are where they exist, else beside the file where they exist there. The tasks of a
 * mergekit-evolve file are names: NAME, NAME.yml or NAME.yaml beside the file, in its task_search_path, then in task_paths [n].
 * study_file_parse leaves all of them as written. Unknown keys, models, baselines: an error with line and nearest name. */
study_file *study_file_read(const char *path, const char *const *task_paths, size_t n, error *err);
study_file *study_file_parse(const char *text, size_t n, const char *name, error *err);
void study_file_free(study_file *f);

int study_file_model(const study_file *f, const char *name);    /* index into models; -1 */
int study_file_step(const study_file *f, const char *name);     /* index into steps; -1 */

/* Merges without search that a table shows unless `baselines:` says otherwise; NULL-terminated. */
const char *const *study_baseline_names(void);

#endif
