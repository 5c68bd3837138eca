/* Folding: a path becomes a plain checkpoint of its architecture, which any program runs.
 *
 *     checkpoint *plain = fold_path(models, path, &(fold_options){.dtype = -1, .pool = pool}, err);
 *     fold_write(plain, models, path, NULL, 0, "folded", false, err);       // with path.yml, recipe.yml (mergekit's) and a model card
 *     checkpoint_free(plain);
 *
 * Hop h's tensors become layer h's. A scale multiplies what the hop before put out last, so it goes into the last linear factor of that hop's
 * MLP: down_proj, weight and bias; that of every expert; the norm behind the MLP where there is one (Gemma stores it minus one). The first hop's
 * goes into the embeddings, learned positions too. All in f32 products, rounded once. Where attention and MLP stand side by side (GPT-NeoX) no
 * factor is the last one, and only scales of 1 fold. Everything outside the layers is the first source's; a
 * head tied to embeddings that are scaled becomes a tensor of its own, unscaled. */
#ifndef MERGE_FOLD_H
#define MERGE_FOLD_H

#include "base/error.h"
#include "base/threads.h"
#include "model/path.h"
#include "tensor/checkpoint.h"

typedef struct fold_options {
    int dtype;                 /* of all float tensors: an enum dtype; -1: each keeps its own */
    threads *pool;             /* borrowed; NULL: this thread */
    uint64_t memory;           /* most bytes of the folded model; 0: no limit */
} fold_options;

/* Whether one config can say what the models on the path do: else *err names the first field that differs, with both values.
 * Also false where a hop's layer or tensor is missing. sources [p->n_sources]; those that no hop uses do not matter. */
bool fold_possible(checkpoint *const *sources, const layer_path *p, error *err);

/* NULL and *err on failure, also where a product is not finite; checkpoint_free it. options NULL: dtype -1, this thread. */
checkpoint *fold_path(checkpoint *const *sources, const layer_path *p, const fold_options *options, error *err);

/* Writes what fold_path gave, and further files [n_more] (recipes that the path's sources are). An OUT that is one of the sources is an error. */
int fold_write(const checkpoint *folded, checkpoint *const *sources, const layer_path *p, const struct checkpoint_file *more, size_t n_more, const char *out,
               bool replace, error *err);

#endif
