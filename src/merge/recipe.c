#include "merge/recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "merge/method.h"
#include "tensor/checkpoint.h"

recipe *recipe_new(const char *name)
{
    recipe *r = memory_new(1, sizeof *r);
    r->method = memory_text(name);
    r->base = r->config_from = r->dtype = r->out_dtype = -1;
    return r;
}

static void free_values(recipe_parameter *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->values[i].filter);
        free(p->values[i].gradient);
    }
    free(p->values);
    p->values = NULL;
    p->count = 0;
}

static void free_parameters(recipe_parameters *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free_values(&list->items[i]);
        free(list->items[i].name);
    }
    free(list->items);
}

void recipe_free(recipe *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_models; i++) {
        free_parameters(&r->models[i].parameters);
        free(r->models[i].path);
    }
    for (size_t i = 0; i < r->n_slices; i++) {
        for (size_t k = 0; k < r->slices[i].n_sources; k++)
            free_parameters(&r->slices[i].sources[k].parameters);
        free(r->slices[i].sources);
        free_parameters(&r->slices[i].parameters);
    }
    for (size_t i = 0; i < r->n_modules; i++) {
        free(r->modules[i].name);
        free_parameters(&r->modules[i].parameters);
    }
    free(r->slices);
    free(r->modules);
    free(r->models);
    free_parameters(&r->parameters);
    recipe_tokenizer_free(&r->tokenizer);
    free(r->method);
    free(r->file);
    free(r->layers);
    free(r);
}

static recipe_parameters copy_parameters(const recipe_parameters *from)
{
    recipe_parameters list = {memory_new(from->count, sizeof *list.items), from->count};
    for (size_t i = 0; i < from->count; i++) {
        const recipe_parameter *p = &from->items[i];
        recipe_parameter *q = &list.items[i];
        q->name = memory_text(p->name);
        q->values = memory_new(p->count, sizeof *q->values);
        q->count = p->count;
        for (size_t j = 0; j < p->count; j++) {
            q->values[j].filter = memory_text(p->values[j].filter);
            q->values[j].n = p->values[j].n;
            q->values[j].gradient = memory_new(p->values[j].n, sizeof(double));
            memcpy(q->values[j].gradient, p->values[j].gradient, p->values[j].n * sizeof(double));
        }
    }
    return list;
}

recipe *recipe_copy(const recipe *r)
{
    recipe *copy = memory_new(1, sizeof *copy);
    *copy = *r;
    copy->method = memory_text(r->method);
    copy->file = memory_text(r->file);
    copy->tokenizer = recipe_tokenizer_copy(&r->tokenizer);
    copy->layers = memory_text(r->layers);
    copy->parameters = copy_parameters(&r->parameters);
    copy->models = memory_new(r->n_models, sizeof *copy->models);
    for (size_t i = 0; i < r->n_models; i++) {
        copy->models[i].path = memory_text(r->models[i].path);
        copy->models[i].parameters = copy_parameters(&r->models[i].parameters);
    }
    copy->slices = memory_new(r->n_slices, sizeof *copy->slices);
    for (size_t i = 0; i < r->n_slices; i++) {
        const recipe_slice *from = &r->slices[i];
        recipe_slice *to = &copy->slices[i];
        *to = *from;
        to->parameters = copy_parameters(&from->parameters);
        to->sources = memory_new(from->n_sources, sizeof *to->sources);
        for (size_t k = 0; k < from->n_sources; k++) {
            to->sources[k] = from->sources[k];
            to->sources[k].parameters = copy_parameters(&from->sources[k].parameters);
        }
    }
    copy->modules = memory_new(r->n_modules, sizeof *copy->modules);
    for (size_t i = 0; i < r->n_modules; i++)
        copy->modules[i] = (recipe_module){memory_text(r->modules[i].name), copy_parameters(&r->modules[i].parameters)};
    return copy;
}

int recipe_add_model(recipe *r, const char *path)
{
    r->models = memory_grow(r->models, r->n_models + 1, sizeof *r->models);
    r->models[r->n_models] = (recipe_model){.path = memory_text(path)};
    return (int)r->n_models++;
}

static recipe_parameters *scope(recipe *r, int model)
{
    return model < 0 ? &r->parameters : &r->models[model].parameters;
}

static recipe_parameter *find(const recipe_parameters *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return &list->items[i];
    return NULL;
}

static recipe_parameter *find_or_add(recipe_parameters *list, const char *name)
{
    recipe_parameter *p = find(list, name);
    if (p)
        return p;
    list->items = memory_grow(list->items, list->count + 1, sizeof *list->items);
    p = &list->items[list->count++];
    *p = (recipe_parameter){.name = memory_text(name)};
    return p;
}

void recipe_set_gradient(recipe *r, int model, const char *name, const char *filter, const double *values, size_t n)
{
    recipe_parameter *p = find_or_add(scope(r, model), name);
    p->values = memory_grow(p->values, p->count + 1, sizeof *p->values);
    recipe_value *v = &p->values[p->count++];
    *v = (recipe_value){.filter = memory_text(filter), .gradient = memory_new(n, sizeof *values), .n = n};
    memcpy(v->gradient, values, n * sizeof *values);
}

void recipe_set_filtered(recipe *r, int model, const char *name, const char *filter, double value)
{
    recipe_set_gradient(r, model, name, filter, &value, 1);
}

void recipe_set(recipe *r, int model, const char *name, double value)
{
    free_values(find_or_add(scope(r, model), name));
    recipe_set_filtered(r, model, name, NULL, value);
}

void recipe_clear(recipe *r, int model, const char *name)
{
    recipe_parameters *list = scope(r, model);
    recipe_parameter *p = find(list, name);
    if (!p)
        return;
    free_values(p);
    free(p->name);
    *p = list->items[--list->count];
}

/* A gradient of a switch picks one of its values; of a number it interpolates, as mergekit writes it. */
static double evaluate(const recipe_value *v, double t, bool is_switch)
{
    if (v->n == 1)
        return v->gradient[0];
    double place = t * (double)(v->n - 1);
    size_t low = (size_t)place, high = low + 1 < v->n ? low + 1 : v->n - 1;
    if (is_switch)
        return v->gradient[low];
    double fraction = place - (double)low;
    return (1 - fraction) * v->gradient[low] + fraction * v->gradient[high];
}

static const recipe_parameters *source_parameters(const recipe *r, int slice, int source)
{
    if (source < 0)
        return NULL;
    if (slice < 0)
        return &r->models[source].parameters;
    return (size_t)source < r->slices[slice].n_sources ? &r->slices[slice].sources[source].parameters : NULL;
}

bool recipe_find(const recipe *r, int slice, int source, const char *parameter, const char *own, const char *name, double t, double *out)
{
    const method *m = method_find(r->method);
    const method_parameter *declared = m ? method_parameter_find(m, parameter) : NULL;
    int module = slice < 0 ? -1 : r->slices[slice].module;
    const recipe_parameters *levels[] = {source_parameters(r, slice, source), slice < 0 ? NULL : &r->slices[slice].parameters,
                                         module < 0 ? NULL : &r->modules[module].parameters, &r->parameters};
    for (size_t level = 0; level < sizeof levels / sizeof *levels; level++) {
        const recipe_parameter *p = levels[level] ? find(levels[level], parameter) : NULL;
        for (size_t i = 0; p && i < p->count; i++) {
            const recipe_value *v = &p->values[i];
            if (v->filter && strcmp(v->filter, "*") != 0 && !strstr(level == 0 ? own : name, v->filter))
                continue;
            *out = evaluate(v, t, declared && declared->is_bool);
            return true;
        }
    }
    return false;
}

bool recipe_real(const recipe *r, int model, const char *parameter, const char *name, double t, double *out)
{
    return recipe_find(r, -1, model, parameter, name, name, t, out);
}

char *recipe_model_folder(const recipe *r, int model)
{
    return checkpoint_locate(r->models[model].path, r->file);
}
