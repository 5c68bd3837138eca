#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "model/config_parts.h"

#define MAX_SIZE ((int64_t)1 << 24)
#define MAX_HEAD_DIM 8192

/* A size; at the top level of a config.json it must be there, in a nested text_config the type's default stands. */
static int want_size(const json_t *json, const char *key, const char *name, bool nested, int64_t high, int64_t *out, error *err)
{
    const json_t *value = json_object_get(json, key);
    if (!nested && (!value || json_is_null(value)))
        return fail(err, ERROR_FORMAT, "%s: '%s' is missing", name, key);
    return json_want_int(json, key, name, 1, high, out, err);
}

static int add_stop(model_config *c, int64_t id, const char *name, error *err)
{
    if (id < 0)
        return 0;
    for (int i = 0; i < c->n_stops; i++)
        if (c->stops[i] == id)
            return 0;
    if (c->n_stops == CONFIG_MAX_STOPS)
        return fail(err, ERROR_LIMIT, "%s: more than %d end tokens", name, CONFIG_MAX_STOPS);
    c->stops[c->n_stops++] = (int32_t)id;
    return 0;
}

/* eos_token_id: a number, a list of them, or null. */
static int read_stops(const json_t *json, const char *name, model_config *c, error *err)
{
    const json_t *value = json_object_get(json, "eos_token_id");
    size_t n = json_is_array(value) ? json_array_size(value) : value && !json_is_null(value);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_is_integer(one))
            return fail(err, ERROR_FORMAT, "%s: 'eos_token_id' should be a whole number or a list of them", name);
        if (json_integer_value(one) > INT32_MAX)
            return fail(err, ERROR_FORMAT, "%s: 'eos_token_id' %lld is too large", name, (long long)json_integer_value(one));
        if (add_stop(c, json_integer_value(one), name, err) != 0)
            return -1;
    }
    return 0;
}

static int read_heads(const json_t *json, const char *name, model_config *c, error *err)
{
    const json_t *kv = json_object_get(json, "num_key_value_heads");
    if (json_is_null(kv) || (!kv && c->kv_heads == 0))
        c->kv_heads = c->heads;
    else if (want_size(json, "num_key_value_heads", name, true, MAX_SIZE, &c->kv_heads, err) != 0)
        return -1;
    if (c->heads % c->kv_heads != 0)
        return fail(err, ERROR_FORMAT, "%s: %lld attention heads are not a multiple of %lld key-value heads", name,
                    (long long)c->heads, (long long)c->kv_heads);
    if (json_is_null(json_object_get(json, "head_dim")))
        c->head_dim = 0;
    if (want_size(json, "head_dim", name, true, MAX_HEAD_DIM, &c->head_dim, err) != 0)
        return -1;
    if (c->head_dim == 0) {
        if (c->hidden % c->heads != 0)
            return fail(err, ERROR_FORMAT,
                        "%s: hidden_size %lld is not a multiple of %lld attention heads and head_dim is missing", name,
                        (long long)c->hidden, (long long)c->heads);
        c->head_dim = c->hidden / c->heads;
    }
    if (c->head_dim % 2 != 0 || c->head_dim > MAX_HEAD_DIM)
        return fail(err, ERROR_FORMAT, "%s: head_dim %lld is odd or above %d", name, (long long)c->head_dim, MAX_HEAD_DIM);
    if (c->heads * c->head_dim > MAX_SIZE)
        return fail(err, ERROR_FORMAT, "%s: %lld heads of %lld are more than %lld columns", name, (long long)c->heads,
                    (long long)c->head_dim, (long long)MAX_SIZE);
    return 0;
}

static int read_experts(const json_t *json, const char *name, model_config *c, error *err)
{
    if (c->experts == 0)
        return 0;
    if (json_want_int(json, "num_local_experts", name, 1, CONFIG_MAX_EXPERTS, &c->experts, err) != 0)
        return -1;
    return json_want_int(json, "num_experts_per_tok", name, 1, c->experts, &c->experts_used, err);
}

static int read_sizes(const json_t *json, const char *name, bool nested, const architecture *a, model_config *c, error *err)
{
    if (want_size(json, architecture_key(a, "hidden_size"), name, nested, MAX_SIZE, &c->hidden, err) != 0 ||
        want_size(json, architecture_key(a, "num_hidden_layers"), name, nested, CONFIG_MAX_LAYERS, &c->layers, err) != 0 ||
        want_size(json, architecture_key(a, "num_attention_heads"), name, nested, MAX_SIZE, &c->heads, err) != 0 ||
        want_size(json, architecture_key(a, "intermediate_size"), name, nested || c->intermediate == 0, MAX_SIZE, &c->intermediate, err) != 0 ||
        want_size(json, "vocab_size", name, nested, MAX_SIZE, &c->vocab, err) != 0 ||
        want_size(json, architecture_key(a, "max_position_embeddings"), name, true, MAX_POSITIONS, &c->max_positions, err) != 0)
        return -1;
    if (c->intermediate == 0)
        c->intermediate = 4 * c->hidden;
    return read_heads(json, name, c, err) == 0 ? read_experts(json, name, c, err) : -1;
}

int config_read_activation(const json_t *json, const char *key, const char *name, enum activation *out, error *err)
{
    static const struct { const char *name; enum activation is; } known[] = {
        {"silu", ACTIVATION_SILU}, {"swish", ACTIVATION_SILU}, {"gelu", ACTIVATION_GELU}, {"gelu_python", ACTIVATION_GELU},
        {"gelu_pytorch_tanh", ACTIVATION_GELU_TANH}, {"gelu_new", ACTIVATION_GELU_TANH}, {"gelu_fast", ACTIVATION_GELU_TANH},
        {"quick_gelu", ACTIVATION_QUICK_GELU},
    };
    const char *text = NULL;
    if (json_want_text(json, key, name, &text, err) != 0)
        return -1;
    for (size_t i = 0; text && i < sizeof known / sizeof *known; i++)
        if (strcmp(text, known[i].name) == 0) {
            *out = known[i].is;
            return 0;
        }
    return text ? fail(err, ERROR_UNSUPPORTED, "%s: %s '%.40s' is not known; known are silu, gelu, gelu_pytorch_tanh, quick_gelu and their other names", name, key, text)
                : 0;
}

/* A limit of scores or logits; null: none. */
static int want_cap(const json_t *json, const char *key, const char *name, double *out, error *err)
{
    if (json_is_null(json_object_get(json, key)))
        *out = 0;
    if (json_want_real(json, key, name, out, err) != 0)
        return -1;
    if (*out < 0 || *out > 1e6)
        return fail(err, ERROR_FORMAT, "%s: '%s' is %g, outside [0, 1e6]", name, key, *out);
    return 0;
}

/* What Gemma does to embeddings, scores and logits. */
static int read_gemma(const json_t *json, const char *name, model_config *c, error *err)
{
    double scalar = 1 / (c->query_scale * c->query_scale);
    c->embedding_scale = sqrt((double)c->hidden);
    if (json_want_real(json, "query_pre_attn_scalar", name, &scalar, err) != 0)
        return -1;
    if (!(scalar > 0) || scalar > 1e9)
        return fail(err, ERROR_FORMAT, "%s: 'query_pre_attn_scalar' is %g, outside (0, 1e9]", name, scalar);
    c->query_scale = 1 / sqrt(scalar);
    if (want_cap(json, "attn_logit_softcapping", name, &c->attention_softcap, err) != 0)
        return -1;
    return want_cap(json, "final_logit_softcapping", name, &c->logit_softcap, err);
}

static int read_switches(const json_t *json, const char *name, const architecture *a, model_config *c, error *err)
{
    bool refused = false, scaled = true;
    if ((a->refused && json_want_bool(json, a->refused, name, &refused, err) != 0) ||
        (a->bias_key && json_want_bool(json, a->bias_key, name, &c->attention_bias, err) != 0) ||
        (a->has_mlp_bias_key && json_want_bool(json, "mlp_bias", name, &c->mlp_bias, err) != 0) ||
        (a->parallel_mlp_norm && json_want_bool(json, "use_parallel_residual", name, &c->parallel, err) != 0) ||
        (c->learned_positions && json_want_bool(json, "scale_attn_weights", name, &scaled, err) != 0))
        return -1;
    if (refused)
        return fail(err, ERROR_UNSUPPORTED, "%s: '%s' is not known for '%s'", name, a->refused, c->type);
    c->output_bias = c->output_bias && c->attention_bias;
    c->query_scale = scaled ? c->query_scale : 1;
    return 0;
}

static int read_rest(const json_t *json, const char *name, const architecture *a, model_config *c, error *err)
{
    const char *eps = architecture_key(a, "rms_norm_eps");
    int64_t bos = c->bos;
    c->embedding_scale = 1;
    if (config_read_activation(json, architecture_key(a, "hidden_act"), name, &c->activation, err) != 0 || json_want_real(json, eps, name, &c->norm_eps, err) != 0 ||
        json_want_bool(json, "tie_word_embeddings", name, &c->tied, err) != 0 ||
        json_want_int(json, "bos_token_id", name, -1, INT32_MAX, &bos, err) != 0)
        return -1;
    c->bos = json_is_null(json_object_get(json, "bos_token_id")) ? -1 : (int32_t)bos;
    if (!(c->norm_eps >= 0) || c->norm_eps > 1)
        return fail(err, ERROR_FORMAT, "%s: '%s' is %g, outside [0, 1]", name, eps, c->norm_eps);
    if (read_switches(json, name, a, c, err) != 0 || config_read_window(json, name, a, c, err) != 0 ||
        (a->scales_embeddings && read_gemma(json, name, c, err) != 0))
        return -1;
    if (json_object_get(json, "eos_token_id")) {
        c->n_stops = 0;
        if (read_stops(json, name, c, err) != 0)
            return -1;
    }
    return config_read_rope(json, name, a, c, err);
}

/* The language model of a LLaVA whose config.json has its keys beside LLaVA's own: "llava_mistral", "llava_qwen", or "llava" (over Llama). */
static const char *language_type(const char *type)
{
    if (!type || strncmp(type, "llava", 5) != 0)
        return type;
    if (strcmp(type, "llava_qwen") == 0)
        return "qwen2";
    return type[5] == '_' && architecture_find(type + 6, NULL) ? type + 6 : "llama";
}

int config_read(const json_t *json, const char *name, model_config *out, error *err)
{
    if (!json_is_object(json))
        return fail(err, ERROR_FORMAT, "%s: should hold a JSON object", name);
    const json_t *text = json_object_get(json, "text_config");
    bool nested = text && !json_is_null(text);
    if (nested && !json_is_object(text))
        return fail(err, ERROR_FORMAT, "%s: 'text_config' should be an object", name);
    const json_t *c = nested ? text : json;
    const char *type = NULL, *class_name = json_string_value(json_array_get(json_object_get(c, "architectures"), 0));
    if (json_want_text(c, "model_type", name, &type, err) != 0)
        return -1;
    if (nested && !type)
        type = "llama";   /* what transformers takes for a LLaVA that does not say */
    if (!type && !class_name)
        return fail(err, ERROR_FORMAT, "%s: names no model_type", name);
    if (!nested)
        type = language_type(type);
    const architecture *a = architecture_find(type, class_name);
    if (!a)
        return fail(err, ERROR_UNSUPPORTED, "%s: model type '%.60s' is not known; known are %s", name, type ? type : class_name,
                    architecture_list());
    model_config config = a->defaults;
    if (read_sizes(c, name, nested, a, &config, err) != 0 || read_rest(c, name, a, &config, err) != 0)
        return -1;
    *out = config;
    return 0;
}

int64_t config_position_limit(const model_config *config)
{
    return config->rope.kind == ROPE_DYNAMIC ? MAX_POSITIONS : config->max_positions;
}

int config_read_generation(const char *folder, model_config *out, error *err)
{
    char *path = file_join(folder, "generation_config.json");
    int status = 0;
    if (file_exists(path)) {
        json_t *json = json_read(path, (size_t)1 << 24, err);
        status = json ? read_stops(json, path, out, err) : -1;
        json_decref(json);
    }
    free(path);
    return status;
}
