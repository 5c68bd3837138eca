/* Tokenised prompts, kept from candidate to candidate: the same questions are asked a whole generation long. */
#ifndef TASK_PROMPTS_H
#define TASK_PROMPTS_H

#include "task/task.h"

typedef struct prompts prompts;

prompts *prompts_new(void);
void prompts_free(prompts *p);
void prompts_clear(prompts *p);   /* another tokenizer or chat template: forget all */

/* The prompt's tokens, from the store or made now; NULL and *err on failure. Borrowed until prompts_clear. Tasks and
 * questions are known by their addresses and must outlive the store. */
const token_list *prompts_get(prompts *p, const task *t, const question *q, const tokenizer *tok, const chat *c, error *err);

#endif
