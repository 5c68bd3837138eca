/* mergekit's YAML into a recipe. Nothing is skipped in silence: what is not known is an error with its place. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "merge/method.h"
#include "merge/recipe.h"
#include "merge/recipe_parts.h"

static const char *const top_keys[] = {"models", "slices", "modules", "merge_method", "base_model", "dtype", "out_dtype", "parameters",
                                       "tokenizer_source", "tokenizer", "chat_template", "component", "merganser", NULL};
static const char *const own_keys[] = {"mode", "seed", "mask", "rescale", "config_from", "layers", NULL};
static const char *const rescale_words[] = {"l1", "inverse_density", NULL};

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

/* Where the numbered layers are, for models whose names do not tell. */
static int read_layers(const yaml_value *v, recipe *r, error *err)
{
    const char *pattern = NULL, *mark;
    if (!v)
        return 0;
    if (yaml_text(v, &pattern, err) != 0)
        return -1;
    mark = strstr(pattern, "%d");
    if (!mark || strchr(mark + 1, '%') || strchr(pattern, '%') != mark || mark == pattern || mark[-1] != '.' || (mark[2] && strcmp(mark + 2, ".") != 0))
        return yaml_fail(err, v, "layers is '%s'; it should be a name up to the layer's number, such as 'model.layers.%%d'", pattern);
    r->layers = memory_text_n(pattern, (size_t)(mark - pattern));
    return 0;
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
    return read_layers(recipe_member(own, "layers"), r, err);
}

static int read_config_from(const yaml_value *own, recipe *r, error *err)
{
    const yaml_value *v = recipe_member(own, "config_from");
    const char *path = NULL;
    if (!v)
        return 0;
    if (yaml_text(v, &path, err) != 0)
        return -1;
    r->config_from = recipe_find_model(r, path);
    return r->config_from >= 0 ? 0 : yaml_fail(err, v, "config_from names '%s', which is not one of the models", path);
}

int recipe_component(const yaml_value *root, bool *language_only, error *err)
{
    static const char *const words[] = {"language_model", NULL};
    int index = -1;
    const yaml_value *v = recipe_member(root, "component");
    if (recipe_one_of(v, words, &index, err) != 0)
        return -1;
    *language_only = index == 0;
    return *language_only && recipe_member(root, "modules") ? yaml_fail(err, v, "component and modules both say which part of the models is merged: leave one of them out") : 0;
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
    const yaml_value *own = recipe_member(root, "merganser");
    if (read_own(own, r, err) != 0 || recipe_component(root, &r->language_only, err) != 0 || recipe_sources_read(root, r, m, err) != 0)
        return -1;
    if (recipe_dtype(recipe_member(root, "dtype"), &r->dtype, err) != 0 || recipe_dtype(recipe_member(root, "out_dtype"), &r->out_dtype, err) != 0)
        return -1;
    return recipe_tokenizer_read(root, r, err) != 0 || read_config_from(own, r, err) != 0 ? -1 : 0;
}

recipe *recipe_from_yaml(const yaml_value *root, const char *file, error *err)
{
    if (root->kind != YAML_MAP) {
        fail(err, ERROR_FORMAT, "%s: a recipe should be a map with models and merge_method", root->file ? root->file : "recipe");
        return NULL;
    }
    if (yaml_known_keys(root, top_keys, err) != 0)
        return NULL;
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
