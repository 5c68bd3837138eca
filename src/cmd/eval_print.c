#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cmd/eval_parts.h"
#include "task/lmeval_results.h"

/* One set's figures. */
struct row {
    const task *t;
    const result *results;
    size_t n;
    double score, raw, low, high;
};

static struct row row_of(const eval_run *r, size_t s, size_t first)
{
    struct row out = {.t = r->sets[s].task, .results = r->done.results + first, .n = r->sets[s].count, .score = r->done.set_scores[s]};
    double *scores = memory_new(out.n, sizeof *scores);
    for (size_t i = 0; i < out.n; i++) {
        scores[i] = out.results[i].judged.score;
        out.raw += out.results[i].judged.raw / (double)out.n;
    }
    score_interval(scores, out.n, &out.low, &out.high);
    free(scores);
    if (out.t->n_measures && out.t->measures[0].summary != SUMMARY_MEAN)
        out.score = lmeval_value(out.t, 0, out.results, out.n);
    return out;
}

/* "acc_norm", "exact_match,strict" where there are several filters. */
static char *measure_name(const task *t, size_t i)
{
    const measure *m = &t->measures[i];
    return t->n_filters > 1 ? memory_print("%s,%s", m->name, response_filter_name(t->filters[m->filter])) : memory_text(m->name);
}

/* MeCab's, where a measure counts words; else NULL. */
static const char *dictionary_of(const task *t)
{
    for (size_t i = 0; i < t->n_measures; i++)
        if (t->measures[i].scorer && t->measures[i].scorer->segmenter)
            return segmenter_dictionary(t->measures[i].scorer->segmenter);
    return NULL;
}

/* How the task's examples and tokens come about, in a word each. */
static char *manner(const task *t)
{
    string s = {0};
    if (t->shots.count)
        string_print(&s, "%zu shots drawn %s with seed %lld%s", t->shots.count, t->shots.kind == DRAW_FIRST ? "in order" : t->shots.shuffled ? "as Stability" : "as lm-eval",
                     (long long)t->shots.seed, t->shots.labels ? ", stratified" : "");
    if (t->kind == TASK_CHOICE || t->encoding != ENCODE_JOINT)
        string_print(&s, "%s%s encoding", s.length ? "; " : "", encoding_name(t->encoding));
    if (t->n_measures && t->measures[0].summary == SUMMARY_BOOTSTRAP)
        string_print(&s, "%sbootstrap median", s.length ? "; " : "");
    return s.text ? s.text : memory_text("");
}

/* ---- a table */

static void print_task(const eval_run *r, const struct row *x)
{
    const task *t = x->t;
    char *how = manner(t);
    printf("%-24s %-10s %9zu  %6.1f%%  %5.1f .. %5.1f    %6.1f%%%s%s\n", t->name, r->split, x->n, 100 * x->score, 100 * x->low, 100 * x->high, 100 * x->raw,
           *how ? "   " : "", how);
    if (dictionary_of(t))
        printf("  words of MeCab with the dictionary %s\n", dictionary_of(t));
    for (size_t i = 0; t->n_measures > 1 && i < t->n_measures; i++) {
        char *name = measure_name(t, i);
        printf("  %-33s %9s  %6.1f%%\n", name, "", 100 * lmeval_value(t, i, x->results, x->n));
        free(name);
    }
    free(how);
}

/* ---- JSON */

static json_t *task_json(const eval_run *r, const struct row *x)
{
    const task *t = x->t;
    json_t *out = json_pack("{s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:s*}", "task", t->name, "split", r->split, "questions", (json_int_t)x->n, "score", x->score, "low", x->low, "high",
                            x->high, "raw", x->raw, "dictionary", dictionary_of(t));
    json_t *metrics = json_object();
    for (size_t i = 0; i < t->n_measures; i++) {
        char *name = measure_name(t, i);
        double error_of = lmeval_error(t, i, x->results, x->n);
        json_object_set_new(metrics, name, json_pack("{s:f, s:o, s:s}", "value", lmeval_value(t, i, x->results, x->n), "stderr", isfinite(error_of) ? json_real(error_of) : json_null(),
                                                     "aggregate", measure_summary_name(&t->measures[i])));
        free(name);
    }
    json_object_set_new(out, "metrics", metrics);
    char *how = manner(t);
    if (*how)
        json_object_set_new(out, "asked", json_string(how));
    free(how);
    return out;
}

static double average_of(const task_group *g, const struct row *rows)
{
    double *values = memory_new(g->n, sizeof *values);
    size_t *counts = memory_new(g->n, sizeof *counts);
    for (size_t i = 0; i < g->n; i++) {
        values[i] = rows[g->first + i].score;
        counts[i] = rows[g->first + i].n;
    }
    double average = group_average(g, values, counts);
    free(values);
    free(counts);
    return average;
}

void eval_print(const eval_run *r, bool json)
{
    static const char *const averages[] = {"none", "plain", "weighted"};
    struct row *rows = memory_new(r->n, sizeof *rows);
    json_t *tasks = json_array(), *groups = json_array();
    if (!json)
        printf("%-24s %-10s %9s  %7s  %-17s %7s\n", "task", "split", "questions", "score", "95 % interval", "raw");
    for (size_t s = 0, at = 0; s < r->n; at += r->sets[s++].count) {
        rows[s] = row_of(r, s, at);
        if (json)
            json_array_append_new(tasks, task_json(r, &rows[s]));
        else
            print_task(r, &rows[s]);
    }
    for (size_t i = 0; i < r->n_groups; i++) {
        const task_group *g = &r->groups[i];
        if (g->average == AVERAGE_NONE)
            continue;
        if (json)
            json_array_append_new(groups, json_pack("{s:s, s:f, s:s}", "group", g->name, "score", average_of(g, rows), "average", averages[g->average]));
        else
            printf("%-24s %-10s %9s  %6.1f%%  %s average of %zu tasks\n", g->name, "", "", 100 * average_of(g, rows), averages[g->average], g->n);
    }
    if (json) {
        json_t *object = json_pack("{s:s, s:f, s:O, s:f}", "model", r->model, "score", r->done.score, "tasks", tasks, "seconds", r->seconds);
        if (r->done.pictures.computed || r->done.pictures.found)
            json_object_set_new(object, "pictures", json_pack("{s:I, s:I}", "computed", (json_int_t)r->done.pictures.computed, "found", (json_int_t)r->done.pictures.found));
        if (json_array_size(groups))
            json_object_set(object, "groups", groups);
        json_dumpf(object, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(object);
    }
    json_decref(tasks);
    json_decref(groups);
    free(rows);
}
