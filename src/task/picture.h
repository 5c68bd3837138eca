/* Pictures in prompts: <image> in a prompt's text is where a picture stands; a prompt without it has its pictures in front. */
#ifndef TASK_PICTURE_H
#define TASK_PICTURE_H

#include "text/tokenizer.h"

#define PICTURE_MARK "<image>"
#define PICTURE_PLACE (-1)     /* in place of an id: a picture (shown.h puts its features there) */

/* `special` as in tokenizer_encode. A tokenizer that has <image> sees the whole text; for one that does not, the text between is encoded piece by
 * piece, as LLaVA's own code does. Another number of <image> than `pictures`, but for none, is an error. */
int picture_encode(const tokenizer *tok, const char *text, bool special, int pictures, token_list *out, error *err);

/* The id for features of a model: what its config.json says, else the tokenizer's <image>, else 0; always one of the vocabulary. */
int32_t picture_token(const tokenizer *tok, int32_t image_token, int64_t vocab);

#endif
