/* The rotary part of config.json: rope_parameters as transformers 5 writes it, for all layers or for each kind of them, or rope_theta beside
 * rope_scaling. */
#include <string.h>

#include "base/json.h"
#include "compute/scalar.h"
#include "model/config_parts.h"

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

/* Kinds of scaling with the original number of positions apart. */
static int read_original(const json_t *json, const json_t *scaling, const char *name, rope_config *r, error *err)
{
    if (r->kind != ROPE_LLAMA3 && r->kind != ROPE_YARN)
        return 0;
    if (json_want_int(scaling, "original_max_position_embeddings", name, 1, MAX_POSITIONS, &r->original_positions, err) != 0)
        return -1;
    return json_want_int(json, "original_max_position_embeddings", name, 1, MAX_POSITIONS, &r->original_positions, err);
}

static int read_scaling(const json_t *json, const json_t *scaling, const char *name, const model_config *c, const char *kind, rope_config *r, error *err)
{
    if (r->kind == ROPE_DEFAULT)
        return 0;
    if (read_original(json, scaling, name, r, err) != 0)
        return -1;
    if (r->kind == ROPE_YARN)
        r->factor = (double)c->max_positions / (double)r->original_positions;
    if (json_want_real(scaling, "factor", name, &r->factor, err) != 0)
        return -1;
    if (!(r->factor >= 1) || r->factor > 1e6)
        return fail(err, ERROR_FORMAT, "%s: rope scaling '%s' needs a factor in [1, 1e6], not %g", name, kind, r->factor);
    if (r->kind == ROPE_DYNAMIC && r->dims < 4)
        return fail(err, ERROR_FORMAT, "%s: dynamic rope scaling needs a head_dim of at least 4, not %lld", name, (long long)r->dims);
    if (r->kind == ROPE_LLAMA3)
        return read_llama3(scaling, name, r, err);
    return r->kind == ROPE_YARN ? read_yarn(scaling, name, r, err) : 0;
}

/* One kind of layers: r->theta holds what the file says outside of `scaling`, or the default. */
static int read_angles(const json_t *json, const json_t *scaling, const char *name, const model_config *c, double part, rope_config *r, error *err)
{
    const char *kind = "default";
    r->truncate = true;
    r->original_positions = c->max_positions;
    if (json_want_real(scaling, "rope_theta", name, &r->theta, err) != 0 || json_want_real(scaling, "partial_rotary_factor", name, &part, err) != 0 ||
        json_want_text(scaling, "type", name, &kind, err) != 0 || json_want_text(scaling, "rope_type", name, &kind, err) != 0 ||
        find_rope_kind(kind, name, &r->kind, err) != 0)
        return -1;
    if (!(r->theta >= 1) || r->theta > 1e18)
        return fail(err, ERROR_FORMAT, "%s: 'rope_theta' is %g, outside [1, 1e18]", name, r->theta);
    if (!(part > 0) || part > 1)
        return fail(err, ERROR_FORMAT, "%s: 'partial_rotary_factor' is %g, outside (0, 1]", name, part);
    r->dims = (int64_t)((double)c->head_dim * part);
    if (r->dims < 2 || r->dims % 2 != 0)
        return fail(err, ERROR_FORMAT, "%s: partial_rotary_factor %g of head_dim %lld is %lld, which is odd or 0", name, part, (long long)c->head_dim,
                    (long long)r->dims);
    return read_scaling(json, scaling, name, c, kind, r, err);
}

/* An object or NULL. */
static int want_object(const json_t *json, const char *key, const char *name, const json_t **out, error *err)
{
    const json_t *value = json_object_get(json, key);
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_object(value))
        return fail(err, ERROR_FORMAT, "%s: '%s' should be an object", name, key);
    *out = value;
    return 0;
}

int config_read_rope(const json_t *json, const char *name, const architecture *a, model_config *c, error *err)
{
    const json_t *scaling = NULL, *local = NULL;
    double part = a->rotary_part > 0 ? a->rotary_part : 1;
    bool has_local = c->local_rope.theta > 0;
    if (c->learned_positions)
        return 0;
    if (want_object(json, "rope_scaling", name, &scaling, err) != 0 || want_object(json, "rope_parameters", name, &scaling, err) != 0)
        return -1;
    const json_t *layers = scaling;
    if (want_object(layers, "full_attention", name, &scaling, err) != 0 || want_object(layers, "sliding_attention", name, &local, err) != 0)
        return -1;
    if (layers != scaling && !has_local)
        return fail(err, ERROR_UNSUPPORTED, "%s: rope parameters that differ between layers are not known for '%s'", name, c->type);
    if (json_want_real(json, "rope_theta", name, &c->rope.theta, err) != 0 ||
        json_want_real(json, architecture_key(a, "rope_theta"), name, &c->rope.theta, err) != 0 ||
        json_want_real(json, "partial_rotary_factor", name, &part, err) != 0 ||
        json_want_real(json, architecture_key(a, "partial_rotary_factor"), name, &part, err) != 0 ||
        (has_local && json_want_real(json, "rope_local_base_freq", name, &c->local_rope.theta, err) != 0) ||
        read_angles(json, scaling, name, c, part, &c->rope, err) != 0)
        return -1;
    return has_local ? read_angles(json, local, name, c, part, &c->local_rope, err) : 0;
}
