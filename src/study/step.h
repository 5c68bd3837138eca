/* A step of a study's search, opened: its models, its genome, and what turns a vector into something that runs.
 *
 *     step_open(&st, file, k, paths, seed, err);      // names, sources, recipe or path; then step_open_genome
 *     double excess = step_decode(&st, x);            // st.recipe or st.path is now what x means
 */
#ifndef STUDY_STEP_H
#define STUDY_STEP_H

#include "merge/recipe.h"
#include "model/path.h"
#include "search/genome.h"
#include "search/optimizer.h"
#include "study/store.h"
#include "study/study_file.h"
#include "tensor/checkpoint.h"

typedef struct step {
    const study_step *file;             /* borrowed */
    int index;                          /* among the study's steps */
    size_t n_models;                    /* the sources in the study's order, then the base of a method that has one */
    char **names;                       /* [n_models] owned */
    checkpoint **models;                /* [n_models] borrowed from the session; NULL: a winner that is not known yet; the list owned */
    int *model, *winner_of;             /* [n_models] a model of the study, or the step whose winner it is; else -1; owned */
    recipe *recipe;                     /* of parameters: over the models' paths; owned */
    layer_path *path;                   /* of data flow; owned */
    const architecture *architecture;   /* of the first model, for the names of its parts; NULL: Llama's */
    genome *genome;
    store_dimension *dims;              /* [genome->count] names borrowed from the genome; owned */
    int max_hops;                       /* of a path */
    uint64_t bytes;                     /* of a merge's tensors; of a path's: of the model whose config it takes */
    const char *optimizer;              /* the name that the file gives, or the one for this genome */
    int population;
    int64_t generations;                /* of this step: the last one's number within it + 1 */
    bool racing;                        /* candidates are raced; as recorded, else as the file says and the estimate allows */
    int64_t first;                      /* the study's generation that is this step's first; -1: it has not begun */
} step;

/* Names, sources, recipe or path (without values). paths [file->n_models]: where the study's models lie. */
int step_open(step *st, const study_file *f, int index, const char *const *paths, uint64_t seed, error *err);
void step_close(step *st);

/* The genome, once the models' layers are known: layers [st->n_models]. */
int step_open_genome(step *st, const int *layers, error *err);

/* `start:` moves the genome's start to a known recipe or path. */
int step_take_start(step *st, error *err);

/* The population for n numbers that a study of so many workers gets where its file names none. */
int step_population(const study_step *s, int workers, size_t n);

/* Population and generations, from the file or (population > 0) as recorded. */
int step_resolve_size(step *st, const study_file *f, int population, error *err);

optimizer *step_new_optimizer(const step *st, uint64_t seed, error *err);

/* Makes st->recipe or st->path what the vector means. Returns 0, or by how much a path breaks its limits (search/flow.h): it is not to be run. */
double step_decode(step *st, const double *x);

/* What a parameter step finds has the config of its base, or of its first source: that model's index in the study file. */
int step_shape_model(const study_file *f, int index);

/* A path's sources that are winners of steps become STUDY_DB@STEP. */
void step_name_winners(const step *st, const char *study_db, layer_path *p);

/* The result under which the store keeps what a step has found (free() it), and the vector in it: [*n], free() it. */
char *step_result_name(int index);
double *step_result_vector(const json_t *result, size_t *n);

/* The step's seed: the study's for the first. */
uint64_t step_seed(int index, uint64_t seed);

bool step_is_path(const step *st);

#endif
