/* A conversation as a prompt: rendered by the model's own chat template, with the texts of its special tokens.
 *
 *     chat *c = chat_of(model, tokenizer, err);
 *     json_t *messages = json_array();
 *     chat_say(messages, "user", "こんにちは");
 *     token_list ids = {0};
 *     chat_prompt(c, messages, tokenizer, &ids, err);
 */
#ifndef TEXT_CHAT_H
#define TEXT_CHAT_H

#include <jansson.h>

#include "tensor/checkpoint.h"
#include "text/tokenizer.h"

typedef struct chat chat;

/* A model without a template is ERROR_UNSUPPORTED. `frozen`: strftime_now tells one fixed day, 26 July 2024 (the day in Llama 3.1's template),
 * so that prompts are the same tomorrow. */
chat *chat_of(const checkpoint *c, const tokenizer *t, bool frozen, error *err);
void chat_free(chat *c);

const char *chat_template_text(const chat *c);                  /* borrowed */

void chat_say(json_t *messages, const char *role, const char *content);

/* The prompt up to where the assistant speaks: as text (free() it), or as tokens appended to *out. Special tokens in it are recognised, and none is
 * added to what the template wrote. */
char *chat_text(const chat *c, const json_t *messages, size_t *n, error *err);
int chat_prompt(const chat *c, const json_t *messages, const tokenizer *t, token_list *out, error *err);

#endif
