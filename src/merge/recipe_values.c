/* Parameters out of mergekit's YAML: scalars, gradients and filters, checked against what the method declares. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "merge/recipe_parts.h"

static const char *const filter_keys[] = {"filter", "value", NULL};

/* In compat mode what mergekit would take is taken, so long as float32 can hold it. */
static int check_range(const yaml_value *v, const recipe *r, const method_parameter *p, double x, error *err)
{
    if (p->is_bool || (r->mode == MERGE_EXACT && x >= p->low && x <= p->high))
        return 0;
    if (r->mode == MERGE_COMPAT && fabs(x) <= 0x1.fffffep127)
        return 0;
    if (r->mode == MERGE_COMPAT)
        return yaml_fail(err, v, "%s is %g, more than float32 holds: mergekit would write infinities", p->name, x);
    return yaml_fail(err, v, "%s is %g, outside [%g, %g]", p->name, x, p->low, p->high);
}

static int read_number(const yaml_value *v, recipe *r, const method_parameter *p, double *out, error *err)
{
    bool flag;
    if (v->kind != YAML_TEXT)
        return yaml_fail(err, v, "%s should be a number", p->name);
    if (strcmp(p->name, "rescale") == 0 && (strcmp(v->text, "l1") == 0 || strcmp(v->text, "inverse_density") == 0)) {
        r->inverse_density = v->text[0] == 'i';
        *out = 1;
        return 0;
    }
    if (yaml_bool(v, &flag, NULL) == 0)
        *out = flag ? 1 : 0;
    else if (!yaml_is_real(v, out) || !isfinite(*out))
        return yaml_fail(err, v, "%s is '%s', not a %s", p->name, v->text, p->is_bool ? "true or false" : "finite number");
    if (p->is_bool && *out != 0 && *out != 1)
        return yaml_fail(err, v, "%s is %g; it should be true or false", p->name, *out);
    return check_range(v, r, p, *out, err);
}

static int read_gradient(const yaml_value *v, recipe *r, const method_parameter *p, recipe_value *out, error *err)
{
    size_t n = v->kind == YAML_LIST ? v->count : 1;
    if (n == 0)
        return yaml_fail(err, v, "%s is an empty list", p->name);
    out->gradient = memory_new(n, sizeof *out->gradient);
    out->n = n;
    for (size_t i = 0; i < n; i++)
        if (read_number(v->kind == YAML_LIST ? v->items[i] : v, r, p, &out->gradient[i], err) != 0)
            return -1;
    return 0;
}

static int read_conditional(const yaml_value *v, recipe *r, const method_parameter *p, recipe_value *out, error *err)
{
    const char *filter = NULL;
    if (v->kind != YAML_MAP)
        return yaml_fail(err, v, "%s: a list should hold numbers only, or {filter, value} only", p->name);
    if (yaml_known_keys(v, filter_keys, err) != 0 || yaml_text(yaml_get(v, "filter"), &filter, err) != 0)
        return -1;
    const yaml_value *value = recipe_member(v, "value");
    if (!value)
        return yaml_fail(err, v, "%s: an entry without a value", p->name);
    out->filter = memory_text(filter);
    return read_gradient(value, r, p, out, err);
}

static int read_setting(const yaml_value *v, recipe *r, const method_parameter *p, recipe_parameter *into, error *err)
{
    bool conditional = v->kind == YAML_MAP || (v->kind == YAML_LIST && v->count && v->items[0]->kind == YAML_MAP);
    size_t n = conditional && v->kind == YAML_LIST ? v->count : 1;
    into->values = memory_grow(into->values, into->count + n, sizeof *into->values);
    for (size_t i = 0; i < n; i++) {
        recipe_value *value = &into->values[into->count++];
        *value = (recipe_value){0};
        int status = conditional ? read_conditional(v->kind == YAML_LIST ? v->items[i] : v, r, p, value, err)
                                 : read_gradient(v, r, p, value, err);
        if (status != 0)
            return -1;
    }
    return 0;
}

static int unknown_parameter(const yaml_value *map, size_t i, const method *m, error *err)
{
    const char **known = memory_new(m->n_parameters + 1, sizeof *known);
    for (size_t k = 0; k < m->n_parameters; k++)
        known[k] = m->parameters[k].name;
    const char *near = text_nearest(map->keys[i], known);
    fail(err, ERROR_FORMAT, "%s:%d: %s has no parameter '%s'%s%s%s", map->file, map->key_lines[i], m->name, map->keys[i],
         near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    free(known);
    return -1;
}

int recipe_parameters_read(const yaml_value *map, recipe *r, const method *m, bool of_model, recipe_parameters *list, error *err)
{
    if (!map)
        return 0;
    if (map->kind != YAML_MAP)
        return yaml_fail(err, map, "parameters should be a map of names to values");
    for (size_t i = 0; i < map->count; i++) {
        const method_parameter *p = method_parameter_find(m, map->keys[i]);
        if (!p)
            return unknown_parameter(map, i, m, err);
        if (of_model && !p->per_model)
            return fail(err, ERROR_FORMAT, "%s:%d: '%s' belongs to the whole merge: write it under the recipe's own parameters", map->file,
                        map->key_lines[i], p->name);
        if (map->items[i]->kind == YAML_NULL)
            continue;
        size_t at = 0;
        while (at < list->count && strcmp(list->items[at].name, p->name) != 0)
            at++;
        if (at == list->count) {
            list->items = memory_grow(list->items, ++list->count, sizeof *list->items);
            list->items[at] = (recipe_parameter){.name = memory_text(p->name)};
        }
        if (read_setting(map->items[i], r, p, &list->items[at], err) != 0)
            return -1;
    }
    return 0;
}
