#include "merge/recipe_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/dtype.h"

#define MAX_LAYERS 100000

int recipe_unsupported(error *err, const yaml_value *at, const char *format, ...)
{
    char text[700];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    yaml_fail(err, at, "%s", text);
    if (err)
        err->code = ERROR_UNSUPPORTED;
    return -1;
}

const yaml_value *recipe_member(const yaml_value *map, const char *key)
{
    const yaml_value *v = yaml_get(map, key);
    return v && v->kind != YAML_NULL ? v : NULL;
}

int recipe_one_of(const yaml_value *v, const char *const *words, int *index, error *err)
{
    const char *text = NULL;
    if (!v)
        return 0;
    if (yaml_text(v, &text, err) != 0)
        return -1;
    string all = {0};
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0) {
            *index = i;
            free(all.text);
            return 0;
        }
        string_print(&all, "%s%s", i ? ", " : "", words[i]);
    }
    yaml_fail(err, v, "'%s' is not one of %s", text, all.text);
    free(all.text);
    return -1;
}

int recipe_range(const yaml_value *source, int64_t range[2], error *err)
{
    const yaml_value *v = recipe_member(source, "layer_range");
    if (!v || v->kind != YAML_LIST || v->count != 2)
        return yaml_fail(err, v ? v : source, "layer_range should be [first, one past the last]");
    for (int i = 0; i < 2; i++) {
        if (v->items[i]->kind == YAML_NULL)
            return yaml_fail(err, v->items[i], "should be a whole number");
        if (yaml_int(v->items[i], 0, MAX_LAYERS, &range[i], err) != 0)
            return -1;
    }
    return 0;
}

int recipe_dtype(const yaml_value *v, int *out, error *err)
{
    static const char *const names[] = {"float32", "float16", "bfloat16", "torch.float32", "torch.float16", "torch.bfloat16", NULL};
    static const int values[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};
    int index = -1;
    if (recipe_one_of(v, names, &index, err) != 0)
        return -1;
    if (index >= 0)
        *out = values[index % 3];
    return 0;
}

static int add_path(string *s, const yaml_value *v, error *err)
{
    static const char *const keys[] = {"path", "revision", NULL};
    const char *path = NULL, *revision = NULL;
    const yaml_value *plain = v->kind == YAML_MAP ? recipe_member(v, "path") : v;
    if (v->kind == YAML_MAP && yaml_known_keys(v, keys, err) != 0)
        return -1;
    if (!plain)
        return yaml_fail(err, v, "no 'path'");
    if (yaml_text(plain, &path, err) != 0 || (v->kind == YAML_MAP && yaml_text(recipe_member(v, "revision"), &revision, err) != 0))
        return -1;
    if (!path || !path[0])
        return yaml_fail(err, plain, "an empty model path");
    string_puts(s, path);
    if (revision)
        string_print(s, "@%s", revision);
    return 0;
}

int recipe_model_name(const yaml_value *map, const char *key, char **out, error *err)
{
    static const char *const keys[] = {"model", "lora", "override_architecture", NULL};
    const yaml_value *v = recipe_member(map, key);
    string s = {0};
    if (!v)
        return yaml_fail(err, map, "no '%s'", key);
    const yaml_value *inner = v->kind == YAML_MAP ? recipe_member(v, "model") : NULL, *lora = inner ? recipe_member(v, "lora") : NULL;
    int status = inner ? yaml_known_keys(v, keys, err) : 0;
    if (status == 0 && inner && recipe_member(v, "override_architecture"))
        status = recipe_unsupported(err, recipe_member(v, "override_architecture"), "override_architecture is not needed: models are merged by the names of their tensors");
    if (status == 0)
        status = add_path(&s, inner ? inner : v, err);
    if (status == 0 && lora) {
        string_puts(&s, "+");
        status = add_path(&s, lora, err);
    }
    if (status != 0)
        free(s.text);
    else
        *out = s.text;
    return status;
}
