#include "model/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "compute/scalar.h"
#include "model/architecture.h"

#define MAX_SIZE ((int64_t)1 << 24)
#define MAX_LAYERS 10000
#define MAX_HEAD_DIM 8192
#define MAX_POSITIONS ((int64_t)1 << 30)

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

static double mscale(double factor, double m)
{
    return factor > 1 ? 0.1 * m * scalar_log64(factor) + 1 : 1;
}

static int read_yarn(const json_t *scaling, const char *name, rope_config *r, error *err)
{
    double m = 0, m_all = 0;
    if (json_want_real(scaling, "attention_factor", name, &r->attention_factor, err) != 0 ||
        json_want_real(scaling, "beta_fast", name, &r->beta_fast, err) != 0 ||
        json_want_real(scaling, "beta_slow", name, &r->beta_slow, err) != 0 ||
        json_want_real(scaling, "mscale", name, &m, err) != 0 ||
        json_want_real(scaling, "mscale_all_dim", name, &m_all, err) != 0 ||
        json_want_bool(scaling, "truncate", name, &r->truncate, err) != 0)
        return -1;
    r->beta_fast = r->beta_fast == 0 ? 32 : r->beta_fast;
    r->beta_slow = r->beta_slow == 0 ? 1 : r->beta_slow;
    const struct {
        const char *name;
        double value, low;
    } numbers[] = {{"beta_fast", r->beta_fast, 1e-6},
                   {"beta_slow", r->beta_slow, 1e-6},
                   {"attention_factor", r->attention_factor, 0},
                   {"mscale", m, 0},
                   {"mscale_all_dim", m_all, 0},
                   {"rope_theta of yarn", r->theta, 1.0001}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value < numbers[i].low || (numbers[i].value > 1e6 && i < 5))
            return fail(err, ERROR_FORMAT, "%s: '%s' is %g, outside [%g, 1e6]", name, numbers[i].name, numbers[i].value,
                        numbers[i].low);
    if (r->attention_factor == 0 && m > 0 && m_all > 0)
        r->attention_factor = mscale(r->factor, m) / mscale(r->factor, m_all);
    return 0;
}

static int read_llama3(const json_t *scaling, const char *name, rope_config *r, error *err)
{
    if (json_want_real(scaling, "low_freq_factor", name, &r->low_freq, err) != 0 ||
        json_want_real(scaling, "high_freq_factor", name, &r->high_freq, err) != 0)
        return -1;
    if (!(r->low_freq > 0) || !(r->high_freq > r->low_freq))
        return fail(err, ERROR_FORMAT, "%s: llama3 rope scaling needs 0 < low_freq_factor (%g) < high_freq_factor (%g)", name,
                    r->low_freq, r->high_freq);
    return 0;
}

static int find_rope_kind(const char *text, const char *name, enum rope_kind *kind, error *err)
{
    static const char *const names[] = {"default", "linear", "dynamic", "llama3", "yarn"};
    for (int i = 0; i < 5; i++)
        if (strcmp(text, names[i]) == 0) {
            *kind = (enum rope_kind)i;
            return 0;
        }
    return fail(err, ERROR_UNSUPPORTED, "%s: rope type '%.40s' is not known; known are default, linear, dynamic, llama3, yarn",
                name, text);
}

/* rope_parameters as transformers 5 writes it, or rope_theta beside rope_scaling. */
static int read_rope(const json_t *json, const char *name, model_config *c, error *err)
{
    rope_config *r = &c->rope;
    const json_t *scaling = json_object_get(json, "rope_parameters");
    if (!scaling || json_is_null(scaling))
        scaling = json_object_get(json, "rope_scaling");
    if (json_is_null(scaling))
        scaling = NULL;
    if (scaling && !json_is_object(scaling))
        return fail(err, ERROR_FORMAT, "%s: the rope scaling should be an object", name);
    if (json_object_get(scaling, "full_attention"))
        return fail(err, ERROR_UNSUPPORTED, "%s: rope parameters that differ between layers are not known for '%s'", name,
                    c->type);
    const char *kind = "default";
    double partial = 1;
    r->truncate = true;
    r->original_positions = c->max_positions;
    if (json_want_real(json, "rope_theta", name, &r->theta, err) != 0 ||
        json_want_real(scaling, "rope_theta", name, &r->theta, err) != 0 ||
        json_want_text(scaling, "type", name, &kind, err) != 0 || json_want_text(scaling, "rope_type", name, &kind, err) != 0 ||
        json_want_real(json, "partial_rotary_factor", name, &partial, err) != 0 ||
        json_want_real(scaling, "partial_rotary_factor", name, &partial, err) != 0 ||
        find_rope_kind(kind, name, &r->kind, err) != 0)
        return -1;
    if (!(r->theta >= 1) || r->theta > 1e18)
        return fail(err, ERROR_FORMAT, "%s: 'rope_theta' is %g, outside [1, 1e18]", name, r->theta);
    if (partial != 1)
        return fail(err, ERROR_UNSUPPORTED, "%s: partial_rotary_factor %g is not known for '%s'", name, partial, c->type);
    if (r->kind == ROPE_DEFAULT)
        return 0;
    if ((r->kind == ROPE_LLAMA3 || r->kind == ROPE_YARN) &&
        (json_want_int(scaling, "original_max_position_embeddings", name, 1, MAX_POSITIONS, &r->original_positions, err) != 0 ||
         json_want_int(json, "original_max_position_embeddings", name, 1, MAX_POSITIONS, &r->original_positions, err) != 0))
        return -1;
    if (r->kind == ROPE_YARN)
        r->factor = (double)c->max_positions / (double)r->original_positions;
    if (json_want_real(scaling, "factor", name, &r->factor, err) != 0)
        return -1;
    if (!(r->factor >= 1) || r->factor > 1e6)
        return fail(err, ERROR_FORMAT, "%s: rope scaling '%s' needs a factor in [1, 1e6], not %g", name, kind, r->factor);
    if (r->kind == ROPE_DYNAMIC && c->head_dim < 4)
        return fail(err, ERROR_FORMAT, "%s: dynamic rope scaling needs a head_dim of at least 4, not %lld", name,
                    (long long)c->head_dim);
    if (r->kind == ROPE_LLAMA3)
        return read_llama3(scaling, name, r, err);
    return r->kind == ROPE_YARN ? read_yarn(scaling, name, r, err) : 0;
}

static int read_sizes(const json_t *json, const char *name, bool nested, model_config *c, error *err)
{
    if (want_size(json, "hidden_size", name, nested, MAX_SIZE, &c->hidden, err) != 0 ||
        want_size(json, "num_hidden_layers", name, nested, MAX_LAYERS, &c->layers, err) != 0 ||
        want_size(json, "num_attention_heads", name, nested, MAX_SIZE, &c->heads, err) != 0 ||
        want_size(json, "intermediate_size", name, nested, MAX_SIZE, &c->intermediate, err) != 0 ||
        want_size(json, "vocab_size", name, nested, MAX_SIZE, &c->vocab, err) != 0 ||
        want_size(json, "max_position_embeddings", name, true, MAX_POSITIONS, &c->max_positions, err) != 0)
        return -1;
    const json_t *kv = json_object_get(json, "num_key_value_heads");
    if (json_is_null(kv) || (!kv && c->kv_heads == 0))
        c->kv_heads = c->heads;
    else if (want_size(json, "num_key_value_heads", name, true, MAX_SIZE, &c->kv_heads, err) != 0)
        return -1;
    if (c->heads % c->kv_heads != 0)
        return fail(err, ERROR_FORMAT, "%s: %lld attention heads are not a multiple of %lld key-value heads", name,
                    (long long)c->heads, (long long)c->kv_heads);
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

static int read_rest(const json_t *json, const char *name, const architecture *a, model_config *c, error *err)
{
    const char *activation = "silu";
    int64_t bos = c->bos;
    if (json_want_text(json, "hidden_act", name, &activation, err) != 0 ||
        json_want_real(json, "rms_norm_eps", name, &c->norm_eps, err) != 0 ||
        json_want_bool(json, "tie_word_embeddings", name, &c->tied, err) != 0 ||
        json_want_int(json, "bos_token_id", name, -1, INT32_MAX, &bos, err) != 0)
        return -1;
    c->bos = json_is_null(json_object_get(json, "bos_token_id")) ? -1 : (int32_t)bos;
    if (strcmp(activation, "silu") != 0 && strcmp(activation, "swish") != 0)
        return fail(err, ERROR_UNSUPPORTED, "%s: hidden_act '%.40s' is not known for '%s', only silu", name, activation, c->type);
    if (!(c->norm_eps >= 0) || c->norm_eps > 1)
        return fail(err, ERROR_FORMAT, "%s: 'rms_norm_eps' is %g, outside [0, 1]", name, c->norm_eps);
    if (a->has_biases && (json_want_bool(json, "attention_bias", name, &c->attention_bias, err) != 0 ||
                          json_want_bool(json, "mlp_bias", name, &c->mlp_bias, err) != 0))
        return -1;
    if (a->has_window && json_is_null(json_object_get(json, "sliding_window")))
        c->window = 0;
    else if (a->has_window && json_want_int(json, "sliding_window", name, 1, INT64_MAX, &c->window, err) != 0)
        return -1;
    if (json_object_get(json, "eos_token_id")) {
        c->n_stops = 0;
        if (read_stops(json, name, c, err) != 0)
            return -1;
    }
    return read_rope(json, name, c, err);
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
    const architecture *a = architecture_find(type, class_name);
    if (!a)
        return fail(err, ERROR_UNSUPPORTED, "%s: model type '%.60s' is not known; known are %s", name, type ? type : class_name,
                    architecture_list());
    model_config config = a->defaults;
    if (read_sizes(c, name, nested, &config, err) != 0 || read_rest(c, name, a, &config, err) != 0)
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

static void differ_int(string *s, const char *what, int64_t a, int64_t b)
{
    if (a != b)
        string_print(s, "%s%s %lld / %lld", s->length ? "; " : "", what, (long long)a, (long long)b);
}

static void differ_real(string *s, const char *what, double a, double b)
{
    if (a < b || a > b)
        string_print(s, "%s%s %.9g / %.9g", s->length ? "; " : "", what, a, b);
}

static void differ_text(string *s, const char *what, const char *a, const char *b)
{
    if (strcmp(a, b) != 0)
        string_print(s, "%s%s %s / %s", s->length ? "; " : "", what, a, b);
}

static const char *window_text(int64_t window, char out[32])
{
    if (window == 0)
        return "none";
    snprintf(out, 32, "%lld", (long long)window);
    return out;
}

bool config_differences(const model_config *a, const model_config *b, char *out, size_t size)
{
    static const char *const kinds[] = {"default", "linear", "dynamic", "llama3", "yarn"};
    char wa[32], wb[32];
    string s = {0};
    differ_text(&s, "model_type", a->type, b->type);
    differ_int(&s, "num_hidden_layers", a->layers, b->layers);
    differ_int(&s, "hidden_size", a->hidden, b->hidden);
    differ_int(&s, "intermediate_size", a->intermediate, b->intermediate);
    differ_int(&s, "num_attention_heads", a->heads, b->heads);
    differ_int(&s, "num_key_value_heads", a->kv_heads, b->kv_heads);
    differ_int(&s, "head_dim", a->head_dim, b->head_dim);
    differ_int(&s, "max_position_embeddings", a->max_positions, b->max_positions);
    differ_text(&s, "sliding_window", window_text(a->window, wa), window_text(b->window, wb));
    differ_real(&s, "rms_norm_eps", a->norm_eps, b->norm_eps);
    differ_real(&s, "rope_theta", a->rope.theta, b->rope.theta);
    differ_text(&s, "rope_type", kinds[a->rope.kind], kinds[b->rope.kind]);
    if (a->rope.kind == b->rope.kind && a->rope.kind != ROPE_DEFAULT) {
        differ_real(&s, "rope factor", a->rope.factor, b->rope.factor);
        differ_real(&s, "low_freq_factor", a->rope.low_freq, b->rope.low_freq);
        differ_real(&s, "high_freq_factor", a->rope.high_freq, b->rope.high_freq);
        differ_real(&s, "beta_fast", a->rope.beta_fast, b->rope.beta_fast);
        differ_real(&s, "beta_slow", a->rope.beta_slow, b->rope.beta_slow);
        differ_real(&s, "attention_factor", a->rope.attention_factor, b->rope.attention_factor);
        differ_int(&s, "original_max_position_embeddings", a->rope.original_positions, b->rope.original_positions);
        differ_int(&s, "truncate", a->rope.truncate, b->rope.truncate);
    }
    differ_text(&s, "tie_word_embeddings", a->tied ? "true" : "false", b->tied ? "true" : "false");
    differ_text(&s, "attention_bias", a->attention_bias ? "true" : "false", b->attention_bias ? "true" : "false");
    differ_text(&s, "mlp_bias", a->mlp_bias ? "true" : "false", b->mlp_bias ? "true" : "false");
    snprintf(out, size, "%s", s.text ? s.text : "");
    free(s.text);
    return out[0] != '\0';
}
