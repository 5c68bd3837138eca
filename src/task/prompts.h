/* Questions as tokens, kept from candidate to candidate: the same questions are asked a whole generation long. */
#ifndef TASK_PROMPTS_H
#define TASK_PROMPTS_H

#include "task/asking.h"

typedef struct prompts prompts;

typedef struct prompt {
    token_list context;            /* PICTURE_PLACE (picture.h) where a picture goes */
    token_list *continuations;     /* [asked.n] owned */
    int max_new;                   /* tokens the answer may have, where it is generated */
    asking asked;                  /* owned */
} prompt;

prompts *prompts_new(void);
void prompts_free(prompts *p);

/* Another tokenizer or chat template, or another model's number of positions, by which contexts were cut: forget all. */
void prompts_clear(prompts *p);

/* A question's tokens, from the store or made now; NULL and *err on failure. Borrowed until prompts_clear. Tasks and
 * questions are known by their addresses and must outlive the store. `positions` are the model's, and so is c, which only tasks with chat: true need. */
const prompt *prompts_get(prompts *p, const task *t, const question *q, const tokenizer *tok, const chat *c, int64_t positions, error *err);

/* Tokens that a question takes at most, its answer included. */
size_t prompt_longest(const prompt *p);

#endif
