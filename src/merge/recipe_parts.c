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

int recipe_model_name(const yaml_value *map, const char *key, const char **out, error *err)
{
    const yaml_value *v = recipe_member(map, key);
    if (!v)
        return yaml_fail(err, map, "no '%s'", key);
    if (v->kind == YAML_MAP)
        return recipe_unsupported(err, v, "a model written as a map is not supported: write its folder");
    if (yaml_text(v, out, err) != 0)
        return -1;
    if (!(*out)[0])
        return yaml_fail(err, v, "an empty model path");
    return 0;
}
