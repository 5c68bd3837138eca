/* The models, slices and modules of mergekit's YAML. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "merge/recipe_parts.h"

#define MAX_MODELS 256
#define MAX_SLICES 10000
#define MAX_MODULES 64

static const char *const model_keys[] = {"model", "parameters", NULL};
static const char *const module_keys[] = {"models", "slices", "parameters", NULL};
static const char *const slice_keys[] = {"sources", "base_model", "parameters", "residual_weight", NULL};
static const char *const source_keys[] = {"model", "layer_range", "parameters", NULL};

int recipe_find_model(const recipe *r, const char *path)
{
    for (size_t i = 0; i < r->n_models; i++)
        if (strcmp(r->models[i].path, path) == 0)
            return (int)i;
    return -1;
}

static int model_index(recipe *r, const char *path)
{
    int index = recipe_find_model(r, path);
    return index >= 0 ? index : recipe_add_model(r, path);
}

static int check_list(const yaml_value *list, const yaml_value *at, const char *what, size_t limit, error *err)
{
    if (!list || list->kind != YAML_LIST || list->count == 0)
        return yaml_fail(err, list ? list : at, "%s", what);
    if (list->count > limit)
        return yaml_fail(err, list, "%zu entries, more than the limit of %zu", list->count, limit);
    return 0;
}

static int read_entry(const yaml_value *item, const char *const *keys, char **path, error *err)
{
    if (item->kind != YAML_MAP)
        return yaml_fail(err, item, "should be a map {model, %sparameters}", keys == source_keys ? "layer_range, " : "");
    return yaml_known_keys(item, keys, err) != 0 ? -1 : recipe_model_name(item, "model", path, err);
}

/* ---- models */

static int read_models(const yaml_value *list, recipe *r, const method *m, error *err)
{
    if (check_list(list, list, "models should be a list of {model, parameters}", MAX_MODELS, err) != 0)
        return -1;
    for (size_t i = 0; i < list->count; i++) {
        char *path = NULL;
        if (read_entry(list->items[i], model_keys, &path, err) != 0)
            return -1;
        int index = recipe_add_model(r, path);
        free(path);
        if (recipe_parameters_read(recipe_member(list->items[i], "parameters"), r, m, true, &r->models[index].parameters, err) != 0)
            return -1;
    }
    return 0;
}

/* ---- slices */

static recipe_slice *add_slice(recipe *r, int module)
{
    r->slices = memory_grow(r->slices, r->n_slices + 1, sizeof *r->slices);
    recipe_slice *s = &r->slices[r->n_slices++];
    *s = (recipe_slice){.module = module, .base = -1, .own_base = -1};
    return s;
}

static recipe_source *add_source(recipe_slice *s, int model, int64_t first, int64_t end)
{
    s->sources = memory_grow(s->sources, s->n_sources + 1, sizeof *s->sources);
    recipe_source *source = &s->sources[s->n_sources++];
    *source = (recipe_source){.model = model, .first = first, .end = end};
    return source;
}

static bool is_duplicate(const recipe_slice *s, int model)
{
    for (size_t i = 0; i < s->n_sources; i++)
        if (s->sources[i].model == model)
            return true;
    return false;
}

static int read_source(const yaml_value *item, recipe *r, const method *m, recipe_slice *s, error *err)
{
    char *path = NULL;
    int64_t range[2] = {0, 0};
    if (read_entry(item, source_keys, &path, err) != 0)
        return -1;
    int index = model_index(r, path);
    free(path);
    if (recipe_range(item, range, err) != 0)
        return -1;
    if (range[0] > range[1])
        return yaml_fail(err, item, "layer_range [%lld, %lld] ends before it begins", (long long)range[0], (long long)range[1]);
    if (s->n_sources && range[1] - range[0] != s->sources[0].end - s->sources[0].first)
        return yaml_fail(err, item, "layer_range [%lld, %lld] has %lld layers, the slice's first source %lld: layers are merged one by one", (long long)range[0],
                         (long long)range[1], (long long)(range[1] - range[0]), (long long)(s->sources[0].end - s->sources[0].first));
    if (is_duplicate(s, index))
        return yaml_fail(err, item, "'%s' is there twice in one slice", r->models[index].path);
    recipe_source *source = add_source(s, index, range[0], range[1]);
    return recipe_parameters_read(recipe_member(item, "parameters"), r, m, true, &source->parameters, err);
}

static int read_slice(const yaml_value *item, recipe *r, const method *m, int module, error *err)
{
    const yaml_value *sources = recipe_member(item, "sources");
    if (item->kind != YAML_MAP)
        return yaml_fail(err, item, "a slice should be a map {sources, ...}");
    if (yaml_known_keys(item, slice_keys, err) != 0 || check_list(sources, item, "a slice needs a list of sources {model, layer_range}", MAX_MODELS, err) != 0)
        return -1;
    if (recipe_member(item, "residual_weight"))
        return recipe_unsupported(err, recipe_member(item, "residual_weight"), "residual_weight has no effect in mergekit and none here: leave it out");
    add_slice(r, module);
    for (size_t i = 0; i < sources->count; i++)
        if (read_source(sources->items[i], r, m, &r->slices[r->n_slices - 1], err) != 0)
            return -1;
    recipe_slice *s = &r->slices[r->n_slices - 1];
    if (recipe_member(item, "base_model")) {
        char *path = NULL;
        if (recipe_model_name(item, "base_model", &path, err) != 0)
            return -1;
        s->base = s->own_base = model_index(r, path);
        free(path);
    }
    return recipe_parameters_read(recipe_member(item, "parameters"), r, m, false, &s->parameters, err);
}

static int read_slices(const yaml_value *list, recipe *r, const method *m, int module, error *err)
{
    if (check_list(list, list, "slices should be a list of {sources, ...}", MAX_SLICES, err) != 0)
        return -1;
    for (size_t i = 0; i < list->count; i++)
        if (read_slice(list->items[i], r, m, module, err) != 0)
            return -1;
    return 0;
}

/* ---- modules */

/* A module of models is one slice of all their layers. */
static int read_module_models(const yaml_value *list, recipe *r, const method *m, int module, error *err)
{
    if (check_list(list, list, "models should be a list of {model, parameters}", MAX_MODELS, err) != 0)
        return -1;
    recipe_slice *s = add_slice(r, module);
    for (size_t i = 0; i < list->count; i++) {
        char *path = NULL;
        if (read_entry(list->items[i], model_keys, &path, err) != 0)
            return -1;
        int index = model_index(r, path);
        free(path);
        if (is_duplicate(s, index))
            return yaml_fail(err, list->items[i], "'%s' is there twice", r->models[index].path);
        recipe_source *source = add_source(s, index, 0, -1);
        if (recipe_parameters_read(recipe_member(list->items[i], "parameters"), r, m, true, &source->parameters, err) != 0)
            return -1;
    }
    return 0;
}

static int read_modules(const yaml_value *map, recipe *r, const method *m, error *err)
{
    if (map->kind != YAML_MAP || map->count == 0)
        return yaml_fail(err, map, "modules should be a map of names to {models or slices, parameters}");
    if (map->count > MAX_MODULES)
        return yaml_fail(err, map, "%zu modules, more than the limit of %d", map->count, MAX_MODULES);
    r->modules = memory_new(map->count, sizeof *r->modules);
    for (size_t i = 0; i < map->count; i++) {
        const yaml_value *item = map->items[i], *models = recipe_member(item, "models"), *slices = recipe_member(item, "slices");
        recipe_module *module = &r->modules[r->n_modules++];
        *module = (recipe_module){.name = memory_text(map->keys[i])};
        if (item->kind != YAML_MAP)
            return yaml_fail(err, item, "a module should be a map {models or slices, parameters}");
        if (yaml_known_keys(item, module_keys, err) != 0)
            return -1;
        if (!models == !slices)
            return yaml_fail(err, item, "module '%s' should have either models or slices", map->keys[i]);
        if ((models ? read_module_models(models, r, m, (int)i, err) : read_slices(slices, r, m, (int)i, err)) != 0 ||
            recipe_parameters_read(recipe_member(item, "parameters"), r, m, false, &module->parameters, err) != 0)
            return -1;
    }
    return 0;
}

/* ---- the base, and how many models there are */

static int check_count(const yaml_value *root, const method *m, int n, bool has_base, error *err)
{
    bool apart = method_sets_base_apart(m) && has_base;
    int others = n - apart;
    if (m->base == BASE_NEEDED && !has_base)
        return yaml_fail(err, root, "%s needs a base_model", m->name);
    if (others < m->min_models || (m->max_models && others > m->max_models))
        return yaml_fail(err, root, "%s takes %s%d model%s%s, not %d", m->name, m->max_models ? m->max_models > m->min_models ? "up to " : "" : "at least ",
                         m->max_models ? m->max_models : m->min_models, (m->max_models ? m->max_models : m->min_models) == 1 ? "" : "s", apart ? " beside the base" : "", others);
    return 0;
}

static bool given(const recipe_parameters *list, const char *name)
{
    for (size_t i = 0; list && i < list->count; i++)
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
        if (r->n_slices == 0) {
            if (!p->per_model)
                return yaml_fail(err, root, "%s needs the parameter '%s'", m->name, p->name);
            for (int i = 0; i < (int)r->n_models; i++)
                if (!(method_sets_base_apart(m) && i == r->base) && !given(&r->models[i].parameters, p->name))
                    return yaml_fail(err, root, "model '%s' has no '%s'", r->models[i].path, p->name);
        }
        for (size_t i = 0; i < r->n_slices; i++) {
            const recipe_slice *s = &r->slices[i];
            if (given(&s->parameters, p->name) || (s->module >= 0 && given(&r->modules[s->module].parameters, p->name)))
                continue;
            if (!p->per_model)
                return yaml_fail(err, root, "%s needs the parameter '%s' in slice %zu", m->name, p->name, i + 1);
            for (size_t n = 0; n < s->n_sources; n++)
                if (!(method_sets_base_apart(m) && s->sources[n].model == s->base) && !given(&s->sources[n].parameters, p->name))
                    return yaml_fail(err, root, "model '%s' has no '%s' in slice %zu", r->models[s->sources[n].model].path, p->name, i + 1);
        }
    }
    return 0;
}

/* A slice's base is one of its sources; a module of models has an unlisted one added, as a list of models has. */
static int settle_slice(const yaml_value *root, recipe *r, const method *m, size_t number, error *err)
{
    recipe_slice *s = &r->slices[number];
    if (s->base < 0)
        s->base = r->base;
    bool listed = s->base >= 0 && is_duplicate(s, s->base);
    if (s->base >= 0 && !listed && s->sources[0].end < 0) {
        add_source(s, s->base, 0, -1);
        listed = true;
    }
    if (s->base >= 0 && !listed && method_sets_base_apart(m))
        return yaml_fail(err, root, "slice %zu has no layers of its base '%s': list it among the sources, with its layer_range", number + 1, r->models[s->base].path);
    if (!listed)
        s->base = -1;
    return check_count(root, m, (int)s->n_sources, s->base >= 0, err);
}

static int read_base(const yaml_value *root, recipe *r, error *err)
{
    char *path = NULL;
    if (!recipe_member(root, "base_model"))
        return 0;
    if (recipe_model_name(root, "base_model", &path, err) != 0)
        return -1;
    r->base = recipe_find_model(r, path);
    r->base_listed = r->base >= 0;
    if (r->base < 0)
        r->base = recipe_add_model(r, path);
    free(path);
    return 0;
}

int recipe_sources_read(const yaml_value *root, recipe *r, const method *m, error *err)
{
    const yaml_value *models = recipe_member(root, "models"), *slices = recipe_member(root, "slices"), *modules = recipe_member(root, "modules");
    if (!!models + !!slices + !!modules != 1)
        return yaml_fail(err, root, "exactly one of models, slices, modules should be there");
    if ((models ? read_models(models, r, m, err) : slices ? read_slices(slices, r, m, -1, err) : read_modules(modules, r, m, err)) != 0 ||
        read_base(root, r, err) != 0 || recipe_parameters_read(recipe_member(root, "parameters"), r, m, false, &r->parameters, err) != 0)
        return -1;
    if (models && check_count(root, m, (int)r->n_models, r->base >= 0, err) != 0)
        return -1;
    for (size_t i = 0; i < r->n_slices; i++)
        if (settle_slice(root, r, m, i, err) != 0)
            return -1;
    return check_required(root, r, m, err);
}
