/* What a study is: recorded when it is created, and compared whenever it goes on. `fixed` may not change; everything else
 * is there to be read (the files' texts, the questions) or follows the newest run. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "study/session.h"

/* Few trials want small populations; many trials on noisy scores want large ones (docs: simulation of accuracy as fitness). */
#define LARGE_DIMENSIONS 32
#define LARGE_POPULATION 64
#define TRIALS_PER_CANDIDATE 15

int settings_population(const study_file *f, size_t n)
{
    const study_search *s = &f->search;
    if (s->population)
        return s->population;
    int64_t p = 4 + (int64_t)floor(3 * log((double)(n ? n : 1)));
    if (p < f->workers)
        p = f->workers;
    if (n < LARGE_DIMENSIONS)
        return (int)p;
    int64_t large = LARGE_POPULATION;      /* with generations alone, trials = generations x population */
    if (s->trials && s->trials / TRIALS_PER_CANDIDATE < large)
        large = s->trials / TRIALS_PER_CANDIDATE;
    if (!s->trials && s->generations < TRIALS_PER_CANDIDATE)
        large = 0;
    return (int)(p > large ? p : large);
}

int64_t settings_generations(const study_file *f, int population, error *err)
{
    const study_search *s = &f->search;
    int64_t g = s->generations ? s->generations : INT64_MAX, by_trials = s->trials ? s->trials / population : INT64_MAX;
    if (by_trials < 1)
        return fail(err, ERROR_USAGE,
                    "%s: %lld trials are fewer than one generation of %d; give more trials or a smaller population", f->path,
                    (long long)s->trials, population);
    if (by_trials < g)
        g = by_trials;
    return g < UINT32_MAX ? g
                          : fail(err, ERROR_LIMIT, "%s: %lld generations are more than the limit of %u", f->path, (long long)g,
                                 UINT32_MAX - 1);
}

static json_t *dimensions_json(const genome *g)
{
    json_t *list = json_array();
    for (size_t i = 0; i < g->count; i++) {
        const dimension *d = &g->dimensions[i];
        json_array_append_new(list, json_pack("{s:s, s:f, s:f, s:f, s:f}", "name", d->name, "low", d->low, "high", d->high,
                                              "start", d->start, "spread", d->spread));
    }
    return list;
}

static json_t *groups_json(const genome *g)
{
    json_t *list = json_array();
    for (int i = 0; i < g->n_groups; i++)
        json_array_append_new(list, json_pack("[i, i]", g->ranges[i][0], g->ranges[i][1]));
    return list;
}

/* The part that may not change. */
static json_t *fixed_json(const session *s, error *err)
{
    const study_search *search = &s->file->search;
    json_t *models = json_object(), *sources = json_array();
    for (size_t i = 0; i < s->recipe->n_models; i++) {
        json_object_set_new(models, s->names[i], json_string(s->digests[i]));
        if ((int)i != s->recipe->base)
            json_array_append_new(sources, json_string(s->names[i]));
    }
    json_t *questions = question_pool_json(&s->search, false, err);
    json_t *select = questions ? question_pool_json(&s->select, false, err) : NULL;
    if (!select) {
        json_decref(models);
        json_decref(sources);
        json_decref(questions);
        return NULL;
    }
    json_t *recipe_json = json_pack("{s:s, s:o, s:o, s:s, s:b}", "method", s->recipe->method, "base_model",
                                    s->recipe->base >= 0 ? json_string(s->names[s->recipe->base]) : json_null(), "sources",
                                    sources, "mode", search->mode, "tokenizer_base", search->tokenizer_base);
    json_t *genome_json = json_pack("{s:i, s:o, s:o}", "layers", s->genome->layers, "layer_groups", groups_json(s->genome),
                                    "dimensions", dimensions_json(s->genome));
    json_t *optimizer_json = json_pack("{s:s, s:i, s:f}", "name", search->optimizer, "population",
                                       search->population ? search->population : s->population, "sigma", search->sigma);
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "seed", (json_int_t)s->seed, "models", models, "recipe", recipe_json,
                     "genome", genome_json, "optimizer", optimizer_json, "tasks", questions, "select", select);
}

static json_t *models_json(session *s, const json_t *known, error *err)
{
    json_t *models = json_object();
    for (size_t i = 0; i < s->recipe->n_models; i++) {
        char full[65];
        const json_t *before = json_object_get(known, s->names[i]);
        const char *sampled = json_string_value(json_object_get(before, "sampled")),
                   *kept = json_string_value(json_object_get(before, "sha256"));
        if (sampled && kept && strcmp(sampled, s->digests[i]) == 0) {
            snprintf(full, sizeof full, "%s", kept);        /* read whole once a study */
        } else {
            progress_say("reading model '%s' whole: its digest, and whether its weights are finite", s->names[i]);
            if (checkpoint_check_finite(s->models[i], s->pool, err) != 0 ||
                checkpoint_digest_full(s->models[i], full, err) != 0) {
                json_decref(models);
                fail_in(err, "model '%s'", s->names[i]);
                return NULL;
            }
        }
        json_object_set_new(models, s->names[i],
                            json_pack("{s:s, s:s, s:s}", "path", s->recipe->models[i].path, "sampled", s->digests[i], "sha256",
                                      full));
    }
    return models;
}

static json_t *tasks_json(const session *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->tasks.count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", s->tasks.items[i]->name, "path", s->tasks.items[i]->file,
                                              "text", s->tasks.items[i]->text));
    return list;
}

static char *metric_name(const session *s)
{
    const task *t = s->search.sets[0].task;
    if (s->search.count != 1 || !t->metric)
        return memory_text("score");
    return memory_print("%s%s%s", t->metric->name, t->language ? "_" : "", t->language ? t->language : "");
}

json_t *settings_new(session *s, error *err)
{
    json_t *fixed = fixed_json(s, err), *models = NULL, *pools[3] = {0}, *settings = NULL;
    if (!fixed || !(models = models_json(s, json_object_get(s->settings, "models"), err)) ||
        !(pools[0] = question_pool_json(&s->search, true, err)) || !(pools[1] = question_pool_json(&s->select, true, err)) ||
        !(pools[2] = question_pool_json(&s->held_out, true, err)))
        goto done;
    char *measured = metric_name(s);
    settings =
        json_pack("{s:s, s:s, s:s, s:s, s:i, s:O, s:O, s:{s:s, s:s}, s:o, s:O, s:O, s:O, s:O}", "program",
                  "merganser " MERGANSER_VERSION, "name", s->file->name, "metric", measured, "backend", s->backend->name,
                  "population", s->population, "dimensions", json_object_get(json_object_get(fixed, "genome"), "dimensions"),
                  "models", models, "study", "path", s->file->path, "text", s->file->text, "tasks", tasks_json(s),
                  "search_questions", pools[0], "select_questions", pools[1], "held_out_questions", pools[2], "fixed", fixed);
    free(measured);
    if (!settings)
        fail(err, ERROR_FORMAT, "%s: the study cannot be recorded as JSON (a name or text that is not UTF-8?)", s->file->path);
done:
    json_decref(fixed);
    json_decref(models);
    for (int i = 0; i < 3; i++)
        json_decref(pools[i]);
    return settings;
}

static char *short_json(const json_t *v)
{
    char *text = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : memory_text("absent");
    if (text && strlen(text) > 60)
        memcpy(text + 57, "...", 4);
    return text ? text : memory_text("?");
}

static int differ(const char *path, const json_t *was, const json_t *is, char *where, size_t size, char **a, char **b);

static int differ_in_list(const char *path, const json_t *was, const json_t *is, char *where, size_t size, char **a, char **b)
{
    size_t n = json_array_size(was), m = json_array_size(is);
    for (size_t i = 0; i < n && i < m; i++) {
        const json_t *item = json_array_get(was, i);
        const char *name = json_string_value(json_object_get(item, "name"));
        char inner[300];
        if (name)
            snprintf(inner, sizeof inner, "%.200s '%.80s'", path, name);
        else
            snprintf(inner, sizeof inner, "%.200s[%zu]", path, i);
        if (differ(inner, item, json_array_get(is, i), where, size, a, b))
            return 1;
    }
    if (n == m)
        return 0;
    snprintf(where, size, "the number of %.200s", path);
    *a = memory_print("%zu", n);
    *b = memory_print("%zu", m);
    return 1;
}

/* The first difference: where, what it was and what it is. */
static int differ(const char *path, const json_t *was, const json_t *is, char *where, size_t size, char **a, char **b)
{
    if (json_is_array(was) && json_is_array(is))
        return differ_in_list(path, was, is, where, size, a, b);
    if (json_is_object(was) && json_is_object(is)) {
        const json_t *sides[2] = {was, is};
        for (int k = 0; k < 2; k++)
            for (void *at = json_object_iter((json_t *)sides[k]); at; at = json_object_iter_next((json_t *)sides[k], at)) {
                const char *key = json_object_iter_key(at);
                char inner[300];
                snprintf(inner, sizeof inner, "%.200s%s%.80s", path, path[0] ? "." : "", key);
                if (differ(inner, json_object_get(was, key), json_object_get(is, key), where, size, a, b))
                    return 1;
            }
        return 0;
    }
    if (was && is && json_is_number(was) && json_is_number(is) ? json_number_value(was) == json_number_value(is)
                                                               : was && is && json_equal(was, is))
        return 0;
    snprintf(where, size, "%.290s", path);
    *a = short_json(was);
    *b = short_json(is);
    return 1;
}

/* A fork may change models, questions and seed; the optimiser's state only means something in its own genome. */
static void forget_forked(json_t *fixed)
{
    static const char *const free_ones[] = {"seed", "models", "recipe", "tasks", "select"};
    for (size_t i = 0; i < sizeof free_ones / sizeof *free_ones; i++)
        json_object_del(fixed, free_ones[i]);
}

int settings_check(const session *s, const json_t *recorded, error *err)
{
    json_t *now = fixed_json(s, err), *was = json_deep_copy(json_object_get(recorded, "fixed"));
    char where[300], *a = NULL, *b = NULL;
    int status = 0;
    if (!now) {
        json_decref(was);
        return -1;
    }
    if (!json_is_object(was)) {
        status = fail(err, ERROR_FORMAT, "%s: its settings lack what they are compared with", s->db);
    } else {
        if (s->options->fork) {
            forget_forked(now);
            forget_forked(was);
        }
        if (differ("", was, now, where, sizeof where, &a, &b))
            status = fail(err, ERROR_STATE, "%s is a study of something else: %s was %s, is %s now; %s", s->out, where, a, b,
                          s->options->fork
                              ? "not even a fork can change that: begin a new study (with 'start: recipe.yml', if you like)"
                              : "undo that, give another -o OUT, or go on in a copy with --fork OUT");
    }
    free(a);
    free(b);
    json_decref(now);
    json_decref(was);
    return status;
}
