/* The README.md of a model that was made of others, as the Hugging Face hub reads it. */
#ifndef MERGE_CARD_H
#define MERGE_CARD_H

#include <stddef.h>

typedef struct model_card {
    const char *out;                                    /* the model's folder: its last part is the title */
    const char *summary;                                /* one sentence, without its full stop */
    const struct card_model { const char *path, *role; } *models;   /* [n_models]; role NULL: none */
    size_t n_models;
    const char *recipe;                                 /* YAML */
} model_card;

char *model_card_text(const model_card *card);      /* free() it */

#endif
