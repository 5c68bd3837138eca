/* mergekit's YAML into a recipe. Nothing is skipped in silence: what is not known is an error with its place. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "merge/method.h"
#include "merge/recipe.h"
#include "merge/recipe_parts.h"

#define MAX_MODELS 256

static const char *const top_keys[] = {"models", "slices", "modules", "merge_method", "base_model", "dtype", "out_dtype", "parameters",
                                       "tokenizer_source", "tokenizer", "chat_template", "merganser", NULL};
static const char *const own_keys[] = {"mode", "seed", "mask", "rescale", "config_from", NULL};
static const char *const model_keys[] = {"model", "parameters", NULL};
static const char *const slice_keys[] = {"sources", "base_model", "parameters", "residual_weight", NULL};
static const char *const source_keys[] = {"model", "layer_range", "parameters", NULL};
static const char *const filter_keys[] = {"filter", "value", NULL};
static const char *const tokenizer_keys[] = {"source", "tokens", "pad_to_multiple_of", NULL};
static const char *const rescale_words[] = {"l1", "inverse_density", NULL};

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

/* Appends to what the list has of the same name: values that come first win. */
static int read_parameters(const yaml_value *map, recipe *r, const method *m, bool of_model, recipe_parameters *list, error *err)
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

static int read_models(const yaml_value *list, recipe *r, const method *m, error *err)
{
    if (list->kind != YAML_LIST || list->count == 0)
        return yaml_fail(err, list, "models should be a list of {model, parameters}");
    if (list->count > MAX_MODELS)
        return yaml_fail(err, list, "%zu models, more than the limit of %d", list->count, MAX_MODELS);
    for (size_t i = 0; i < list->count; i++) {
        const yaml_value *item = list->items[i];
        const char *path = NULL;
        if (item->kind != YAML_MAP)
            return yaml_fail(err, item, "a model should be a map {model, parameters}");
        if (yaml_known_keys(item, model_keys, err) != 0 || recipe_model_name(item, "model", &path, err) != 0)
            return -1;
        int index = recipe_add_model(r, path);
        if (read_parameters(recipe_member(item, "parameters"), r, m, true, &r->models[index].parameters, err) != 0)
            return -1;
    }
    return 0;
}

/* One slice over [0, N) of every source says the same as a list of models. */
static int read_slices(const yaml_value *list, recipe *r, const method *m, error *err)
{
    if (list->kind != YAML_LIST || list->count == 0 || list->items[0]->kind != YAML_MAP)
        return yaml_fail(err, list, "slices should be a list of {sources, ...}");
    const yaml_value *slice = list->items[0], *sources = recipe_member(slice, "sources");
    if (yaml_known_keys(slice, slice_keys, err) != 0)
        return -1;
    if (list->count > 1)
        return recipe_unsupported(err, list, "several slices are not supported: only one that covers all layers");
    if (recipe_member(slice, "base_model") || recipe_member(slice, "residual_weight"))
        return recipe_unsupported(err, slice, "a slice with its own base_model or residual_weight is not supported");
    if (!sources || sources->kind != YAML_LIST || sources->count == 0)
        return yaml_fail(err, sources ? sources : slice, "a slice needs a list of sources");
    if (sources->count > MAX_MODELS)
        return yaml_fail(err, sources, "%zu sources, more than the limit of %d", sources->count, MAX_MODELS);
    for (size_t i = 0; i < sources->count; i++) {
        const yaml_value *item = sources->items[i];
        const char *path = NULL;
        int64_t range[2] = {0, 0};
        if (item->kind != YAML_MAP)
            return yaml_fail(err, item, "a source should be a map {model, layer_range}");
        if (yaml_known_keys(item, source_keys, err) != 0 || recipe_model_name(item, "model", &path, err) != 0 || recipe_range(item, range, err) != 0)
            return -1;
        if (range[0] != 0 || range[1] == 0 || (i && range[1] != r->slice_layers))
            return recipe_unsupported(err, item, "layer_range [%lld, %lld] is not supported: only slices over all layers of every model",
                               (long long)range[0], (long long)range[1]);
        r->slice_layers = range[1];
        int index = recipe_add_model(r, path);
        if (read_parameters(recipe_member(item, "parameters"), r, m, true, &r->models[index].parameters, err) != 0)
            return -1;
    }
    return read_parameters(recipe_member(slice, "parameters"), r, m, false, &r->parameters, err);
}

static int find_model(const recipe *r, const char *path)
{
    for (size_t i = 0; i < r->n_models; i++)
        if (strcmp(r->models[i].path, path) == 0)
            return (int)i;
    return -1;
}

static int read_base(const yaml_value *root, recipe *r, const method *m, error *err)
{
    const char *path = NULL;
    if (recipe_member(root, "base_model")) {
        if (recipe_model_name(root, "base_model", &path, err) != 0)
            return -1;
        r->base = find_model(r, path);
        r->base_listed = r->base >= 0;
        if (r->base < 0)
            r->base = recipe_add_model(r, path);
    }
    if (m->base == BASE_NEEDED && r->base < 0)
        return yaml_fail(err, root, "%s needs a base_model", m->name);
    int others = (int)r->n_models - (method_sets_base_apart(m) && r->base >= 0 ? 1 : 0);
    if (others < m->min_models || (m->max_models && others > m->max_models))
        return yaml_fail(err, root, "%s takes %s%d model%s%s, not %d", m->name, m->max_models ? "" : "at least ", m->min_models,
                         m->min_models == 1 ? "" : "s", method_sets_base_apart(m) ? " beside the base" : "", others);
    return 0;
}

static bool given(const recipe_parameters *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return true;
    return false;
}

static int check_required(const yaml_value *root, const recipe *r, const method *m, error *err)
{
    for (size_t k = 0; k < m->n_parameters; k++) {
        const method_parameter *p = &m->parameters[k];
        if (!p->required || given(&r->parameters, p->name))
            continue;
        if (!p->per_model)
            return yaml_fail(err, root, "%s needs the parameter '%s'", m->name, p->name);
        for (int i = 0; i < (int)r->n_models; i++)
            if (!(method_sets_base_apart(m) && i == r->base) && !given(&r->models[i].parameters, p->name))
                return yaml_fail(err, root, "model '%s' has no '%s'", r->models[i].path, p->name);
    }
    return 0;
}

static int read_tokenizer(const yaml_value *root, recipe *r, error *err)
{
    const yaml_value *plain = recipe_member(root, "tokenizer_source"), *full = recipe_member(root, "tokenizer"), *template = recipe_member(root, "chat_template");
    const yaml_value *source = plain;
    const char *text = NULL;
    if (template)
        return recipe_unsupported(err, template, "chat_template is not supported: the base's is kept");
    if (plain && full)
        return yaml_fail(err, full, "tokenizer and tokenizer_source exclude each other");
    if (full && full->kind == YAML_MAP) {
        if (yaml_known_keys(full, tokenizer_keys, err) != 0)
            return -1;
        if (recipe_member(full, "tokens") || recipe_member(full, "pad_to_multiple_of"))
            return recipe_unsupported(err, full, "building a tokenizer (tokens, pad_to_multiple_of) is not supported: only {source: base}");
        source = recipe_member(full, "source");
    } else if (full) {
        source = full;
    }
    if (!source)
        return 0;
    if (source->kind != YAML_TEXT || yaml_text(source, &text, err) != 0 || strcmp(text, "base") != 0)
        return recipe_unsupported(err, source, "building a tokenizer from '%s' is not supported: only 'base'", text ? text : "a map");
    if (r->base < 0)
        return yaml_fail(err, source, "the base's tokenizer is asked for, but there is no base_model");
    r->tokenizer_base = true;
    return 0;
}

static int read_seed(const yaml_value *v, uint64_t *out, error *err)
{
    if (!v)
        return 0;
    bool digits = v->kind == YAML_TEXT && v->text[0] && strspn(v->text, "0123456789") == strlen(v->text);
    errno = 0;
    if (digits)
        *out = strtoull(v->text, NULL, 10);
    return digits && errno == 0 ? 0 : yaml_fail(err, v, "seed should be a whole number from 0 to %llu", ULLONG_MAX);
}

static int read_own(const yaml_value *own, recipe *r, error *err)
{
    static const char *const modes[] = {"exact", "compat", NULL}, *const masks[] = {"philox", "mt19937", NULL};
    int mode = 0, mask = -1, rescale = r->inverse_density;
    if (own && own->kind != YAML_MAP)
        return yaml_fail(err, own, "merganser should be a map {mode, seed, mask}");
    if (yaml_known_keys(own, own_keys, err) != 0 || recipe_one_of(recipe_member(own, "mode"), modes, &mode, err) != 0 ||
        recipe_one_of(recipe_member(own, "mask"), masks, &mask, err) != 0 || recipe_one_of(recipe_member(own, "rescale"), rescale_words, &rescale, err) != 0 ||
        read_seed(recipe_member(own, "seed"), &r->seed, err) != 0)
        return -1;
    r->mode = (enum merge_mode)mode;
    r->mask = mask >= 0 ? (enum merge_mask)mask : mode == MERGE_COMPAT ? MERGE_MASK_MT19937 : MERGE_MASK_PHILOX;
    r->inverse_density = rescale == 1;
    return 0;
}

static int read_config_from(const yaml_value *own, recipe *r, error *err)
{
    const yaml_value *v = recipe_member(own, "config_from");
    const char *path = NULL;
    if (!v)
        return 0;
    if (yaml_text(v, &path, err) != 0)
        return -1;
    r->config_from = find_model(r, path);
    return r->config_from >= 0 ? 0 : yaml_fail(err, v, "config_from names '%s', which is not one of the models", path);
}

static const method *read_method(const yaml_value *root, error *err)
{
    const yaml_value *v = recipe_member(root, "merge_method");
    const char *name = NULL;
    if (!v) {
        yaml_fail(err, root, "no merge_method");
        return NULL;
    }
    if (yaml_text(v, &name, err) != 0)
        return NULL;
    const method *m = method_find(name);
    if (m)
        return m;
    const char *near = text_nearest(name, method_names());
    yaml_fail(err, v, "unknown merge_method '%s'%s%s%s", name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return NULL;
}

static int read_all(const yaml_value *root, recipe *r, const method *m, error *err)
{
    const yaml_value *models = recipe_member(root, "models"), *slices = recipe_member(root, "slices"), *own = recipe_member(root, "merganser");
    if (read_own(own, r, err) != 0)
        return -1;
    if (!models == !slices)
        return yaml_fail(err, root, "exactly one of models, slices, modules should be there");
    if ((models ? read_models(models, r, m, err) : read_slices(slices, r, m, err)) != 0 || read_base(root, r, m, err) != 0)
        return -1;
    if (read_parameters(recipe_member(root, "parameters"), r, m, false, &r->parameters, err) != 0 || check_required(root, r, m, err) != 0)
        return -1;
    if (recipe_dtype(recipe_member(root, "dtype"), &r->dtype, err) != 0 || recipe_dtype(recipe_member(root, "out_dtype"), &r->out_dtype, err) != 0)
        return -1;
    return read_tokenizer(root, r, err) != 0 || read_config_from(own, r, err) != 0 ? -1 : 0;
}

recipe *recipe_from_yaml(const yaml_value *root, const char *file, error *err)
{
    if (root->kind != YAML_MAP) {
        fail(err, ERROR_FORMAT, "%s: a recipe should be a map with models and merge_method", root->file ? root->file : "recipe");
        return NULL;
    }
    if (yaml_known_keys(root, top_keys, err) != 0)
        return NULL;
    if (recipe_member(root, "modules")) {
        recipe_unsupported(err, recipe_member(root, "modules"), "modules are not supported yet");
        return NULL;
    }
    const method *m = read_method(root, err);
    if (!m)
        return NULL;
    recipe *r = recipe_new(m->name);
    r->file = memory_text(file);
    if (read_all(root, r, m, err) == 0)
        return r;
    recipe_free(r);
    return NULL;
}

recipe *recipe_read(const char *path, error *err)
{
    yaml_value *root = yaml_read(path, err);
    if (!root)
        return NULL;
    recipe *r = recipe_from_yaml(root, path, err);
    yaml_free(root);
    return r;
}
