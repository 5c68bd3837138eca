/* A trial of a study as a model folder: the study holds everything but the models. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "study/session.h"

static int missing(const char *db, const char *what, error *err)
{
    return fail(err, ERROR_FORMAT, "%s: its settings lack '%s'", db, what);
}

/* The search's recipe without values, its models where the study last saw them. */
static recipe *recipe_of(const char *db, const json_t *settings, const study_search *search, const char **names, error *err)
{
    const json_t *models = json_object_get(settings, "models"), *seed = json_object_get(json_object_get(settings, "fixed"), "seed");
    size_t n = session_model_count(search);
    const char **paths = memory_new(n, sizeof *paths);
    bool whole = true;
    for (size_t i = 0; i < n; i++) {
        names[i] = session_model_name(search, i);
        paths[i] = names[i] ? json_string_value(json_object_get(json_object_get(models, names[i]), "path")) : NULL;
        whole = whole && paths[i];
    }
    recipe *r = whole ? session_recipe(search, paths, (uint64_t)json_integer_value(seed)) : NULL;
    if (!whole)
        missing(db, "models", err);
    free(paths);
    return r;
}

static int decode(const char *db, const json_t *settings, const double *x, size_t n, recipe **out, error *err)
{
    const json_t *study = json_object_get(settings, "study");
    const char *text = json_string_value(json_object_get(study, "text")),
               *path = json_string_value(json_object_get(study, "path"));
    if (!text || !path)
        return missing(db, "study", err);
    study_file *f = study_file_parse(text, strlen(text), path, err);
    if (!f)
        return -1;
    if (!method_find(f->search.method)) {
        study_file_free(f);
        return missing(db, "study", err);
    }
    const char **names = memory_new(session_model_count(&f->search), sizeof *names);
    recipe *r = recipe_of(db, settings, &f->search, names, err);
    const json_t *layers = json_object_get(json_object_get(json_object_get(settings, "fixed"), "genome"), "layers");
    genome *g = r ? session_genome(&f->search, r, names, (int)json_integer_value(layers), err) : NULL;
    int status = g ? 0 : -1;
    if (g && g->count != n)
        status = fail(err, ERROR_FORMAT, "%s: the trial has %zu numbers, the study's genome %zu", db, n, g->count);
    if (status == 0) {
        genome_decode(g, x, r);
        *out = r;
        r = NULL;
    }
    genome_free(g);
    recipe_free(r);
    free(names);
    study_file_free(f);
    return status;
}

static recipe *best_recipe(store *s, const char *db, error *err)
{
    json_t *best = store_get(s, "best", err);
    if (!best) {
        if (err->code == ERROR_NONE)
            fail(err, ERROR_STATE, "%s: the study has not come to its final choice yet; export a trial by its number", db);
        return NULL;
    }
    const char *text = json_string_value(json_object_get(best, "recipe"));
    yaml_value *root = text ? yaml_parse(text, strlen(text), db, err) : NULL;
    recipe *r = root ? recipe_from_yaml(root, NULL, err) : NULL;
    if (!text)
        missing(db, "best.recipe", err);
    yaml_free(root);
    json_decref(best);
    return r;
}

static recipe *mean_recipe(store *s, const char *db, const json_t *settings, error *err)
{
    json_t *mean = store_get(s, "mean", err);
    const json_t *list = json_object_get(mean, "x");
    size_t n = json_array_size(list);
    recipe *r = NULL;
    if (n == 0) {
        if (!mean && err->code != ERROR_NONE)
            return NULL;
        json_decref(mean);
        fail(err, ERROR_STATE, "%s: holds no mean of the distribution (the search is not over, or was random)", db);
        return NULL;
    }
    double *x = memory_new(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = json_number_value(json_array_get(list, i));
    decode(db, settings, x, n, &r, err);
    free(x);
    json_decref(mean);
    return r;
}

static recipe *trial_recipe(store *s, const char *db, const json_t *settings, int64_t number, error *err)
{
    trial *list;
    size_t n;
    recipe *r = NULL;
    if (store_trials(s, UINT32_MAX, false, &list, &n, err) != 0)
        return NULL;
    const trial *found = NULL;
    for (size_t i = 0; i < n; i++)
        if (list[i].number == number)
            found = &list[i];
    if (found)
        decode(db, settings, found->x, found->n, &r, err);
    else
        fail(err, ERROR_USAGE, "%s: has no trial %lld; its %zu trials count from 0", db, (long long)number, n);
    trials_free(list, n);
    return r;
}

/* Other models under the recorded paths would give another merge under the old name. */
static int check_models(const char *db, const json_t *settings, error *err)
{
    const char *name;
    json_t *model;
    json_object_foreach(json_object_get(settings, "models"), name, model) {
        const char *path = json_string_value(json_object_get(model, "path")),
                   *wanted = json_string_value(json_object_get(model, "sampled"));
        char hex[65];
        checkpoint *c = path && wanted ? checkpoint_open(path, err) : NULL;
        if (!path || !wanted)
            return missing(db, "models", err);
        int status = c ? checkpoint_digest_sampled(c, hex, err) : -1;
        checkpoint_free(c);
        if (status != 0)
            return fail_in(err, "model '%s'", name);
        if (strcmp(hex, wanted) != 0)
            return fail(err, ERROR_STATE, "%s: model '%s' (%s) is not the one that the study was run with", db, name, path);
    }
    return 0;
}

static int64_t number_of(const char *which, error *err)
{
    char *end;
    errno = 0;
    long long n = strtoll(which, &end, 10);
    if (!*which || *end || errno || n < 0)
        return fail(err, ERROR_USAGE, "'%s' is no trial: give its number, best, or mean", which);
    return n;
}

int study_export(const char *study_db, const char *which, const char *out, bool replace, int n_threads, error *err)
{
    store *s = store_open(study_db, true, err);
    json_t *settings = s ? store_settings(s, err) : NULL;
    recipe *r = NULL;
    int64_t number;
    if (settings && check_models(study_db, settings, err) == 0) {
        if (strcmp(which, "best") == 0)
            r = best_recipe(s, study_db, err);
        else if (strcmp(which, "mean") == 0)
            r = mean_recipe(s, study_db, settings, err);
        else if ((number = number_of(which, err)) >= 0)
            r = trial_recipe(s, study_db, settings, number, err);
    }
    store_close(s);
    threads *pool = r ? threads_new(n_threads > 0 ? n_threads : threads_available()) : NULL;
    int status = r ? merge_to_folder(r, out, replace, &(merge_options){.pool = pool}, err) : -1;
    threads_free(pool);
    recipe_free(r);
    json_decref(settings);
    return status;
}
