#include "study/step.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/yaml.h"
#include "merge/method.h"

/* Few trials want small populations; many trials on noisy scores want large ones (docs: simulation of accuracy as fitness). */
#define LARGE_DIMENSIONS 32
#define LARGE_POPULATION 64
#define TRIALS_PER_CANDIDATE 15

#define PAPER_POPULATION 128
#define PAPER_ON 0.97724986805182079    /* Phi(2): the mean stands two standard deviations above the threshold */

/* A path's slots at the start: how sure the first source's own layers are, and how many others are expected to be on. */
#define START_ON 0.97
#define START_OTHERS 0.5

#define SWITCH_OPTIMIZER "cma-es-margin"    /* numbers with a few switches among them */
#define PATH_OPTIMIZER "genetic"        /* what a path needs are changes of many slots at once; docs/measurements.md compares */
#define PATH_POPULATION 48

bool step_is_path(const step *st)
{
    return st->file->space == SPACE_DATA_FLOW;
}

uint64_t step_seed(int index, uint64_t seed)
{
    char name[32];
    snprintf(name, sizeof name, "step %d", index);
    return index == 0 ? seed : random_key(seed, name);
}

/* A method without use for a base leaves one that the file names out. */
static bool has_base(const method *m, const study_step *s)
{
    return method_sets_base_apart(m) && s->base_model;
}

int step_shape_model(const study_file *f, int index)
{
    const study_step *s = &f->steps[index];
    const method *m = method_find(s->method);
    return study_file_model(f, m && has_base(m, s) ? s->base_model : s->sources[0]);
}

void step_name_winners(const step *st, const char *study_db, layer_path *p)
{
    for (size_t i = 0; i < st->n_models; i++)
        if (st->winner_of[i] >= 0) {
            free(p->sources[i].model);
            p->sources[i].model = memory_print("%s@%s", study_db, st->names[i]);
        }
}

char *step_result_name(int index)
{
    return memory_print("step/%d", index);
}

double *step_result_vector(const json_t *result, size_t *n)
{
    const json_t *list = json_object_get(result, "x");
    *n = json_array_size(list);
    double *x = memory_new(*n, sizeof *x);
    for (size_t i = 0; i < *n; i++)
        x[i] = json_number_value(json_array_get(list, i));
    return x;
}

static int add_model(step *st, const study_file *f, const char *name, const char *const *paths)
{
    size_t i = st->n_models++;
    st->names[i] = memory_text(name);
    st->model[i] = study_file_model(f, name);
    st->winner_of[i] = st->model[i] < 0 ? study_file_step(f, name) : -1;
    const char *where = st->model[i] >= 0 ? paths[st->model[i]] : name;
    return st->recipe ? recipe_add_model(st->recipe, where) : path_add_source(st->path, name, where);
}

static int check_method(const study_file *f, const study_step *s, const method *m, error *err)
{
    if (!m) {
        const char *near = text_nearest(s->method, method_names());
        return fail(err, ERROR_USAGE, "%s: unknown merge method '%s'%s%s%s", f->path, s->method, near ? "; did you mean '" : "",
                    near ? near : "", near ? "'?" : "");
    }
    if (m->base == BASE_NEEDED && !s->base_model)
        return fail(err, ERROR_USAGE, "%s: method %s needs 'base_model: NAME', one of the models", f->path, m->name);
    if ((int)s->n_sources < m->min_models || (m->max_models && (int)s->n_sources > m->max_models))
        return fail(err, ERROR_USAGE, "%s: method %s takes %d%s sources, the study has %zu", f->path, m->name,
                    m->max_models ? m->max_models : m->min_models, m->max_models ? "" : " or more", s->n_sources);
    if (s->tokenizer_base && !has_base(m, s))
        return fail(err, ERROR_USAGE, "%s: 'tokenizer: base' needs a method with a base model", f->path);
    return 0;
}

static int open_recipe(step *st, const study_file *f, const char *const *paths, uint64_t seed, error *err)
{
    const study_step *s = st->file;
    const method *m = method_find(s->method);
    if (check_method(f, s, m, err) != 0)
        return -1;
    recipe *r = st->recipe = recipe_new(s->method);
    for (size_t i = 0; i < s->n_sources; i++)
        add_model(st, f, s->sources[i], paths);
    r->base = has_base(m, s) ? add_model(st, f, s->base_model, paths) : -1;
    r->base_listed = false;
    r->language_only = s->language_only;
    r->dtype = s->dtype;
    for (size_t i = 0; s->config_from && i < st->n_models; i++)
        if (strcmp(st->names[i], s->config_from) == 0)
            r->config_from = (int)i;
    r->mode = strcmp(s->mode, "compat") == 0 ? MERGE_COMPAT : MERGE_EXACT;
    r->tokenizer.source = s->tokenizer_base ? TOKENIZER_BASE : TOKENIZER_KEPT;
    r->seed = seed;
    for (size_t i = 0; i < s->n_values; i++)
        recipe_set(r, -1, s->values[i].parameter, s->values[i].value);
    return 0;
}

int step_open(step *st, const study_file *f, int index, const char *const *paths, uint64_t seed, error *err)
{
    const study_step *s = &f->steps[index];
    *st = (step){.file = s, .index = index, .first = -1};
    st->names = memory_new(s->n_sources + 1, sizeof *st->names);
    st->models = memory_new(s->n_sources + 1, sizeof(checkpoint *));
    st->model = memory_new(s->n_sources + 1, sizeof *st->model);
    st->winner_of = memory_new(s->n_sources + 1, sizeof *st->winner_of);
    if (s->space == SPACE_PARAMETERS)
        return open_recipe(st, f, paths, seed, err);
    st->path = path_new();
    for (size_t i = 0; i < s->n_sources; i++)
        add_model(st, f, s->sources[i], paths);
    return 0;
}

void step_close(step *st)
{
    for (size_t i = 0; i < st->n_models; i++)
        free(st->names[i]);
    free(st->names);
    free(st->models);
    free(st->model);
    free(st->winner_of);
    free(st->dims);
    genome_free(st->genome);
    recipe_free(st->recipe);
    path_free(st->path);
    *st = (step){0};
}

/* ---- the genome */

static struct genome_bound *bounds_of(const study_step *s)
{
    struct genome_bound *bounds = memory_new(s->n_bounds, sizeof *bounds);
    for (size_t i = 0; i < s->n_bounds; i++)
        bounds[i] = (struct genome_bound){s->bounds[i].parameter, s->bounds[i].low, s->bounds[i].high, s->bounds[i].start,
                                          s->bounds[i].spread};
    return bounds;
}

static const char **fixed_of(const study_step *s)
{
    const char **names = memory_new(s->n_values, sizeof *names);
    for (size_t i = 0; i < s->n_values; i++)
        names[i] = s->values[i].parameter;
    return names;
}

static genome *parameter_genome(const step *st, int layers, error *err)
{
    const study_step *s = st->file;
    if (s->granularity && layers % s->granularity) {
        fail(err, ERROR_USAGE, "layer_granularity is %d, and the models have %d layers, which is no multiple of it", s->granularity, layers);
        return NULL;
    }
    struct genome_bound *bounds = bounds_of(s);
    const char **fixed = fixed_of(s);
    genome_options options = {.method = method_find(s->method),
                              .architecture = st->architecture,
                              .names = (const char *const *)st->names,
                              .layers = layers,
                              .n_groups = s->granularity ? layers / s->granularity : s->n_ranges ? s->n_ranges : s->n_groups,
                              .ranges = (const int(*)[2])s->ranges,
                              .n_ranges = s->n_ranges,
                              .split_attention_mlp = s->split_attention_mlp,
                              .split_embeddings = s->split_embeddings,
                              .filters = (const char *const *)s->filters,
                              .n_filters = s->n_filters,
                              .smooth = s->smooth,
                              .fixed = fixed,
                              .n_fixed = s->n_values,
                              .sigma = s->sigma,
                              .bounds = bounds,
                              .n_bounds = s->n_bounds};
    genome *g = genome_new(st->recipe, &options, err);
    free(bounds);
    free(fixed);
    return g;
}

static double given(double value, double otherwise)
{
    return isnan(value) ? otherwise : value;
}

static genome *path_genome(step *st, const int *layers, error *err)
{
    const study_step *s = st->file;
    const study_bound none = {.low = NAN, .high = NAN, .spread = NAN}, *scale = s->n_bounds ? &s->bounds[0] : &none;
    int longest = 0, all = 0;
    for (size_t i = 0; i < st->n_models; i++) {
        longest = layers[i] > longest ? layers[i] : longest;
        all += layers[i];
    }
    st->max_hops = s->max_hops ? s->max_hops : s->paper ? all * s->repetitions : 2 * longest;
    double sigma = s->sigma > 0 ? s->sigma : 1.0 / 6, others = (double)all * s->repetitions - layers[0];
    flow_options options = {.names = (const char *const *)st->names,
                            .layers = layers,
                            .n_sources = st->n_models,
                            .repetitions = s->repetitions,
                            .pin_ends = s->pin_ends,
                            .scales = s->scales,
                            .scale_low = given(scale->low, s->paper ? -2 : 0.5),
                            .scale_high = given(scale->high, s->paper ? 4 : 1.5),
                            .scale_spread = given(scale->spread, s->paper ? sigma : 0.1),
                            .start_on = given(s->start_on, s->paper ? PAPER_ON : START_ON),
                            .start_off = given(s->start_off, s->paper ? 0.5 : fmin(0.1, START_OTHERS / fmax(others, 1))),
                            .max_hops = st->max_hops};
    return flow_genome(&options, err);
}

/* A path's sources become those of the step, by their names. */
static int name_sources(const step *st, layer_path *known, error *err)
{
    for (size_t i = 0; i < known->n_hops; i++) {
        const char *name = known->sources[known->hops[i].source].name;
        size_t k = 0;
        while (k < st->n_models && strcmp(st->names[k], name) != 0)
            k++;
        if (k == st->n_models)
            return fail(err, ERROR_USAGE, "hop %zu is a layer of '%s', which is not a source of the step", i, name);
        known->hops[i].source = (int)k;
    }
    return 0;
}

int step_take_start(step *st, error *err)
{
    genome *g = st->genome;
    if (!st->file->start)
        return 0;
    double *x = memory_new(g->count, sizeof *x);
    int status = -1;
    if (step_is_path(st)) {
        layer_path *known = path_read(st->file->start, err);
        status = known && name_sources(st, known, err) == 0 ? flow_encode(g, known, x, err) : -1;
        path_free(known);
        for (size_t i = 0; i < g->count; i++)
            if (g->dimensions[i].binary)
                x[i] = x[i] > 0.5 ? START_ON : g->dimensions[i].start < 1 - START_ON ? g->dimensions[i].start : 1 - START_ON;
    } else {
        recipe *known = recipe_read(st->file->start, err);
        status = known ? genome_encode(g, known, x, err) : -1;
        recipe_free(known);
        for (size_t i = 0; i < g->count; i++)
            if (g->dimensions[i].binary)
                x[i] = fmin(fmax(x[i], 1 - START_ON), START_ON);
    }
    for (size_t i = 0; status == 0 && i < g->count; i++)
        g->dimensions[i].start = fmin(fmax(x[i], g->dimensions[i].low), g->dimensions[i].high);
    free(x);
    return status == 0 ? 0 : fail_in(err, "start: %s", st->file->start);
}

static const char *merge_optimizer(const genome *g)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->dimensions[i].binary)
            return SWITCH_OPTIMIZER;
    return optimizer_default(false);
}

int step_open_genome(step *st, const int *layers, error *err)
{
    genome *g = st->genome = step_is_path(st) ? path_genome(st, layers, err)
                                              : parameter_genome(st, layers[st->recipe->base >= 0 ? st->recipe->base : 0], err);
    if (!g)
        return -1;
    if (g->count == 0)
        return fail(err, ERROR_USAGE, "step '%s': there is nothing to search", st->file->name);
    st->optimizer = st->file->optimizer ? st->file->optimizer : st->file->paper ? "cma-es" : step_is_path(st) ? PATH_OPTIMIZER : merge_optimizer(g);
    st->dims = memory_new(g->count, sizeof *st->dims);
    for (size_t i = 0; i < g->count; i++)
        st->dims[i] = (store_dimension){g->dimensions[i].name, g->dimensions[i].low, g->dimensions[i].high};
    return 0;
}

int step_population(const study_step *s, int workers, size_t n)
{
    if (s->population)
        return s->population;
    if (s->space == SPACE_DATA_FLOW)
        return s->paper ? PAPER_POPULATION : workers > PATH_POPULATION ? workers : PATH_POPULATION;
    int64_t p = 4 + (int64_t)floor(3 * log((double)(n ? n : 1)));
    if (p < workers)
        p = workers;
    if (n < LARGE_DIMENSIONS)
        return (int)p;
    int64_t large = LARGE_POPULATION;      /* with generations alone, trials = generations x population */
    if (s->trials && s->trials / TRIALS_PER_CANDIDATE < large)
        large = s->trials / TRIALS_PER_CANDIDATE;
    if (!s->trials && s->generations < TRIALS_PER_CANDIDATE)
        large = 0;
    return (int)(p > large ? p : large);
}

int step_resolve_size(step *st, const study_file *f, int population, error *err)
{
    const study_step *s = st->file;
    st->population = population > 0 && !s->population ? population : step_population(s, f->workers, st->genome->count);
    int64_t g = s->generations ? s->generations : INT64_MAX, by_trials = s->trials ? s->trials / st->population : INT64_MAX;
    if (by_trials < 1)
        return fail(err, ERROR_USAGE,
                    "%s: %lld trials are fewer than one generation of %d; give more trials or a smaller population", f->path,
                    (long long)s->trials, st->population);
    st->generations = by_trials < g ? by_trials : g;
    return st->generations < UINT32_MAX ? 0
                                        : fail(err, ERROR_LIMIT, "%s: %lld generations are more than the limit of %u", f->path,
                                               (long long)st->generations, UINT32_MAX - 1);
}

optimizer *step_new_optimizer(const step *st, uint64_t seed, error *err)
{
    const genome *g = st->genome;
    size_t n = g->count;
    double *v[4];
    enum variable *kinds = memory_new(n, sizeof *kinds);
    int *needs = memory_new(n, sizeof *needs);
    for (int k = 0; k < 4; k++)
        v[k] = memory_new(n, sizeof *v[k]);
    for (size_t i = 0; i < n; i++) {
        const dimension *d = &g->dimensions[i];
        v[0][i] = d->start;
        v[1][i] = d->low;
        v[2][i] = d->high;
        v[3][i] = d->spread;
        kinds[i] = d->binary ? VARIABLE_BINARY : VARIABLE_REAL;
        needs[i] = d->needs;
    }
    optimizer_options options = {.n = n, .start = v[0], .low = v[1], .high = v[2], .spread = v[3], .kinds = kinds, .needs = needs,
                                 .population = st->population, .seed = step_seed(st->index, seed), .active = 1, .full = st->file->paper};
    if (step_is_path(st)) {
        options.move = flow_move;
        options.move_context = g;
    }
    optimizer *o = optimizer_new(st->optimizer, &options, err);
    for (int k = 0; k < 4; k++)
        free(v[k]);
    free(kinds);
    free(needs);
    return o;
}

double step_decode(step *st, const double *x)
{
    if (step_is_path(st))
        return flow_decode(st->genome, x, st->path);
    genome_decode(st->genome, x, st->recipe);
    return 0;
}
