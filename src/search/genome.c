#include "search/genome.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "search/flow.h"

static const char *const part_names[] = {"attention", "mlp", "embeddings"};

/* What lies outside the layers. */
static const char *const outer_first[] = {"embed_tokens"}, *const outer_last[] = {"lm_head", "model.norm"};

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

static int set_bounds(dimension *d, const method_parameter *p, const genome_options *o, error *err)
{
    const struct genome_bound *b = bound_of(o, p->name);
    d->low = b && !isnan(b->low) ? b->low : p->search_low;
    d->high = b && !isnan(b->high) ? b->high : p->search_high;
    d->start = b && !isnan(b->start) ? b->start : fmin(fmax(0.5, d->low), d->high);
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
    if (part == PART_EMBEDDINGS)
        string_print(&name, ".embeddings");
    else if (g->n_groups > 1)
        string_print(&name, ".g%d", group);
    if (part == PART_ATTENTION || part == PART_MLP)
        string_print(&name, ".%s", part_names[part]);
    d->name = name.text;
    g->count++;
    return 0;
}

static int add_parameter(genome *g, const genome_options *o, const method_parameter *p, int model, error *err)
{
    for (int group = 0; group < g->n_groups; group++)
        for (int part = g->split_attention_mlp ? PART_ATTENTION : -1; part <= (g->split_attention_mlp ? PART_MLP : -1); part++)
            if (add_dimension(g, o, p, model, group, part, err) != 0)
                return -1;
    return g->split_embeddings ? add_dimension(g, o, p, model, 0, PART_EMBEDDINGS, err) : 0;
}

genome *genome_new(const recipe *r, const genome_options *o, error *err)
{
    genome *g = memory_new(1, sizeof *g);
    g->layers = o->layers;
    g->split_attention_mlp = o->split_attention_mlp;
    g->split_embeddings = o->split_embeddings;
    int status = set_ranges(g, o, err);
    for (size_t i = 0; i < o->n_bounds && status == 0; i++)
        if (!method_parameter_find(o->method, o->bounds[i].parameter))
            status = fail(err, ERROR_FORMAT, "bounds for '%s', which %s does not have", o->bounds[i].parameter, o->method->name);
    for (size_t i = 0; i < o->method->n_parameters && status == 0; i++) {
        const method_parameter *p = &o->method->parameters[i];
        if (!(p->search_low < p->search_high) && !bound_of(o, p->name))
            continue;
        if (!p->per_model)
            status = add_parameter(g, o, p, -1, err);
        for (int m = 0; p->per_model && m < (int)r->n_models && status == 0; m++)
            if (m != r->base || (r->base_listed && !method_sets_base_apart(o->method)))
                status = add_parameter(g, o, p, m, err);
    }
    if (status == 0 && g->count == 0)
        status = fail(err, ERROR_FORMAT, "%s has no parameter that is searched", o->method->name);
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

void genome_decode(const genome *g, const double *x, recipe *r)
{
    for (size_t i = 0; i < g->count; i++)
        recipe_clear(r, g->dimensions[i].model, g->dimensions[i].parameter);
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
