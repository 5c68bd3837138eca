#include "task/yaml_json.h"

#include <string.h>

static json_t *scalar(const yaml_value *v)
{
    error ignored;
    double x;
    int64_t n;
    bool truth;
    if (v->kind == YAML_NULL)
        return json_null();
    if (v->quoted || v->kind == YAML_FUNCTION)
        return json_string(v->text);
    if (yaml_int(v, INT64_MIN, INT64_MAX, &n, &ignored) == 0)
        return json_integer(n);
    if (yaml_is_real(v, &x))
        return json_real(x);
    return yaml_bool(v, &truth, &ignored) == 0 ? json_boolean(truth) : json_string(v->text);
}

json_t *yaml_json(const yaml_value *v, error *err)
{
    json_t *out = v->kind == YAML_LIST ? json_array() : v->kind == YAML_MAP ? json_object() : scalar(v);
    int status = out ? 0 : -1;
    for (size_t i = 0; i < v->count && status == 0; i++) {
        json_t *item = yaml_json(v->items[i], err);
        if (!item) {
            json_decref(out);
            return NULL;
        }
        status = v->kind == YAML_LIST ? json_array_append_new(out, item) : json_object_set_new(out, v->keys[i], item);
    }
    if (status == 0)
        return out;
    json_decref(out);
    yaml_fail(err, v, "text that is not UTF-8");
    return NULL;
}
