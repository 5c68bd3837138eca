/* A YAML file from a stranger: accepted as a tree whose every value can be walked, or refused with one line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(const yaml_value *v, int depth)
{
    double real;
    int64_t whole;
    bool truth;
    error err;
    size_t n = 1 + (v->text ? strlen(v->text) : 0);
    if (depth > 101)
        abort();
    yaml_real(v, &real, &err);
    yaml_int(v, -5, 5, &whole, &err);
    yaml_bool(v, &truth, &err);
    for (size_t i = 0; i < v->count; i++) {
        n += walk(v->items[i], depth + 1);
        if (v->kind == YAML_MAP && v->count < 100 && yaml_get(v, v->keys[i]) != v->items[i])
            abort();
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const known[] = {"models", "merge_method", "parameters", NULL};
    error err = {0};
    yaml_value *root = yaml_parse((const char *)data, size, "input.yml", &err);
    if (root) {
        walk(root, 0);
        yaml_known_keys(root, known, &err);
        yaml_free(root);
    } else if (err.code == ERROR_NONE || !err.text[0] || strchr(err.text, '\n')) {
        abort();
    }
    return 0;
}
