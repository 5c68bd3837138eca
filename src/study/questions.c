#include "study/questions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"

void task_list_free(task_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        task_free(l->items[i]);
    free(l->items);
    *l = (task_list){0};
}

static const task *open_task(task_list *l, const char *path, uint64_t seed, error *err)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->items[i]->file, path) == 0)
            return l->items[i];
    task *t = task_read(path, seed, err);
    if (!t)
        return NULL;
    l->items = memory_grow(l->items, l->count + 1, sizeof *l->items);
    return l->items[l->count++] = t;
}

int question_pool_open(question_pool *p, const char *what, const study_task *entries, size_t n, task_list *list, uint64_t seed,
                       error *err)
{
    *p = (question_pool){.what = what, .sets = memory_new(n, sizeof *p->sets), .splits = memory_new(n, sizeof *p->splits),
                         .asked = memory_new(n, sizeof *p->asked)};
    for (size_t i = 0; i < n; i++) {
        const task *t = open_task(list, entries[i].path, seed, err);
        const task_split *split = t ? task_split_find(t, entries[i].split, err) : NULL;
        if (!split)
            return t ? fail_in(err, "%s", what) : -1;
        if (split->count == 0)
            return fail(err, ERROR_USAGE, "%s: split '%s' of %s has no questions", what, split->name, t->file);
        size_t wanted = (size_t)entries[i].questions;
        if (wanted > split->count)
            return fail(err, ERROR_USAGE, "%s: %zu questions wanted of split '%s' of %s, which has %zu", what, wanted,
                        split->name, t->file, split->count);
        p->sets[i] = (question_set){.task = t, .questions = split->questions, .count = split->count, .weight = entries[i].weight};
        p->splits[i] = split;
        p->asked[i] = wanted ? wanted : split->count;
        p->count = i + 1;
    }
    return 0;
}

void question_pool_free(question_pool *p)
{
    free(p->sets);
    free(p->splits);
    free(p->asked);
    *p = (question_pool){0};
}

size_t question_pool_asked(const question_pool *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += p->asked[i];
    return n;
}

int question_pools_disjoint(const question_pool *a, const question_pool *b, error *err)
{
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++)
            if (task_splits_disjoint(a->sets[i].task, a->splits[i], b->sets[j].task, b->splits[j], err) != 0)
                return fail_in(err, "%s and %s should have no question in common", a->what, b->what);
    return 0;
}

/* The first k of a shuffle, whose other swaps nobody sees. */
static void draw(const task_split *split, size_t k, random_stream s, const question **out)
{
    size_t n = split->count, *at = memory_new(n, sizeof *at);
    for (size_t i = 0; i < n; i++)
        at[i] = i;
    for (size_t i = 0; i < k; i++) {
        size_t j = k < n ? i + random_below(&s, n - i) : i, kept = at[i];
        at[i] = at[j];
        at[j] = kept;
        out[i] = split->questions[at[i]];
    }
    free(at);
}

question_set *question_pool_draw(const question_pool *p, uint64_t seed, const char *stream, uint32_t generation, size_t most)
{
    question_set *sets = memory_new(p->count, sizeof *sets);
    for (size_t i = 0; i < p->count; i++) {
        size_t n = p->splits[i]->count, k = !most ? p->asked[i] : most < n ? most : n;
        sets[i] = p->sets[i];
        sets[i].questions = memory_new(k, sizeof *sets[i].questions);
        sets[i].count = k;
        draw(p->splits[i], k, random_stream_for(seed, stream, generation, (uint32_t)i), sets[i].questions);
    }
    return sets;
}

void question_sets_free(question_set *sets, size_t n)
{
    for (size_t i = 0; sets && i < n; i++)
        free(sets[i].questions);
    free(sets);
}

size_t question_sets_count(const question_set *sets, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += sets[i].count;
    return count;
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

/* The picture itself: another under the same name is another question. */
static int add_picture(const task *t, const question *q, string *out, error *err)
{
    char hex[65], *path = task_picture(t, q);
    int status = file_sha256_path(path, hex, err);
    free(path);
    if (status == 0)
        string_add(out, hex, sizeof hex);
    return status;
}

static int add_question(const task *t, const question *q, string *out, error *err)
{
    char name[512];
    snprintf(name, sizeof name, "%.450s line %zu", q->file, q->line);
    char *prompt =
        t->prompt ? template_fill(t->prompt, q->fields, name, err) : json_dumps(q->fields, JSON_SORT_KEYS | JSON_COMPACT);
    if (!prompt)
        return t->prompt ? -1 : fail(err, ERROR_FORMAT, "%s: cannot be written as JSON", name);
    const json_t *gold = t->prompt ? json_object_get(q->fields, t->answer_field) : NULL;
    char *gold_text = gold ? json_dumps(gold, JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    string_add(out, prompt, strlen(prompt) + 1);
    string_puts(out, gold_text ? gold_text : "");
    string_add(out, "", 1);
    free(gold_text);
    free(prompt);
    return t->image_field ? add_picture(t, q, out, err) : 0;
}

int question_set_digest(const question_set *s, char hex[65], error *err)
{
    const task *t = s->task;
    json_t *stops = json_array();
    for (int i = 0; i < t->n_stops; i++)
        json_array_append_new(stops, json_string(t->stops[i]));
    char *scoring = t->scorer ? scorer_describe(t->scorer) : NULL;
    json_t *settings =
        json_pack("{s:o, s:i, s:b, s:f, s:f, s:f, s:o, s:o, s:o}", "stop", stops, "max_new_tokens", t->max_new, "truncate",
                  t->truncate_left, "temperature", (double)t->temperature, "top_p", (double)t->top_p, "penalty",
                  (double)t->repetition_penalty, "metric", text_or_null(scoring), "language",
                  text_or_null(t->scorer ? t->scorer->language : NULL), "command", text_or_null(t->command));
    free(scoring);
    if (settings && t->beams > 1)
        json_object_set_new(settings, "beams", json_integer(t->beams));
    if (settings && t->min_new > 0)
        json_object_set_new(settings, "min_new_tokens", json_integer(t->min_new));
    if (settings && t->no_special)
        json_object_set_new(settings, "special_tokens", json_false());
    if (settings && t->image_field)
        json_object_set_new(settings, "tiles", json_boolean(!t->one_view));
    char *head = settings ? json_dumps(settings, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    json_decref(settings);
    if (!head)
        return fail(err, ERROR_FORMAT, "%s: text that is not UTF-8", t->file);
    string all = {0};
    string_add(&all, head, strlen(head) + 1);
    free(head);
    int status = 0;
    for (size_t i = 0; i < s->count && status == 0; i++)
        status = add_question(t, s->questions[i], &all, err);
    file_sha256(all.text, all.length, hex);
    free(all.text);
    return status;
}

json_t *question_pool_json(const question_pool *p, bool texts, error *err)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->count; i++) {
        const question_set *s = &p->sets[i];
        char hex[65];
        if (question_set_digest(s, hex, err) != 0) {
            json_decref(list);
            return NULL;
        }
        json_t *entry =
            json_pack("{s:s, s:s, s:I, s:I, s:f, s:s}", "task", s->task->name, "split", p->splits[i]->name, "questions",
                      (json_int_t)p->asked[i], "of", (json_int_t)s->count, "weight", s->weight, "questions_sha256", hex);
        if (entry && texts) {
            json_t *all = json_array();
            for (size_t k = 0; k < s->count; k++)
                json_array_append_new(all, json_pack("{s:s, s:O}", "id", s->questions[k]->id, "fields", s->questions[k]->fields));
            json_object_set_new(entry, "all_questions", all);
            if (s->task->splits_made)
                json_object_set_new(entry, "split_made", json_true());
        }
        json_array_append_new(list, entry);
    }
    return list;
}
