/* A question as it is put to a model: the whole context, examples and all, and what may follow it. */
#ifndef TASK_ASKING_H
#define TASK_ASKING_H

#include "task/task.h"

typedef struct asking {
    char *context;             /* owned */
    json_t *choices;           /* as the task words them; NULL where an answer is generated; owned */
    json_t *gold;              /* the right answer, wording_gold; owned */
    char **continuations;      /* [n] what follows the context: target_delimiter + choice; owned */
    size_t n;
} asking;

/* `shown` [n_shown] are indices into the task's pool of examples. */
int asking_make(const task *t, const question *q, const size_t *shown, size_t n_shown, asking *out, error *err);
void asking_clear(asking *a);

/* The right answer alone. */
json_t *asking_gold(const task *t, const question *q, error *err);

/* Tokens a question's answer may have: max_new, or of the longest right answer with max_new more. */
int asking_max_new(const task *t, const json_t *gold, const tokenizer *tok, int *out, error *err);

/* The plan of a split. Under `refit` with a tokenizer, contexts have at most `positions` tokens, their answers included (0: any number). */
int asking_plan(const task *t, const task_split *s, const tokenizer *tok, int64_t positions, shot_plan *out, error *err);

#endif
