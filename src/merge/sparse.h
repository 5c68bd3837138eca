/* What stays of task vectors: the sparsifiers of the task-vector family. Part of a method's state, and it plans the job's passes.
 *
 *     sparse_begin(p, j, SPARSE_RANDOM, rescale, err);                     // sets the first pass, 0 where none is needed
 *     sparse_reduce, sparse_flush, sparse_combine                          // are the kernel's
 *     sparse_vector(p, j, s, model, d);                                    // in apply: x - base, sparsified and rescaled
 *
 * Passes: the magnitude thresholds (several, and one more where equal values are cut), then one that draws the masks and sums the
 * L1 norms before and after them, whose ratio is mergekit's rescale. */
#ifndef MERGE_SPARSE_H
#define MERGE_SPARSE_H

#include "merge/select.h"
#include "merge/strip.h"

enum sparsifier {
    SPARSE_NONE,
    SPARSE_MAGNITUDE,   /* TIES (Yadav et al., 2023): the largest stay */
    SPARSE_OUTLIERS,    /* Model Breadcrumbs (Davari and Belilovsky, 2023): neither the smallest nor the very largest */
    SPARSE_RANDOM,      /* DARE (Yu et al., 2024) */
    SPARSE_MAGPRUNE,    /* DELLA (Deep et al., 2024): at random, larger ones of a row more likely */
};

enum kept { KEPT_ALL, KEPT_NONE, KEPT_LARGE, KEPT_MIDDLE, KEPT_RANDOM, KEPT_PRUNED };

typedef struct sparse_model {
    enum kept kept;
    double density, epsilon, scale;
    enum rounding work;          /* while sparsifying: mergekit draws f16's masks in f32 */
    uint32_t ordinal;            /* among the models that are not the base: keys the masks */
    select_state *large, *small; /* the thresholds in use, or NULL: what is kept (KEPT_LARGE, KEPT_MIDDLE), what is dropped below it */
    mersenne *stream;       /* mergekit's, at this model's next number */
    uint32_t *limits;            /* [columns] KEPT_PRUNED: by rank in a row */
} sparse_model;

typedef struct sparse {
    bool l1;
    sparse_model model[];        /* [n_models], then what they point to */
} sparse;

size_t sparse_bytes(enum sparsifier kind, int n_models, int64_t columns);
int sparse_begin(sparse *p, merge_job *j, enum sparsifier kind, bool rescale, error *err);
void sparse_reduce(const sparse *p, const merge_job *j, const merge_strip *s, double *sums);
void sparse_flush(const sparse *p, const merge_job *j, const void *piece);
void sparse_combine(sparse *p, merge_job *j);
void sparse_vector(const sparse *p, const merge_job *j, const merge_strip *s, int model, double *out);

/* The same in exact mode, but for the factor that rescales it. */
void sparse_unscaled(const sparse *p, const merge_job *j, const merge_strip *s, int model, double *out);

#endif
