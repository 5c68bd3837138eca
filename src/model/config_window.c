/* The sliding windows of config.json: of all layers, of those that layer_types names, or of those that the model type goes by. */
#include <string.h>

#include "base/json.h"
#include "model/config_parts.h"

static void set_sliding(model_config *c, int64_t layer)
{
    c->sliding[layer / 64] |= (uint64_t)1 << layer % 64;
}

int64_t config_window(const model_config *c, int64_t layer)
{
    return c->sliding[layer / 64] >> layer % 64 & 1 ? c->window : 0;
}

const rope_config *config_rope(const model_config *c, int64_t layer)
{
    if (c->learned_positions)
        return NULL;
    return c->local_rope.theta > 0 && config_window(c, layer) > 0 ? &c->local_rope : &c->rope;
}

/* layer_types, where the file has it; *there tells. */
static int read_list(const json_t *json, const char *name, model_config *c, bool *there, error *err)
{
    const json_t *types = json_object_get(json, "layer_types");
    *there = types && !json_is_null(types);
    if (!*there)
        return 0;
    if (!json_is_array(types) || (int64_t)json_array_size(types) != c->layers)
        return fail(err, ERROR_FORMAT, "%s: 'layer_types' should be a list of %lld, one a layer", name, (long long)c->layers);
    for (int64_t i = 0; i < c->layers; i++) {
        const char *type = json_string_value(json_array_get(types, (size_t)i));
        if (type && strcmp(type, "sliding_attention") == 0)
            set_sliding(c, i);
        else if (!type || strcmp(type, "full_attention") != 0)
            return fail(err, ERROR_UNSUPPORTED, "%s: layer_types calls layer %lld '%.40s'; known are full_attention, sliding_attention", name,
                        (long long)i, type ? type : "?");
    }
    return 0;
}

static int read_pattern(const json_t *json, const char *name, const architecture *a, model_config *c, error *err)
{
    int64_t every = a->full_every, full = 28;
    if (json_want_int(json, "sliding_window_pattern", name, 1, CONFIG_MAX_LAYERS, &every, err) != 0 ||
        json_want_int(json, "_sliding_window_pattern", name, 1, CONFIG_MAX_LAYERS, &every, err) != 0 ||
        json_want_int(json, "max_window_layers", name, 0, INT64_MAX, &full, err) != 0)
        return -1;
    for (int64_t i = 0; i < c->layers; i++)
        if (a->window == WINDOW_SWITCHED ? i >= full : (i + 1) % every != 0)
            set_sliding(c, i);
    return 0;
}

int config_read_window(const json_t *json, const char *name, const architecture *a, model_config *c, error *err)
{
    bool on = a->window != WINDOW_SWITCHED, listed = false;
    if (a->window == WINDOW_UNKNOWN)
        return 0;
    if (json_is_null(json_object_get(json, "sliding_window")))
        c->window = 0;
    else if (json_want_int(json, "sliding_window", name, 1, INT64_MAX, &c->window, err) != 0)
        return -1;
    if (a->window == WINDOW_SWITCHED && json_want_bool(json, "use_sliding_window", name, &on, err) != 0)
        return -1;
    c->window = on ? c->window : 0;
    if (a->window == WINDOW_EVERY) {
        for (int64_t i = 0; i < c->layers; i++)
            set_sliding(c, i);
        return 0;
    }
    if (read_list(json, name, c, &listed, err) != 0)
        return -1;
    return listed || c->window == 0 ? 0 : read_pattern(json, name, a, c, err);
}
