#include "task/task.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "task/include.h"
#include "task/lmeval.h"
#include "task/splits.h"
#include "task/task_keys.h"

static char *default_name(const char *path)
{
    const char *name = file_name(path), *dot = strrchr(name, '.');
    return memory_text_n(name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
}

static int read_keys(task *t, const yaml_value *root, uint64_t seed, error *err)
{
    static const char *const keys[] = {"include", "name", "data", "splits", "id", "description", "prompt", "answer", "target", "target_delimiter", "choices", "shots",
                                       "encoding", "shorten", "max_new_tokens", "stop", "truncate", "temperature", "top_p", "repetition_penalty", "metric",
                                       "aggregate", "command", "beams", "min_new_tokens", "image", "tiles", "special_tokens", "chat", "system", NULL};
    const char *name = NULL;
    if (yaml_get(root, "group"))
        return yaml_fail(err, yaml_get(root, "group"), "this is a group of tasks, which `eval` takes; name the tasks one by one here");
    if (lmeval_is_task(root))
        return lmeval_read(t, root, seed, err);
    if (yaml_known_keys(root, keys, err) != 0 || yaml_text(yaml_get(root, "name"), &name, err) != 0)
        return -1;
    if (yaml_get(root, "name") && (!name || !*name))
        return yaml_fail(err, yaml_get(root, "name"), "'name' is empty");
    t->name = name ? memory_text(name) : default_name(t->file);
    if (task_read_settings(t, root, err) != 0 || splits_read(t, root, seed, err) != 0)
        return -1;
    return task_read_shots(t, root, err);
}

task *task_parse(const char *text, size_t n, const char *path, uint64_t seed, error *err)
{
    yaml_value *root = yaml_parse(text, n, path, err);
    if (!root)
        return NULL;
    task *t = memory_new(1, sizeof *t);
    t->file = memory_text(path);
    t->text = memory_text_n(text, n);
    included all = {0};
    int status = root->kind == YAML_MAP ? include_all(root, &all, err)
                                        : fail(err, ERROR_FORMAT, "%s: a task file is a map of keys such as data, prompt and metric", t->file);
    if (status == 0)
        status = read_keys(t, &all.all, seed, err);
    included_clear(&all);
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
    for (size_t i = 0; i < t->n_measures; i++)
        measure_clear(&t->measures[i]);
    for (size_t i = 0; i < t->n_filters; i++)
        response_filter_free(t->filters[i]);
    phrase_free(t->description);
    message_clear(&t->message);
    wording_clear(&t->wording);
    shots_clear(&t->shots);
    shortening_clear(&t->shortening);
    json_decref(t->config);
    free(t->measures);
    free(t->filters);
    free(t->splits);
    free(t->datasets);
    free(t->stops);
    free(t->name);
    free(t->file);
    free(t->text);
    free(t->command);
    free(t->image_field);
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
    const char *answer = t->wording.gold && phrase_is_field(t->wording.gold) ? phrase_source(t->wording.gold) : "answer";
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (json_is_string(json_object_get(q->fields, usual[i])))
            return json_string_value(json_object_get(q->fields, usual[i]));
    const char *key;
    json_t *value;
    json_object_foreach(q->fields, key, value)
        if (json_is_string(value) && strcmp(key, "id") != 0 && strcmp(key, answer) != 0)
            return json_string_value(value);
    return "";
}

char *task_picture(const task *t, const question *q)
{
    char *folder = file_folder(q->file), *path = file_join(folder, json_string_value(json_object_get(q->fields, t->image_field)));
    free(folder);
    return path;
}

const char *task_metric_name(const task *t)
{
    return t->n_measures ? t->measures[0].name : "score";
}

const char *task_language(const task *t)
{
    return t->n_measures && t->measures[0].scorer ? t->measures[0].scorer->language : NULL;
}

int task_place(const task *t, const question *q, const task_split **split, size_t *index)
{
    for (size_t s = 0; s < t->n_splits; s++) {
        size_t low = 0, high = t->splits[s].count;   /* a split's questions stand in their file's order, which is that of their addresses */
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (t->splits[s].questions[middle] < q)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < t->splits[s].count && t->splits[s].questions[low] == q) {
            *split = &t->splits[s];
            *index = low;
            return 0;
        }
    }
    return -1;
}
