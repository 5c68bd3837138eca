#include "task/prompts.h"

#include <stdlib.h>

#include "base/memory.h"

struct entry {
    const task *task;
    const question *question;
    token_list *tokens;   /* owned; an address that stays when the table grows */
};

struct prompts {
    struct entry *slots;   /* [size] open addressing, size a power of two; owned */
    size_t size, count;
};

prompts *prompts_new(void)
{
    return memory_new(1, sizeof(prompts));
}

void prompts_clear(prompts *p)
{
    for (size_t i = 0; i < p->size; i++)
        if (p->slots[i].tokens) {
            token_list_free(p->slots[i].tokens);
            free(p->slots[i].tokens);
        }
    free(p->slots);
    *p = (prompts){0};
}

void prompts_free(prompts *p)
{
    if (!p)
        return;
    prompts_clear(p);
    free(p);
}

static struct entry *find(struct entry *slots, size_t size, const task *t, const question *q)
{
    uint64_t h = ((uint64_t)(uintptr_t)t * 0x9E3779B97F4A7C15) ^ (uint64_t)(uintptr_t)q;
    h = (h ^ (h >> 29)) * 0xBF58476D1CE4E5B9;
    for (size_t i = (size_t)(h >> 32) & (size - 1);; i = (i + 1) & (size - 1))
        if (!slots[i].tokens || (slots[i].task == t && slots[i].question == q))
            return &slots[i];
}

static void grow(prompts *p)
{
    size_t size = p->size ? 2 * p->size : 256;
    struct entry *slots = memory_new(size, sizeof *slots);
    for (size_t i = 0; i < p->size; i++)
        if (p->slots[i].tokens)
            *find(slots, size, p->slots[i].task, p->slots[i].question) = p->slots[i];
    free(p->slots);
    p->slots = slots;
    p->size = size;
}

const token_list *prompts_get(prompts *p, const task *t, const question *q, const tokenizer *tok, const chat *c, error *err)
{
    if (2 * (p->count + 1) > p->size)
        grow(p);
    struct entry *e = find(p->slots, p->size, t, q);
    if (e->tokens)
        return e->tokens;
    token_list *tokens = memory_new(1, sizeof *tokens);
    if (task_prompt(t, q, tok, c, tokens, err) != 0) {
        token_list_free(tokens);
        free(tokens);
        return NULL;
    }
    *e = (struct entry){t, q, tokens};
    p->count++;
    return tokens;
}
