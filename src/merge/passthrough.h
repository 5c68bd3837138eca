/* A path as mergekit's passthrough recipe, and back.
 *
 *     char *yaml = passthrough_yaml(path, models, DTYPE_BF16);          // slices of one source each
 *     layer_path *p = passthrough_path(root, "stack.yml", &dtype, err);
 *
 * mergekit takes the embeddings from the first slice's model, final norm and head from the last slice's, config and tokenizer from
 * base_model (without one: from any). So a path that does not begin or end with its first source gets a slice of no layers there. A
 * hop's scale stands at the slice before: of its down_proj, and the first hop's of embed_tokens at the first slice. */
#ifndef MERGE_PASSTHROUGH_H
#define MERGE_PASSTHROUGH_H

#include <stdbool.h>

#include "base/error.h"
#include "base/yaml.h"
#include "model/path.h"
#include "tensor/checkpoint.h"

bool passthrough_is_yaml(const yaml_value *root);   /* merge_method: passthrough */

/* One with a source that has to be made first, a recipe's merge or a study's trial, which only a path takes. */
bool passthrough_of_made(const yaml_value *root);

/* *dtype (may be NULL): what the result should be in, -1 where it does not say. What a path cannot say (scales of other tensors, a last
 * slice of another model than the first) is an error with its place. Sources are named after their folders. */
layer_path *passthrough_path(const yaml_value *root, const char *file, int *dtype, error *err);

/* Whether the path runs as the recipe's merge would, now that its sources [p->n_sources] are open: a scale of down_proj is a path's only where that is
 * what an MLP puts out last, one of embed_tokens where those are the embeddings and no tied head; dtype (-1: none) is that of all weights. Else
 * ERROR_UNSUPPORTED, with the reason. */
int passthrough_check(const layer_path *p, checkpoint *const *sources, int dtype, error *err);

/* passthrough_path of a document in either form, path.yml's or mergekit's. */
bool passthrough_or_path(const yaml_value *root);
layer_path *passthrough_or_path_read(const yaml_value *root, const char *file, int *dtype, error *err);

/* For mergekit 0.1.5 to make the same tensors as fold_path; free() it. What it would not make the same stands there as a comment, where
 * sources [p->n_sources] are given (may be NULL). */
char *passthrough_yaml(const layer_path *p, checkpoint *const *sources, int dtype);

/* What mergekit would not make the same: lines, "" when there is nothing; free() it. */
char *passthrough_limits(const layer_path *p, checkpoint *const *sources);

#endif
