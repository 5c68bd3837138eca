#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "cmd/eval_parts.h"
#include "task/lmeval_results.h"

static const char *finish_name(enum finish f)
{
    static const char *const names[] = {"none", "stop_token", "stop_string", "length", "not_finite", "interrupted"};
    return names[f];
}

static json_t *answer_json(const task *t, const result *r)
{
    json_t *tokens = json_array();
    for (int i = 0; i < r->n_tokens; i++)
        json_array_append_new(tokens, json_integer(r->tokens[i]));
    json_t *out = json_pack("{s:s, s:s, s:s, s:o, s:f, s:f, s:b, s:s, s:o}", "task", t->name, "id", r->question->id, "answer", r->answer ? r->answer : "", "tokens", tokens, "score",
                            r->judged.score, "raw", r->judged.raw, "language_ok", r->judged.language_ok, "finish", finish_name(r->finish), "min_margin", isfinite(r->min_margin) ? json_real((double)r->min_margin) : json_null());   /* none of beams */
    if (!out || r->preference.n == 0)
        return out;
    json_t *logliks = json_array();
    for (size_t i = 0; i < r->preference.n; i++)
        json_array_append_new(logliks, json_real(r->preference.loglik[i]));
    json_object_set_new(out, "loglikelihoods", logliks);
    json_object_set_new(out, "picked", json_integer(r->picked));
    json_object_set_new(out, "gold", json_integer(r->gold));
    return out;
}

static void add_line(string *text, json_t *line)
{
    char *dumped = line ? json_dumps(line, JSON_COMPACT) : NULL;
    if (dumped)
        string_print(text, "%s\n", dumped);
    free(dumped);
    json_decref(line);
}

static int write_text(const char *path, string *text, error *err)
{
    int status = file_write(path, text->text ? text->text : "", text->length, err);
    free(text->text);
    return status;
}

int eval_write_answers(const eval_run *r, const char *path, error *err)
{
    string text = {0};
    for (size_t s = 0, at = 0; s < r->n; s++)
        for (size_t i = 0; i < r->sets[s].count && at < r->done.count; i++, at++)
            add_line(&text, answer_json(r->sets[s].task, &r->done.results[at]));
    return write_text(path, &text, err);
}

/* ---- lm-eval's files */

/* "2026-11-28T10-30-00.123456", as in the names of lm-eval's files. */
static void date_id(char out[40])
{
    struct timeval now;
    struct tm parts;
    gettimeofday(&now, NULL);
    gmtime_r(&now.tv_sec, &parts);
    size_t n = strftime(out, 30, "%Y-%m-%dT%H-%M-%S", &parts);
    snprintf(out + n, 40 - n, ".%06ld", (long)now.tv_usec);
}

static int write_samples(const eval_run *r, size_t s, const result *results, const char *folder, const char *date, error *err)
{
    const task *t = r->sets[s].task;
    const task_split *split;
    string text = {0};
    char *name = memory_print("samples_%s_%s.jsonl", t->name, date), *path = file_join(folder, name);
    int status = 0;
    for (size_t f = 0; f < t->n_filters && status == 0; f++)
        for (size_t i = 0; i < r->sets[s].count && status == 0; i++) {
            size_t doc = i;
            task_place(t, results[i].question, &split, &doc);
            json_t *line = lmeval_sample(t, &results[i], doc, f, err);
            status = line ? 0 : -1;
            add_line(&text, line);
        }
    if (status == 0)
        status = write_text(path, &text, err);
    else
        free(text.text);
    free(path);
    free(name);
    return status;
}

int eval_write_results(const eval_run *r, const char *folder, uint64_t seed, error *err)
{
    char date[40];
    date_id(date);
    if (file_make_folders(folder, err) != 0)
        return -1;
    for (size_t s = 0, base = 0; s < r->n; base += r->sets[s++].count)
        if (!r->sets[s].task->command && write_samples(r, s, r->done.results + base, folder, date, err) != 0)
            return -1;
    json_t *all = lmeval_results(r->sets, r->n, r->done.results, r->groups, r->n_groups, r->model, seed);
    json_object_set_new(all, "date", json_real((double)time(NULL)));
    json_object_set_new(all, "model_source", json_string("merganser"));
    json_object_set_new(all, "model_name", json_string(r->model));
    json_object_set_new(all, "merganser_version", json_string(MERGANSER_VERSION));
    json_object_set_new(all, "total_evaluation_time_seconds", json_sprintf("%.6f", r->seconds));
    char *dumped = json_dumps(all, JSON_INDENT(2)), *name = memory_print("results_%s.json", date), *path = file_join(folder, name);
    string text = {0};
    string_print(&text, "%s\n", dumped ? dumped : "{}");
    int status = write_text(path, &text, err);
    free(dumped);
    free(name);
    free(path);
    json_decref(all);
    return status;
}
