/* A mergekit-evolve file as a study of one step. What it says of the search (its genome's parameters, how they begin and how wide they
 * are drawn) is said by bounds; what has no counterpart is refused by name. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "merge/method.h"
#include "study/study_reader.h"

/* Of mergekit-evolve: how many candidates, the spread, and a weight that nobody's good merge goes beyond, as it sets no bounds. */
#define STANDARD_TRIALS 100
#define STANDARD_SIGMA (1.0 / 6)
#define MOST_WEIGHT 2

/* ---- genome: the models */

/* Models are called by the last part of their path. */
static int add_model(study_file *f, const char *path)
{
    char *copy = memory_text(path), *name = NULL;
    for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
        copy[n - 1] = '\0';
    for (int k = 1; !name || study_file_model(f, name) >= 0; k++) {
        free(name);
        name = k == 1 ? memory_text(file_name(copy)) : memory_print("%s-%d", file_name(copy), k);
    }
    free(copy);
    f->models = memory_grow(f->models, f->n_models + 1, sizeof *f->models);
    f->models[f->n_models] = (study_model){name, memory_text(path)};
    return (int)f->n_models++;
}

static int find_path(const study_file *f, const char *path)
{
    for (size_t i = 0; i < f->n_models; i++)
        if (strcmp(f->models[i].path, path) == 0)
            return (int)i;
    return -1;
}

/* NULL: not given. */
static int read_path(const yaml_value *v, const char **path, error *err)
{
    *path = NULL;
    if (v && v->kind == YAML_MAP)
        return yaml_fail(err, v, "a model with a revision, an architecture or a LoRA of its own as a map is not supported: give its folder, or BASE+ADAPTER");
    if (yaml_text(v, path, err) != 0)
        return -1;
    if (*path && !(*path)[0])
        return yaml_fail(err, v, "a model's path is empty");
    return 0;
}

static int read_models(study_file *f, const yaml_value *list, error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *path;
        if (read_path(list->items[i], &path, err) != 0)
            return -1;
        if (!path)
            return yaml_fail(err, list->items[i], "a model has no path");
        if (find_path(f, path) >= 0)
            return yaml_fail(err, list->items[i], "'%s' stands twice among the models", path);
        add_model(f, path);
    }
    return 0;
}

/* A method of two models has one of them as its base: mergekit-evolve takes the better one, which only turns t around. */
static int choose_base(study_file *f, study_step *s, const method *m, const yaml_value *map, error *err)
{
    const yaml_value *at = yaml_get(map, "base_model");
    const char *path;
    size_t listed = f->n_models;
    if (read_path(at, &path, err) != 0)
        return -1;
    bool pair = m->base == BASE_NEEDED && m->max_models == 1;
    int base = path ? find_path(f, path) : pair ? 0 : -1;
    if (pair && base < 0 && listed != 1)
        return yaml_fail(err, at, "the base_model of %s should be one of its two models", m->name);
    if (pair && base >= 0 && listed != 2)
        return yaml_fail(err, yaml_get(map, "models"), "%s of %zu models: that mergekit-evolve picks two of them for each group of layers has no counterpart; name two",
                         m->name, listed);
    if (path && base < 0)
        base = add_model(f, path);
    bool apart = base >= 0 && (method_sets_base_apart(m) || (size_t)base >= listed);
    s->base_model = apart ? memory_text(f->models[base].name) : NULL;
    s->sources = memory_new(listed, sizeof *s->sources);
    for (size_t i = 0; i < listed; i++)
        if (!apart || (int)i != base)
            s->sources[s->n_sources++] = memory_text(f->models[i].name);
    return s->n_sources ? 0 : yaml_fail(err, map, "all models are the base_model");
}

/* ---- genome: the parameters */

static bool searches(const method *m, const char *parameter)
{
    const method_parameter *p = method_parameter_find(m, parameter);
    return p && p->search_low < p->search_high;
}

/* mergekit-evolve draws without bounds and takes the size of what is not to be negative; a weight starts at 1/n, a density at 1. Its t is a
 * softmax of two numbers that start alike: at a half, its slope a quarter of their difference. */
static void set_bounds(study_step *s, const method *m, size_t n, double sigma, bool negative)
{
    if (searches(m, "weight"))
        study_set_bound(s, &(study_bound){(char *)"weight", negative ? -MOST_WEIGHT : 0, MOST_WEIGHT, 1.0 / (double)n, sigma});
    if (searches(m, "density"))
        study_set_bound(s, &(study_bound){(char *)"density", 0, 1, 1, sigma});
    if (strcmp(m->name, "slerp") == 0)
        study_set_bound(s, &(study_bound){(char *)"t", 0, 1, 0.5, sigma * sqrt(2) / 4});
}

static int set_normalize(study_step *s, const method *m, const yaml_value *v, error *err)
{
    static const char *const normalized[] = {"linear", "ties", "dare_ties"}, *const plain[] = {"task_arithmetic"};
    bool on = false;
    if (yaml_bool(v, &on, err) != 0)
        return fail_in(err, "'normalize'");
    if (v && v->kind != YAML_NULL) {
        if (!method_parameter_find(m, "normalize"))
            return yaml_fail(err, v, "%s has no parameter 'normalize'", m->name);
        study_set_value(s, "normalize", on);
        return 0;
    }
    for (size_t i = 0; i < sizeof normalized / sizeof *normalized; i++)
        if (strcmp(normalized[i], m->name) == 0)
            study_set_value(s, "normalize", 1);
    if (strcmp(plain[0], m->name) == 0)
        study_set_value(s, "normalize", 0);
    return 0;
}

static int read_filters(study_step *s, const yaml_value *list, error *err)
{
    if (!list || list->kind == YAML_NULL)
        return 0;
    if (study_want_kind(list, YAML_LIST, "'filters'", err) != 0)
        return -1;
    s->filters = memory_new(list->count, sizeof *s->filters);
    for (size_t i = 0; i < list->count; i++) {
        const char *filter = NULL;
        if (yaml_text(list->items[i], &filter, err) != 0)
            return -1;
        if (!filter || !filter[0])
            return yaml_fail(err, list->items[i], "a filter is empty");
        s->filters[s->n_filters++] = memory_text(filter);
    }
    return 0;
}

static int read_tokenizer(study_step *s, const yaml_value *v, error *err)
{
    const char *source = NULL;
    if (yaml_text(v, &source, err) != 0)
        return fail_in(err, "'tokenizer_source'");
    s->tokenizer_base = source != NULL;
    return !source || strcmp(source, "base") == 0 ? 0 : yaml_fail(err, v, "tokenizer_source is '%s'; only 'base' has a counterpart in a study", source);
}

static const method *read_method(study_step *s, const yaml_value *map, error *err)
{
    if (study_want_text(map, "merge_method", &s->method, err) != 0)
        return NULL;
    const method *m = method_find(s->method);
    if (!s->method)
        yaml_fail(err, map, "'merge_method' is missing");
    else if (!m) {
        const char *near = text_nearest(s->method, method_names());
        yaml_fail(err, yaml_get(map, "merge_method"), "unknown merge method '%s'%s%s%s", s->method, near ? "; did you mean '" : "", near ? near : "",
                  near ? "'?" : "");
    }
    return m;
}

static int read_genome(study_file *f, const yaml_value *map, double sigma, error *err)
{
    static const char *const known[] = {"models", "merge_method", "base_model", "tokenizer_source", "layer_granularity", "normalize", "allow_negative_weights",
                                        "filters", "smooth", NULL};
    study_step *s = &f->steps[0];
    const yaml_value *models = yaml_get(map, "models");
    int64_t granularity = 0;
    bool negative = false;
    if (study_want_kind(map, YAML_MAP, "'genome'", err) != 0 || yaml_known_keys(map, known, err) != 0)
        return -1;
    const method *m = read_method(s, map, err);
    if (!m)
        return -1;
    if (!models || models->kind != YAML_LIST || models->count == 0)
        return yaml_fail(err, models ? models : map, "'models' should be a list of paths");
    if (read_models(f, models, err) != 0)
        return -1;
    size_t n = f->n_models;
    if (choose_base(f, s, m, map, err) != 0 || read_tokenizer(s, yaml_get(map, "tokenizer_source"), err) != 0 ||
        yaml_int(yaml_get(map, "layer_granularity"), INT32_MIN, 10000, &granularity, err) != 0 || set_normalize(s, m, yaml_get(map, "normalize"), err) != 0 ||
        yaml_bool(yaml_get(map, "allow_negative_weights"), &negative, err) != 0 || read_filters(s, yaml_get(map, "filters"), err) != 0 ||
        yaml_bool(yaml_get(map, "smooth"), &s->smooth, err) != 0)
        return -1;
    if (strcmp(m->name, "slerp") == 0 && (s->smooth || s->n_filters))
        return yaml_fail(err, yaml_get(map, s->smooth ? "smooth" : "filters"), "slerp goes without '%s', as it does in mergekit-evolve", s->smooth ? "smooth" : "filters");
    s->granularity = granularity > 0 ? (int)granularity : 0;
    set_bounds(s, m, n, sigma, negative);
    return 0;
}

/* ---- the search, and the tasks */

static int read_search(study_file *f, const yaml_value *root, double *sigma, error *err)
{
    study_step *s = &f->steps[0];
    int64_t population = 0, seed = 0;
    s->trials = STANDARD_TRIALS;
    *sigma = STANDARD_SIGMA;
    if (yaml_int(yaml_get(root, "max_fevals"), 1, 1000000000, &s->trials, err) != 0 ||
        yaml_int(yaml_get(root, "force_population_size"), 2, 100000, &population, err) != 0 ||
        yaml_int(yaml_get(root, "random_seed"), 0, INT64_MAX, &seed, err) != 0 || yaml_real(yaml_get(root, "sigma0"), sigma, err) != 0)
        return -1;
    s->population = (int)population;
    f->seed = (uint64_t)seed;
    return *sigma > 0 && *sigma <= 1e6 ? 0 : yaml_fail(err, yaml_get(root, "sigma0"), "sigma0 is %g; it should be above 0", *sigma);
}

/* What would change the questions or the start, and cannot be. That shuffling is asked for or not is all one: questions are drawn. */
static int refuse(const yaml_value *root, error *err)
{
    bool chat = false, random_init = false, ignored = false;
    int64_t shots = 0;
    if (yaml_int(yaml_get(root, "num_fewshot"), 0, 100000, &shots, err) != 0 || yaml_bool(yaml_get(root, "apply_chat_template"), &chat, err) != 0 ||
        yaml_bool(yaml_get(root, "random_init"), &random_init, err) != 0 || yaml_bool(yaml_get(root, "shuffle"), &ignored, err) != 0 ||
        yaml_bool(yaml_get(root, "fewshot_as_multiturn"), &ignored, err) != 0)
        return -1;
    if (shots)
        return yaml_fail(err, yaml_get(root, "num_fewshot"), "num_fewshot is %lld; a task file's prompt holds its examples: write them there, and 0 here", (long long)shots);
    if (chat)
        return yaml_fail(err, yaml_get(root, "apply_chat_template"), "apply_chat_template is true; a task file says it for itself: write 'chat: true' there, and false here");
    if (random_init)
        return yaml_fail(err, yaml_get(root, "random_init"), "random_init is true; a search starts from even weights: leave it out");
    return 0;
}

static int read_task(study_task *t, const yaml_value *v, error *err)
{
    static const char *const known[] = {"name", "weight", "metric", NULL};
    const char *name = NULL;
    if (v->kind == YAML_TEXT) {
        name = v->text;
    } else if (study_want_kind(v, YAML_MAP, "a task", err) != 0 || yaml_known_keys(v, known, err) != 0 || yaml_text(yaml_get(v, "name"), &name, err) != 0 ||
               yaml_real(yaml_get(v, "weight"), &t->weight, err) != 0 || study_want_text(v, "metric", &t->metric, err) != 0) {
        return -1;
    }
    if (!name || !name[0])
        return yaml_fail(err, v, "a task has no name");
    if (!(t->weight > 0 && t->weight <= 1e9))
        return yaml_fail(err, v, "weight is %g; it should be above 0", t->weight);
    t->path = memory_text(name);
    if (t->metric)
        t->metric[strcspn(t->metric, ",")] = '\0';     /* behind it stands an answer filter of lm-eval */
    return 0;
}

static int read_tasks(study_file *f, const yaml_value *root, error *err)
{
    const yaml_value *list = yaml_get(root, "tasks");
    int64_t limit = 0;
    if (!list || list->kind != YAML_LIST || list->count == 0)
        return yaml_fail(err, list ? list : root, "'tasks' should be a list of names of task files");
    if (yaml_int(yaml_get(root, "limit"), 1, 100000000, &limit, err) != 0)
        return -1;
    f->tasks = memory_new(list->count, sizeof *f->tasks);
    for (size_t i = 0; i < list->count; i++) {
        study_task *t = &f->tasks[f->n_tasks++];
        *t = (study_task){.split = memory_text("search"), .questions = limit, .weight = 1, .line = list->items[i]->line};
        if (read_task(t, list->items[i], err) != 0)
            return -1;
    }
    return 0;
}

static int read_task_paths(study_file *f, const yaml_value *v, error *err)
{
    if (!v || v->kind == YAML_NULL)
        return 0;
    size_t n = v->kind == YAML_LIST ? v->count : 1;
    f->task_paths = memory_new(n, sizeof *f->task_paths);
    for (size_t i = 0; i < n; i++) {
        const yaml_value *item = v->kind == YAML_LIST ? v->items[i] : v;
        const char *path = NULL;
        if (yaml_text(item, &path, err) != 0)
            return fail_in(err, "'task_search_path'");
        if (!path || !path[0])
            return yaml_fail(err, item, "a task_search_path is empty");
        f->task_paths[f->n_task_paths++] = memory_text(path);
    }
    return 0;
}

int evolve_read(study_file *f, const yaml_value *root, error *err)
{
    double sigma;
    f->steps = memory_new(1, sizeof *f->steps);
    f->n_steps = 1;
    f->steps[0] = (study_step){.space = SPACE_PARAMETERS, .n_groups = 1, .mode = memory_text("exact"), .start_on = NAN, .start_off = NAN, .dtype = -1};
    if (refuse(root, err) != 0 || read_search(f, root, &sigma, err) != 0 || read_genome(f, yaml_get(root, "genome"), sigma, err) != 0 ||
        read_tasks(f, root, err) != 0 || read_task_paths(f, yaml_get(root, "task_search_path"), err) != 0)
        return -1;
    f->steps[0].name = study_standard_name(f, &f->steps[0]);
    return 0;
}

/* ---- the files of the tasks */

static char *find_in(const char *folder, const char *name)
{
    static const char *const endings[] = {"", ".yml", ".yaml"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char *file = memory_print("%s%s", name, endings[i]), *path = file_join(folder, file);
        free(file);
        if (file_exists(path) && !file_is_folder(path))
            return path;
        free(path);
    }
    return NULL;
}

/* What is no task at all is better said here, where the file and line are known. */
static int look_at_task(const study_file *f, const study_task *t, const char *path, error *err)
{
    yaml_value *root = yaml_read(path, err);
    if (!root)
        return fail_in(err, "task '%s'", t->path);
    int status = yaml_get(root, "group")
                     ? fail(err, ERROR_UNSUPPORTED, "%s:%d: task '%s' is %s, a group of tasks, as lm-eval has them too: name its tasks one by one", f->path, t->line, t->path, path)
                     : 0;
    yaml_free(root);
    return status;
}

/* A folder of task_search_path is, like every path, the current folder's or the file's. */
static char *find_task(const study_file *f, const study_task *t, const char *const *task_paths, size_t n, string *looked)
{
    char *beside = file_folder(f->path), *path = find_in(beside, t->path);
    string_puts(looked, beside);
    for (size_t i = 0; i < f->n_task_paths && !path; i++) {
        char *inner = file_join(beside, f->task_paths[i]);
        string_print(looked, ", %s", f->task_paths[i]);
        path = find_in(f->task_paths[i], t->path);
        path = path ? path : find_in(inner, t->path);
        free(inner);
    }
    for (size_t i = 0; i < n && !path; i++) {
        string_print(looked, ", %s", task_paths[i]);
        path = find_in(task_paths[i], t->path);
    }
    free(beside);
    return path;
}

int evolve_find_tasks(study_file *f, const char *const *task_paths, size_t n, error *err)
{
    for (size_t i = 0; i < f->n_tasks; i++) {
        study_task *t = &f->tasks[i];
        string looked = {0};
        char *path = t->line ? find_task(f, t, task_paths, n, &looked) : NULL;
        int status = path ? look_at_task(f, t, path, err)
                     : t->line
                         ? fail(err, ERROR_FORMAT, "%s:%d: there is no task file '%s' or '%s.yml' in %s; lm-eval's own folder of tasks can be named in task_search_path",
                                f->path, t->line, t->path, t->path, looked.text)
                         : 0;
        free(looked.text);
        if (path) {
            free(t->path);
            t->path = path;
        }
        if (status != 0)
            return -1;
    }
    return 0;
}
