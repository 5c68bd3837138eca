/* How models call the same thing. A language model inside one that also sees has longer names; slices shift the layers.
 * A view is a module of the output, or all of it: the slices that make it and the names that belong to it. */
#ifndef MERGE_VIEW_H
#define MERGE_VIEW_H

#include <stdbool.h>

#include "merge/recipe.h"
#include "tensor/names.h"

typedef struct merge_view {
    int module;                /* index into the recipe's modules; -1: the whole model */
    int first, last;           /* slices [first, last]; -1: the recipe is written as models */
    bool whole;                /* all layers of every source, none shifted */
} merge_view;

size_t views_of(const recipe *r, merge_view **views);   /* at least one; free() it */

/* Whether a tensor belongs to a module of that name: "default", "text_decoder", "vision_tower", "multi_modal_projector", or any part of
 * the tensors' names such as "encoder". names: of the model whose tensor it is. */
bool view_has(const char *module, const tensor_names *names, const char *name);

/* Whether a tensor outside the layers stands behind them: final norm, head. */
bool view_is_behind(const char *name);

/* What `to` calls the tensor that `from` calls `name`. free() it. */
char *view_translate(const tensor_names *from, const tensor_names *to, const checkpoint *target, const char *name);

/* The same with another layer number. */
char *view_layer_name(const tensor_names *names, int64_t layer, const char *rest);

#endif
