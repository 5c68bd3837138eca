#include "task/task_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STOPS 100
#define MAX_MEASURES 50
#define MAX_BEAMS 256
#define MAX_SECONDS 2592000.0   /* 30 days */

int task_want_real(const yaml_value *root, const char *key, double low, double high, bool open, double *out, error *err)
{
    const yaml_value *v = yaml_get(root, key);
    if (yaml_real(v, out, err) != 0)
        return -1;
    if (v && v->kind != YAML_NULL && (*out < low || *out > high || (open && *out == low)))
        return yaml_fail(err, v, "%s is %s, outside %c%g, %g]", key, v->text, open ? '(' : '[', low, high);
    return 0;
}

int task_want_text(const yaml_value *root, const char *key, const char **out, error *err)
{
    const yaml_value *v = yaml_get(root, key);
    *out = NULL;
    if (yaml_text(v, out, err) != 0)
        return -1;
    if (*out && **out)
        return 0;
    return v ? yaml_fail(err, v, "'%s' is empty", key) : fail(err, ERROR_FORMAT, "%s: '%s' is missing", root->file, key);
}

/* ---- stops */

static int add_stop(task *t, const yaml_value *v, error *err)
{
    const char *text = NULL;
    if (yaml_text(v, &text, err) != 0)
        return -1;
    if (!text || !*text)
        return yaml_fail(err, v, "a stop string is empty");
    if (t->n_stops == MAX_STOPS)
        return yaml_fail(err, v, "more than the limit of %d stop strings", MAX_STOPS);
    t->stops = memory_grow(t->stops, (size_t)t->n_stops + 1, sizeof *t->stops);
    t->stops[t->n_stops++] = memory_text(text);
    return 0;
}

int task_read_stops(task *t, const yaml_value *v, const char *what, error *err)
{
    if (!v || v->kind == YAML_NULL)
        return 0;
    if (v->kind == YAML_TEXT)
        return add_stop(t, v, err);
    if (v->kind != YAML_LIST)
        return yaml_fail(err, v, "%s should be a text or a list of them", what);
    for (size_t i = 0; i < v->count; i++)
        if (add_stop(t, v->items[i], err) != 0)
            return -1;
    return 0;
}

/* ---- wording */

static bool given(const yaml_value *v)
{
    return v && v->kind != YAML_NULL;
}

static const yaml_value *key_of(const yaml_value *root, const yaml_value *own, const char *key)
{
    const yaml_value *v = yaml_get(own, key);
    return given(v) ? v : yaml_get(root, key);
}

/* An optional phrase. */
static int read_phrase(const yaml_value *v, const char *key, phrase **out, error *err)
{
    if (!given(v))
        return 0;
    *out = phrase_read(v, key, err);
    return *out ? 0 : -1;
}

static int read_delimiter(const yaml_value *v, const char *standard, char **out, error *err)
{
    const char *text = standard;
    if (yaml_text(v, &text, err) != 0)
        return -1;
    *out = memory_text(text);
    return 0;
}

static int read_choices(wording *w, const yaml_value *v, error *err)
{
    if (!given(v))
        return 0;
    if (v->kind == YAML_MAP) {
        w->choice_list = phrase_read(v, "choices", err);
        return w->choice_list ? 0 : -1;
    }
    if (v->kind != YAML_LIST || v->count < 2 || v->count > MAX_CHOICES)
        return yaml_fail(err, v, "choices should be a list of 2 to %d texts, {field: NAME} or {jinja: TEXT}", MAX_CHOICES);
    w->choices = memory_new(v->count, sizeof *w->choices);
    for (size_t i = 0; i < v->count; i++) {
        w->choices[i] = phrase_read(v->items[i], "choices", err);
        if (!w->choices[i])
            return -1;
        w->n_choices++;
    }
    return 0;
}

/* `answer` in plain words is a field's name. */
static int read_gold(wording *w, const yaml_value *v, error *err)
{
    const char *field = "answer";
    if (given(v) && v->kind == YAML_MAP)
        return read_phrase(v, "answer", &w->gold, err);
    if (yaml_text(v, &field, err) != 0)
        return -1;
    w->gold = phrase_field(field);
    return 0;
}

/* Only beside choices may a prompt be empty: XWinograd's sentences stand alone. */
static int read_prompt(wording *w, const yaml_value *root, const yaml_value *v, bool may_be_empty, error *err)
{
    const char *text;
    if ((!v || v->kind != YAML_MAP) && !(given(v) && may_be_empty) && task_want_text(root, "prompt", &text, err) != 0)
        return -1;
    return read_phrase(v, "prompt", &w->prompt, err);
}

int task_read_wording(wording *w, const yaml_value *root, const yaml_value *own, error *err)
{
    const yaml_value *choices = yaml_get(root, "choices");
    if (read_prompt(w, root, key_of(root, own, "prompt"), given(choices), err) != 0 || read_gold(w, yaml_get(root, "answer"), err) != 0 ||
        read_phrase(key_of(root, own, "target"), "target", &w->target, err) != 0 ||
        read_delimiter(key_of(root, own, "target_delimiter"), "", &w->target_delimiter, err) != 0 ||
        read_delimiter(yaml_get(own, "delimiter"), "\n\n", &w->delimiter, err) != 0)
        return -1;
    return read_choices(w, choices, err);
}

static int read_encoding(task *t, const yaml_value *v, error *err)
{
    const char *name = "joint";
    if (yaml_text(v, &name, err) != 0)
        return -1;
    int found = encoding_find(name);
    if (found < 0)
        return yaml_fail(err, v, "encoding is joint or separate, not '%.60s'", name);
    t->encoding = (enum encoding)found;
    return 0;
}

static int read_truncation(task *t, const yaml_value *v, error *err)
{
    const char *how = NULL;
    if (yaml_text(v, &how, err) != 0)
        return -1;
    t->truncation = !how ? TRUNCATE_NEVER : strcmp(how, "left") == 0 ? TRUNCATE_LEFT : TRUNCATE_LEFT_WITH_BOS;
    if (t->truncation == TRUNCATE_LEFT_WITH_BOS && strcmp(how, "left_with_bos") != 0)
        return yaml_fail(err, v, "truncate can only be 'left' (BOS stays) or 'left_with_bos' (it goes too), not '%.60s'", how);
    return 0;
}

static int read_shortening(task *t, const yaml_value *v, error *err)
{
    static const char *const keys[] = {"from", "to", "at", "end", NULL};
    const char *from, *to, *at = "。", *end = "\n";
    if (!given(v))
        return 0;
    if (v->kind != YAML_MAP)
        return yaml_fail(err, v, "shorten should be {from: TEXT, to: TEXT}: what stands between them is cut at full stops");
    if (yaml_known_keys(v, keys, err) != 0 || task_want_text(v, "from", &from, err) != 0 || task_want_text(v, "to", &to, err) != 0 ||
        yaml_text(yaml_get(v, "at"), &at, err) != 0 || yaml_text(yaml_get(v, "end"), &end, err) != 0)
        return -1;
    if (!*at)
        return yaml_fail(err, v, "'at' is empty");
    t->shortening = (shortening){memory_text(from), memory_text(to), memory_text(at), memory_text(end)};
    return 0;
}

/* ---- measures */

static int add_choice_measure(task *t, const yaml_value *v, error *err)
{
    const char *name = NULL;
    if (yaml_text(v, &name, err) != 0)
        return -1;
    if (name && measure_of_choices(name, &t->measures[t->n_measures])) {
        t->n_measures++;
        return 0;
    }
    const char *near = name ? text_nearest(name, measure_choice_names) : NULL;
    return yaml_fail(err, v, "unknown metric of choices '%.60s'%s%s%s; known: acc, acc_norm, acc_bytes, acc_pair, balanced_acc, mcc, macro_f1",
                     name ? name : "", near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int add_text_measure(task *t, const yaml_value *v, enum summary summary, error *err)
{
    scorer *s = scorer_read(v, err);
    if (!s)
        return -1;
    t->measures[t->n_measures++] = (measure){.name = memory_text(s->metric->name), .summary = summary, .scorer = s};
    return 0;
}

static int read_aggregate(const yaml_value *v, enum summary *out, error *err)
{
    const char *name = "mean";
    if (yaml_text(v, &name, err) != 0)
        return -1;
    *out = strcmp(name, "bootstrap") == 0 ? SUMMARY_BOOTSTRAP : SUMMARY_MEAN;
    return *out == SUMMARY_BOOTSTRAP || strcmp(name, "mean") == 0
               ? 0
               : yaml_fail(err, v, "aggregate is mean or bootstrap (the median of resampled means), not '%.60s'", name);
}

static int read_measures(task *t, const yaml_value *root, error *err)
{
    const yaml_value *v = yaml_get(root, "metric"), *aggregate = yaml_get(root, "aggregate");
    enum summary summary;
    if (!v)
        return fail(err, ERROR_FORMAT, "%s: 'metric' is missing", root->file);
    size_t n = v->kind == YAML_LIST ? v->count : 1;
    if (n == 0 || n > MAX_MEASURES)
        return yaml_fail(err, v, "metric should be one of them or a list of at most %d", MAX_MEASURES);
    if (read_aggregate(aggregate, &summary, err) != 0)
        return -1;
    if (given(aggregate) && t->kind == TASK_CHOICE)
        return yaml_fail(err, aggregate, "'aggregate' does not go with choices, whose metrics say it themselves");
    t->measures = memory_new(n, sizeof *t->measures);
    for (size_t i = 0; i < n; i++) {
        const yaml_value *one = v->kind == YAML_LIST ? v->items[i] : v;
        if ((t->kind == TASK_CHOICE ? add_choice_measure(t, one, err) : add_text_measure(t, one, summary, err)) != 0)
            return -1;
    }
    return 0;
}

/* ---- generation */

static int read_max_new(task *t, const yaml_value *v, error *err)
{
    static const char *const keys[] = {"beyond_answer", NULL};
    int64_t most = 0;
    if (!given(v))
        return fail(err, ERROR_FORMAT, "%s: 'max_new_tokens' is missing (how long an answer may become)", t->file);
    if (v->kind == YAML_MAP) {
        if (yaml_known_keys(v, keys, err) != 0 || yaml_int(yaml_get(v, "beyond_answer"), 0, MAX_NEW_TOKENS, &most, err) != 0)
            return -1;
        t->max_new_beyond_gold = true;
    } else if (yaml_int(v, 1, MAX_NEW_TOKENS, &most, err) != 0) {
        return -1;
    }
    t->max_new = (int)most;
    return 0;
}

static int read_generation(task *t, const yaml_value *root, error *err)
{
    double temperature = 0, top_p = 1, penalty = 1;
    int64_t min_new = 0, beams = 0;
    const yaml_value *width = yaml_get(root, "beams");
    if (read_max_new(t, yaml_get(root, "max_new_tokens"), err) != 0 ||
        task_want_real(root, "temperature", 0, 100, false, &temperature, err) != 0 ||
        task_want_real(root, "top_p", 0, 1, true, &top_p, err) != 0 ||
        task_want_real(root, "repetition_penalty", 0, 100, true, &penalty, err) != 0 ||
        read_shortening(t, yaml_get(root, "shorten"), err) != 0 || yaml_int(yaml_get(root, "min_new_tokens"), 0, t->max_new, &min_new, err) != 0 ||
        yaml_int(width, 1, MAX_BEAMS, &beams, err) != 0)
        return -1;
    if (beams > 1 && temperature > 0)
        return yaml_fail(err, width, "beam search does not sample: leave out beams or temperature");
    t->min_new = (int)min_new;
    t->beams = (int)beams;
    t->temperature = (float)temperature;
    t->top_p = (float)top_p;
    t->repetition_penalty = (float)penalty;
    return task_read_stops(t, yaml_get(root, "stop"), "stop", err);
}

/* What a prompt is made of beside its text. */
static int read_parts(task *t, const yaml_value *root, error *err)
{
    const char *field = NULL;
    bool tiles = true, special = true;
    const yaml_value *v = yaml_get(root, "tiles");
    if (yaml_text(yaml_get(root, "image"), &field, err) != 0 || yaml_bool(v, &tiles, err) != 0 ||
        yaml_bool(yaml_get(root, "special_tokens"), &special, err) != 0)
        return -1;
    if (v && !field)
        return yaml_fail(err, v, "tiles says something of pictures, but 'image' names no field that holds one");
    if (field && (given(yaml_get(root, "shots")) || t->encoding == ENCODE_SEPARATE))
        return yaml_fail(err, yaml_get(root, "image"), "pictures go with neither shots nor a separate encoding");
    t->image_field = memory_text(field);
    t->one_view = !tiles;
    t->no_special = !special;
    return message_read(&t->message, root, err);
}

static int refuse_keys(const yaml_value *root, const char *const *keys, const char *why, error *err)
{
    for (; *keys; keys++)
        if (yaml_get(root, *keys))
            return yaml_fail(err, yaml_get(root, *keys), "'%s' does not go with %s", *keys, why);
    return 0;
}

static int read_command(task *t, const yaml_value *root, const yaml_value *v, error *err)
{
    static const char *const keys[] = {"run", "seconds", NULL};
    static const char *const engine_keys[] = {"prompt", "answer", "description", "target", "target_delimiter", "choices", "shots", "encoding", "shorten",
                                              "max_new_tokens", "stop", "truncate", "temperature", "top_p", "repetition_penalty", "metric", "aggregate", "beams", "min_new_tokens", "image", "tiles", "special_tokens", "chat", "system", NULL};
    const char *run = NULL;
    if (v->kind != YAML_MAP)
        return yaml_fail(err, v, "command should be {run: \"... {model}\", seconds: 600}");
    t->command_seconds = 600;
    if (refuse_keys(root, engine_keys, "a command, which asks and judges by itself", err) != 0 || yaml_known_keys(v, keys, err) != 0 ||
        task_want_text(v, "run", &run, err) != 0 || task_want_real(v, "seconds", 0, MAX_SECONDS, true, &t->command_seconds, err) != 0)
        return -1;
    if (!strstr(run, "{model}"))
        return yaml_fail(err, yaml_get(v, "run"), "the command should hold {model}, the place of the candidate's folder");
    t->command = memory_text(run);
    return 0;
}

int task_read_settings(task *t, const yaml_value *root, error *err)
{
    static const char *const generation_keys[] = {"max_new_tokens", "stop", "temperature", "top_p", "repetition_penalty", "shorten", "beams", "min_new_tokens", "image", "tiles", "special_tokens", "chat", "system", NULL};
    const yaml_value *command = yaml_get(root, "command");
    if (given(command))
        return read_command(t, root, command, err);
    if (task_read_wording(&t->wording, root, NULL, err) != 0 || read_phrase(yaml_get(root, "description"), "description", &t->description, err) != 0)
        return -1;
    t->kind = wording_has_choices(&t->wording) ? TASK_CHOICE : TASK_GENERATE;
    if (read_encoding(t, yaml_get(root, "encoding"), err) != 0 ||
        read_truncation(t, yaml_get(root, "truncate"), err) != 0 || read_measures(t, root, err) != 0)
        return -1;
    t->filters = memory_new(1, sizeof(response_filter *));
    t->filters[t->n_filters++] = response_filter_none();
    return t->kind == TASK_CHOICE ? refuse_keys(root, generation_keys, "choices, of which the likeliest is the answer", err)
           : read_generation(t, root, err) == 0 ? read_parts(t, root, err)
                                                : -1;
}
