/* Which tensors a merge has: the union of the sources' names, with the shapes, types and places they agree on. */
#ifndef MERGE_TENSORS_H
#define MERGE_TENSORS_H

#include <stdbool.h>

#include "base/error.h"
#include "base/memory.h"
#include "merge/kernel.h"
#include "tensor/checkpoint.h"

typedef struct tensor_plan {
    merge_tensor *items;      /* [count] in order of name; owned with their `sources` */
    size_t count;
    int64_t layers;           /* largest layer number + 1 */
    bool has_head;            /* a head of its own, so the result is not tied */
    string notes;             /* what the user should know: lines; owned */
} tensor_plan;

/* models [r->n_models]. Missing tensors, other shapes, vocabularies that differ (both counts and the fix), types that
 * cannot be computed with: one error. */
int tensors_plan(const recipe *r, checkpoint *const *models, tensor_plan *out, error *err);
void tensors_free(tensor_plan *p);

/* RoPE tables that old checkpoints carry: computed from the config, so not weights. */
bool tensors_is_table(const char *name);

#endif
