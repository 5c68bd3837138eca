/* A source: whatever yields a model to run. A folder or a .safetensors file (mapped), a recipe (merged in memory), a path or a passthrough recipe (its
 * models are opened, nothing is copied), or what a study has found: STUDY.db@17 (a trial), @best, @mean, @NAME (a step's winner).
 *
 *     source m;
 *     if (source_open("path.yml", &(merge_options){.pool = pool}, &m, err) != 0) ...
 *     lineup l = source_lineup(&m);
 *     source_close(&m);
 */
#ifndef STUDY_SOURCE_H
#define STUDY_SOURCE_H

#include "merge/merge.h"
#include "model/lineup.h"

typedef struct source {
    checkpoint **models; size_t n_models;       /* owned */
    layer_path *path;                           /* owned; NULL: the one model as it is */
} source;

/* options: threads, and the memory that all of it may take beside the models' files; NULL: this thread, no limit. */
int source_open(const char *what, const merge_options *options, source *out, error *err);
int source_open_path(layer_path *p, const merge_options *options, source *out, error *err);    /* takes p over, also where it fails */
void source_close(source *s);
uint64_t source_memory(const source *s);    /* bytes that it holds beside the models' files */

/* What a budget (0: none) leaves for running it. */
static inline uint64_t source_leaves(const source *s, uint64_t budget)
{
    return !budget ? 0 : budget > source_memory(s) ? budget - source_memory(s) : 1;
}

static inline lineup source_lineup(const source *s)
{
    return (lineup){.models = s->models, .path = s->path};
}

const char *source_trial(const char *what); /* the '@' of STUDY.db@TRIAL; NULL: no trial */
bool source_is_made(const char *what);      /* a recipe, path or trial, as its name tells: no files of a model */

/* As one checkpoint: a path is folded in memory. depth: how many files led here, 0 for most callers. checkpoint_free it. */
checkpoint *source_open_one(const char *what, int depth, const merge_options *options, error *err);

/* trial.c: what a study's trial, "best", "mean" or step's winner is: *r or *p, the other NULL. The models must be those that the study was run
 * with. A path's sources that are winners of steps before are named as sources. */
int trial_find(const char *study_db, const char *which, int depth, recipe **r, layer_path **p, error *err);

/* A path's sources that are merges of a study become files beside it: recipe-1.yml and so on, by the source's place. *files [*n] and their names and
 * texts are to be freed with trial_recipes_free. */
int trial_recipes(layer_path *p, struct checkpoint_file **files, size_t *n, error *err);
void trial_recipes_free(struct checkpoint_file *files, size_t n);

#endif
