#include "task/lmeval_results.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "task/literal.h"

/* ---- figures */

static double *column(const result *results, size_t n, size_t which, int **gold, int **picked)
{
    double *scores = memory_new(n, sizeof *scores);
    *gold = memory_new(n, sizeof **gold);
    *picked = memory_new(n, sizeof **picked);
    for (size_t i = 0; i < n; i++) {
        scores[i] = results[i].scores ? results[i].scores[which] : results[i].judged.score;
        (*gold)[i] = results[i].gold;
        (*picked)[i] = results[i].picked;
    }
    return scores;
}

static double figure(const task *t, size_t which, const result *results, size_t n, bool deviation)
{
    int *gold, *picked;
    double *scores = column(results, n, which, &gold, &picked);
    const measure *m = &t->measures[which];
    double value = deviation ? measure_error(m, scores, n) : measure_value(m, scores, gold, picked, n);
    free(scores);
    free(gold);
    free(picked);
    return value;
}

double lmeval_value(const task *t, size_t measure_index, const result *results, size_t n)
{
    return figure(t, measure_index, results, n, false);
}

double lmeval_error(const task *t, size_t measure_index, const result *results, size_t n)
{
    return figure(t, measure_index, results, n, true);
}

/* ---- samples */

/* As Python prints a float. */
static json_t *float_text(double x)
{
    char text[40];
    if (isinf(x) || isnan(x))
        return json_string(isnan(x) ? "nan" : x > 0 ? "inf" : "-inf");
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    double size = fabs(x);
    if (strchr(text, 'e') && size >= 1e-4 && size < 1e16)
        snprintf(text, sizeof text, "%.1f", x);
    if (!strpbrk(text, ".e"))
        strcat(text, ".0");
    return json_string(text);
}

static json_t *until_json(const task *t)
{
    json_t *until = json_array();
    for (int i = 0; i < t->n_stops; i++)
        json_array_append_new(until, json_string(t->stops[i]));
    return until;
}

/* generation_kwargs as the file has them, or what they come to. */
static json_t *generation_json(const task *t)
{
    json_t *own = json_deep_copy(json_object_get(t->config, "generation_kwargs"));
    if (!json_is_object(own)) {
        json_decref(own);
        own = t->config ? json_pack("{s:b}", "do_sample", 0) : json_pack("{s:i, s:b, s:f}", "max_gen_toks", t->max_new, "do_sample", t->temperature > 0, "temperature", (double)t->temperature);
    }
    if (!json_is_array(json_object_get(own, "until")))
        json_object_set_new(own, "until", until_json(t));
    return own;
}

static json_t *arguments_json(const task *t, const asking *a)
{
    json_t *out = json_object();
    size_t n = t->kind == TASK_CHOICE ? a->n : 1;
    for (size_t i = 0; i < n; i++) {
        char name[40];
        snprintf(name, sizeof name, "gen_args_%zu", i);
        json_t *second = t->kind == TASK_CHOICE ? json_string(a->continuations[i]) : generation_json(t);
        json_object_set_new(out, name, json_pack("{s:s, s:o}", "arg_0", a->context, "arg_1", second));
    }
    return out;
}

static json_t *preferences_json(const preference *p, bool nested)
{
    json_t *out = json_array();
    for (size_t i = 0; i < p->n; i++) {
        json_t *one = json_pack("[o, s]", float_text(p->loglik[i]), p->greedy[i] ? "True" : "False");
        json_array_append_new(out, nested ? json_pack("[o]", one) : one);
    }
    return out;
}

/* str() of the right answer. */
static char *target_text(const task *t, const result *r)
{
    if (t->wording.target) {
        char *text = phrase_text(t->wording.target, r->question->fields, r->question->file, NULL);
        if (text)
            return text;
    }
    return json_is_string(r->asked->gold) ? memory_text(json_string_value(r->asked->gold)) : literal_print(r->asked->gold);
}

static void set_hash(json_t *out, const char *key, const char *text)
{
    char hex[65];
    file_sha256(text, strlen(text), hex);
    json_object_set_new(out, key, json_string(hex));
}

static json_t *metric_json(const task *t, size_t which, const result *r, const char *target)
{
    const measure *m = &t->measures[which];
    if (m->summary == SUMMARY_MCC)
        return json_pack("[i, i]", r->gold, r->picked);
    if (m->summary == SUMMARY_BOOTSTRAP) {
        char *text = response_filter_apply(t->filters[m->filter], r->answer, NULL);
        json_t *pair = json_pack("[s, s]", target, text ? text : "");
        free(text);
        return pair;
    }
    return json_real(r->scores[which]);
}

json_t *lmeval_sample(const task *t, const result *r, size_t doc_id, size_t filter, error *err)
{
    json_t *resps, *filtered, *names = json_array();
    char *target = target_text(t, r);
    if (t->kind == TASK_CHOICE) {
        resps = preferences_json(&r->preference, true);
        filtered = preferences_json(&r->preference, false);
    } else {
        char *text = response_filter_apply(t->filters[filter], r->answer, err);
        resps = json_pack("[[s]]", r->answer);
        filtered = text ? json_pack("[s]", text) : json_array();
        free(text);
    }
    json_t *out = json_pack("{s:I, s:O, s:s, s:o, s:o, s:o, s:s, s:o}", "doc_id", (json_int_t)doc_id, "doc", r->question->fields, "target", target, "arguments",
                            arguments_json(t, r->asked), "resps", resps, "filtered_resps", filtered, "filter", response_filter_name(t->filters[filter]),
                            "metrics", names);
    if (out) {
        char *doc = json_print(json_incref(r->question->fields), 2);
        set_hash(out, "doc_hash", doc);
        set_hash(out, "prompt_hash", r->asked->context);
        set_hash(out, "target_hash", target);
        free(doc);
        for (size_t i = 0; i < t->n_measures; i++)
            if (t->measures[i].filter == filter) {
                json_array_append_new(names, json_string(t->measures[i].name));
                json_object_set_new(out, t->measures[i].name, metric_json(t, i, r, target));
            }
    } else {
        fail(err, ERROR_FORMAT, "%s line %zu: text that is not UTF-8", r->question->file, r->question->line);
    }
    free(target);
    return out;
}

/* ---- results */

static void set_figure(json_t *out, const char *name, const char *of_error, const char *filter, double value)
{
    char key[300];
    snprintf(key, sizeof key, "%.100s%s,%.100s", name, of_error, filter);
    json_object_set_new(out, key, isfinite(value) ? json_real(value) : json_string("N/A"));
}

json_t *lmeval_task_results(const task *t, const result *results, size_t n)
{
    json_t *out = json_pack("{s:s, s:s, s:I}", "name", t->name, "alias", t->name, "sample_len", (json_int_t)n);
    for (size_t i = 0; i < t->n_measures; i++) {
        const char *filter = response_filter_name(t->filters[t->measures[i].filter]);
        set_figure(out, t->measures[i].name, "", filter, lmeval_value(t, i, results, n));
        set_figure(out, t->measures[i].name, "_stderr", filter, lmeval_error(t, i, results, n));
    }
    return out;
}

static json_t *own_config(const task *t)
{
    static const char *const kinds[] = {"generate_until", "multiple_choice"};
    json_t *out = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "task", t->name, "file", t->file, "output_type", kinds[t->kind], "num_fewshot", (json_int_t)t->shots.count, "encoding",
                            encoding_name(t->encoding), "doc_to_text", t->wording.prompt ? phrase_source(t->wording.prompt) : "");
    return out ? out : json_object();
}

static json_t *version_of(const task *t)
{
    json_t *version = json_object_get(json_object_get(t->config, "metadata"), "version");
    return version ? json_incref(version) : json_string("Yaml");
}

static json_t *directions(const task *t)
{
    json_t *out = json_object();
    for (size_t i = 0; i < t->n_measures; i++)
        json_object_set_new(out, t->measures[i].name, json_boolean(!t->measures[i].lower_is_better));
    return out;
}

static void add_group(json_t *all, const task_group *g, const question_set *sets)
{
    json_t *members = json_array(), *better = json_object();
    for (size_t i = 0; i < g->n; i++) {
        const task *t = sets[g->first + i].task;
        json_array_append_new(members, json_string(t->name));
        json_object_update(better, json_object_get(json_object_get(all, "higher_is_better"), t->name));
    }
    json_object_set_new(json_object_get(all, "group_subtasks"), g->name, members);
    json_object_set_new(json_object_get(all, "higher_is_better"), g->name, better);
    json_object_set_new(json_object_get(all, "results"), g->name, json_pack("{s:s, s:s}", "name", g->name, "alias", g->name));
    if (g->version)
        json_object_set_new(json_object_get(all, "versions"), g->name, json_string(g->version));
}

json_t *lmeval_results(const question_set *sets, size_t n_sets, const result *results, const task_group *groups, size_t n_groups, const char *model,
                       uint64_t seed)
{
    static const char *const sections[] = {"results", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better", "n-samples"};
    json_t *all = json_object();
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        json_object_set_new(all, sections[i], json_object());
    for (size_t s = 0, base = 0; s < n_sets; base += sets[s++].count) {
        const task *t = sets[s].task;
        const task_split *split;
        size_t at, whole = task_place(t, sets[s].questions[0], &split, &at) == 0 ? split->count : sets[s].count;
        json_object_set_new(json_object_get(all, "results"), t->name, lmeval_task_results(t, results + base, sets[s].count));
        json_object_set_new(json_object_get(all, "configs"), t->name, t->config ? json_incref(t->config) : own_config(t));
        json_object_set_new(json_object_get(all, "versions"), t->name, version_of(t));
        json_object_set_new(json_object_get(all, "n-shot"), t->name, json_integer((json_int_t)t->shots.count));
        json_object_set_new(json_object_get(all, "higher_is_better"), t->name, directions(t));
        json_object_set_new(json_object_get(all, "n-samples"), t->name, json_pack("{s:I, s:I}", "original", (json_int_t)whole, "effective", (json_int_t)sets[s].count));
    }
    for (size_t i = 0; i < n_groups; i++)
        add_group(all, &groups[i], sets);
    json_object_set_new(all, "config",
                        json_pack("{s:s, s:s, s:n, s:[], s:n, s:n, s:n, s:i, s:n, s:I, s:i, s:i, s:i}", "model", "merganser", "model_args", model, "batch_size", "batch_sizes", "device",
                                  "use_cache", "limit", "bootstrap_iters", 0, "gen_kwargs", "random_seed", (json_int_t)seed, "numpy_seed", 1234, "torch_seed", 1234,
                                  "fewshot_seed", 1234));
    return all;
}
