#include "task/asking.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task/literal.h"
#include "text/utf8.h"

struct place { char text[512]; };

static struct place place_of(const question *q)
{
    struct place p;
    snprintf(p.text, sizeof p.text, "%.450s line %zu", q->file, q->line);
    return p;
}

void asking_clear(asking *a)
{
    for (size_t i = 0; i < a->n; i++)
        free(a->continuations[i]);
    free(a->continuations);
    free(a->context);
    json_decref(a->choices);
    json_decref(a->gold);
    *a = (asking){0};
}

static int add_context(const task *t, const question *q, const size_t *shown, size_t n_shown, string *out, error *err)
{
    struct place where = place_of(q);
    char *description = t->description ? phrase_text(t->description, q->fields, where.text, err) : memory_text("");
    if (!description)
        return -1;
    string_puts(out, description);
    free(description);
    const wording *w = &t->shots.wording;
    for (size_t i = 0; i < n_shown; i++) {
        const question *example = t->shots.pool[shown[i]];
        if (wording_add_shot(w, example->fields, place_of(example).text, out, err) != 0)
            return -1;
    }
    return wording_add_question(&t->wording, q->fields, where.text, out, err);
}

/* str() and list() of lm-eval: a list where the first question has a text is a text, a text where it has a list is its characters. */
static json_t *gold_as_first(const task *t, json_t *gold)
{
    json_t *other = NULL;
    if (!t->gold_is_list && json_is_array(gold)) {
        char *text = literal_print(gold);
        other = json_string(text);
        free(text);
    } else if (t->gold_is_list && json_is_string(gold)) {
        const char *s = json_string_value(gold);
        other = json_array();
        for (int k; *s; s += k) {
            uint32_t c;
            k = utf8_get(s, &c);
            json_array_append_new(other, json_stringn(s, (size_t)k));
        }
    }
    if (!other)
        return gold;
    json_decref(gold);
    return other;
}

/* Takes over `gold`. Where answers are generated, lm-eval's right one may stand among choices. */
static json_t *finish_gold(const task *t, json_t *gold, const json_t *choices)
{
    if (!gold || t->kind == TASK_CHOICE)
        return gold;
    long i = choices ? wording_gold_index(gold, choices) : -1;
    if (i >= 0) {
        json_t *text = json_incref(json_array_get(choices, (size_t)i));
        json_decref(gold);
        return text;
    }
    return t->gold_by_first ? gold_as_first(t, gold) : gold;
}

static int fill(const task *t, const question *q, const size_t *shown, size_t n_shown, asking *a, error *err)
{
    struct place where = place_of(q);
    string context = {0};
    string_puts(&context, "");
    int status = add_context(t, q, shown, n_shown, &context, err);
    a->context = context.text;
    if (status == 0 && wording_has_choices(&t->wording) && !(a->choices = wording_choices(&t->wording, q->fields, where.text, err)))
        status = -1;
    if (status != 0 || !(a->gold = finish_gold(t, wording_gold(&t->wording, q->fields, a->choices, where.text, err), a->choices)))
        return -1;
    if (t->kind != TASK_CHOICE)
        return 0;
    a->continuations = memory_new(json_array_size(a->choices), sizeof *a->continuations);
    for (; a->n < json_array_size(a->choices); a->n++)
        a->continuations[a->n] = memory_print("%s%s", t->wording.target_delimiter, json_string_value(json_array_get(a->choices, a->n)));
    return 0;
}

int asking_make(const task *t, const question *q, const size_t *shown, size_t n_shown, asking *out, error *err)
{
    *out = (asking){0};
    if (fill(t, q, shown, n_shown, out, err) == 0)
        return 0;
    asking_clear(out);
    return -1;
}

json_t *asking_gold(const task *t, const question *q, error *err)
{
    struct place where = place_of(q);
    json_t *choices = NULL;
    if (wording_has_choices(&t->wording) && !(choices = wording_choices(&t->wording, q->fields, where.text, err)))
        return NULL;
    json_t *gold = finish_gold(t, wording_gold(&t->wording, q->fields, choices, where.text, err), choices);
    json_decref(choices);
    return gold;
}

static int longest(const json_t *gold, const tokenizer *tok, size_t *most, error *err)
{
    if (json_is_string(gold)) {
        token_list ids = {0};
        int status = tokenizer_encode(tok, json_string_value(gold), json_string_length(gold), false, &ids, err);
        *most = ids.count > *most ? ids.count : *most;
        token_list_free(&ids);
        return status;
    }
    for (size_t i = 0; i < json_array_size(gold); i++)
        if (longest(json_array_get(gold, i), tok, most, err) != 0)
            return -1;
    return 0;
}

int asking_max_new(const task *t, const json_t *gold, const tokenizer *tok, int *out, error *err)
{
    size_t most = 0;
    *out = t->max_new;
    if (!t->max_new_beyond_gold)
        return 0;
    if (longest(gold, tok, &most, err) != 0)
        return -1;
    *out += (int)most;
    if (*out < 1)
        *out = 1;
    return 0;
}

struct fitting { const task *task; const tokenizer *tokenizer; int64_t positions; };

static int fits(void *context, const question *q, const size_t *shown, size_t n, error *err)
{
    const struct fitting *f = context;
    asking a;
    int max_new = 0, status = -1;
    if (asking_make(f->task, q, shown, n, &a, err) != 0)
        return -1;
    token_list ids = {0};
    if (asking_max_new(f->task, a.gold, f->tokenizer, &max_new, err) == 0 &&
        tokenizer_encode(f->tokenizer, a.context, strlen(a.context), false, &ids, err) == 0)
        status = (int64_t)ids.count <= f->positions - max_new;
    token_list_free(&ids);
    asking_clear(&a);
    return status;
}

int asking_plan(const task *t, const task_split *s, const tokenizer *tok, int64_t positions, shot_plan *out, error *err)
{
    struct fitting f = {t, tok, positions};
    return shots_plan(&t->shots, s->questions, s->count, tok && positions > 0 ? fits : NULL, &f, out, err);
}

char *task_question_key(const task *t, const question *q, error *err)
{
    struct place where = place_of(q);
    string key = {0};
    if (!t->wording.prompt)
        return json_dumps(q->fields, JSON_SORT_KEYS | JSON_COMPACT);
    json_t *choices = NULL;
    int status = wording_add_question(&t->wording, q->fields, where.text, &key, err);
    if (status == 0 && t->kind == TASK_CHOICE)
        status = (choices = wording_choices(&t->wording, q->fields, where.text, err)) ? 0 : -1;
    for (size_t i = 0; i < json_array_size(choices); i++)
        string_print(&key, "\n%s", json_string_value(json_array_get(choices, i)));
    json_decref(choices);
    if (status == 0)
        return key.text;
    free(key.text);
    return NULL;
}

static int check_choice(const question *q, const json_t *choices, const json_t *gold, error *err)
{
    bool found = false;
    for (size_t i = 0; json_is_array(gold) && i < json_array_size(gold); i++)
        found = found || wording_gold_index(json_array_get(gold, i), choices) >= 0;
    if (found || wording_gold_index(gold, choices) >= 0)
        return 0;
    char *text = literal_print(gold);
    fail(err, ERROR_FORMAT, "%s line %zu: the right answer, %.80s, is none of the %zu choices", q->file, q->line, text, json_array_size(choices));
    free(text);
    return -1;
}

static int check_question(const task *t, const question *q, error *err)
{
    asking a;
    if (asking_make(t, q, NULL, 0, &a, err) != 0)
        return -1;
    int status = t->kind == TASK_CHOICE ? check_choice(q, a.choices, a.gold, err) : 0;
    for (size_t i = 0; i < t->n_measures && status == 0; i++)
        if (t->measures[i].scorer && scorer_check(t->measures[i].scorer, a.gold, err) != 0)
            status = fail_in(err, "%s line %zu", q->file, q->line);
    asking_clear(&a);
    return status;
}

int task_check_gold(const task *t, error *err)
{
    for (size_t s = 0; t->n_measures && s < t->n_splits; s++)
        for (size_t i = 0; i < t->splits[s].count; i++)
            if (check_question(t, t->splits[s].questions[i], err) != 0)
                return -1;
    return 0;
}
