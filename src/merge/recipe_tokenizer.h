/* What a recipe says of the tokenizer and vocabulary of the merge: mergekit's tokenizer_source, tokenizer and chat_template. */
#ifndef MERGE_RECIPE_TOKENIZER_H
#define MERGE_RECIPE_TOKENIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/yaml.h"

enum tokenizer_source {
    TOKENIZER_KEPT,     /* nothing is said: the base's, and vocabularies have to be equal */
    TOKENIZER_BASE,
    TOKENIZER_UNION,    /* the base's and behind it what the others have beside it */
    TOKENIZER_MODEL,    /* that of a folder, which need not be one of the models */
};

/* What the embedding of a token is where a model has none; with `force` also where it has one. */
enum token_kind {
    TOKEN_DEFAULT,      /* the only model's that has it, else the base's, else the mean of those that have it */
    TOKEN_ZERO,
    TOKEN_SAME,         /* that of the same token in `model` */
    TOKEN_OTHER,        /* that of the token `other`, or of row `id`, of `model` */
};

typedef struct recipe_token {
    char *text;         /* owned; a token that the tokenizer lacks is added to it */
    enum token_kind kind;
    int model;          /* index into the recipe's models */
    char *other;        /* owned; NULL: `id` counts */
    int64_t id;
    bool force;
} recipe_token;

typedef struct recipe_tokenizer {
    enum tokenizer_source source;
    char *model;                 /* of TOKENIZER_MODEL, as written; owned */
    recipe_token *tokens;        /* [n_tokens] in the order written; owned */
    size_t n_tokens;
    int64_t pad_to_multiple_of;  /* 0: no padding */
    char *chat_template;         /* "auto", a format's name, or a Jinja text; owned, NULL: the tokenizer's own */
} recipe_tokenizer;

struct recipe;

/* Reads it into r->tokenizer; the models and the base have to be there. */
int recipe_tokenizer_read(const yaml_value *root, struct recipe *r, error *err);
void recipe_tokenizer_write(const struct recipe *r, string *out);
recipe_tokenizer recipe_tokenizer_copy(const recipe_tokenizer *t);
void recipe_tokenizer_free(recipe_tokenizer *t);

#endif
