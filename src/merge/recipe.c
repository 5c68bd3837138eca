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
    free(r->models);
    free_parameters(&r->parameters);
    free(r->method);
    free(r->file);
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
    copy->parameters = copy_parameters(&r->parameters);
    copy->models = memory_new(r->n_models, sizeof *copy->models);
    for (size_t i = 0; i < r->n_models; i++) {
        copy->models[i].path = memory_text(r->models[i].path);
        copy->models[i].parameters = copy_parameters(&r->models[i].parameters);
    }
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

void recipe_set_filtered(recipe *r, int model, const char *name, const char *filter, double value)
{
    recipe_parameter *p = find_or_add(scope(r, model), name);
    p->values = memory_grow(p->values, p->count + 1, sizeof *p->values);
    recipe_value *v = &p->values[p->count++];
    *v = (recipe_value){.filter = memory_text(filter), .gradient = memory_new(1, sizeof(double)), .n = 1};
    v->gradient[0] = value;
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

bool recipe_real(const recipe *r, int model, const char *name, const char *whose, double t, double *out)
{
    const method *m = method_find(r->method);
    const method_parameter *declared = m ? method_parameter_find(m, name) : NULL;
    for (int level = model < 0 ? 1 : 0; level < 2; level++) {
        const recipe_parameter *p = find(level == 0 ? &r->models[model].parameters : &r->parameters, name);
        for (size_t i = 0; p && i < p->count; i++) {
            const recipe_value *v = &p->values[i];
            if (v->filter && strcmp(v->filter, "*") != 0 && !strstr(whose, v->filter))
                continue;
            *out = evaluate(v, t, declared && declared->is_bool);
            return true;
        }
    }
    return false;
}

char *recipe_model_folder(const recipe *r, int model)
{
    return checkpoint_locate(r->models[model].path, r->file);
}
