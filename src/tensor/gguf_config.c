#include "tensor/gguf_config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

#define MAX_SIZE ((int64_t)1 << 24)
#define MAX_LAYERS 10000

/* ---- the rotation's factors */

struct llama3 {
    double theta, factor, low, high, positions;
};

/* base^x for x in [0, 1): by square roots, which every machine rounds alike. */
static double power(double base, double x)
{
    double product = 1;
    for (int bit = 0; bit < 64 && x > 0; bit++) {
        base = sqrt(base);
        x *= 2;
        if (x >= 1) {
            product *= base;
            x -= 1;
        }
    }
    return product;
}

/* In the converter's order of single and double precision. */
static float llama3_factor(const struct llama3 *l, int64_t i, int64_t dim)
{
    const double pi = 3.14159265358979323846;
    float frequency = 1.0f / (float)power(l->theta, (double)(float)(2.0 * (double)i / (double)dim));
    float length = (float)(2 * pi) / frequency;
    if ((double)length < l->positions / l->high)
        return 1;
    if ((double)length > l->positions / l->low)
        return (float)l->factor;
    float smooth = ((float)l->positions / length - (float)l->low) / (float)(l->high - l->low);
    return 1.0f / ((1 - smooth) / (float)l->factor + smooth);
}

static float *llama3_factors(const struct llama3 *l, int64_t dim)
{
    float *factors = memory_new((size_t)(dim / 2), sizeof *factors);
    for (int64_t i = 0; i < dim / 2; i++)
        factors[i] = llama3_factor(l, i, dim);
    return factors;
}

static const json_t *rope_of(const json_t *config)
{
    const json_t *rope = json_object_get(config, "rope_parameters");
    return json_is_object(rope) ? rope : json_object_get(config, "rope_scaling");
}

static const char *rope_type(const json_t *config)
{
    const json_t *rope = rope_of(config), *type = json_object_get(rope, "rope_type");
    const char *text = json_string_value(type ? type : json_object_get(rope, "type"));
    return text ? text : "default";
}

static double real_of(const json_t *object, const char *key, double otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

static double theta_of(const json_t *config)
{
    return real_of(rope_of(config), "rope_theta", real_of(config, "rope_theta", 10000));
}

float *gguf_rope_factors(const json_t *config, const gguf_sizes *sizes)
{
    const json_t *rope = rope_of(config);
    if (strcmp(rope_type(config), "llama3") != 0)
        return NULL;
    struct llama3 l = {theta_of(config), real_of(rope, "factor", 8), real_of(rope, "low_freq_factor", 1), real_of(rope, "high_freq_factor", 4),
                       real_of(rope, "original_max_position_embeddings", 8192)};
    return llama3_factors(&l, sizes->head_dim);
}

/* ---- reading */

/* A single-precision number as the shortest decimal that stands for it: 1e-05, not 9.99999974737875e-06. */
static double shortest(double x)
{
    char text[40];
    double back = x;
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        back = strtod(text, NULL);
        if ((float)back == (float)x)
            break;
    }
    return back;
}

static char *key_of(const gguf_architecture *a, const char *key)
{
    return memory_print("%s.%s", a->name, key);
}

static int want_int(const gguf *g, const gguf_architecture *a, const char *key, int64_t high, int64_t *out, error *err)
{
    char *full = key_of(a, key);
    int status = gguf_want_int(g, full, 1, high, out, err);
    free(full);
    return status;
}

static int need_int(const gguf *g, const gguf_architecture *a, const char *key, int64_t high, int64_t *out, error *err)
{
    *out = 0;
    if (want_int(g, a, key, high, out, err) != 0)
        return -1;
    return *out ? 0 : fail(err, ERROR_FORMAT, "%s: the metadata '%s.%s' is missing", g->path, a->name, key);
}

static int want_real(const gguf *g, const gguf_architecture *a, const char *key, double *out, error *err)
{
    char *full = key_of(a, key);
    int status = gguf_want_real(g, full, out, err);
    if (status == 0 && !isfinite(*out))
        status = fail(err, ERROR_FORMAT, "%s: '%s' is %g", g->path, full, *out);
    free(full);
    return status;
}

static const gguf_tensor *find_tensor(const gguf *g, const char *name)
{
    for (size_t i = 0; i < g->n_tensors; i++)
        if (strcmp(g->tensors[i].name, name) == 0)
            return &g->tensors[i];
    return NULL;
}

/* The file holds Llama 3's factors and not what they were made of: the values that every model of the kind has are tried. */
static int read_llama3(const gguf *g, const gguf_tensor *t, double theta, int64_t head_dim, json_t *rope, error *err)
{
    if (strcmp(t->type->name, "F32") != 0 || t->rank != 1 || t->shape[0] != head_dim / 2)
        return fail(err, ERROR_FORMAT, "%s: '%s' should hold %lld F32 numbers, half a head", g->path, t->name, (long long)(head_dim / 2));
    const size_t n = (size_t)(head_dim / 2);
    float *stored = memory_new(n, sizeof *stored), largest = 0;
    memcpy(stored, t->data, n * sizeof *stored);
    for (size_t i = 0; i < n; i++)
        largest = stored[i] > largest ? stored[i] : largest;
    struct llama3 l = {theta, (double)largest, 1, 4, 8192};
    float *made = llama3_factors(&l, head_dim);
    bool same = true;
    for (size_t i = 0; i < n; i++)
        same = same && fabsf(made[i] - stored[i]) <= 1e-4f * made[i];
    free(made);
    free(stored);
    if (!same)
        return fail(err, ERROR_UNSUPPORTED, "%s: '%s' holds factors that are not those of Llama 3's scaling (low 1, high 4, 8192 positions)", g->path, t->name);
    json_object_set_new(rope, "rope_type", json_string("llama3"));
    json_object_set_new(rope, "factor", json_real(l.factor));
    json_object_set_new(rope, "low_freq_factor", json_real(l.low));
    json_object_set_new(rope, "high_freq_factor", json_real(l.high));
    json_object_set_new(rope, "original_max_position_embeddings", json_integer(8192));
    return 0;
}

static int read_scaling(const gguf *g, const gguf_architecture *a, json_t *rope, error *err)
{
    char *key = key_of(a, "rope.scaling.type");
    const gguf_entry *e = gguf_find(g, key);
    double factor = 0, attention = 0, beta_fast = 0, beta_slow = 0;
    int64_t positions = 0;
    int status = want_real(g, a, "rope.scaling.factor", &factor, err);
    const struct { const char *key, *name; double *value; } reals[] = {
        {"rope.scaling.attn_factor", "attention_factor", &attention}, {"rope.scaling.yarn_attn_factor", "attention_factor", &attention},
        {"rope.scaling.yarn_beta_fast", "beta_fast", &beta_fast}, {"rope.scaling.yarn_beta_slow", "beta_slow", &beta_slow}};
    if (!e || gguf_is_text(e, "none")) {
        json_object_set_new(rope, "rope_type", json_string("default"));
    } else if (status == 0 && gguf_is_text(e, "linear")) {
        json_object_set_new(rope, "rope_type", json_string("linear"));
        json_object_set_new(rope, "factor", json_real(shortest(factor)));
    } else if (status == 0 && gguf_is_text(e, "yarn")) {
        json_object_set_new(rope, "rope_type", json_string("yarn"));
        json_object_set_new(rope, "factor", json_real(shortest(factor)));
        for (size_t i = 0; i < sizeof reals / sizeof *reals && status == 0; i++) {
            status = want_real(g, a, reals[i].key, reals[i].value, err);
            if (status == 0 && *reals[i].value != 0)
                json_object_set_new(rope, reals[i].name, json_real(shortest(*reals[i].value)));
        }
        if (status == 0)
            status = need_int(g, a, "rope.scaling.original_context_length", MAX_SIZE * 64, &positions, err);
        json_object_set_new(rope, "original_max_position_embeddings", json_integer(positions));
    } else if (status == 0) {
        char *text = gguf_text(e);
        status = fail(err, ERROR_UNSUPPORTED, "%s: '%s' is '%.40s'; known are none, linear and yarn", g->path, key, text ? text : "no text");
        free(text);
    }
    free(key);
    return status;
}

static int read_rope(const gguf *g, const gguf_architecture *a, int64_t head_dim, json_t *config, error *err)
{
    double theta = 10000;
    json_t *rope = json_object();
    json_object_set_new(config, "rope_parameters", rope);
    int64_t rotated = head_dim;
    if (want_real(g, a, "rope.freq_base", &theta, err) != 0 || want_int(g, a, "rope.dimension_count", MAX_SIZE, &rotated, err) != 0)
        return -1;
    if (rotated != head_dim)
        return fail(err, ERROR_UNSUPPORTED, "%s: rotates %lld of %lld numbers of a head; all or nothing is known here", g->path, (long long)rotated, (long long)head_dim);
    json_object_set_new(rope, "rope_theta", json_real(shortest(theta)));
    const gguf_tensor *factors = find_tensor(g, "rope_freqs.weight");
    return factors ? read_llama3(g, factors, theta, head_dim, rope, err) : read_scaling(g, a, rope, err);
}

static int read_token(const gguf *g, const char *key, json_t *list, error *err)
{
    int64_t id = -1;
    if (gguf_want_int(g, key, -1, UINT32_MAX, &id, err) != 0)
        return -1;
    if (id >= 0 && id <= INT32_MAX)
        json_array_append_new(list, json_integer(id));
    return 0;
}

static int read_tokens(const gguf *g, json_t *config, error *err)
{
    json_t *first = json_array(), *ends = json_array();
    int status = read_token(g, "tokenizer.ggml.bos_token_id", first, err);
    if (status == 0)
        status = read_token(g, "tokenizer.ggml.eos_token_id", ends, err);
    if (status == 0)
        status = read_token(g, "tokenizer.ggml.eot_token_id", ends, err);
    json_object_set_new(config, "bos_token_id", json_array_size(first) ? json_incref(json_array_get(first, 0)) : json_null());
    if (json_array_size(ends) == 2 && json_equal(json_array_get(ends, 0), json_array_get(ends, 1)))
        json_array_remove(ends, 1);
    json_object_set_new(config, "eos_token_id", json_array_size(ends) == 0   ? json_null()
                                                : json_array_size(ends) == 1 ? json_incref(json_array_get(ends, 0))
                                                                             : json_incref(ends));
    json_decref(first);
    json_decref(ends);
    return status;
}

static int read_sizes(const gguf *g, const gguf_architecture *a, gguf_sizes *s, int64_t *window, error *err)
{
    int64_t value_dim = 0;
    const gguf_tensor *embedding = find_tensor(g, "token_embd.weight");
    if (!embedding || embedding->rank != 2)
        return fail(err, ERROR_FORMAT, "%s: has no 'token_embd.weight' of two dimensions", g->path);
    s->vocabulary = embedding->shape[0];
    if (need_int(g, a, "block_count", MAX_LAYERS, &s->layers, err) != 0 || need_int(g, a, "embedding_length", MAX_SIZE, &s->hidden, err) != 0 ||
        need_int(g, a, "feed_forward_length", MAX_SIZE, &s->intermediate, err) != 0 || need_int(g, a, "attention.head_count", MAX_SIZE, &s->heads, err) != 0 ||
        need_int(g, a, "context_length", MAX_SIZE * 64, &s->positions, err) != 0)
        return -1;
    s->kv_heads = s->heads;
    if (want_int(g, a, "attention.head_count_kv", MAX_SIZE, &s->kv_heads, err) != 0 || want_int(g, a, "attention.key_length", MAX_SIZE, &s->head_dim, err) != 0 ||
        want_int(g, a, "attention.value_length", MAX_SIZE, &value_dim, err) != 0 || want_int(g, a, "attention.sliding_window", INT32_MAX, window, err) != 0)
        return -1;
    if (!s->head_dim && s->hidden % s->heads != 0)
        return fail(err, ERROR_FORMAT, "%s: %s.embedding_length %lld is no multiple of %lld heads", g->path, a->name, (long long)s->hidden, (long long)s->heads);
    s->head_dim = s->head_dim ? s->head_dim : s->hidden / s->heads;
    if (value_dim && value_dim != s->head_dim)
        return fail(err, ERROR_UNSUPPORTED, "%s: heads of %lld for keys and %lld for values", g->path, (long long)s->head_dim, (long long)value_dim);
    if (s->head_dim % 2 != 0)
        return fail(err, ERROR_FORMAT, "%s: heads of %lld numbers, which is odd", g->path, (long long)s->head_dim);
    return 0;
}

static void set_layer_biases(const gguf *g, const gguf_architecture *a, json_t *config)
{
    if (strcmp(a->name, "llama") != 0)
        return;
    if (find_tensor(g, "blk.0.attn_q.bias"))
        json_object_set_new(config, "attention_bias", json_true());
    if (find_tensor(g, "blk.0.ffn_up.bias"))
        json_object_set_new(config, "mlp_bias", json_true());
}

json_t *gguf_config_read(const gguf *g, const gguf_architecture *a, error *err)
{
    gguf_sizes s = {0};
    int64_t window = 0;
    double eps = 0;
    if (read_sizes(g, a, &s, &window, err) != 0 || want_real(g, a, "attention.layer_norm_rms_epsilon", &eps, err) != 0)
        return NULL;
    if (!(eps > 0)) {
        fail(err, ERROR_FORMAT, "%s: the metadata '%s.attention.layer_norm_rms_epsilon' is missing or 0", g->path, a->name);
        return NULL;
    }
    bool windowed = window > 0 && a->windowed_type;
    json_t *config = json_pack("{s:[s], s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:f, s:I, s:b}", "architectures", windowed ? a->windowed_class : a->class_name,
                               "model_type", windowed ? a->windowed_type : a->model_type, "hidden_size", (json_int_t)s.hidden, "intermediate_size",
                               (json_int_t)s.intermediate, "num_hidden_layers", (json_int_t)s.layers, "num_attention_heads", (json_int_t)s.heads,
                               "num_key_value_heads", (json_int_t)s.kv_heads, "head_dim", (json_int_t)s.head_dim, "max_position_embeddings",
                               (json_int_t)s.positions, "hidden_act", "silu", "rms_norm_eps", shortest(eps), "vocab_size", (json_int_t)s.vocabulary,
                               "tie_word_embeddings", !find_tensor(g, "output.weight"));
    if (windowed)
        json_object_set_new(config, "sliding_window", json_integer(window));
    set_layer_biases(g, a, config);
    if (read_rope(g, a, s.head_dim, config, err) != 0 || read_tokens(g, config, err) != 0) {
        json_decref(config);
        return NULL;
    }
    return config;
}

/* ---- writing */

int gguf_sizes_read(const json_t *config, const char *name, gguf_sizes *out, error *err)
{
    gguf_sizes s = {0};
    const struct { const char *key; int64_t high, *value; } needed[] = {
        {"num_hidden_layers", MAX_LAYERS, &s.layers}, {"hidden_size", MAX_SIZE, &s.hidden}, {"intermediate_size", MAX_SIZE, &s.intermediate},
        {"num_attention_heads", MAX_SIZE, &s.heads}, {"max_position_embeddings", MAX_SIZE * 64, &s.positions}, {"vocab_size", MAX_SIZE, &s.vocabulary}};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (json_want_int(config, needed[i].key, name, 1, needed[i].high, needed[i].value, err) != 0)
            return -1;
        if (*needed[i].value == 0)
            return fail(err, ERROR_FORMAT, "%s: the config has no '%s', which a GGUF file needs", name, needed[i].key);
    }
    s.kv_heads = s.heads;
    if (json_want_int(config, "num_key_value_heads", name, 1, MAX_SIZE, &s.kv_heads, err) != 0 ||
        json_want_int(config, "head_dim", name, 1, MAX_SIZE, &s.head_dim, err) != 0)
        return -1;
    s.says_head_dim = s.head_dim > 0;
    s.head_dim = s.head_dim ? s.head_dim : s.hidden / s.heads;
    if (s.head_dim < 2 || s.head_dim % 2 != 0)
        return fail(err, ERROR_FORMAT, "%s: heads of %lld numbers, which is no even number", name, (long long)s.head_dim);
    *out = s;
    return 0;
}

typedef struct entries {
    string *out;
    uint64_t *n;
    const gguf_architecture *a;
} entries;

static void put_int(entries *e, const char *key, int64_t value)
{
    char *full = key_of(e->a, key);
    gguf_put_u32(e->out, full, (uint32_t)value);
    ++*e->n;
    free(full);
}

static void put_real(entries *e, const char *key, double value)
{
    char *full = key_of(e->a, key);
    gguf_put_f32(e->out, full, (float)value);
    ++*e->n;
    free(full);
}

static int put_scaling(entries *e, const json_t *config, const char *name, error *err)
{
    const json_t *rope = rope_of(config);
    const char *type = rope_type(config);
    static const struct { const char *from, *to; } reals[] = {
        {"attention_factor", "rope.scaling.yarn_attn_factor"}, {"beta_fast", "rope.scaling.yarn_beta_fast"}, {"beta_slow", "rope.scaling.yarn_beta_slow"}};
    if (strcmp(type, "default") == 0 || strcmp(type, "llama3") == 0)
        return 0;
    bool yarn = strcmp(type, "yarn") == 0;
    if ((!yarn && strcmp(type, "linear") != 0) || !json_is_number(json_object_get(rope, "factor")))
        return fail(err, ERROR_UNSUPPORTED, "%s: rope scaling '%.40s' has no place in a GGUF file; known are linear, llama3 and yarn, with a factor", name, type);
    char *key = key_of(e->a, "rope.scaling.type");
    gguf_put_text(e->out, key, type, strlen(type));
    ++*e->n;
    free(key);
    put_real(e, "rope.scaling.factor", real_of(rope, "factor", 1));
    if (!yarn)
        return 0;
    put_int(e, "rope.scaling.original_context_length", (int64_t)real_of(rope, "original_max_position_embeddings", real_of(config, "max_position_embeddings", 0)));
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        if (json_is_number(json_object_get(rope, reals[i].from)))
            put_real(e, reals[i].to, real_of(rope, reals[i].from, 0));
    return 0;
}

int gguf_config_write(const json_t *config, const char *name, const gguf_architecture *a, uint32_t file_type, string *out, uint64_t *n, error *err)
{
    entries e = {out, n, a};
    gguf_sizes s;
    if (gguf_sizes_read(config, name, &s, err) != 0)
        return -1;
    put_int(&e, "block_count", s.layers);
    put_int(&e, "context_length", s.positions);
    put_int(&e, "embedding_length", s.hidden);
    put_int(&e, "feed_forward_length", s.intermediate);
    put_int(&e, "attention.head_count", s.heads);
    put_int(&e, "attention.head_count_kv", s.kv_heads);
    if (put_scaling(&e, config, name, err) != 0)
        return -1;
    put_real(&e, "rope.freq_base", theta_of(config));
    put_real(&e, "attention.layer_norm_rms_epsilon", real_of(config, "rms_norm_eps", 1e-6));
    if (s.says_head_dim || a->has_vocab_size) {
        put_int(&e, "attention.key_length", s.head_dim);
        put_int(&e, "attention.value_length", s.head_dim);
    }
    gguf_put_u32(out, "general.file_type", file_type);
    ++*n;
    /* The converter leaves a window out; it is kept, so that the model reads back as what it was. */
    const json_t *window = json_object_get(config, "sliding_window"), *used = json_object_get(config, "use_sliding_window");
    if (a->windowed_type && json_is_integer(window) && json_integer_value(window) > 0 && !json_is_false(used))
        put_int(&e, "attention.sliding_window", json_integer_value(window));
    if (a->has_vocab_size) {
        put_int(&e, "vocab_size", s.vocabulary);
        put_int(&e, "rope.dimension_count", s.head_dim);
    }
    return 0;
}
