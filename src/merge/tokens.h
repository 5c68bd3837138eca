/* The vocabulary of a merge: its tokens, the row of each in every model, and the files that say so.
 *
 *     token_plan p;
 *     tokens_plan(recipe, models, &p, err);
 *     if (p.file)                                              // else vocabularies stay as they are
 *         tokens_gather(&p, &group, sources, err);             // sources of one tensor, now all with the merge's rows
 *     tokens_free(&p);
 *
 * As mergekit does it: tokens are the same where their texts are, whatever their ids. A union is the base's tokenizer with what the others have
 * beside it put behind: first what stands in their vocabularies, then what they have as added tokens, by model and id (mergekit: in no fixed
 * order). Rows that a tokenizer has no token for are left out. */
#ifndef MERGE_TOKENS_H
#define MERGE_TOKENS_H

#include "base/error.h"
#include "base/memory.h"
#include "merge/recipe.h"
#include "tensor/checkpoint.h"
#include "text/tokenizer_file.h"

typedef struct token_view token_view;

typedef struct token_plan {
    const recipe *recipe;               /* borrowed, as are the models; tokens_free needs neither */
    size_t n_models;
    checkpoint *const *models;
    tokenizer_file *file;               /* the merge's; owned, NULL where none is built */
    tokenizer_file **files;             /* [n_models] the models'; owned, NULL where a model has none and counts as having the base's */
    bool changed;                       /* the merge's is not the base's */
    int32_t tokens;
    int64_t rows;                       /* tokens, and padding */
    int64_t *model_rows;                /* [n_models] of the model's embeddings */
    int32_t **row_of;                   /* [n_models][tokens] the model's row of the merge's token, -1: it has none */
    int32_t *setting;                   /* [tokens] index into the recipe's tokens, -1: none */
    token_view **views;                 /* [n_views] what tokens_gather gave out */
    size_t n_views;
    char *chat_template;                /* NULL: as it is */
    string notes;
} token_plan;

/* models [r->n_models]. A plan that does nothing where the recipe asks for nothing. Tokenizers that cannot be read, holes in the ids, settings that
 * cannot be met: one error. Nothing to free after a failure. */
int tokens_plan(const recipe *r, checkpoint *const *models, token_plan *out, error *err);
void tokens_free(token_plan *p);

/* The models whose tensors are merged together: a slice's. Who gives a row to whom is settled among them. */
typedef struct token_group {
    const char *name;                   /* of the tensor, for messages */
    const int *model;                   /* [n] indices into the recipe's models */
    int n, base;                        /* base: index below n, -1: none */
    enum dtype dtype;                   /* what mergekit computes in */
} token_group;

/* Replaces sources [n] by tensors with the merge's rows, which are made when they are read and live as long as the plan. In compat mode rows are
 * rounded where mergekit rounds; else means stay in f32. */
int tokens_gather(token_plan *p, const token_group *g, const tensor **sources, error *err);

/* The ids in the config.json of models[from] (bos_token_id and the like) become those of the same tokens in the merge's tokenizer; of a token that it lacks,
 * the one that its tokenizer_config.json names so. mergekit leaves them as they are. */
void tokens_move_ids(const token_plan *p, int from, json_t *config);

/* Puts what the plan builds into a checkpoint: the tokenizer's files, and which of the folder's no longer hold. */
int tokens_put_files(const token_plan *p, checkpoint *c, error *err);

#endif
