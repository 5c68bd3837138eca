#include "search/genome.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "search/flow.h"

static const char *const part_names[] = {"attention", "mlp", "embeddings"};

#define REST "*"      /* what no filter names */

/* What lies outside the layers. */
static const char *const outer_first[] = {"embed_tokens"}, *const outer_last[] = {"lm_head", "model.norm"};

/* The same, as a filter sees it. */
static const struct outer { const char *filter, *tensor; bool last; } outers[] = {
    {"embed_tokens", "model.embed_tokens.weight", false}, {"lm_head", "lm_head.weight", true}, {"model.norm", "model.norm.weight", true}};

/* Of a layer. The first match wins, here and in mergekit, and attention comes first: the MLP's value covers the rest. */
static const char *const attention_filters[] = {"self_attn", "input_layernorm"};

static int set_ranges(genome *g, const genome_options *o, error *err)
{
    g->n_groups = o->n_ranges ? o->n_ranges : o->n_groups > 0 ? o->n_groups : 1;
    if (g->n_groups > o->layers)
        return fail(err, ERROR_FORMAT, "%d layer groups for %d layers", g->n_groups, o->layers);
    g->ranges = memory_new((size_t)g->n_groups, sizeof *g->ranges);
    for (int i = 0, at = 0; i < g->n_groups; i++) {
        g->ranges[i][0] = o->n_ranges ? o->ranges[i][0] : (int)((int64_t)o->layers * i / g->n_groups);
        g->ranges[i][1] = o->n_ranges ? o->ranges[i][1] : (int)((int64_t)o->layers * (i + 1) / g->n_groups);
        if (g->ranges[i][0] != at || g->ranges[i][1] <= at || g->ranges[i][1] > o->layers || (i + 1 == g->n_groups && g->ranges[i][1] != o->layers))
            return fail(err, ERROR_FORMAT, "layer group %d is [%d, %d); the groups should cover the layers 0 to %d in order, each from where the last one ended",
                        i, g->ranges[i][0], g->ranges[i][1], o->layers - 1);
        at = g->ranges[i][1];
    }
    return 0;
}

static const struct genome_bound *bound_of(const genome_options *o, const char *parameter)
{
    for (size_t i = 0; i < o->n_bounds; i++)
        if (strcmp(o->bounds[i].parameter, parameter) == 0)
            return &o->bounds[i];
    return NULL;
}

static bool is_searched(const genome_options *o, const method_parameter *p)
{
    for (size_t i = 0; i < o->n_fixed; i++)
        if (strcmp(o->fixed[i], p->name) == 0)
            return false;
    return p->search_low < p->search_high || bound_of(o, p->name);
}

static int set_switch(dimension *d, const struct genome_bound *b, error *err)
{
    d->binary = true;
    d->high = 1;
    d->start = !b || isnan(b->start) ? 0.5 : b->start;
    d->spread = 0.5;
    if (b && (!isnan(b->low) || !isnan(b->high) || !isnan(b->spread) || !(d->start >= 0 && d->start <= 1)))
        return fail(err, ERROR_FORMAT, "'%s' is a switch: of its bounds only a start has a meaning, its probability of being true, from 0 to 1", b->parameter);
    return 0;
}

/* The middle of most; where that is out of bounds, the default of a parameter that the method searches, else the nearest bound. */
static double usual_start(const dimension *d, const method_parameter *p)
{
    bool inside = d->low <= 0.5 && d->high >= 0.5, searched = p->search_low < p->search_high && !p->required;
    return !inside && searched && p->standard > d->low && p->standard < d->high ? p->standard : fmin(fmax(0.5, d->low), d->high);
}

static int set_bounds(dimension *d, const method_parameter *p, const genome_options *o, error *err)
{
    const struct genome_bound *b = bound_of(o, p->name);
    if (p->is_bool)
        return set_switch(d, b, err);
    if (!(p->search_low < p->search_high) && isnan(b->low) && isnan(b->high))
        return fail(err, ERROR_FORMAT, "'%s' has no usual bounds: give its low and high, in [%g, %g]", p->name, p->low, p->high);
    d->low = b && !isnan(b->low) ? b->low : p->search_low;
    d->high = b && !isnan(b->high) ? b->high : p->search_high;
    d->start = b && !isnan(b->start) ? b->start : usual_start(d, p);
    double width = d->high - d->low;
    d->spread = b && !isnan(b->spread) ? b->spread : o->sigma > 0 ? o->sigma * width : fmin(width / 6, 0.25);
    if (!(d->low < d->high) || d->low < p->low || d->high > p->high)
        return fail(err, ERROR_FORMAT, "the bounds [%g, %g] of '%s' should lie in [%g, %g], the lower below the upper", d->low, d->high, p->name, p->low, p->high);
    if (!(d->start >= d->low && d->start <= d->high) || !(d->spread > 0) || !isfinite(d->spread))
        return fail(err, ERROR_FORMAT, "'%s' starts at %g with spread %g, which does not fit its bounds [%g, %g]", p->name, d->start, d->spread, d->low, d->high);
    return 0;
}

static int add_dimension(genome *g, const genome_options *o, const method_parameter *p, int model, int group, int part, error *err)
{
    g->dimensions = memory_grow(g->dimensions, g->count + 1, sizeof *g->dimensions);
    dimension *d = &g->dimensions[g->count];
    *d = (dimension){.needs = -1, .model = model, .parameter = p->name, .group = group, .part = part};
    if (set_bounds(d, p, o, err) != 0)
        return -1;
    string name = {0};
    string_print(&name, "%s%s%s", model >= 0 ? o->names[model] : "", model >= 0 ? "." : "", p->name);
    if (g->n_groups > 1 && (g->n_filters || part != PART_EMBEDDINGS))
        string_print(&name, ".g%d", group);
    if (part >= 0)
        string_print(&name, ".%s", !g->n_filters ? part_names[part] : part < (int)g->n_filters ? g->filters[part] : REST);
    d->name = name.text;
    g->count++;
    return 0;
}

static int add_parameter(genome *g, const genome_options *o, const method_parameter *p, int model, error *err)
{
    int first = g->n_filters ? 0 : g->split_attention_mlp ? PART_ATTENTION : -1;
    int last = g->n_filters ? (int)g->n_filters : g->split_attention_mlp ? PART_MLP : -1;
    for (int group = 0; group < g->n_groups; group++)
        for (int part = first; part <= last; part++)
            if (add_dimension(g, o, p, model, group, part, err) != 0)
                return -1;
    return g->split_embeddings ? add_dimension(g, o, p, model, 0, PART_EMBEDDINGS, err) : 0;
}

static int set_filters(genome *g, const genome_options *o, error *err)
{
    g->filters = o->filters;
    g->n_filters = o->n_filters;
    g->smooth = o->smooth;
    for (size_t i = 0; i < g->n_filters; i++) {
        if (!g->filters[i][0] || strcmp(g->filters[i], REST) == 0)
            return fail(err, ERROR_FORMAT, "the filter '%s' leaves nothing for the others", g->filters[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(g->filters[k], g->filters[i]) == 0)
                return fail(err, ERROR_FORMAT, "the filter '%s' stands twice", g->filters[i]);
    }
    return 0;
}

/* A method may have parameters without any being searched by default. */
static int fail_empty(const method *m, error *err)
{
    string all = {0};
    for (size_t i = 0; i < m->n_parameters; i++)
        string_print(&all, "%s%s", i ? ", " : "", m->parameters[i].name);
    fail(err, ERROR_USAGE, "%s has no parameter that is searched unless 'bounds' names it%s%s", m->name, all.text ? "; it has " : ", and has none at all",
         all.text ? all.text : "");
    free(all.text);
    return -1;
}

genome *genome_new(const recipe *r, const genome_options *o, error *err)
{
    genome *g = memory_new(1, sizeof *g);
    g->layers = o->layers;
    g->split_attention_mlp = o->split_attention_mlp;
    g->split_embeddings = o->split_embeddings;
    int status = set_ranges(g, o, err) == 0 ? set_filters(g, o, err) : -1;
    for (size_t i = 0; i < o->n_bounds && status == 0; i++)
        if (!method_parameter_find(o->method, o->bounds[i].parameter))
            status = fail(err, ERROR_FORMAT, "bounds for '%s', which %s does not have", o->bounds[i].parameter, o->method->name);
    for (size_t i = 0; i < o->method->n_parameters && status == 0; i++) {
        const method_parameter *p = &o->method->parameters[i];
        if (!is_searched(o, p))
            continue;
        if (!p->per_model)
            status = add_parameter(g, o, p, -1, err);
        for (int m = 0; p->per_model && m < (int)r->n_models && status == 0; m++)
            if (m != r->base || (r->base_listed && !method_sets_base_apart(o->method)))
                status = add_parameter(g, o, p, m, err);
    }
    if (status == 0 && g->count == 0)
        status = fail_empty(o->method, err);
    if (status == 0)
        return g;
    genome_free(g);
    return NULL;
}

void genome_free(genome *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->count; i++)
        free(g->dimensions[i].name);
    free(g->dimensions);
    free(g->ranges);
    flow_free(g->flow);
    free(g);
}

static void set_outer(const dimension *d, const char *const *names, size_t n, double value, recipe *r)
{
    for (size_t i = 0; i < n; i++)
        recipe_set_filtered(r, d->model, d->parameter, names[i], value);
}

static void set_layers(const genome *g, const dimension *d, double value, recipe *r)
{
    char filter[80];
    for (int layer = g->ranges[d->group][0]; layer < g->ranges[d->group][1]; layer++)
        for (int k = 0; k < (d->part == PART_ATTENTION ? 2 : 1); k++) {
            snprintf(filter, sizeof filter, "layers.%d.%s", layer, d->part == PART_ATTENTION ? attention_filters[k] : "");
            recipe_set_filtered(r, d->model, d->parameter, filter, value);
        }
}

/* The number of values behind one filter, and what they are: the groups' own, or every layer's. */
static size_t gradient(const genome *g, const dimension *family, size_t parts, size_t part, const double *x, double *out)
{
    size_t n = (size_t)g->n_groups;
    if (g->smooth || n == 1) {
        for (size_t i = 0; i < n; i++)
            out[i] = x[i * parts + part];
        return n;
    }
    for (size_t i = 0; i < n; i++)
        for (int layer = g->ranges[family[i * parts].group][0]; layer < g->ranges[family[i * parts].group][1]; layer++)
            out[layer] = x[i * parts + part];
    return (size_t)g->layers;
}

static size_t part_of(const genome *g, const char *tensor)
{
    size_t part = 0;
    while (part < g->n_filters && !strstr(tensor, g->filters[part]))
        part++;
    return part;
}

/* All values of one parameter of one model. A filter that must hold in some layers only has a gradient with a value for each layer. */
static void decode_family(const genome *g, const dimension *family, const double *x, double *values, recipe *r)
{
    size_t parts = g->n_filters + 1, last = (size_t)g->n_groups - 1;
    for (size_t i = 0; g->n_groups > 1 && !g->smooth && i < sizeof outers / sizeof *outers; i++)
        recipe_set_filtered(r, family->model, family->parameter, outers[i].filter, x[(outers[i].last ? last : 0) * parts + part_of(g, outers[i].tensor)]);
    for (size_t part = 0; part < parts; part++) {
        size_t n = gradient(g, family, parts, part, x, values);
        recipe_set_gradient(r, family->model, family->parameter, part < g->n_filters ? g->filters[part] : NULL, values, n);
    }
}

static void decode_filtered(const genome *g, const double *x, recipe *r)
{
    size_t family = (g->n_filters + 1) * (size_t)g->n_groups;
    double *values = memory_new((size_t)g->layers, sizeof *values);
    for (size_t i = 0; i < g->count; i += family)
        decode_family(g, &g->dimensions[i], x + i, values, r);
    free(values);
}

void genome_decode(const genome *g, const double *x, recipe *r)
{
    for (size_t i = 0; i < g->count; i++)
        recipe_clear(r, g->dimensions[i].model, g->dimensions[i].parameter);
    if (g->n_filters || g->smooth) {
        decode_filtered(g, x, r);
        return;
    }
    bool plain = g->n_groups == 1 && !g->split_attention_mlp && !g->split_embeddings;
    for (size_t i = 0; i < g->count; i++) {
        const dimension *d = &g->dimensions[i];
        if (plain) {
            recipe_set(r, d->model, d->parameter, x[i]);
            continue;
        }
        if (d->part == PART_EMBEDDINGS) {
            set_outer(d, outer_first, 1, x[i], r);
            set_outer(d, outer_last, 2, x[i], r);
            continue;
        }
        set_layers(g, d, x[i], r);
        /* Without dimensions of their own the embeddings go with the first group, head and final norm with the last:
         * with the MLP's value where a layer is split. */
        if (g->split_embeddings || d->part == PART_ATTENTION)
            continue;
        if (d->group == 0)
            set_outer(d, outer_first, 1, x[i], r);
        if (d->group == g->n_groups - 1)
            set_outer(d, outer_last, 2, x[i], r);
    }
}

/* What the recipe gives for one tensor, the parameter's default where it gives nothing. */
static int value_of(const dimension *d, const recipe *r, const char *tensor, double t, double *out, error *err)
{
    const method *m = method_find(r->method);
    const method_parameter *p = m ? method_parameter_find(m, d->parameter) : NULL;
    if (!p)
        return fail(err, ERROR_USAGE, "the recipe to start from has the method '%s', which has no '%s'", r->method, d->parameter);
    if (d->model >= 0 && (size_t)d->model >= r->n_models)
        return fail(err, ERROR_USAGE, "the recipe to start from has %zu models; %s belongs to model %d", r->n_models, d->name, d->model + 1);
    *out = p->standard;
    if (!recipe_real(r, d->model, d->parameter, tensor, t, out) && p->required)
        return fail(err, ERROR_USAGE, "the recipe to start from does not give '%s' for %s", d->parameter, d->name);
    return 0;
}

int genome_encode(const genome *g, const recipe *r, double *x, error *err)
{
    static const char *const tensors[] = {"self_attn.q_proj.weight", "mlp.up_proj.weight"};
    char name[96];
    for (size_t i = 0; i < g->count; i++) {
        const dimension *d = &g->dimensions[i];
        double sum = 0, value;
        int count = 0;
        if (d->part == PART_EMBEDDINGS) {
            if (value_of(d, r, "model.embed_tokens.weight", 0, &sum, err) != 0)
                return -1;
            count = 1;
        }
        for (int layer = g->ranges[d->group][0]; layer < g->ranges[d->group][1] && d->part != PART_EMBEDDINGS; layer++)
            for (int k = 0; k < 2; k++) {
                if ((k == 0 && d->part == PART_MLP) || (k == 1 && d->part == PART_ATTENTION))
                    continue;
                snprintf(name, sizeof name, "model.layers.%d.%s", layer, tensors[k]);
                if (value_of(d, r, name, g->layers > 1 ? (double)layer / (g->layers - 1) : 1, &value, err) != 0)
                    return -1;
                sum += value;
                count++;
            }
        x[i] = fmin(fmax(sum / count, d->low), d->high);
    }
    return 0;
}
