/* The steps of a study's search: in parameter space, or in data-flow space, on models or on what steps before have found. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "merge/method.h"
#include "merge/recipe_parts.h"
#include "study/study_reader.h"

#define MAX_STEPS 16

static const char *const common_keys[] = {"space", "name", "sources", "optimizer", "bounds", "start", "racing", "component"};
static const char *const parameter_keys[] = {"method", "base_model", "parameters", "layer_groups", "split", "mode", "tokenizer", "dtype", "config_from"};
static const char *const flow_keys[] = {"preset", "repetitions", "max_hops", "pin_ends", "scales", "start_on", "start_off"};
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* layer_groups: 4 or [[0, 8], [8, 32]]: first layer, one past the last. */
static int read_groups(study_step *s, const yaml_value *v, error *err)
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
    if (study_want_kind(v, YAML_LIST, "'layer_groups'", err) != 0)
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

static int read_split(study_step *s, const yaml_value *v, error *err)
{
    static const char *const parts[] = {"attention", "mlp", "embeddings", NULL};
    bool attention = false, mlp = false;
    if (!v || v->kind == YAML_NULL)
        return 0;
    if (study_want_kind(v, YAML_LIST, "'split'", err) != 0)
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

static int read_optimizer(study_step *s, const yaml_value *map, error *err)
{
    static const char *const known[] = {"name", "population", "generations", "trials", "sigma", NULL};
    if (!map || map->kind == YAML_NULL)
        return 0;
    int64_t population = 0;
    if (study_want_kind(map, YAML_MAP, "'optimizer'", err) != 0 || yaml_known_keys(map, known, err) != 0 ||
        study_want_text(map, "name", &s->optimizer, err) != 0 ||
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
    if (study_want_kind(map, YAML_MAP, "a parameter's bounds", err) != 0 || yaml_known_keys(map, known, err) != 0 ||
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

static int read_bounds(study_step *s, const yaml_value *map, error *err)
{
    if (!map || map->kind == YAML_NULL)
        return 0;
    if (study_want_kind(map, YAML_MAP, "'bounds'", err) != 0)
        return -1;
    for (size_t i = 0; i < map->count; i++) {
        study_bound b = {map->keys[i], NAN, NAN, NAN, NAN};
        if (read_bound(&b, map->items[i], err) != 0)
            return -1;
        study_set_bound(s, &b);
    }
    return 0;
}

void study_set_bound(study_step *s, const study_bound *b)
{
    s->bounds = memory_grow(s->bounds, s->n_bounds + 1, sizeof *s->bounds);
    s->bounds[s->n_bounds] = *b;
    s->bounds[s->n_bounds++].parameter = memory_text(b->parameter);
}

void study_set_value(study_step *s, const char *parameter, double value)
{
    s->values = memory_grow(s->values, s->n_values + 1, sizeof *s->values);
    s->values[s->n_values++] = (study_value){memory_text(parameter), value};
}

static int check_parameter(const method *m, const char *name, const yaml_value *at, error *err)
{
    const char **names = memory_new(m->n_parameters + 1, sizeof *names);
    for (size_t i = 0; i < m->n_parameters; i++)
        names[i] = m->parameters[i].name;
    const char *near = text_nearest(name, names);
    int status = method_parameter_find(m, name) ? 0 : yaml_fail(err, at, "%s has no parameter '%s'%s%s%s", m->name, name, near ? "; did you mean '" : "",
                                                                near ? near : "", near ? "'?" : "");
    free(names);
    return status;
}

static int read_value(study_step *s, const method_parameter *p, const yaml_value *v, error *err)
{
    bool on = false;
    double value = NAN;
    if ((p->is_bool ? yaml_bool(v, &on, err) : yaml_real(v, &value, err)) != 0)
        return fail_in(err, "'%s'", p->name);
    if (v->kind == YAML_NULL)
        return yaml_fail(err, v, "'%s' has no value", p->name);
    if (!p->is_bool && !(value >= p->low && value <= p->high))
        return yaml_fail(err, v, "%s is %g; it should lie in [%g, %g]", p->name, value, p->low, p->high);
    for (size_t i = 0; i < s->n_bounds; i++)
        if (strcmp(s->bounds[i].parameter, p->name) == 0)
            return yaml_fail(err, v, "'%s' stands in 'bounds', to be searched, and in 'parameters', to be fixed", p->name);
    study_set_value(s, p->name, p->is_bool ? on : value);
    return 0;
}

/* parameters: as in a recipe, for all tensors: not searched. Of an unknown method, which is an error later, nothing is known. */
static int read_values(study_step *s, const yaml_value *map, error *err)
{
    const method *m = method_find(s->method);
    if (!m || !map || map->kind == YAML_NULL)
        return 0;
    if (study_want_kind(map, YAML_MAP, "'parameters'", err) != 0)
        return -1;
    for (size_t i = 0; i < map->count; i++)
        if (check_parameter(m, map->keys[i], map->items[i], err) != 0 || read_value(s, method_parameter_find(m, map->keys[i]), map->items[i], err) != 0)
            return -1;
    return 0;
}

/* A step's source is a model, or what a parameter step before has found; `best` is the step right before. */
static int check_source(const study_file *f, const study_step *s, const yaml_value *v, const char *name, error *err)
{
    if (name && study_file_model(f, name) >= 0)
        return 0;
    int step = name ? study_file_step(f, name) : -1;
    if (step < 0 || step == (int)(s - f->steps))
        return study_fail_unknown_model(f, v, name ? name : "", err);
    if (s->space != SPACE_DATA_FLOW)
        return yaml_fail(err, v, "the source '%s' is a step of the search; only a data-flow step takes one", name);
    if (f->steps[step].space != SPACE_PARAMETERS)
        return yaml_fail(err, v, "the source '%s' is a data-flow step: a path's winner is no source of another path", name);
    return 0;
}

static int add_source(study_file *f, study_step *s, const yaml_value *v, error *err)
{
    const char *name = NULL;
    size_t index = (size_t)(s - f->steps);
    if (yaml_text(v, &name, err) != 0)
        return -1;
    if (name && strcmp(name, "best") == 0 && study_file_model(f, "best") < 0) {
        if (index == 0)
            return yaml_fail(err, v, "'best' is what the step before has found, and this is the first");
        name = f->steps[index - 1].name;
    }
    if (check_source(f, s, v, name, err) != 0)
        return -1;
    for (size_t j = 0; j < s->n_sources; j++)
        if (strcmp(s->sources[j], name) == 0)
            return yaml_fail(err, v, "'%s' stands twice among the sources", name);
    if (s->base_model && strcmp(s->base_model, name) == 0)
        return yaml_fail(err, v, "'%s' is the base_model, which is not a source as well", name);
    s->sources[s->n_sources++] = memory_text(name);
    return 0;
}

static int read_sources(study_file *f, study_step *s, const yaml_value *list, error *err)
{
    s->sources = memory_new(list ? list->count : f->n_models, sizeof *s->sources);
    for (size_t i = 0; !list && i < f->n_models; i++)
        if (!s->base_model || strcmp(f->models[i].name, s->base_model) != 0)
            s->sources[s->n_sources++] = memory_text(f->models[i].name);
    if (!list)
        return 0;
    if (study_want_kind(list, YAML_LIST, "'sources'", err) != 0)
        return -1;
    if (list->count == 0)
        return yaml_fail(err, list, "'sources' is empty");
    for (size_t i = 0; i < list->count; i++)
        if (add_source(f, s, list->items[i], err) != 0)
            return -1;
    return 0;
}

static int check_config_from(const study_step *s, const yaml_value *v, error *err)
{
    bool there = !s->config_from || (s->base_model && strcmp(s->base_model, s->config_from) == 0);
    for (size_t i = 0; i < s->n_sources && !there; i++)
        there = strcmp(s->sources[i], s->config_from) == 0;
    return there ? 0 : yaml_fail(err, yaml_get(v, "config_from"), "config_from is '%s', which is neither a source nor the base_model", s->config_from);
}

static int read_parameter_step(study_file *f, study_step *s, const yaml_value *v, error *err)
{
    const char *tokenizer = NULL;
    s->mode = memory_text("exact");
    if (f->n_models < 2)
        return yaml_fail(err, v, "'models' names %zu: a merge needs at least two", f->n_models);
    if (study_want_text(v, "method", &s->method, err) != 0 || study_want_text(v, "base_model", &s->base_model, err) != 0 ||
        study_want_text(v, "mode", &s->mode, err) != 0 || yaml_text(yaml_get(v, "tokenizer"), &tokenizer, err) != 0)
        return -1;
    if (!s->method)
        return yaml_fail(err, v, "'method' is missing: which merge method? merganser help methods tells all of them");
    if (s->base_model && study_file_model(f, s->base_model) < 0)
        return study_fail_unknown_model(f, yaml_get(v, "base_model"), s->base_model, err);
    if (strcmp(s->mode, "exact") != 0 && strcmp(s->mode, "compat") != 0)
        return yaml_fail(err, yaml_get(v, "mode"), "mode is '%s'; it should be exact or compat", s->mode);
    if (recipe_dtype(recipe_member(v, "dtype"), &s->dtype, err) != 0 || study_want_text(v, "config_from", &s->config_from, err) != 0)
        return -1;
    if (tokenizer && strcmp(tokenizer, "base") != 0)
        return yaml_fail(err, yaml_get(v, "tokenizer"), "tokenizer is '%s'; only 'base' is known", tokenizer);
    s->tokenizer_base = tokenizer != NULL;
    if (read_values(s, yaml_get(v, "parameters"), err) != 0 || read_sources(f, s, yaml_get(v, "sources"), err) != 0 || read_groups(s, yaml_get(v, "layer_groups"), err) != 0)
        return -1;
    return check_config_from(s, v, err) == 0 ? read_split(s, yaml_get(v, "split"), err) : -1;
}

/* The settings of the paper's experiment, where the file does not say otherwise. */
static void take_paper(study_step *s)
{
    s->paper = true;
    s->repetitions = 3;
    s->scales = FLOW_MATRIX;
}

static int read_flow_step(study_file *f, study_step *s, const yaml_value *v, error *err)
{
    static const char *const words[] = {[FLOW_NO_SCALES] = "none", [FLOW_SLOTS] = "slots", [FLOW_MATRIX] = "matrix", [FLOW_NETWORK] = "network", NULL};
    const char *preset = NULL, *scales = NULL;
    if (yaml_text(yaml_get(v, "preset"), &preset, err) != 0 || yaml_text(yaml_get(v, "scales"), &scales, err) != 0)
        return -1;
    if (preset && strcmp(preset, "paper") != 0)
        return yaml_fail(err, yaml_get(v, "preset"), "preset is '%s'; only 'paper' is known", preset);
    if (preset)
        take_paper(s);
    int64_t repetitions = s->repetitions, max_hops = 0;
    if (yaml_int(yaml_get(v, "repetitions"), 1, 1000, &repetitions, err) != 0 || yaml_int(yaml_get(v, "max_hops"), 1, PATH_MAX_HOPS, &max_hops, err) != 0 ||
        yaml_bool(yaml_get(v, "pin_ends"), &s->pin_ends, err) != 0 || yaml_real(yaml_get(v, "start_on"), &s->start_on, err) != 0 ||
        yaml_real(yaml_get(v, "start_off"), &s->start_off, err) != 0)
        return -1;
    s->repetitions = (int)repetitions;
    s->max_hops = (int)max_hops;
    if (s->start_on < 0 || s->start_on > 1 || s->start_off < 0 || s->start_off > 1)
        return yaml_fail(err, v, "start_on and start_off are probabilities, from 0 to 1");
    if (scales) {
        int k = 0;
        while (words[k] && strcmp(words[k], scales) != 0)
            k++;
        if (!words[k])
            return yaml_fail(err, yaml_get(v, "scales"), "scales is '%s'; it should be slots, matrix, network or none", scales);
        s->scales = (enum flow_scales)k;
    }
    for (size_t i = 0; i < s->n_bounds; i++)
        if (strcmp(s->bounds[i].parameter, "scale") != 0 || !isnan(s->bounds[i].start))
            return yaml_fail(err, yaml_get(v, "bounds"), "a path has bounds of 'scale' only: low, high and spread");
    return read_sources(f, s, yaml_get(v, "sources"), err);
}

static int check_keys(const yaml_value *v, enum study_space space, error *err)
{
    const char *known[COUNT(common_keys) + COUNT(parameter_keys) + COUNT(flow_keys) + 1] = {0};
    size_t n = 0;
    for (size_t i = 0; i < COUNT(common_keys); i++)
        known[n++] = common_keys[i];
    for (size_t i = 0; space == SPACE_PARAMETERS && i < COUNT(parameter_keys); i++)
        known[n++] = parameter_keys[i];
    for (size_t i = 0; space == SPACE_DATA_FLOW && i < COUNT(flow_keys); i++)
        known[n++] = flow_keys[i];
    return yaml_known_keys(v, known, err);
}

/* As the paper's tables have it, counted where there are several of a kind. */
char *study_standard_name(const study_file *f, const study_step *s)
{
    const char *kind = "PS";
    if (s->space == SPACE_DATA_FLOW) {
        kind = "DFS";
        for (size_t i = 0; i < s->n_sources; i++)
            if (study_file_model(f, s->sources[i]) < 0)
                kind = "PS + DFS";
    }
    char *name = memory_text(kind);
    for (int k = 2; study_file_step(f, name) >= 0 || study_file_model(f, name) >= 0; k++) {
        free(name);
        name = memory_print("%s %d", kind, k);
    }
    return name;
}

static int read_name(study_file *f, study_step *s, const yaml_value *v, error *err)
{
    if (!s->name) {
        s->name = study_standard_name(f, s);
        return 0;
    }
    if (study_file_model(f, s->name) >= 0 || study_file_step(f, s->name) != (int)(s - f->steps))
        return yaml_fail(err, yaml_get(v, "name"), "the name '%s' is a model's or another step's", s->name);
    if (strcmp(s->name, "best") == 0 || strcmp(s->name, "mean") == 0 || strspn(s->name, "0123456789") == strlen(s->name))
        return yaml_fail(err, yaml_get(v, "name"), "the name '%s' means a trial: give the step another", s->name);
    if (strlen(s->name) > 40)
        return yaml_fail(err, yaml_get(v, "name"), "the name '%.50s' is longer than 40 bytes", s->name);
    return 0;
}

static int read_step(study_file *f, const yaml_value *v, error *err)
{
    const char *space = "parameters";
    study_step *s = &f->steps[f->n_steps++];
    *s = (study_step){.repetitions = 2, .pin_ends = true, .scales = FLOW_SLOTS, .start_on = NAN, .start_off = NAN, .dtype = -1};
    if (study_want_kind(v, YAML_MAP, "a step of 'search'", err) != 0 || yaml_text(yaml_get(v, "space"), &space, err) != 0)
        return -1;
    if (strcmp(space, "parameters") != 0 && strcmp(space, "data-flow") != 0)
        return yaml_fail(err, yaml_get(v, "space"), "space is '%s'; it should be parameters or data-flow", space);
    s->space = space[0] == 'p' ? SPACE_PARAMETERS : SPACE_DATA_FLOW;
    if (check_keys(v, s->space, err) != 0 || study_want_text(v, "name", &s->name, err) != 0 || study_want_text(v, "start", &s->start, err) != 0 ||
        yaml_bool(yaml_get(v, "racing"), &s->racing, err) != 0 || recipe_component(v, &s->language_only, err) != 0 || read_optimizer(s, yaml_get(v, "optimizer"), err) != 0 ||
        read_bounds(s, yaml_get(v, "bounds"), err) != 0)
        return -1;
    if ((s->space == SPACE_PARAMETERS ? read_parameter_step(f, s, v, err) : read_flow_step(f, s, v, err)) != 0 || read_name(f, s, v, err) != 0)
        return -1;
    if (s->paper && !s->generations && !s->trials)
        s->generations = 100;
    if (!s->generations && !s->trials)
        return yaml_fail(err, v, "how long to search is missing: 'optimizer: {generations: 20}' or 'optimizer: {trials: 400}'");
    return 0;
}

int study_read_steps(study_file *f, const yaml_value *v, error *err)
{
    size_t n = v->kind == YAML_LIST ? v->count : 1;
    if (n == 0 || n > MAX_STEPS)
        return yaml_fail(err, v, "'search' has %zu steps; 1 to %d are possible", n, MAX_STEPS);
    f->steps = memory_new(n, sizeof *f->steps);
    for (size_t i = 0; i < n; i++)
        if (read_step(f, v->kind == YAML_LIST ? v->items[i] : v, err) != 0)
            return -1;
    return 0;
}

void study_free_steps(study_file *f)
{
    for (size_t k = 0; k < f->n_steps; k++) {
        study_step *s = &f->steps[k];
        for (size_t i = 0; i < s->n_sources; i++)
            free(s->sources[i]);
        for (size_t i = 0; i < s->n_bounds; i++)
            free(s->bounds[i].parameter);
        for (size_t i = 0; i < s->n_values; i++)
            free(s->values[i].parameter);
        for (size_t i = 0; i < s->n_filters; i++)
            free(s->filters[i]);
        free(s->name);
        free(s->sources);
        free(s->bounds);
        free(s->values);
        free(s->filters);
        free(s->ranges);
        free(s->method);
        free(s->base_model);
        free(s->config_from);
        free(s->optimizer);
        free(s->start);
        free(s->mode);
    }
    free(f->steps);
}
