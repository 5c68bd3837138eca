#include "task/prompts.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "task/picture.h"

struct entry {
    const task *task;
    const question *question;
    prompt *prompt;       /* owned; an address that stays when the table grows */
};

struct planned {
    const task_split *split;
    shot_plan plan;
};

struct prompts {
    struct entry *slots;   /* [size] open addressing, size a power of two; owned */
    size_t size, count;
    struct planned *plans; /* [n_plans] which examples the questions of a split are shown; owned */
    size_t n_plans;
};

prompts *prompts_new(void)
{
    return memory_new(1, sizeof(prompts));
}

static void prompt_free(prompt *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->asked.n; i++)
        token_list_free(&p->continuations[i]);
    free(p->continuations);
    token_list_free(&p->context);
    asking_clear(&p->asked);
    free(p);
}

void prompts_clear(prompts *p)
{
    for (size_t i = 0; i < p->size; i++)
        prompt_free(p->slots[i].prompt);
    for (size_t i = 0; i < p->n_plans; i++)
        shot_plan_clear(&p->plans[i].plan);
    free(p->slots);
    free(p->plans);
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
        if (!slots[i].prompt || (slots[i].task == t && slots[i].question == q))
            return &slots[i];
}

static void grow(prompts *p)
{
    size_t size = p->size ? 2 * p->size : 256;
    struct entry *slots = memory_new(size, sizeof *slots);
    for (size_t i = 0; i < p->size; i++)
        if (p->slots[i].prompt)
            *find(slots, size, p->slots[i].task, p->slots[i].question) = p->slots[i];
    free(p->slots);
    p->slots = slots;
    p->size = size;
}

static const shot_plan *plan_of(prompts *p, const task *t, const task_split *s, const tokenizer *tok, int64_t positions, error *err)
{
    for (size_t i = 0; i < p->n_plans; i++)
        if (p->plans[i].split == s)
            return &p->plans[i].plan;
    struct planned fresh = {.split = s};
    if (asking_plan(t, s, tok, positions, &fresh.plan, err) != 0)
        return NULL;
    p->plans = memory_grow(p->plans, p->n_plans + 1, sizeof *p->plans);
    p->plans[p->n_plans] = fresh;
    return &p->plans[p->n_plans++].plan;
}

static int shorten_context(const task *t, const tokenizer *tok, int64_t room, prompt *out, error *err)
{
    char *shorter = shorten(&t->shortening, tok, out->asked.context, room > 1 ? (size_t)room : 1, err);
    if (!shorter)
        return -1;
    free(out->asked.context);
    out->asked.context = shorter;
    return 0;
}

static int encode_choices(const task *t, const question *q, const tokenizer *tok, prompt *out, error *err)
{
    out->continuations = memory_new(out->asked.n, sizeof *out->continuations);
    for (size_t i = 0; i < out->asked.n; i++) {
        out->context.count = 0;      /* the same for every choice */
        if (seam_encode(tok, t->encoding, out->asked.context, out->asked.continuations[i], &out->context, &out->continuations[i], err) != 0)
            return fail_in(err, "%s line %zu", q->file, q->line);
        if (out->context.count == 0 || out->continuations[i].count == 0)
            return fail(err, ERROR_FORMAT, "%s line %zu: in tokens the %s '%.60s' is nothing of its own", q->file, q->line,
                        out->context.count ? "choice" : "context before the choice", out->asked.continuations[i]);
    }
    return 0;
}

/* A chat template writes BOS and the like itself. */
static int encode_prompt(const task *t, const question *q, const tokenizer *tok, const chat *c, prompt *out, error *err)
{
    size_t n = strlen(out->asked.context);
    if (t->message.chat && message_render(&t->message, q, c, t->image_field != NULL, &out->asked.context, &n, err) != 0)
        return -1;
    const bool special = !t->no_special && !t->message.chat;
    if (t->image_field)
        return picture_encode(tok, out->asked.context, special, 1, &out->context, err) == 0 ? 0 : fail_in(err, "%s line %zu", q->file, q->line);
    return special ? seam_encode_prompt(tok, t->encoding, out->asked.context, &out->context, err) : tokenizer_encode(tok, out->asked.context, n, false, &out->context, err);
}

static int make(prompts *p, const task *t, const question *q, const tokenizer *tok, const chat *c, int64_t positions, prompt *out, error *err)
{
    const task_split *split;
    const shot_plan *plan;
    size_t at;
    if (task_place(t, q, &split, &at) != 0)
        return fail(err, ERROR_STATE, "%s line %zu: is no question of task '%s'", q->file, q->line, t->name);
    if (!(plan = plan_of(p, t, split, tok, positions, err)) ||
        asking_make(t, q, plan->shown + at * plan->most, plan->n[at], &out->asked, err) != 0)
        return -1;
    if (t->kind == TASK_CHOICE)
        return encode_choices(t, q, tok, out, err);
    if (asking_max_new(t, out->asked.gold, tok, &out->max_new, err) != 0 ||
        (t->shortening.from && shorten_context(t, tok, positions - out->max_new, out, err) != 0))
        return -1;
    return encode_prompt(t, q, tok, c, out, err);
}

const prompt *prompts_get(prompts *p, const task *t, const question *q, const tokenizer *tok, const chat *c, int64_t positions, error *err)
{
    if (2 * (p->count + 1) > p->size)
        grow(p);
    struct entry *e = find(p->slots, p->size, t, q);
    if (e->prompt)
        return e->prompt;
    prompt *fresh = memory_new(1, sizeof *fresh);
    if (make(p, t, q, tok, c, positions, fresh, err) != 0) {
        prompt_free(fresh);
        return NULL;
    }
    *e = (struct entry){t, q, fresh};
    p->count++;
    return fresh;
}

size_t prompt_longest(const prompt *p)
{
    size_t most = (size_t)p->max_new;
    for (size_t i = 0; i < p->asked.n; i++)
        most = p->continuations[i].count > most ? p->continuations[i].count : most;
    return p->context.count + most;
}
