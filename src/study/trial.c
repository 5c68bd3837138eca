/* A trial of a study as a recipe or a path: the study holds everything but the models. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/config.h"
#include "study/source.h"
#include "study/step.h"

typedef struct finder {
    const char *db;
    store *store;
    json_t *settings;
    study_file *file;
    const char **paths;         /* [file->n_models] where the study last saw its models; NULL: no step names it */
    int *layers;                /* [file->n_models] */
    uint64_t seed;
    int depth;                  /* files that led here */
    error *err;
} finder;

static int missing(const finder *f, const char *what)
{
    return fail(f->err, ERROR_FORMAT, "%s: its settings lack '%s'", f->db, what);
}

/* Other models under the recorded paths would give another model under the old name. */
static int check_model(const finder *f, int index, const char *wanted)
{
    char hex[65];
    model_config config;
    const char *name = f->file->models[index].name, *path = f->paths[index];
    checkpoint *c = source_open_one(path, f->depth + 1, NULL, f->err);
    int status = c ? checkpoint_digest_sampled(c, hex, f->err) : -1;
    if (status == 0 && strcmp(hex, wanted) != 0)
        status = fail(f->err, ERROR_STATE, "%s: model '%s' (%s) is not the one that the study was run with", f->db, name, path);
    else if (status == 0 && (!c->config || config_read(c->config, path, &config, f->err) != 0))
        status = -1;
    else if (status == 0)
        f->layers[index] = (int)config.layers;
    else
        fail_in(f->err, "model '%s'", name);
    checkpoint_free(c);
    return status;
}

static int open_finder(finder *f)
{
    f->store = store_open(f->db, true, f->err);
    f->settings = f->store ? store_settings(f->store, f->err) : NULL;
    if (!f->settings)
        return -1;
    const json_t *study = json_object_get(f->settings, "study"), *models = json_object_get(f->settings, "models");
    const char *text = json_string_value(json_object_get(study, "text")), *path = json_string_value(json_object_get(study, "path"));
    if (!text || !path)
        return missing(f, "study");
    f->file = study_file_parse(text, strlen(text), path, f->err);
    if (!f->file)
        return -1;
    f->seed = (uint64_t)json_integer_value(json_object_get(json_object_get(f->settings, "fixed"), "seed"));
    f->paths = memory_new(f->file->n_models, sizeof *f->paths);
    f->layers = memory_new(f->file->n_models, sizeof *f->layers);
    for (size_t i = 0; i < f->file->n_models; i++) {
        const json_t *model = json_object_get(models, f->file->models[i].name);
        const char *wanted = json_string_value(json_object_get(model, "sampled"));
        f->paths[i] = json_string_value(json_object_get(model, "path"));
        if (f->paths[i] && (!wanted ? missing(f, "models") : check_model(f, (int)i, wanted)) != 0)
            return -1;
    }
    return 0;
}

static void close_finder(finder *f)
{
    store_close(f->store);
    json_decref(f->settings);
    study_file_free(f->file);
    free(f->paths);
    free(f->layers);
}

/* What step `index` makes of the vector. */
static int decode(const finder *f, int64_t index, const double *x, size_t n, recipe **r, layer_path **p)
{
    step st = {0};
    if (index < 0 || (size_t)index >= f->file->n_steps)
        return missing(f, "steps");
    for (size_t i = 0; i < f->file->n_models; i++)
        if (!f->paths[i])
            f->paths[i] = f->file->models[i].path;
    int status = step_open(&st, f->file, (int)index, f->paths, f->seed, f->err);
    int *layers = memory_new(st.n_models, sizeof *layers);
    for (size_t i = 0; i < st.n_models; i++) {
        int model = st.model[i] >= 0 ? st.model[i] : step_shape_model(f->file, st.winner_of[i]);
        layers[i] = model >= 0 ? f->layers[model] : 0;
    }
    if (status == 0)
        status = step_open_genome(&st, layers, f->err);
    free(layers);
    if (status == 0 && st.genome->count != n)
        status = fail(f->err, ERROR_FORMAT, "%s: the trial has %zu numbers, the study's genome %zu", f->db, n, st.genome->count);
    if (status == 0 && step_decode(&st, x) > 0)
        status = fail(f->err, ERROR_USAGE, "%s: this path breaks max_hops: there is nothing to run", f->db);
    if (st.path)
        step_name_winners(&st, f->db, st.path);
    if (status == 0) {
        *r = st.recipe;
        *p = st.path;
        st.recipe = NULL;
        st.path = NULL;
    }
    step_close(&st);
    return status;
}

static int decode_json(const finder *f, const json_t *value, int64_t index, recipe **r, layer_path **p)
{
    size_t n;
    double *x = step_result_vector(value, &n);
    int status = decode(f, index, x, n, r, p);
    free(x);
    return status;
}

static int find_best(const finder *f, recipe **r, layer_path **p)
{
    json_t *best = store_get(f->store, "best", f->err);
    if (!best)
        return f->err->code == ERROR_NONE
                   ? fail(f->err, ERROR_STATE, "%s: the study has not come to its final choice yet; name a trial by its number", f->db)
                   : -1;
    const char *merge = json_string_value(json_object_get(best, "recipe")), *path = json_string_value(json_object_get(best, "path")),
               *text = merge ? merge : path;
    yaml_value *root = text ? yaml_parse(text, strlen(text), f->db, f->err) : NULL;
    if (!text)
        missing(f, "best");
    if (root && merge)
        *r = recipe_from_yaml(root, NULL, f->err);
    else if (root)
        *p = path_from_yaml(root, f->db, f->err);      /* recipes of steps lie beside the database */
    yaml_free(root);
    json_decref(best);
    return *r || *p ? 0 : -1;
}

static int find_mean(const finder *f, recipe **r, layer_path **p)
{
    json_t *mean = store_get(f->store, "mean", f->err);
    int status = -1;
    if (json_array_size(json_object_get(mean, "x")))
        status = decode_json(f, mean, json_integer_value(json_object_get(mean, "step")), r, p);
    else if (mean || f->err->code == ERROR_NONE)
        status = fail(f->err, ERROR_STATE, "%s: holds no mean of the distribution (no step is over, or it was random)", f->db);
    json_decref(mean);
    return status;
}

static int find_step(const finder *f, int index, recipe **r, layer_path **p)
{
    char *name = step_result_name(index);
    json_t *found = store_get(f->store, name, f->err);
    int status = -1;
    if (found)
        status = decode_json(f, found, index, r, p);
    else if (f->err->code == ERROR_NONE)
        status = fail(f->err, ERROR_STATE, "%s: step '%s' is not over yet", f->db, f->file->steps[index].name);
    json_decref(found);
    free(name);
    return status;
}

static int find_number(const finder *f, const char *which, recipe **r, layer_path **p)
{
    char *end;
    errno = 0;
    long long number = strtoll(which, &end, 10);
    if (!*which || *end || errno || number < 0)
        return fail(f->err, ERROR_USAGE, "'%s' is no trial of %s: give its number, best, mean, or a step's name", which, f->db);
    trial *list;
    size_t n;
    if (store_trials(f->store, UINT32_MAX, false, &list, &n, f->err) != 0)
        return -1;
    const trial *found = NULL;
    for (size_t i = 0; i < n; i++)
        if (list[i].number == number)
            found = &list[i];
    int status = found ? decode(f, found->step, found->x, found->n, r, p)
                       : fail(f->err, ERROR_USAGE, "%s: has no trial %lld; its %zu trials count from 0", f->db, number, n);
    trials_free(list, n);
    return status;
}

int trial_find(const char *study_db, const char *which, int depth, recipe **r, layer_path **p, error *err)
{
    finder f = {.db = study_db, .depth = depth, .err = err};
    *r = NULL;
    *p = NULL;
    int status = open_finder(&f), index = status == 0 ? study_file_step(f.file, which) : -1;
    if (status == 0)
        status = strcmp(which, "best") == 0   ? find_best(&f, r, p)
                 : strcmp(which, "mean") == 0 ? find_mean(&f, r, p)
                 : index >= 0                 ? find_step(&f, index, r, p)
                                              : find_number(&f, which, r, p);
    close_finder(&f);
    return status;
}

static int add_recipe(path_source *from, size_t place, struct checkpoint_file *out, error *err)
{
    const char *at = source_trial(from->model);
    char *db = memory_text_n(from->model, (size_t)(at - from->model));
    recipe *r = NULL;
    layer_path *p = NULL;
    int status = trial_find(db, at + 1, 0, &r, &p, err);
    if (status == 0 && !r)
        status = fail(err, ERROR_UNSUPPORTED, "%s: is a path; a path's source should be a merge or a folder", from->model);
    if (status == 0) {
        *out = (struct checkpoint_file){.name = memory_print("recipe-%zu.yml", place + 1), .text = recipe_yaml(r)};
        free(from->model);
        from->model = memory_text(out->name);
    }
    recipe_free(r);
    path_free(p);
    free(db);
    return status;
}

int trial_recipes(layer_path *p, struct checkpoint_file **files, size_t *n, error *err)
{
    *files = memory_new(p->n_sources, sizeof **files);
    *n = 0;
    for (size_t i = 0; i < p->n_sources; i++) {
        if (!source_trial(p->sources[i].model))
            continue;
        if (add_recipe(&p->sources[i], i, &(*files)[*n], err) != 0) {
            trial_recipes_free(*files, *n);
            *files = NULL;
            *n = 0;
            return -1;
        }
        ++*n;
    }
    return 0;
}

void trial_recipes_free(struct checkpoint_file *files, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((char *)files[i].name);
        free((char *)files[i].text);
    }
    free(files);
}
