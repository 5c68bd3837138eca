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

static int add_texts(string *out, const char *context, const json_t *gold, const asking *a)
{
    char *gold_text = gold ? json_dumps(gold, JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    string_add(out, context, strlen(context) + 1);
    string_puts(out, gold_text ? gold_text : "");
    string_add(out, "", 1);
    for (size_t i = 0; a && i < a->n; i++)
        string_add(out, a->continuations[i], strlen(a->continuations[i]) + 1);
    free(gold_text);
    return 0;
}

static int add_command_question(const question *q, string *out, error *err)
{
    char *fields = json_dumps(q->fields, JSON_SORT_KEYS | JSON_COMPACT);
    if (!fields)
        return fail(err, ERROR_FORMAT, "%s line %zu: cannot be written as JSON", q->file, q->line);
    add_texts(out, fields, NULL, NULL);
    free(fields);
    return 0;
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

static int add_system(const task *t, const question *q, string *out, error *err)
{
    char *system = message_system(&t->message, q, err);
    if (!system)
        return -1;
    string_add(out, system, strlen(system) + 1);
    free(system);
    return 0;
}

/* What every question is asked, examples and all. */
static int add_questions(const question_set *s, string *out, error *err)
{
    const task *t = s->task;
    const task_split *split = NULL;
    shot_plan shown = {0};
    int status = 0;
    for (size_t i = 0; i < s->count && status == 0; i++) {
        const question *q = s->questions[i];
        const task_split *own;
        size_t at;
        asking a;
        if (t->command) {
            status = add_command_question(q, out, err);
            continue;
        }
        if (task_place(t, q, &own, &at) != 0)
            status = fail(err, ERROR_STATE, "%s line %zu: is no question of task '%s'", q->file, q->line, t->name);
        if (status == 0 && own != split) {
            shot_plan_clear(&shown);
            split = own;
            status = asking_plan(t, own, NULL, 0, &shown, err);
        }
        if (status == 0 && asking_make(t, q, shown.shown + at * shown.most, shown.n[at], &a, err) == 0) {
            add_texts(out, a.context, a.gold, &a);
            asking_clear(&a);
            status = t->image_field ? add_picture(t, q, out, err) : 0;
            if (status == 0 && t->message.system)
                status = add_system(t, q, out, err);
        } else {
            status = -1;
        }
    }
    shot_plan_clear(&shown);
    return status;
}

/* What only some tasks have: said where it is not as in a task that has nothing of it. */
static void add_peculiarities(const task *t, json_t *settings)
{
    static const char *const kinds[] = {"generate", "choice"};
    if (t->truncation == TRUNCATE_LEFT_WITH_BOS)
        json_object_set_new(settings, "truncate", json_string("left_with_bos"));
    if (t->kind != TASK_GENERATE)
        json_object_set_new(settings, "kind", json_string(kinds[t->kind]));
    if (t->encoding != ENCODE_JOINT)
        json_object_set_new(settings, "encoding", json_string(encoding_name(t->encoding)));
    if (t->max_new_beyond_gold)
        json_object_set_new(settings, "beyond_answer", json_true());
    if (t->shots.count && t->shots.refit)
        json_object_set_new(settings, "redraw", json_true());
    if (t->shortening.from)
        json_object_set_new(settings, "shorten", json_pack("[s, s, s, s]", t->shortening.from, t->shortening.to, t->shortening.at, t->shortening.end));
    if (t->stops_in_turn)
        json_object_set_new(settings, "stops_in_turn", json_true());
    if (t->n_measures && t->measures[0].as_it_is)
        json_object_set_new(settings, "filter", json_string(response_filter_name(t->filters[t->measures[0].filter])));
}

int question_set_digest(const question_set *s, char hex[65], error *err)
{
    const task *t = s->task;
    json_t *stops = json_array();
    for (int i = 0; i < t->n_stops; i++)
        json_array_append_new(stops, json_string(t->stops[i]));
    const scorer *by = t->n_measures ? t->measures[0].scorer : NULL;
    char *scoring = by ? scorer_describe(by) : NULL;
    json_t *settings =
        json_pack("{s:o, s:i, s:b, s:f, s:f, s:f, s:o, s:o, s:o}", "stop", stops, "max_new_tokens", t->max_new, "truncate",
                  t->truncation == TRUNCATE_LEFT, "temperature", (double)t->temperature, "top_p", (double)t->top_p, "penalty",
                  (double)t->repetition_penalty, "metric", text_or_null(scoring ? scoring : t->command ? NULL : task_metric_name(t)), "language",
                  text_or_null(task_language(t)), "command", text_or_null(t->command));
    free(scoring);
    if (settings && t->beams > 1)
        json_object_set_new(settings, "beams", json_integer(t->beams));
    if (settings && t->min_new > 0)
        json_object_set_new(settings, "min_new_tokens", json_integer(t->min_new));
    if (settings && t->no_special)
        json_object_set_new(settings, "special_tokens", json_false());
    if (settings && t->message.chat)
        json_object_set_new(settings, "chat", json_true());
    if (settings && t->image_field)
        json_object_set_new(settings, "tiles", json_boolean(!t->one_view));
    if (settings)
        add_peculiarities(t, settings);
    char *head = settings ? json_dumps(settings, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    json_decref(settings);
    if (!head)
        return fail(err, ERROR_FORMAT, "%s: text that is not UTF-8", t->file);
    string all = {0};
    string_add(&all, head, strlen(head) + 1);
    free(head);
    int status = add_questions(s, &all, err);
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
