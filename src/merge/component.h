/* `component: language_model` in a recipe: only the language part of a model that also sees is merged, with language models that see nothing. Everything
 * else is the frame's, one of the models that see: its vision tower and projector, config, tokenizer and processor, and the rows of the vocabulary
 * that the others have no token for.
 *
 *     component c;
 *     component_find(recipe, models, &c, &notes, err);      // c.frame -1: the recipe merges whole models
 */
#ifndef MERGE_COMPONENT_H
#define MERGE_COMPONENT_H

#include "base/error.h"
#include "base/memory.h"
#include "merge/recipe.h"
#include "tensor/checkpoint.h"
#include "text/tokenizer_file.h"

typedef struct component {
    int frame;              /* index into the recipe's models; -1: whole models are merged */
    int64_t rows;           /* of vocabularies that are merged; the frame's further rows stay as they are. -1: the recipe names a tokenizer, which tells */
} component;

/* models [r->n_models]. The frame is the model that `config_from` names, else the base where that sees, else the first that sees. No such model;
 * several that see in different ways, none of them named; tokens that stand in other rows: one error with what to write. */
int component_find(const recipe *r, checkpoint *const *models, component *out, string *notes, error *err);

/* Whether the merge's tokenizer, where one is built, has the token that the frame's pictures stand at. */
int component_check_tokens(const component *c, checkpoint *const *models, const tokenizer_file *merged, error *err);

#endif
