#include "task/lmeval_config.h"

#include <string.h>

#include "task/yaml_json.h"

static void set_default(json_t *object, const char *key, json_t *value)
{
    if (json_object_get(object, key) && !json_is_null(json_object_get(object, key)))
        json_decref(value);
    else
        json_object_set_new(object, key, value);
}

static json_t *of(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return value ? json_incref(value) : json_null();
}

/* What fewshot_config inherits. */
static json_t *fewshot_config(const json_t *task_config)
{
    static const char *const inherited[] = {"process_docs", "doc_to_text", "doc_to_choice", "doc_to_target", "gen_prefix", "fewshot_delimiter", "target_delimiter"};
    json_t *own = json_deep_copy(json_object_get(task_config, "fewshot_config"));
    json_t *out = json_is_object(own) ? own : json_object();
    if (own && own != out)
        json_decref(own);
    set_default(out, "sampler", json_string("default"));
    set_default(out, "split", of(task_config, "fewshot_split"));
    for (size_t i = 0; i < sizeof inherited / sizeof *inherited; i++)
        set_default(out, inherited[i], of(task_config, inherited[i]));
    set_default(out, "fewshot_indices", json_null());
    set_default(out, "samples", json_null());
    return out;
}

static void drop_nulls(json_t *object)
{
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(object, next, key, value)
        if (json_is_null(value))
            json_object_del(object, key);
}

json_t *lmeval_config(const task *t, const yaml_value *root, error *err)
{
    json_t *c = yaml_json(root, err);
    if (!c)
        return NULL;
    json_object_del(c, "include");
    set_default(c, "unsafe_code", json_false());
    set_default(c, "description", json_string(""));
    set_default(c, "target_delimiter", json_string(" "));
    set_default(c, "fewshot_delimiter", json_string("\n\n"));
    set_default(c, "num_fewshot", json_integer((json_int_t)t->shots.count));
    set_default(c, "output_type", json_string("generate_until"));
    set_default(c, "repeats", json_integer(1));
    set_default(c, "should_decontaminate", json_false());
    json_object_set_new(c, "fewshot_config", fewshot_config(c));
    json_t *metadata = json_object_get(c, "metadata");
    if (!json_is_object(metadata))
        json_object_set_new(c, "metadata", metadata = json_object());
    json_object_set_new(metadata, "config_source", json_string(t->file));
    drop_nulls(c);
    return c;
}
