#include "task/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "task/picture.h"
#include "task/space.h"
#include "task/splits.h"

#define MAX_NEW_TOKENS 1000000
#define MAX_STOPS 100
#define MAX_BEAMS 256
#define MAX_SECONDS 2592000.0   /* 30 days */

static char *default_name(const char *path)
{
    const char *name = file_name(path), *dot = strrchr(name, '.');
    return memory_text_n(name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
}

/* A number in [low, high], or in (low, high] with `open`. */
static int want_real(const yaml_value *root, const char *key, double low, double high, bool open, double *out, error *err)
{
    const yaml_value *v = yaml_get(root, key);
    if (yaml_real(v, out, err) != 0)
        return -1;
    if (v && v->kind != YAML_NULL && (*out < low || *out > high || (open && *out == low)))
        return yaml_fail(err, v, "%s is %s, outside %c%g, %g]", key, v->text, open ? '(' : '[', low, high);
    return 0;
}

static int want_text(const yaml_value *root, const char *key, const char **out, error *err)
{
    const yaml_value *v = yaml_get(root, key);
    *out = NULL;
    if (yaml_text(v, out, err) != 0)
        return -1;
    if (*out && **out)
        return 0;
    return v ? yaml_fail(err, v, "'%s' is empty", key) : fail(err, ERROR_FORMAT, "%s: '%s' is missing", root->file, key);
}

static int read_prompt(task *t, const yaml_value *root, error *err)
{
    const char *text;
    if (want_text(root, "prompt", &text, err) != 0)
        return -1;
    char name[600];
    snprintf(name, sizeof name, "%.500s:%d: prompt", root->file, yaml_get(root, "prompt")->line);
    t->prompt = template_parse(text, name, err);
    return t->prompt ? 0 : -1;
}

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

static int read_stops(task *t, const yaml_value *v, error *err)
{
    if (!v || v->kind == YAML_NULL)
        return 0;
    if (v->kind == YAML_TEXT)
        return add_stop(t, v, err);
    if (v->kind != YAML_LIST)
        return yaml_fail(err, v, "stop should be a text or a list of them");
    for (size_t i = 0; i < v->count; i++)
        if (add_stop(t, v->items[i], err) != 0)
            return -1;
    return 0;
}

static int read_metric(task *t, const yaml_value *root, error *err)
{
    const yaml_value *v = yaml_get(root, "metric");
    if (!v)
        return fail(err, ERROR_FORMAT, "%s: 'metric' is missing", root->file);
    t->scorer = scorer_read(v, err);
    return t->scorer ? 0 : -1;
}

static int read_generation(task *t, const yaml_value *root, error *err)
{
    int64_t max_new = 0;
    double temperature = 0, top_p = 1, penalty = 1;
    const char *truncate = NULL;
    int64_t min_new = 0, beams = 0;
    const yaml_value *v = yaml_get(root, "max_new_tokens"), *where = yaml_get(root, "truncate"), *width = yaml_get(root, "beams");
    if (!v || v->kind == YAML_NULL)
        return fail(err, ERROR_FORMAT, "%s: 'max_new_tokens' is missing (how long an answer may become)", root->file);
    if (yaml_int(v, 1, MAX_NEW_TOKENS, &max_new, err) != 0 ||
        want_real(root, "temperature", 0, 100, false, &temperature, err) != 0 ||
        want_real(root, "top_p", 0, 1, true, &top_p, err) != 0 ||
        want_real(root, "repetition_penalty", 0, 100, true, &penalty, err) != 0 ||
        yaml_text(where, &truncate, err) != 0 || yaml_int(yaml_get(root, "min_new_tokens"), 0, max_new, &min_new, err) != 0 ||
        yaml_int(width, 1, MAX_BEAMS, &beams, err) != 0)
        return -1;
    if (beams > 1 && temperature > 0)
        return yaml_fail(err, width, "beam search does not sample: leave out beams or temperature");
    if (truncate && strcmp(truncate, "left") != 0)
        return yaml_fail(err, where, "truncate can only be 'left', not '%.60s'", truncate);
    t->max_new = (int)max_new;
    t->min_new = (int)min_new;
    t->beams = (int)beams;
    t->temperature = (float)temperature;
    t->top_p = (float)top_p;
    t->repetition_penalty = (float)penalty;
    t->truncate_left = truncate != NULL;
    return read_stops(t, yaml_get(root, "stop"), err);
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
    t->image_field = memory_text(field);
    t->one_view = !tiles;
    t->no_special = !special;
    return 0;
}

static int read_command(task *t, const yaml_value *root, const yaml_value *v, error *err)
{
    static const char *const keys[] = {"run", "seconds", NULL};
    static const char *const engine_keys[] = {"prompt", "answer", "max_new_tokens", "stop", "truncate", "temperature", "top_p",
                                              "repetition_penalty", "metric", "beams", "min_new_tokens", "image", "tiles", "special_tokens", NULL};
    const char *run = NULL;
    if (v->kind != YAML_MAP)
        return yaml_fail(err, v, "command should be {run: \"... {model}\", seconds: 600}");
    for (size_t i = 0; engine_keys[i]; i++)
        if (yaml_get(root, engine_keys[i]))
            return yaml_fail(err, yaml_get(root, engine_keys[i]),
                             "'%s' does not go with a command, which asks and judges by itself", engine_keys[i]);
    t->command_seconds = 600;
    if (yaml_known_keys(v, keys, err) != 0 || want_text(v, "run", &run, err) != 0 ||
        want_real(v, "seconds", 0, MAX_SECONDS, true, &t->command_seconds, err) != 0)
        return -1;
    if (!strstr(run, "{model}"))
        return yaml_fail(err, yaml_get(v, "run"), "the command should hold {model}, the place of the candidate's folder");
    t->command = memory_text(run);
    return 0;
}

static int read_keys(task *t, const yaml_value *root, uint64_t seed, error *err)
{
    static const char *const keys[] = {"name", "data", "splits", "id", "prompt", "answer", "max_new_tokens", "stop", "truncate",
                                       "temperature", "top_p", "repetition_penalty", "metric", "command", "beams", "min_new_tokens", "image", "tiles", "special_tokens", NULL};
    const char *name = NULL, *answer = "answer";
    const yaml_value *command = yaml_get(root, "command");
    if (root->kind != YAML_MAP)
        return fail(err, ERROR_FORMAT, "%s: a task file is a map of keys such as data, prompt and metric", t->file);
    if (yaml_known_keys(root, keys, err) != 0 || yaml_text(yaml_get(root, "name"), &name, err) != 0 ||
        yaml_text(yaml_get(root, "answer"), &answer, err) != 0)
        return -1;
    if (yaml_get(root, "name") && (!name || !*name))
        return yaml_fail(err, yaml_get(root, "name"), "'name' is empty");
    t->name = name ? memory_text(name) : default_name(t->file);
    t->answer_field = memory_text(answer);
    if (command && command->kind != YAML_NULL) {
        if (read_command(t, root, command, err) != 0)
            return -1;
    } else if (read_prompt(t, root, err) != 0 || read_metric(t, root, err) != 0 || read_generation(t, root, err) != 0 ||
               read_parts(t, root, err) != 0) {
        return -1;
    }
    return splits_read(t, root, seed, err);
}

task *task_parse(const char *text, size_t n, const char *path, uint64_t seed, error *err)
{
    yaml_value *root = yaml_parse(text, n, path, err);
    if (!root)
        return NULL;
    task *t = memory_new(1, sizeof *t);
    t->file = memory_text(path);
    t->text = memory_text_n(text, n);
    int status = read_keys(t, root, seed, err);
    yaml_free(root);
    if (status == 0)
        return t;
    task_free(t);
    return NULL;
}

task *task_read(const char *path, uint64_t seed, error *err)
{
    size_t n;
    char *text = file_read(path, (size_t)4 << 20, &n, err);
    if (!text)
        return NULL;
    task *t = task_parse(text, n, path, seed, err);
    free(text);
    return t;
}

void task_free(task *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_splits; i++) {
        free(t->splits[i].name);
        free(t->splits[i].questions);
    }
    for (size_t i = 0; i < t->n_datasets; i++)
        dataset_free(t->datasets[i]);
    for (int i = 0; i < t->n_stops; i++)
        free(t->stops[i]);
    template_free(t->prompt);
    free(t->splits);
    free(t->datasets);
    free(t->stops);
    free(t->name);
    free(t->file);
    free(t->text);
    free(t->answer_field);
    free(t->image_field);
    scorer_free(t->scorer);
    free(t->command);
    free(t);
}

const task_split *task_split_find(const task *t, const char *name, error *err)
{
    const char **names = memory_new(t->n_splits + 1, sizeof *names);
    string known = {0};
    const task_split *found = NULL;
    for (size_t i = 0; i < t->n_splits; i++) {
        names[i] = t->splits[i].name;
        string_print(&known, "%s%s", i ? ", " : "", names[i]);
        if (strcmp(names[i], name) == 0)
            found = &t->splits[i];
    }
    if (!found) {
        const char *near = text_nearest(name, names);
        fail(err, ERROR_USAGE, "%s: has no split '%.80s'%s%s%s; it has: %s", t->file, name, near ? ", did you mean '" : "",
             near ? near : "", near ? "'?" : "", known.text ? known.text : "none");
    }
    free(known.text);
    free(names);
    return found;
}

const char *task_question_text(const task *t, const question *q)
{
    static const char *const usual[] = {"question", "input", "problem", "text"};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (json_is_string(json_object_get(q->fields, usual[i])))
            return json_string_value(json_object_get(q->fields, usual[i]));
    const char *key;
    json_t *value;
    json_object_foreach(q->fields, key, value)
        if (json_is_string(value) && strcmp(key, "id") != 0 && strcmp(key, t->answer_field) != 0)
            return json_string_value(value);
    return "";
}

char *task_picture(const task *t, const question *q)
{
    char *folder = file_folder(q->file), *path = file_join(folder, json_string_value(json_object_get(q->fields, t->image_field)));
    free(folder);
    return path;
}

int task_prompt(const task *t, const question *q, const tokenizer *tok, token_list *out, error *err)
{
    char name[512];
    snprintf(name, sizeof name, "%.450s line %zu", q->file, q->line);
    char *text = template_fill(t->prompt, q->fields, name, err);
    if (!text)
        return -1;
    int status = t->image_field ? picture_encode(tok, text, !t->no_special, 1, out, err) : tokenizer_encode(tok, text, strlen(text), !t->no_special, out, err);
    free(text);
    return status == 0 || !t->image_field ? status : fail_in(err, "%s", name);
}

int task_judge(const task *t, const question *q, const char *answer, const language_model *lid, judgement *out, error *err)
{
    const json_t *gold = json_object_get(q->fields, t->answer_field);
    if (!gold)
        return fail(err, ERROR_FORMAT, "%s line %zu: no field '%s'", q->file, q->line, t->answer_field);
    return scorer_judge(t->scorer, answer, gold, lid, out, err) == 0 ? 0 : fail_in(err, "%s line %zu", q->file, q->line);
}
