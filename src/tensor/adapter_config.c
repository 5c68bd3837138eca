#define PCRE2_CODE_UNIT_WIDTH 8
#include "tensor/adapter_config.h"

#include <math.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"

#define MAX_PATTERN 1000
#define STEP_LIMIT 100000u
#define HEAP_LIMIT_KIB 1024u

static bool among(const char *text, const char *const *list)
{
    while (*list && strcmp(*list, text) != 0)
        list++;
    return *list != NULL;
}

/* null, false, 0 and what is empty switch an option off. */
static bool is_off(const json_t *v)
{
    return json_is_null(v) || json_is_false(v) || (json_is_integer(v) && json_integer_value(v) == 0) || (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0) || (json_is_string(v) && json_string_length(v) == 0);
}

static int check_options(const json_t *json, const char *path, error *err)
{
    static const char *const handled[] = {"r",    "lora_alpha", "use_rslora", "fan_in_fan_out", "use_dora", "rank_pattern", "alpha_pattern", "bias", "peft_type",
                                          "init_lora_weights", "modules_to_save", "lora_bias", NULL};
    /* Where and how an adapter was trained: the names of its tensors tell what of it matters. */
    static const char *const passed_over[] = {"auto_mapping", "base_model_name_or_path", "revision", "parent_library", "task_type", "inference_mode",
                                              "peft_version", "target_modules", "exclude_modules", "lora_dropout", "layers_to_transform", "layers_pattern",
                                              "loftq_config", "eva_config", "corda_config", "lora_ga_config", "runtime_config", "megatron_core",
                                              "qalora_group_size", NULL};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)json, key, value)
        if (!among(key, handled) && !among(key, passed_over) && !is_off(value))
            return fail(err, ERROR_UNSUPPORTED, "%s: the option '%.100s' is set, and what it changes is not known here; merge the adapter with peft "
                        "(merge_and_unload) and give the result", path, key);
    return 0;
}

/* Initialisations such as PiSSA change the base too: such an adapter belongs to a base that is nowhere on disk. */
static int check_start(const json_t *json, const char *path, error *err)
{
    static const char *const harmless[] = {"gaussian", "eva", "orthogonal", NULL};
    const char *start = json_string_value(json_object_get(json, "init_lora_weights"));
    if (!start || among(start, harmless))
        return 0;
    return fail(err, ERROR_UNSUPPORTED, "%s: init_lora_weights '%.100s' changes the base's weights too; convert the adapter to plain LoRA with peft "
                "(save_pretrained with path_initial_model_for_weight_conversion)", path, start);
}

static int check_kind(const json_t *json, const char *path, error *err)
{
    static const char *const biases[] = {"none", "all", "lora_only", NULL};
    const char *type = NULL, *bias = "none";
    if (json_want_text(json, "peft_type", path, &type, err) != 0 || json_want_text(json, "bias", path, &bias, err) != 0)
        return -1;
    if (!type || strcmp(type, "LORA") != 0)
        return fail(err, ERROR_UNSUPPORTED, "%s: peft_type is '%.100s'; LORA is what can be merged", path, type ? type : "missing");
    return among(bias, biases) ? 0 : fail(err, ERROR_FORMAT, "%s: bias is '%.100s', not none, all or lora_only", path, bias);
}

static int read_patterns(const json_t *json, const char *key, const char *path, const json_t **out, error *err)
{
    const json_t *patterns = json_object_get(json, key);
    if (patterns && !json_is_null(patterns) && !json_is_object(patterns))
        return fail(err, ERROR_FORMAT, "%s: '%s' should be a map of patterns to numbers", path, key);
    *out = json_is_object(patterns) ? patterns : NULL;
    return 0;
}

int adapter_config_read(const json_t *json, const char *path, adapter_config *out, error *err)
{
    *out = (adapter_config){.path = path};
    if (!json_is_object(json))
        return fail(err, ERROR_FORMAT, "%s: should be a JSON object", path);
    if (check_kind(json, path, err) != 0 || check_options(json, path, err) != 0 || check_start(json, path, err) != 0)
        return -1;
    if (!json_object_get(json, "r") || !json_object_get(json, "lora_alpha"))
        return fail(err, ERROR_FORMAT, "%s: has no '%s'", path, json_object_get(json, "r") ? "lora_alpha" : "r");
    if (json_want_int(json, "r", path, 1, ADAPTER_MAX_RANK, &out->rank, err) != 0 || json_want_real(json, "lora_alpha", path, &out->alpha, err) != 0 ||
        json_want_bool(json, "use_rslora", path, &out->root, err) != 0 || json_want_bool(json, "fan_in_fan_out", path, &out->fan_in_fan_out, err) != 0 ||
        json_want_bool(json, "use_dora", path, &out->dora, err) != 0)
        return -1;
    if (out->rank == 0)
        return fail(err, ERROR_FORMAT, "%s: 'r' is null", path);
    return read_patterns(json, "rank_pattern", path, &out->ranks, err) != 0 ? -1 : read_patterns(json, "alpha_pattern", path, &out->alphas, err);
}

/* 1 where the pattern matches all of the name, or all behind one of its dots: peft's own rule. */
static int matches(const adapter_config *c, const char *pattern, const char *name, error *err)
{
    if (strlen(pattern) > MAX_PATTERN)
        return fail(err, ERROR_LIMIT, "%s: a pattern of %zu bytes, more than the limit of %d", c->path, strlen(pattern), MAX_PATTERN);
    char *whole = memory_print("\\A(?:.*\\.)?(?:%s)\\z", pattern);
    int code, status = -1;
    PCRE2_SIZE at;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)whole, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    if (compiled && match && limits) {
        pcre2_set_match_limit(limits, STEP_LIMIT);
        pcre2_set_heap_limit(limits, HEAP_LIMIT_KIB);
        int found = pcre2_match(compiled, (PCRE2_SPTR)name, strlen(name), 0, 0, match, limits);
        status = found >= 0 ? 1 : found == PCRE2_ERROR_NOMATCH ? 0 : fail(err, ERROR_LIMIT, "%s: the pattern '%s' gives up on '%s'", c->path, pattern, name);
    } else {
        fail(err, ERROR_UNSUPPORTED, "%s: the pattern '%s' cannot be read", c->path, pattern);
    }
    pcre2_match_context_free(limits);
    pcre2_match_data_free(match);
    pcre2_code_free(compiled);
    free(whole);
    return status;
}

/* The number of the first pattern that fits, else *out stays. */
static int find_number(const adapter_config *c, const json_t *patterns, const char *module, double *out, error *err)
{
    const char *pattern;
    json_t *value;
    json_object_foreach((json_t *)patterns, pattern, value) {
        int found = matches(c, pattern, module, err);
        if (found < 0)
            return -1;
        if (!found)
            continue;
        if (!json_is_number(value))
            return fail(err, ERROR_FORMAT, "%s: the pattern '%s' should have a number", c->path, pattern);
        *out = json_number_value(value);
        return 0;
    }
    return 0;
}

int adapter_config_module(const adapter_config *c, const char *module, int64_t *rank, double *scale, error *err)
{
    double r = (double)c->rank, alpha = c->alpha;
    if (find_number(c, c->ranks, module, &r, err) != 0 || find_number(c, c->alphas, module, &alpha, err) != 0)
        return -1;
    if (!(r >= 1 && r <= ADAPTER_MAX_RANK) || r != floor(r))
        return fail(err, ERROR_FORMAT, "%s: rank_pattern gives '%s' the rank %g", c->path, module, r);
    *rank = (int64_t)r;
    *scale = alpha / (c->root ? sqrt(r) : r);
    return isfinite(*scale) ? 0 : fail(err, ERROR_FORMAT, "%s: '%s' is scaled by %g", c->path, module, *scale);
}
