/* Which tensors a merge has, and where each comes from: the union of the sources' names, layers shifted as slices say, with the
 * shapes, types and places they agree on. */
#ifndef MERGE_TENSORS_H
#define MERGE_TENSORS_H

#include <stdbool.h>

#include "base/error.h"
#include "base/memory.h"
#include "merge/component.h"
#include "merge/kernel.h"
#include "merge/tokens.h"
#include "tensor/checkpoint.h"

typedef struct tensor_plan {
    merge_tensor *items;      /* [count] in order of name; owned with their names and sources */
    size_t count;
    bool has_head;            /* a head of its own, so the result is not tied */
    string notes;             /* what the user should know: lines; owned */
} tensor_plan;

/* models [r->n_models]; names and layers are those of models[naming]; `component` and `tokens` say how vocabularies are put side by side. Missing tensors, other shapes, vocabularies that
 * differ (both counts and the fix), layers that a model does not have, types that cannot be computed with: one error. */
int tensors_plan(const recipe *r, checkpoint *const *models, int naming, const component *part, token_plan *tokens, tensor_plan *out, error *err);
void tensors_free(tensor_plan *p);

/* RoPE tables and masks that old checkpoints carry: computed from the config, so not weights. */
bool tensors_is_table(const char *name);

#endif
