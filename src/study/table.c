/* The named results that a report shows, made of what the contenders scored. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "image/thumbnail.h"
#include "study/finish.h"

#define WORKED 3
#define GOOD 0.5            /* an answer is shown as right from here on */

static double result_number(const json_t *score, size_t i, const char *key)
{
    const json_t *v = json_object_get(json_array_get(json_object_get(score, "results"), i), key);
    return json_is_number(v) ? json_number_value(v) : 0;
}

static size_t result_count(const json_t *score)
{
    return json_array_size(json_object_get(score, "results"));
}

static double score_at(const json_t *score, size_t i)
{
    return result_number(score, i, "score");
}

/* The score of a set; of several sets `score` holds each. */
static double set_value(const json_t *score, size_t k, size_t n_sets)
{
    const json_t *value = json_array_get(json_object_get(score, "sets"), k);
    return n_sets > 1 && json_is_number(value) ? json_number_value(value) : contender_value(score);
}

/* One set: its own interval. Several: the weighted mean, with the sets' standard errors (a quarter of an interval's width) added up, and
 * each set by itself. */
static json_t *cell(const json_t *score, const question_pool *p, const size_t *counts)
{
    size_t total = result_count(score), base = 0;
    if (!json_is_number(json_object_get(score, "score")) || total == 0)
        return json_object_get(score, "reason") ? json_pack("{s:O}", "reason", json_object_get(score, "reason")) : json_null();
    double weight = 0, variance = 0, raw = 0, low = 0, high = 0, value = contender_value(score);
    json_t *sets = json_array();
    bool language = false;
    for (size_t k = 0; k < p->count; k++) {
        double *scores = memory_new(counts[k], sizeof *scores), sum = 0;
        for (size_t i = 0; i < counts[k]; i++) {
            scores[i] = score_at(score, base + i);
            sum += result_number(score, base + i, "raw");
        }
        score_interval(scores, counts[k], &low, &high);
        free(scores);
        json_array_append_new(sets, json_pack("{s:s, s:f, s:f, s:f, s:I}", "task", p->sets[k].task->name, "score", set_value(score, k, p->count),
                                              "low", low, "high", high, "n", (json_int_t)counts[k]));
        double w = p->sets[k].weight, error_k = (high - low) / 4;
        variance += w * w * error_k * error_k;
        raw += w * sum / (double)(counts[k] ? counts[k] : 1);
        weight += w;
        base += counts[k];
        language = language || task_language(p->sets[k].task);
    }
    if (p->count > 1) {
        double half = 2 * sqrt(variance) / weight;
        bool share = value >= 0 && value <= 1;
        low = share ? fmax(value - half, 0) : value - half;
        high = share ? fmin(value + half, 1) : value + half;
    }
    json_t *json = json_pack("{s:f, s:f, s:f, s:I}", "score", value, "low", low, "high", high, "n", (json_int_t)total);
    if (p->count > 1)
        json_object_set(json, "tasks", sets);
    json_decref(sets);
    if (language)
        json_object_set_new(json, "acc", json_real(raw / weight));
    return json;
}

static size_t *counts_of(const question_pool *p, size_t most)
{
    size_t *counts = memory_new(p->count, sizeof *counts);
    for (size_t k = 0; k < p->count; k++)
        counts[k] = !most ? p->asked[k] : most < p->sets[k].count ? most : p->sets[k].count;
    return counts;
}

static void add_cell(json_t *row, const char *key, const json_t *score, const question_pool *p, size_t most)
{
    size_t *counts = counts_of(p, most);
    json_object_set_new(row, key, score ? cell(score, p, counts) : json_null());
    free(counts);
}

/* [[source, layer, scale]] */
static json_t *path_json(const contender *c)
{
    json_t *hops = json_array();
    for (size_t i = 0; i < c->path->n_hops; i++) {
        const path_hop *h = &c->path->hops[i];
        json_array_append_new(hops, json_pack("[s, i, f]", c->path->sources[h->source].name, h->layer, h->scale));
    }
    return hops;
}

/* Of two rows that answered the same questions: on how many the first scores more, on how many the second, the two-sided sign test, and the
 * difference of their scores, set by set as these are weighted, with its 95 % interval. */
static json_t *pair_json(const contender *a, const contender *b, const question_pool *p)
{
    double difference = 0, weight = 0, squares = 0, mean, low, high;
    size_t better = 0, worse = 0, base = 0;
    for (size_t k = 0; k < p->count; base += p->asked[k++]) {
        double *d = memory_new(p->asked[k], sizeof *d), w = p->sets[k].weight;
        for (size_t i = 0; i < p->asked[k]; i++) {
            d[i] = score_at(a->held_out, base + i) - score_at(b->held_out, base + i);
            better += d[i] > 0;
            worse += d[i] < 0;
        }
        difference_interval(d, p->asked[k], &mean, &low, &high);
        free(d);
        difference += w * mean;
        squares += w * w * (high - low) * (high - low) / 4;
        weight += w;
    }
    difference /= weight;
    double half = sqrt(squares) / weight;
    return json_pack("{s:s, s:s, s:I, s:I, s:f, s:f, s:f, s:f}", "row", a->name, "against", b->name, "better", (json_int_t)better, "worse",
                     (json_int_t)worse, "p", sign_test(better, worse), "difference", difference, "low", difference - half, "high", difference + half);
}

/* What was found, against the best model, the best without search, and what the steps before it have found; and what its scales give. */
static void add_pairs(json_t *table, const contender_list *rows, const question_pool *p)
{
    static const char *const kinds[] = {"source", "unsearched"};
    json_t *pairs = json_array();
    for (size_t i = 0; i < rows->count; i++) {
        const contender *c = &rows->items[i];
        if (strcmp(c->kind, "evolved") != 0 || result_count(c->held_out) == 0)
            continue;
        for (int kind = 0; kind < 2; kind++) {
            const contender *best = NULL;
            for (size_t k = 0; k < rows->count; k++)
                if (strcmp(rows->items[k].kind, kinds[kind]) == 0 && result_count(rows->items[k].held_out) == result_count(c->held_out) &&
                    (!best || contender_value(rows->items[k].held_out) > contender_value(best->held_out)))
                    best = &rows->items[k];
            if (best)
                json_array_append_new(pairs, pair_json(c, best, p));
        }
        for (size_t k = 0; k < rows->count; k++) {
            const contender *other = &rows->items[k];
            bool before = strcmp(other->kind, "evolved") == 0 && k < i, ablated = strcmp(other->kind, "ablation") == 0 && other->step == c->step;
            if ((before || ablated) && result_count(other->held_out) == result_count(c->held_out))
                json_array_append_new(pairs, pair_json(c, other, p));
        }
    }
    json_object_set_new(table, "pairs", pairs);
}

static const json_t *score_of(const contender *c, bool held_out)
{
    return held_out ? c->held_out : c->select;
}

static bool is_graded(double score)
{
    return score != 0 && score != 1;
}

/* The best score of a source on question i, the winner not among them; 0 where there is none. */
static double best_source(const contender_list *rows, const contender *winner, bool held_out, size_t i)
{
    double best = 0;
    for (size_t k = 0; k < rows->count; k++)
        if (strcmp(rows->items[k].kind, "source") == 0 && &rows->items[k] != winner)
            best = fmax(best, score_at(score_of(&rows->items[k], held_out), i));
    return best;
}

json_t *finish_table(session *s, const contender_list *rows, const contender *winner, const json_t *notes)
{
    json_t *list = json_array();
    for (size_t i = 0; i < rows->count; i++) {
        const contender *c = &rows->items[i];
        json_t *row = json_pack("{s:s, s:s}", "name", c->name, "kind", c->kind);
        if (c->model >= 0)
            json_object_set_new(row, "path", json_string(s->models[c->model].path));
        if (c->trial >= 0)
            json_object_set_new(row, "trial", json_integer(c->trial));
        if (c->path)
            json_object_set_new(row, "hops", path_json(c));
        add_cell(row, "search", c->search, &s->search, FINISH_SEARCH_QUESTIONS);
        add_cell(row, "select", c->select, &s->select, 0);
        add_cell(row, "held_out", c->held_out, &s->held_out, 0);
        json_array_append_new(list, row);
    }
    json_t *out = json_pack("{s:o, s:s, s:O}", "rows", list, "winner", winner->name, "notes", notes);
    add_pairs(out, rows, &s->held_out);
    if (!winner->held_out)
        return out;
    json_int_t wins = 0, losses = 0;
    bool graded = false;
    for (size_t i = 0; i < result_count(winner->held_out); i++) {
        double ours = score_at(winner->held_out, i), theirs = best_source(rows, winner, true, i);
        wins += ours > theirs;
        losses += ours < theirs;
        graded = graded || is_graded(ours) || is_graded(theirs);
    }
    json_object_set_new(out, "wins", json_integer(wins));
    json_object_set_new(out, "losses", json_integer(losses));
    if (graded)
        json_object_set_new(out, "graded", json_true());
    return out;
}

/* ---- worked answers */

static json_t *plain(const json_t *value)
{
    if (json_is_string(value))
        return json_incref((json_t *)value);
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    json_t *out = json_string(text ? text : "");
    free(text);
    return out;
}

static json_t *question_text(const task *t, const question *q)
{
    const json_t *field = json_object_get(q->fields, "question");
    if (json_is_string(field))
        return json_incref((json_t *)field);
    char *text = t->command ? NULL : task_question_key(t, q, NULL);
    json_t *out = json_string(text ? text : q->id);
    free(text);
    return out ? out : json_string("");
}

/* The picture's file as the question names it, and a small copy. A file that went away since leaves the name alone. */
static void add_picture(json_t *worked, const task *t, const question *q)
{
    char *path = task_picture(t, q), *uri = NULL;
    image picture;
    error gone;
    json_object_set(worked, "picture", json_object_get(q->fields, t->image_field));
    if (image_read(path, &picture, &gone) == 0) {
        uri = thumbnail_uri(&picture, path, &gone);
        image_free(&picture);
    }
    if (uri)
        json_object_set_new(worked, "thumbnail", json_string(uri));
    free(uri);
    free(path);
}

static json_t *work(const contender_list *rows, const contender *winner, bool held_out, size_t i, const task *t,
                    const question *q)
{
    json_t *answers = json_array();
    double ours = score_at(score_of(winner, held_out), i), theirs = best_source(rows, winner, held_out, i);
    bool graded = is_graded(ours) || is_graded(theirs);
    for (size_t k = 0; k < rows->count; k++) {
        const contender *c = &rows->items[k];
        if (strcmp(c->kind, "source") != 0 && c != winner)
            continue;
        const json_t *r = json_array_get(json_object_get(score_of(c, held_out), "results"), i),
                     *text = json_object_get(r, "answer");
        double score = score_at(score_of(c, held_out), i);
        json_array_append_new(answers, json_pack("{s:s, s:O, s:f, s:b}", "name", c->name, "text", text ? text : json_null(), "score", score, "ok",
                                                 score >= GOOD));
    }
    json_t *gold = t->command ? NULL : asking_gold(t, q, NULL);
    json_t *out = json_pack("{s:o, s:o, s:o}", "question", question_text(t, q), "gold", plain(gold), "answers", answers);
    json_decref(gold);
    const char *note = graded ? ours > theirs   ? "better than every source"
                                : ours < theirs ? "a source is better"
                                                : "the best source is as good"
                       : ours > theirs ? "no source solves it"
                       : ours < theirs ? "a source solves it, the winner does not"
                       : ours > 0      ? "a source solves it too"
                                       : "nobody solves it";
    json_object_set_new(out, "note", json_string(note));
    if (t->image_field)
        add_picture(out, t, q);
    return out;
}

/* Whether a question is of the wanted kind: 0 won alone, 1 as good as a source and worth something, 2 lost. */
static bool is_kind(int kind, double ours, double theirs)
{
    return kind == 0 ? ours > theirs : kind == 1 ? ours == theirs && ours > 0 : ours < theirs || ours == 0;
}

json_t *finish_worked(session *s, const contender_list *rows, const contender *winner, const question_set *sets, size_t n)
{
    bool held_out = s->held_out.count > 0;
    size_t count = question_sets_count(sets, n), taken[WORKED], n_taken = 0;
    json_t *list = json_array();
    for (int round = 0; round < 2; round++)         /* one of each kind, then whatever is there */
        for (int kind = 0; kind < WORKED && n_taken < WORKED; kind++)
            for (size_t i = 0; i < count; i++) {
                bool seen = false;
                for (size_t k = 0; k < n_taken; k++)
                    seen = seen || taken[k] == i;
                if (seen ||
                    (round == 0 && !is_kind(kind, score_at(score_of(winner, held_out), i), best_source(rows, winner, held_out, i))))
                    continue;
                taken[n_taken++] = i;
                break;
            }
    for (size_t k = 0; k < n_taken; k++) {
        size_t set = 0, at = taken[k];
        while (at >= sets[set].count)
            at -= sets[set++].count;
        json_array_append_new(list, work(rows, winner, held_out, taken[k], sets[set].task, sets[set].questions[at]));
    }
    return list;
}
