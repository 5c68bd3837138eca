#include "model/vision_config.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "model/config_parts.h"

#define MAX_SIZE ((int64_t)1 << 20)
#define MAX_IMAGE 16384

/* The tower of LLaVA 1.5 and later, which is also what a LLaVA without vision_config has. */
static const vision_config vit_large = {
    .layers = 24, .hidden = 1024, .intermediate = 4096, .heads = 16, .image_size = 336, .patch_size = 14, .activation = ACTIVATION_QUICK_GELU,
    .norm_eps = 1e-5, .projector_activation = ACTIVATION_GELU, .projector_bias = true, .image_token = 32000, .feature_layer = -2, .used_layers = 23,
};

static bool has(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    return value && !json_is_null(value);
}

bool vision_config_is(const json_t *json)
{
    return json_is_object(json_object_get(json, "vision_config")) || has(json, "mm_vision_tower");
}

int64_t vision_config_features(const vision_config *c)
{
    const int64_t side = c->image_size / c->patch_size;
    return side * side + c->keeps_class;
}

/* ---- the tower */

static int check_tower(const char *name, vision_config *c, error *err)
{
    c->used_layers = c->feature_layer < 0 ? c->layers + 1 + c->feature_layer : c->feature_layer;
    if (c->used_layers < 0 || c->used_layers > c->layers)
        return fail(err, ERROR_FORMAT, "%s: features of layer %lld are asked for, but the vision tower has %lld layers", name, (long long)c->feature_layer,
                    (long long)c->layers);
    if (c->hidden % c->heads != 0)
        return fail(err, ERROR_FORMAT, "%s: the vision tower's hidden_size %lld is not a multiple of %lld attention heads", name, (long long)c->hidden,
                    (long long)c->heads);
    if (c->patch_size > c->image_size)
        return fail(err, ERROR_FORMAT, "%s: the vision tower's patch_size %lld is above its image_size %lld", name, (long long)c->patch_size,
                    (long long)c->image_size);
    if (!(c->norm_eps >= 0) || c->norm_eps > 1)
        return fail(err, ERROR_FORMAT, "%s: the vision tower's 'layer_norm_eps' is %g, outside [0, 1]", name, c->norm_eps);
    return 0;
}

int vision_config_read_tower(const json_t *json, const char *name, vision_config *c, error *err)
{
    const char *type = NULL;
    int64_t channels = 3;
    if (json_is_object(json_object_get(json, "vision_config")))
        json = json_object_get(json, "vision_config");
    /* what transformers takes for keys that a CLIPVisionConfig does not list */
    c->layers = c->heads = 12;
    c->hidden = 768;
    c->intermediate = 3072;
    c->image_size = 224;
    c->patch_size = 32;
    if (json_want_text(json, "model_type", name, &type, err) != 0)
        return -1;
    if (type && strcmp(type, "clip_vision_model") != 0 && strcmp(type, "clip") != 0)
        return fail(err, ERROR_UNSUPPORTED, "%s: vision tower '%.60s' is not known; known is clip_vision_model", name, type);
    if (json_want_int(json, "num_hidden_layers", name, 1, CONFIG_MAX_LAYERS, &c->layers, err) != 0 ||
        json_want_int(json, "hidden_size", name, 1, MAX_SIZE, &c->hidden, err) != 0 ||
        json_want_int(json, "intermediate_size", name, 1, MAX_SIZE, &c->intermediate, err) != 0 ||
        json_want_int(json, "num_attention_heads", name, 1, MAX_SIZE, &c->heads, err) != 0 ||
        json_want_int(json, "image_size", name, 1, MAX_IMAGE, &c->image_size, err) != 0 ||
        json_want_int(json, "patch_size", name, 1, MAX_IMAGE, &c->patch_size, err) != 0 ||
        json_want_int(json, "num_channels", name, 3, 3, &channels, err) != 0 ||
        json_want_real(json, "layer_norm_eps", name, &c->norm_eps, err) != 0 ||
        config_read_activation(json, "hidden_act", name, &c->activation, err) != 0)
        return -1;
    return check_tower(name, c, err);
}

static int read_feature_layer(const json_t *json, const char *key, const char *name, vision_config *c, error *err)
{
    const json_t *list = json_object_get(json, key);
    if (json_is_array(list) && json_array_size(list) != 1)
        return fail(err, ERROR_UNSUPPORTED, "%s: '%s' lists %zu layers; features of one layer are known", name, key, json_array_size(list));
    if (json_is_array(list) && json_is_integer(json_array_get(list, 0)))
        c->feature_layer = json_integer_value(json_array_get(list, 0));
    else
        return json_want_int(json, key, name, -CONFIG_MAX_LAYERS, CONFIG_MAX_LAYERS, &c->feature_layer, err);
    return 0;
}

/* `kept` is the word for features with the class token, `dropped` that for those without. */
static int read_strategy(const json_t *json, const char *key, const char *dropped, const char *kept, const char *name, vision_config *c, error *err)
{
    const char *text = dropped;
    if (json_want_text(json, key, name, &text, err) != 0)
        return -1;
    c->keeps_class = strcmp(text, kept) == 0;
    if (!c->keeps_class && strcmp(text, dropped) != 0)
        return fail(err, ERROR_UNSUPPORTED, "%s: '%s' is '%.60s'; known are %s and %s", name, key, text, dropped, kept);
    return 0;
}

/* Tiles come behind the whole view, which has no class token then. */
static int check_tiles(const char *name, const vision_config *c, error *err)
{
    return c->tiled && c->keeps_class ? fail(err, ERROR_UNSUPPORTED, "%s: tiles whose features keep the class token are not known", name) : 0;
}

/* ---- as transformers writes it */

static int read_nested(const json_t *json, const char *name, vision_config *c, error *err)
{
    const char *type = NULL, *key = has(json, "image_token_id") ? "image_token_id" : "image_token_index";
    int64_t token = c->image_token;
    if (read_feature_layer(json, "vision_feature_layer", name, c, err) != 0 || vision_config_read_tower(json, name, c, err) != 0 ||
        json_want_text(json, "model_type", name, &type, err) != 0 ||
        read_strategy(json, "vision_feature_select_strategy", "default", "full", name, c, err) != 0 ||
        config_read_activation(json, "projector_hidden_act", name, &c->projector_activation, err) != 0 ||
        json_want_bool(json, "multimodal_projector_bias", name, &c->projector_bias, err) != 0 || json_want_int(json, key, name, -1, INT32_MAX, &token, err) != 0)
        return -1;
    c->image_token = (int32_t)token;
    c->tiled = type && strcmp(type, "llava_next") == 0;
    return check_tiles(name, c, err);
}

/* ---- as the authors' code writes it: the tower is named, the sizes of known ones are known */

static int read_named(const json_t *json, const char *name, vision_config *c, error *err)
{
    const char *tower = NULL, *projector = "mlp2x_gelu", *aspect = NULL;
    if (json_want_text(json, "mm_vision_tower", name, &tower, err) != 0 || json_want_text(json, "mm_projector_type", name, &projector, err) != 0 ||
        json_want_text(json, "image_aspect_ratio", name, &aspect, err) != 0)
        return -1;
    if (strlen(tower) >= sizeof c->tower)
        return fail(err, ERROR_LIMIT, "%s: mm_vision_tower is longer than %zu bytes", name, sizeof c->tower);
    snprintf(c->tower, sizeof c->tower, "%s", tower);
    if (strcmp(projector, "mlp2x_gelu") != 0)
        return fail(err, ERROR_UNSUPPORTED, "%s: mm_projector_type '%.60s' is not known; known is mlp2x_gelu", name, projector);
    c->image_token = -1;
    if (strstr(tower, "patch14") && !strstr(tower, "336"))
        c->image_size = 224;
    if (read_feature_layer(json, "mm_vision_select_layer", name, c, err) != 0 ||
        read_strategy(json, "mm_vision_select_feature", "patch", "cls_patch", name, c, err) != 0 || check_tower(name, c, err) != 0)
        return -1;
    c->tiled = aspect && strcmp(aspect, "anyres") == 0;
    return check_tiles(name, c, err);
}

int vision_config_read(const json_t *json, const char *name, vision_config *out, error *err)
{
    vision_config c = vit_large;
    if (!vision_config_is(json))
        return fail(err, ERROR_UNSUPPORTED, "%s: this model reads text only: it has neither vision_config nor mm_vision_tower", name);
    if ((json_is_object(json_object_get(json, "vision_config")) ? read_nested : read_named)(json, name, &c, err) != 0)
        return -1;
    *out = c;
    return 0;
}
