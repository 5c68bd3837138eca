#include "task/shots.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define MAX_CLASSES 1000

void shots_clear(shots *s)
{
    wording_clear(&s->wording);
    free(s->pool);
    free(s->labels);
    *s = (shots){0};
}

int shots_stratify(shots *s, const char *field, error *err)
{
    char **seen = memory_new(s->n_pool, sizeof *seen);
    int status = 0;
    s->labels = memory_new(s->n_pool, sizeof *s->labels);
    s->classes = 0;
    for (size_t i = 0; i < s->n_pool && status == 0; i++) {
        json_t *value = json_object_get(s->pool[i]->fields, field);
        if (!value) {
            status = fail(err, ERROR_FORMAT, "%s line %zu: no field '%.100s', by which the examples are to be stratified", s->pool[i]->file,
                          s->pool[i]->line, field);
            break;
        }
        char *text = json_print(json_incref(value), -1);
        size_t c = 0;
        while (c < s->classes && strcmp(seen[c], text) != 0)
            c++;
        if (c < s->classes)
            free(text);
        else
            seen[s->classes++] = text;
        s->labels[i] = c;
        if (s->classes > MAX_CLASSES)
            status = fail(err, ERROR_LIMIT, "%s: more than the limit of %d different values of '%.100s', by which the examples are to be stratified", s->pool[i]->file,
                          MAX_CLASSES, field);
    }
    for (size_t c = 0; c < s->classes; c++)
        free(seen[c]);
    free(seen);
    return status;
}

struct excluded { const shots *shots; const question *question; };

static bool is_question(void *context, size_t index)
{
    const struct excluded *e = context;
    const question *example = e->shots->pool[index];
    return example == e->question || json_equal(example->fields, e->question->fields);
}

static int draw(drawer *d, const shots *s, const question *q, size_t k, size_t *out, error *err)
{
    struct excluded e = {s, q};
    if (drawer_next(d, k, s->exclude ? is_question : NULL, &e, out) == 0)
        return 0;
    return fail(err, ERROR_FORMAT, "%s line %zu: %zu examples cannot be drawn from the %zu there are%s", q->file, q->line, k, s->n_pool,
                s->exclude ? ", itself left out" : s->labels ? ", some of every class" : "");
}

/* Every draw moves the generator, those that did not fit as well. */
static int draw_fitting(drawer *d, const shots *s, const question *q, shots_fit *fit, void *context, size_t *out, size_t *n, error *err)
{
    for (size_t k = s->count;; k--) {
        if (draw(d, s, q, k, out, err) != 0)
            return -1;
        int fits = s->refit && fit ? fit(context, q, out, k, err) : 1;
        if (fits < 0)
            return -1;
        *n = k;
        if (fits || k == 0)        /* without any shot too long: cut or refused when it is asked */
            return 0;
    }
}

int shots_plan(const shots *s, const question *const *questions, size_t count, shots_fit *fit, void *context, shot_plan *out, error *err)
{
    *out = (shot_plan){.count = count, .most = s->count, .shown = memory_new(count * s->count, sizeof *out->shown), .n = memory_new(count, sizeof *out->n),
                       .order = memory_new(count, sizeof *out->order)};
    for (size_t i = 0; i < count; i++)
        out->order[i] = i;
    if (s->count == 0)
        return 0;
    drawer d;
    drawer_open(&d, &(draw_rule){.kind = s->kind, .pool = s->n_pool, .labels = s->labels, .classes = s->classes}, s->seed);
    if (s->shuffled)
        drawer_shuffle(&d, count, out->order);
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        size_t at = out->order[i];
        status = draw_fitting(&d, s, questions[at], fit, context, out->shown + at * s->count, &out->n[at], err);
    }
    drawer_close(&d);
    if (status != 0)
        shot_plan_clear(out);
    return status;
}

void shot_plan_clear(shot_plan *p)
{
    free(p->shown);
    free(p->n);
    free(p->order);
    *p = (shot_plan){0};
}
