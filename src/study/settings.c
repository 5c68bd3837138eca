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

static json_t *dimensions_json(const genome *g)
{
    json_t *list = json_array();
    for (size_t i = 0; i < g->count; i++) {
        const dimension *d = &g->dimensions[i];
        json_t *one = json_pack("{s:s, s:f, s:f, s:f, s:f}", "name", d->name, "low", d->low, "high", d->high, "start", d->start,
                                "spread", d->spread);
        if (d->binary)
            json_object_set_new(one, "binary", json_true());
        json_array_append_new(list, one);
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

static json_t *sources_json(const step *st)
{
    json_t *sources = json_array();
    for (size_t i = 0; i < st->n_models; i++)
        if (!st->recipe || (int)i != st->recipe->base)
            json_array_append_new(sources, json_string(st->names[i]));
    return sources;
}

static json_t *recipe_json(const step *st)
{
    const recipe *r = st->recipe;
    json_t *json = json_pack("{s:s, s:o, s:o, s:s, s:b}", "method", r->method, "base_model",
                             r->base >= 0 ? json_string(st->names[r->base]) : json_null(), "sources", sources_json(st), "mode",
                             r->mode == MERGE_COMPAT ? "compat" : "exact", "tokenizer_base", r->tokenizer.source == TOKENIZER_BASE);
    json_t *values = json_object();
    for (size_t i = 0; i < st->file->n_values; i++)
        json_object_set_new(values, st->file->values[i].parameter, json_real(st->file->values[i].value));
    if (r->language_only)
        json_object_set_new(json, "component", json_string("language_model"));
    if (r->dtype >= 0)
        json_object_set_new(json, "dtype", json_string(dtype_torch_name((enum dtype)r->dtype)));
    if (r->config_from >= 0)
        json_object_set_new(json, "config_from", json_string(st->names[r->config_from]));
    if (st->file->n_values)
        json_object_set(json, "parameters", values);
    json_decref(values);
    return json;
}

/* What a step is, resolved. */
static json_t *step_json(const step *st)
{
    const genome *g = st->genome;
    json_t *racing = json_pack("{s:b, s:b}", "asked", st->file->racing, "on", st->racing);
    json_t *optimizer_json = json_pack("{s:s, s:i, s:f}", "name", st->optimizer, "population", st->population, "sigma", st->file->sigma);
    if (st->recipe) {
        json_t *genome_json = json_pack("{s:i, s:o, s:o}", "layers", g->layers, "layer_groups", groups_json(g), "dimensions", dimensions_json(g));
        if (g->smooth)
            json_object_set_new(genome_json, "smooth", json_true());
        return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "name", st->file->name, "space", "parameters", "recipe", recipe_json(st), "genome",
                         genome_json, "optimizer", optimizer_json, "racing", racing);
    }
    json_t *genome_json = json_pack("{s:i, s:i, s:o}", "slots", flow_slots(g), "max_hops", st->max_hops, "dimensions", dimensions_json(g));
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "name", st->file->name, "space", "data-flow", "sources", sources_json(st), "genome",
                     genome_json, "optimizer", optimizer_json, "racing", racing);
}

/* The part that may not change. */
static json_t *fixed_json(const session *s, error *err)
{
    json_t *models = json_object(), *steps = json_array();
    for (size_t i = 0; i < s->n_models; i++)
        json_object_set_new(models, s->models[i].name, json_string(s->models[i].digest));
    for (size_t k = 0; k < s->n_steps; k++)
        json_array_append_new(steps, step_json(&s->steps[k]));
    json_t *questions = question_pool_json(&s->search, false, err);
    json_t *select = questions ? question_pool_json(&s->select, false, err) : NULL;
    if (!select) {
        json_decref(models);
        json_decref(steps);
        json_decref(questions);
        return NULL;
    }
    return json_pack("{s:I, s:o, s:o, s:o, s:o}", "seed", (json_int_t)s->seed, "models", models, "steps", steps, "tasks", questions,
                     "select", select);
}

static json_t *models_json(session *s, const json_t *known, error *err)
{
    json_t *models = json_object();
    for (size_t i = 0; i < s->n_models; i++) {
        const session_model *m = &s->models[i];
        char full[65];
        const json_t *before = json_object_get(known, m->name);
        const char *sampled = json_string_value(json_object_get(before, "sampled")),
                   *kept = json_string_value(json_object_get(before, "sha256"));
        if (sampled && kept && strcmp(sampled, m->digest) == 0) {
            snprintf(full, sizeof full, "%s", kept);        /* read whole once a study */
        } else {
            progress_say("reading model '%s' whole: its digest, and whether its weights are finite", m->name);
            if (checkpoint_check_finite(m->checkpoint, s->pool, err) != 0 || checkpoint_digest_full(m->checkpoint, full, err) != 0) {
                json_decref(models);
                fail_in(err, "model '%s'", m->name);
                return NULL;
            }
        }
        json_object_set_new(models, m->name, json_pack("{s:s, s:s, s:s}", "path", m->path, "sampled", m->digest, "sha256", full));
    }
    return models;
}

static const json_t *recorded_step(const json_t *settings, size_t index)
{
    return json_array_get(json_object_get(json_object_get(settings, "fixed"), "steps"), index);
}

int settings_population(const json_t *settings, size_t index)
{
    return (int)json_integer_value(json_object_get(json_object_get(recorded_step(settings, index), "optimizer"), "population"));
}

bool settings_racing(const json_t *settings, size_t index)
{
    return json_is_true(json_object_get(json_object_get(recorded_step(settings, index), "racing"), "on"));
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
    if (s->search.count != 1)
        return memory_text("score");
    return memory_print("%s%s%s", task_metric_name(t), task_language(t) ? "_" : "", task_language(t) ? task_language(t) : "");
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
        json_pack("{s:s, s:s, s:s, s:s, s:O, s:{s:s, s:s}, s:o, s:O, s:O, s:O, s:O}", "program",
                  "merganser " MERGANSER_VERSION, "name", s->file->name, "metric", measured, "backend", s->backend->name,
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
    static const char *const free_ones[] = {"seed", "models", "tasks", "select"};
    json_t *st;
    size_t k;
    for (size_t i = 0; i < sizeof free_ones / sizeof *free_ones; i++)
        json_object_del(fixed, free_ones[i]);
    json_array_foreach(json_object_get(fixed, "steps"), k, st) {
        json_object_del(st, "recipe");
        json_object_del(st, "sources");
    }
}

/* A study may get further steps at its end, and the models that they name. */
static void forget_new_steps(json_t *now, const json_t *was)
{
    json_t *steps = json_object_get(now, "steps"), *models = json_object_get(now, "models"), *model;
    const char *name;
    void *next;
    while (json_array_size(steps) > json_array_size(json_object_get(was, "steps")))
        json_array_remove(steps, json_array_size(steps) - 1);
    json_object_foreach_safe(models, next, name, model)
        if (!json_object_get(json_object_get(was, "models"), name))
            json_object_del(models, name);
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
        forget_new_steps(now, was);
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
