#include "study/study_reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "tensor/checkpoint.h"

#define MAX_TEXT ((size_t)4 << 20)

static const char *const standard_baselines[] = {"linear", "task_arithmetic_mean", "task_arithmetic_sum", "ties", "dare_ties",
                                                 "layer_stack", "layer_swap", NULL};

const char *const *study_baseline_names(void)
{
    return standard_baselines;
}

int study_want_kind(const yaml_value *v, enum yaml_kind kind, const char *what, error *err)
{
    return v->kind == kind ? 0
                           : yaml_fail(err, v, "%s should be %s", what,
                                       kind == YAML_MAP    ? "a map"
                                       : kind == YAML_LIST ? "a list"
                                                           : "text");
}

int study_want_text(const yaml_value *map, const char *key, char **out, error *err)
{
    const yaml_value *v = yaml_get(map, key);
    const char *text = NULL;
    if (yaml_text(v, &text, err) != 0)
        return fail_in(err, "'%s'", key);
    if (text && !text[0])
        return yaml_fail(err, v, "'%s' is empty", key);
    if (text) {
        free(*out);
        *out = memory_text(text);
    }
    return 0;
}

int study_fail_unknown_model(const study_file *f, const yaml_value *at, const char *name, error *err)
{
    const char **names = memory_new(f->n_models + 1, sizeof *names);
    for (size_t i = 0; i < f->n_models; i++)
        names[i] = f->models[i].name;
    const char *near = text_nearest(name, names);
    yaml_fail(err, at, "'%s' is not one of the models%s%s%s", name, near ? "; did you mean '" : "", near ? near : "",
              near ? "'?" : "");
    free(names);
    return -1;
}

int study_file_model(const study_file *f, const char *name)
{
    for (size_t i = 0; i < f->n_models; i++)
        if (strcmp(f->models[i].name, name) == 0)
            return (int)i;
    return -1;
}

int study_file_step(const study_file *f, const char *name)
{
    for (size_t i = 0; i < f->n_steps; i++)
        if (f->steps[i].name && strcmp(f->steps[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int read_models(study_file *f, const yaml_value *map, error *err)
{
    if (study_want_kind(map, YAML_MAP, "'models'", err) != 0)
        return -1;
    if (map->count == 0)
        return yaml_fail(err, map, "'models' is empty");
    f->models = memory_new(map->count, sizeof *f->models);
    for (size_t i = 0; i < map->count; i++) {
        const char *path = NULL;
        if (!map->keys[i][0])
            return yaml_fail(err, map, "a model has an empty name");
        if (yaml_text(map->items[i], &path, err) != 0)
            return -1;
        if (!path || !path[0])
            return yaml_fail(err, map->items[i], "model '%s' has no path", map->keys[i]);
        f->models[f->n_models++] = (study_model){memory_text(map->keys[i]), memory_text(path)};
    }
    return 0;
}

static int read_tasks(study_task **out, size_t *n, const yaml_value *list, const char *key, const char *standard_split,
                      error *err)
{
    static const char *const known[] = {"task", "split", "questions", "weight", NULL};
    if (!list || list->kind == YAML_NULL)
        return 0;
    if (study_want_kind(list, YAML_LIST, key, err) != 0)
        return -1;
    *out = memory_new(list->count, sizeof **out);
    for (size_t i = 0; i < list->count; i++) {
        const yaml_value *v = list->items[i];
        study_task *t = &(*out)[(*n)++];
        *t = (study_task){.split = memory_text(standard_split), .weight = 1};
        if (v->kind == YAML_TEXT) {
            t->path = memory_text(v->text);
            continue;
        }
        if (study_want_kind(v, YAML_MAP, "a task", err) != 0 || yaml_known_keys(v, known, err) != 0 ||
            study_want_text(v, "task", &t->path, err) != 0 || study_want_text(v, "split", &t->split, err) != 0 ||
            yaml_int(yaml_get(v, "questions"), 0, 100000000, &t->questions, err) != 0 ||
            yaml_real(yaml_get(v, "weight"), &t->weight, err) != 0)
            return -1;
        if (!t->path)
            return yaml_fail(err, v, "'task' is missing: the task's YAML file");
        if (!(t->weight > 0 && t->weight <= 1e9))
            return yaml_fail(err, v, "weight is %g; it should be above 0", t->weight);
    }
    return 0;
}

static int read_baselines(study_file *f, const yaml_value *v, error *err)
{
    if (!v || v->kind == YAML_NULL)
        return 0;
    size_t n = v->kind == YAML_LIST ? v->count : 1;
    if (v->kind == YAML_MAP)
        return yaml_fail(err, v, "'baselines' should be a list of names or none");
    f->baselines = memory_new(n + 1, sizeof *f->baselines);
    for (size_t i = 0; i < n; i++) {
        const yaml_value *item = v->kind == YAML_LIST ? v->items[i] : v;
        const char *name = "";
        if (yaml_text(item, &name, err) != 0)
            return -1;
        bool known = strcmp(name, "none") == 0 && n == 1;
        for (size_t k = 0; standard_baselines[k]; k++)
            known = known || strcmp(standard_baselines[k], name) == 0;
        if (!known) {
            const char *near = text_nearest(name, standard_baselines);
            return yaml_fail(
                err, item, "unknown baseline '%s'%s%s%s", name, near ? "; did you mean '" : "",
                near ? near : "; known are linear, task_arithmetic_mean, task_arithmetic_sum, ties, dare_ties, layer_stack, layer_swap; or none alone",
                near ? "'?" : "");
        }
        f->baselines[f->n_baselines++] = memory_text(name);
    }
    return 0;
}

/* The name becomes a folder and a line on the terminal. */
static int check_name(const study_file *f, error *err)
{
    size_t n = strlen(f->name);
    if (n == 0 || n > 200 || strcmp(f->name, ".") == 0 || strcmp(f->name, "..") == 0 || strchr(f->name, '/'))
        return fail(err, ERROR_FORMAT, "%s: the study's name '%.100s' should be 1 to 200 bytes without '/'", f->path, f->name);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)f->name[i] < 0x20 || f->name[i] == 0x7f)
            return fail(err, ERROR_FORMAT, "%s: the study's name '%s' holds a control character", f->path, f->name);
    return 0;
}

static char *name_of_file(const char *path)
{
    const char *name = file_name(path), *dot = strrchr(name, '.');
    bool yaml = dot && dot > name && (strcmp(dot, ".yml") == 0 || strcmp(dot, ".yaml") == 0);
    return yaml ? memory_text_n(name, (size_t)(dot - name)) : memory_text(name);
}

#define SHARED_KEYS "name", "tasks", "select", "held_out", "baselines", "target", "workers"

static int read_own(study_file *f, const yaml_value *root, error *err)
{
    static const char *const known[] = {"models", "search", "seed", SHARED_KEYS, NULL};
    if (yaml_known_keys(root, known, err) != 0)
        return -1;
    const char *const needed[] = {"models", "search", "tasks"};
    for (int i = 0; i < 3; i++)
        if (!yaml_get(root, needed[i]) || yaml_get(root, needed[i])->kind == YAML_NULL)
            return yaml_fail(err, root, "'%s' is missing", needed[i]);
    int64_t seed = 0;
    if (read_models(f, yaml_get(root, "models"), err) != 0 || study_read_steps(f, yaml_get(root, "search"), err) != 0 ||
        read_tasks(&f->tasks, &f->n_tasks, yaml_get(root, "tasks"), "'tasks'", "search", err) != 0 ||
        yaml_int(yaml_get(root, "seed"), 0, INT64_MAX, &seed, err) != 0)
        return -1;
    f->seed = (uint64_t)seed;
    return f->n_tasks ? 0 : yaml_fail(err, yaml_get(root, "tasks"), "'tasks' is empty");
}

/* mergekit-evolve's keys, those of its options that say what the search is, and what it ignores and a study may have. */
static int read_mergekit(study_file *f, const yaml_value *root, error *err)
{
    static const char *const known[] = {"genome", "limit", "num_fewshot", "shuffle", "random_init", "apply_chat_template", "fewshot_as_multiturn", "max_fevals", "sigma0",
                                        "random_seed", "force_population_size", "task_search_path", SHARED_KEYS, NULL};
    return yaml_known_keys(root, known, err) == 0 ? evolve_read(f, root, err) : -1;
}

static int read_root(study_file *f, const yaml_value *root, error *err)
{
    int64_t workers = 0;
    if (study_want_kind(root, YAML_MAP, "a study", err) != 0 || study_want_text(root, "name", &f->name, err) != 0 || check_name(f, err) != 0 ||
        (yaml_get(root, "genome") ? read_mergekit : read_own)(f, root, err) != 0 ||
        read_tasks(&f->select, &f->n_select, yaml_get(root, "select"), "'select'", "select", err) != 0 ||
        read_tasks(&f->held_out, &f->n_held_out, yaml_get(root, "held_out"), "'held_out'", "test", err) != 0 ||
        read_baselines(f, yaml_get(root, "baselines"), err) != 0 || yaml_real(yaml_get(root, "target"), &f->target, err) != 0 ||
        yaml_int(yaml_get(root, "workers"), 1, 100000, &workers, err) != 0)
        return -1;
    f->workers = (int)workers;
    return 0;
}

study_file *study_file_parse(const char *text, size_t n, const char *name, error *err)
{
    yaml_value *root = yaml_parse(text, n, name, err);
    if (!root)
        return NULL;
    study_file *f = memory_new(1, sizeof *f);
    f->path = memory_text(name);
    f->text = memory_text_n(text, n);
    f->name = name_of_file(name);
    f->target = NAN;
    if (read_root(f, root, err) != 0) {
        study_file_free(f);
        f = NULL;
    }
    yaml_free(root);
    return f;
}

/* As mergekit does: relative to the current folder where that exists, else to the study file. */
static void locate(const study_file *f, char **path)
{
    if (!*path)
        return;
    char *found = checkpoint_locate(*path, f->path);
    free(*path);
    *path = found;
}

study_file *study_file_read(const char *path, const char *const *task_paths, size_t n_paths, error *err)
{
    size_t n;
    char *text = file_read(path, MAX_TEXT, &n, err);
    if (!text)
        return NULL;
    study_file *f = study_file_parse(text, n, path, err);
    free(text);
    if (!f)
        return NULL;
    for (size_t i = 0; i < f->n_models; i++)
        locate(f, &f->models[i].path);
    for (size_t i = 0; i < f->n_steps; i++)
        locate(f, &f->steps[i].start);
    for (size_t i = 0; i < f->n_tasks; i++)
        if (!f->tasks[i].line)
            locate(f, &f->tasks[i].path);
    for (size_t i = 0; i < f->n_select; i++)
        locate(f, &f->select[i].path);
    for (size_t i = 0; i < f->n_held_out; i++)
        locate(f, &f->held_out[i].path);
    if (evolve_find_tasks(f, task_paths, n_paths, err) == 0)
        return f;
    study_file_free(f);
    return NULL;
}

static void free_tasks(study_task *tasks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(tasks[i].path);
        free(tasks[i].split);
        free(tasks[i].metric);
    }
    free(tasks);
}

void study_file_free(study_file *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n_models; i++) {
        free(f->models[i].name);
        free(f->models[i].path);
    }
    for (size_t i = 0; i < f->n_baselines; i++)
        free(f->baselines[i]);
    for (size_t i = 0; i < f->n_task_paths; i++)
        free(f->task_paths[i]);
    free(f->task_paths);
    free(f->models);
    free(f->baselines);
    study_free_steps(f);
    free_tasks(f->tasks, f->n_tasks);
    free_tasks(f->select, f->n_select);
    free_tasks(f->held_out, f->n_held_out);
    free(f->path);
    free(f->text);
    free(f->name);
    free(f);
}
