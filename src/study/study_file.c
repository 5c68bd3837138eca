#include "study/study_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

#define MAX_TEXT ((size_t)4 << 20)

static const char *const standard_baselines[] = {"linear", "task_arithmetic_mean", "task_arithmetic_sum", "ties", "dare_ties",
                                                 NULL};

const char *const *study_baseline_names(void)
{
    return standard_baselines;
}

static int want_kind(const yaml_value *v, enum yaml_kind kind, const char *what, error *err)
{
    return v->kind == kind ? 0
                           : yaml_fail(err, v, "%s should be %s", what,
                                       kind == YAML_MAP    ? "a map"
                                       : kind == YAML_LIST ? "a list"
                                                           : "text");
}

static int want_owned_text(const yaml_value *map, const char *key, char **out, error *err)
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

/* The nearest key for a message; keys of a map are not a NULL-terminated list. */
static int fail_unknown_model(const study_file *f, const yaml_value *at, const char *name, error *err)
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

static int read_models(study_file *f, const yaml_value *map, error *err)
{
    if (want_kind(map, YAML_MAP, "'models'", err) != 0)
        return -1;
    if (map->count < 2)
        return yaml_fail(err, map, "'models' names %zu: a merge needs at least two", map->count);
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

static int read_sources(study_file *f, const yaml_value *list, error *err)
{
    study_search *s = &f->search;
    s->sources = memory_new(list ? list->count : f->n_models, sizeof *s->sources);
    for (size_t i = 0; !list && i < f->n_models; i++)
        if (!s->base_model || strcmp(f->models[i].name, s->base_model) != 0)
            s->sources[s->n_sources++] = memory_text(f->models[i].name);
    if (!list)
        return 0;
    if (want_kind(list, YAML_LIST, "'sources'", err) != 0)
        return -1;
    if (list->count == 0)
        return yaml_fail(err, list, "'sources' is empty");
    for (size_t i = 0; i < list->count; i++) {
        const yaml_value *v = list->items[i];
        const char *name = NULL;
        if (yaml_text(v, &name, err) != 0)
            return -1;
        if (!name || study_file_model(f, name) < 0)
            return fail_unknown_model(f, v, name ? name : "", err);
        for (size_t j = 0; j < i; j++)
            if (strcmp(s->sources[j], name) == 0)
                return yaml_fail(err, v, "'%s' stands twice among the sources", name);
        if (s->base_model && strcmp(s->base_model, name) == 0)
            return yaml_fail(err, v, "'%s' is the base_model, which is not a source as well", name);
        s->sources[s->n_sources++] = memory_text(name);
    }
    return 0;
}

/* layer_groups: 4 or [[0, 8], [8, 32]]: first layer, one past the last. */
static int read_groups(study_search *s, const yaml_value *v, error *err)
{
    s->n_groups = 1;
    if (!v || v->kind == YAML_NULL)
        return 0;
    int64_t n = 1;
    if (v->kind == YAML_TEXT) {
        if (yaml_int(v, 1, 10000, &n, err) != 0)
            return fail_in(err, "'layer_groups'");
        s->n_groups = (int)n;
        return 0;
    }
    if (want_kind(v, YAML_LIST, "'layer_groups'", err) != 0)
        return -1;
    if (v->count == 0)
        return yaml_fail(err, v, "'layer_groups' is empty");
    s->ranges = memory_new(v->count, sizeof *s->ranges);
    for (size_t i = 0; i < v->count; i++) {
        const yaml_value *pair = v->items[i];
        int64_t at[2] = {-1, -1};
        if (pair->kind != YAML_LIST || pair->count != 2)
            return yaml_fail(err, pair, "a range of layers is [first, one past the last]");
        for (int k = 0; k < 2; k++)
            if (yaml_int(pair->items[k], 0, 10000, &at[k], err) != 0)
                return -1;
        if (at[0] < 0 || at[1] <= at[0] || at[0] != (i ? s->ranges[i - 1][1] : 0))
            return yaml_fail(err, pair,
                             "the range [%lld, %lld] does not follow the one before it: ranges cover all layers in order, from 0",
                             (long long)at[0], (long long)at[1]);
        s->ranges[i][0] = (int)at[0];
        s->ranges[i][1] = (int)at[1];
        s->n_ranges = (int)i + 1;
    }
    s->n_groups = s->n_ranges;
    return 0;
}

static int read_split(study_search *s, const yaml_value *v, error *err)
{
    static const char *const parts[] = {"attention", "mlp", "embeddings", NULL};
    bool attention = false, mlp = false;
    if (!v || v->kind == YAML_NULL)
        return 0;
    if (want_kind(v, YAML_LIST, "'split'", err) != 0)
        return -1;
    for (size_t i = 0; i < v->count; i++) {
        const char *word = NULL;
        if (yaml_text(v->items[i], &word, err) != 0)
            return -1;
        if (word && strcmp(word, "attention") == 0)
            attention = true;
        else if (word && strcmp(word, "mlp") == 0)
            mlp = true;
        else if (word && strcmp(word, "embeddings") == 0)
            s->split_embeddings = true;
        else {
            const char *near = word ? text_nearest(word, parts) : NULL;
            return yaml_fail(err, v->items[i], "unknown part '%s'%s%s%s", word ? word : "", near ? "; did you mean '" : "",
                             near ? near : "; known are attention, mlp, embeddings", near ? "'?" : "");
        }
    }
    s->split_attention_mlp = attention || mlp;
    return 0;
}

static int read_optimizer(study_search *s, const yaml_value *map, error *err)
{
    static const char *const known[] = {"name", "population", "generations", "trials", "sigma", NULL};
    s->optimizer = memory_text("cma-es");
    if (!map || map->kind == YAML_NULL)
        return 0;
    int64_t population = 0;
    if (want_kind(map, YAML_MAP, "'optimizer'", err) != 0 || yaml_known_keys(map, known, err) != 0 ||
        want_owned_text(map, "name", &s->optimizer, err) != 0 ||
        yaml_int(yaml_get(map, "population"), 2, 100000, &population, err) != 0 ||
        yaml_int(yaml_get(map, "generations"), 1, 10000000, &s->generations, err) != 0 ||
        yaml_int(yaml_get(map, "trials"), 1, 1000000000, &s->trials, err) != 0 ||
        yaml_real(yaml_get(map, "sigma"), &s->sigma, err) != 0)
        return -1;
    s->population = (int)population;
    if (yaml_get(map, "sigma") && !(s->sigma > 0 && s->sigma <= 1e6))
        return yaml_fail(err, yaml_get(map, "sigma"), "sigma is %g; it should be above 0", s->sigma);
    return 0;
}

static int read_bound(study_bound *b, const yaml_value *map, error *err)
{
    static const char *const known[] = {"low", "high", "start", "spread", NULL};
    if (want_kind(map, YAML_MAP, "a parameter's bounds", err) != 0 || yaml_known_keys(map, known, err) != 0 ||
        yaml_real(yaml_get(map, "low"), &b->low, err) != 0 || yaml_real(yaml_get(map, "high"), &b->high, err) != 0 ||
        yaml_real(yaml_get(map, "start"), &b->start, err) != 0 || yaml_real(yaml_get(map, "spread"), &b->spread, err) != 0)
        return -1;
    if (b->low > b->high)
        return yaml_fail(err, map, "%s: low %g is above high %g", b->parameter, b->low, b->high);
    if (b->start < b->low || b->start > b->high)
        return yaml_fail(err, map, "%s: start %g is outside [%g, %g]", b->parameter, b->start, b->low, b->high);
    if (b->spread <= 0)
        return yaml_fail(err, map, "%s: spread is %g; it should be above 0", b->parameter, b->spread);
    return 0;
}

static int read_bounds(study_search *s, const yaml_value *map, error *err)
{
    if (!map || map->kind == YAML_NULL)
        return 0;
    if (want_kind(map, YAML_MAP, "'bounds'", err) != 0)
        return -1;
    s->bounds = memory_new(map->count, sizeof *s->bounds);
    for (size_t i = 0; i < map->count; i++) {
        study_bound *b = &s->bounds[s->n_bounds++];
        *b = (study_bound){memory_text(map->keys[i]), NAN, NAN, NAN, NAN};
        if (read_bound(b, map->items[i], err) != 0)
            return -1;
    }
    return 0;
}

static int read_search(study_file *f, const yaml_value *v, error *err)
{
    static const char *const known[] = {"space",     "method", "base_model", "sources", "layer_groups", "split",
                                        "optimizer", "bounds", "start",      "mode",    "tokenizer",    NULL};
    study_search *s = &f->search;
    const yaml_value *step = v;
    if (v->kind == YAML_LIST) {
        for (size_t i = 0; i < v->count; i++) {
            const char *space = NULL;
            if (v->items[i]->kind == YAML_MAP && yaml_text(yaml_get(v->items[i], "space"), &space, err) != 0)
                return -1;
            if (space && strcmp(space, "data-flow") == 0)
                return fail(err, ERROR_UNSUPPORTED, "%s:%d: 'space: data-flow' is not supported yet; only 'space: parameters'",
                            v->file, v->items[i]->line);
        }
        if (v->count != 1)
            return yaml_fail(err, v, "'search' has %zu steps; one is supported", v->count);
        step = v->items[0];
    }
    const char *space = "parameters", *tokenizer = NULL;
    if (want_kind(step, YAML_MAP, "'search'", err) != 0 || yaml_text(yaml_get(step, "space"), &space, err) != 0)
        return -1;
    if (strcmp(space, "parameters") != 0)
        return fail(err, ERROR_UNSUPPORTED, "%s:%d: 'space: %s' is not supported; only 'space: parameters'", step->file,
                    step->line, space);
    s->mode = memory_text("exact");
    if (yaml_known_keys(step, known, err) != 0 || want_owned_text(step, "method", &s->method, err) != 0 ||
        want_owned_text(step, "base_model", &s->base_model, err) != 0 || want_owned_text(step, "start", &s->start, err) != 0 ||
        want_owned_text(step, "mode", &s->mode, err) != 0 || yaml_text(yaml_get(step, "tokenizer"), &tokenizer, err) != 0)
        return -1;
    if (!s->method)
        return yaml_fail(err, step, "'method' is missing: which merge method (dare_ties, ties, task_arithmetic, linear, slerp)?");
    if (s->base_model && study_file_model(f, s->base_model) < 0)
        return fail_unknown_model(f, yaml_get(step, "base_model"), s->base_model, err);
    if (strcmp(s->mode, "exact") != 0 && strcmp(s->mode, "compat") != 0)
        return yaml_fail(err, yaml_get(step, "mode"), "mode is '%s'; it should be exact or compat", s->mode);
    if (tokenizer && strcmp(tokenizer, "base") != 0)
        return yaml_fail(err, yaml_get(step, "tokenizer"), "tokenizer is '%s'; only 'base' is known", tokenizer);
    s->tokenizer_base = tokenizer != NULL;
    if (read_sources(f, yaml_get(step, "sources"), err) != 0 || read_groups(s, yaml_get(step, "layer_groups"), err) != 0 ||
        read_split(s, yaml_get(step, "split"), err) != 0 || read_optimizer(s, yaml_get(step, "optimizer"), err) != 0 ||
        read_bounds(s, yaml_get(step, "bounds"), err) != 0)
        return -1;
    if (!s->generations && !s->trials)
        return yaml_fail(err, step,
                         "how long to search is missing: 'optimizer: {generations: 20}' or 'optimizer: {trials: 400}'");
    return 0;
}

static int read_tasks(study_task **out, size_t *n, const yaml_value *list, const char *key, const char *standard_split,
                      error *err)
{
    static const char *const known[] = {"task", "split", "questions", "weight", NULL};
    if (!list || list->kind == YAML_NULL)
        return 0;
    if (want_kind(list, YAML_LIST, key, err) != 0)
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
        if (want_kind(v, YAML_MAP, "a task", err) != 0 || yaml_known_keys(v, known, err) != 0 ||
            want_owned_text(v, "task", &t->path, err) != 0 || want_owned_text(v, "split", &t->split, err) != 0 ||
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
                near ? near : "; known are linear, task_arithmetic_mean, task_arithmetic_sum, ties, dare_ties; or none alone",
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

static int read_root(study_file *f, const yaml_value *root, error *err)
{
    static const char *const known[] = {"models", "search",  "tasks", "select", "held_out", "baselines",
                                        "target", "workers", "seed",  "name",   NULL};
    if (want_kind(root, YAML_MAP, "a study", err) != 0)
        return -1;
    if (yaml_get(root, "genome"))
        return fail(err, ERROR_UNSUPPORTED,
                    "%s:%d: 'genome' (a mergekit-evolve file) is not supported yet; write 'models' and 'search'", f->path,
                    yaml_get(root, "genome")->line);
    if (yaml_known_keys(root, known, err) != 0)
        return -1;
    const char *const needed[] = {"models", "search", "tasks"};
    for (int i = 0; i < 3; i++)
        if (!yaml_get(root, needed[i]) || yaml_get(root, needed[i])->kind == YAML_NULL)
            return yaml_fail(err, root, "'%s' is missing", needed[i]);
    int64_t workers = 0, seed = 0;
    if (want_owned_text(root, "name", &f->name, err) != 0 || check_name(f, err) != 0 ||
        read_models(f, yaml_get(root, "models"), err) != 0 || read_search(f, yaml_get(root, "search"), err) != 0 ||
        read_tasks(&f->tasks, &f->n_tasks, yaml_get(root, "tasks"), "'tasks'", "search", err) != 0 ||
        read_tasks(&f->select, &f->n_select, yaml_get(root, "select"), "'select'", "select", err) != 0 ||
        read_tasks(&f->held_out, &f->n_held_out, yaml_get(root, "held_out"), "'held_out'", "test", err) != 0 ||
        read_baselines(f, yaml_get(root, "baselines"), err) != 0 || yaml_real(yaml_get(root, "target"), &f->target, err) != 0 ||
        yaml_int(yaml_get(root, "workers"), 1, 100000, &workers, err) != 0 ||
        yaml_int(yaml_get(root, "seed"), 0, INT64_MAX, &seed, err) != 0)
        return -1;
    if (f->n_tasks == 0)
        return yaml_fail(err, yaml_get(root, "tasks"), "'tasks' is empty");
    f->workers = (int)workers;
    f->seed = (uint64_t)seed;
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
    if (!*path || (*path)[0] == '/' || file_exists(*path))
        return;
    char *folder = file_folder(f->path), *beside = file_join(folder, *path);
    if (file_exists(beside)) {
        free(*path);
        *path = beside;
        beside = NULL;
    }
    free(beside);
    free(folder);
}

study_file *study_file_read(const char *path, error *err)
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
    locate(f, &f->search.start);
    for (size_t i = 0; i < f->n_tasks; i++)
        locate(f, &f->tasks[i].path);
    for (size_t i = 0; i < f->n_select; i++)
        locate(f, &f->select[i].path);
    for (size_t i = 0; i < f->n_held_out; i++)
        locate(f, &f->held_out[i].path);
    return f;
}

static void free_tasks(study_task *tasks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(tasks[i].path);
        free(tasks[i].split);
    }
    free(tasks);
}

static void free_search(study_search *s)
{
    for (size_t i = 0; i < s->n_sources; i++)
        free(s->sources[i]);
    for (size_t i = 0; i < s->n_bounds; i++)
        free(s->bounds[i].parameter);
    free(s->sources);
    free(s->bounds);
    free(s->ranges);
    free(s->method);
    free(s->base_model);
    free(s->optimizer);
    free(s->start);
    free(s->mode);
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
    free(f->models);
    free(f->baselines);
    free_search(&f->search);
    free_tasks(f->tasks, f->n_tasks);
    free_tasks(f->select, f->n_select);
    free_tasks(f->held_out, f->n_held_out);
    free(f->path);
    free(f->text);
    free(f->name);
    free(f);
}
