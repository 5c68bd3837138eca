/* What two configs differ in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/config.h"

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

static void differ_flag(string *s, const char *what, bool a, bool b)
{
    differ_text(s, what, a ? "true" : "false", b ? "true" : "false");
}

/* The first layer that has a window in one and none in the other. */
static void differ_layers(string *s, const model_config *a, const model_config *b)
{
    for (int64_t i = 0; a->window && b->window && i < a->layers && i < b->layers; i++)
        if ((config_window(a, i) > 0) != (config_window(b, i) > 0)) {
            string_print(s, "%slayer_types of layer %lld %s / %s", s->length ? "; " : "", (long long)i, config_window(a, i) ? "sliding" : "full",
                         config_window(b, i) ? "sliding" : "full");
            return;
        }
}

static void differ_rope(string *s, const rope_config *a, const rope_config *b, const char *which)
{
    static const char *const kinds[] = {"default", "linear", "dynamic", "llama3", "yarn"};
    const struct { const char *name; double a, b; } numbers[] = {
        {"rope_theta", a->theta, b->theta}, {"rotary dimensions", (double)a->dims, (double)b->dims},
    }, scaling[] = {
        {"rope factor", a->factor, b->factor}, {"low_freq_factor", a->low_freq, b->low_freq}, {"high_freq_factor", a->high_freq, b->high_freq},
        {"beta_fast", a->beta_fast, b->beta_fast}, {"beta_slow", a->beta_slow, b->beta_slow},
        {"attention_factor", a->attention_factor, b->attention_factor},
        {"original_max_position_embeddings", (double)a->original_positions, (double)b->original_positions}, {"truncate", a->truncate, b->truncate},
    };
    char what[64];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf(what, sizeof what, "%s%s", which, numbers[i].name);
        differ_real(s, what, numbers[i].a, numbers[i].b);
    }
    snprintf(what, sizeof what, "%srope_type", which);
    differ_text(s, what, kinds[a->kind], kinds[b->kind]);
    for (size_t i = 0; a->kind == b->kind && a->kind != ROPE_DEFAULT && i < sizeof scaling / sizeof *scaling; i++) {
        snprintf(what, sizeof what, "%s%s", which, scaling[i].name);
        differ_real(s, what, scaling[i].a, scaling[i].b);
    }
}

bool config_differences(const model_config *a, const model_config *b, char *out, size_t size)
{
    static const char *const activations[] = {"silu", "gelu", "gelu_pytorch_tanh"};
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
    differ_layers(&s, a, b);
    differ_real(&s, "rms_norm_eps", a->norm_eps, b->norm_eps);
    differ_text(&s, "hidden_act", activations[a->activation], activations[b->activation]);
    differ_rope(&s, &a->rope, &b->rope, "");
    differ_rope(&s, &a->local_rope, &b->local_rope, "local ");
    differ_real(&s, "query scale", a->query_scale, b->query_scale);
    differ_real(&s, "attn_logit_softcapping", a->attention_softcap, b->attention_softcap);
    differ_real(&s, "final_logit_softcapping", a->logit_softcap, b->logit_softcap);
    differ_real(&s, "embedding scale", a->embedding_scale, b->embedding_scale);
    differ_int(&s, "num_local_experts", a->experts, b->experts);
    differ_int(&s, "num_experts_per_tok", a->experts_used, b->experts_used);
    differ_flag(&s, "use_parallel_residual", a->parallel, b->parallel);
    differ_flag(&s, "tie_word_embeddings", a->tied, b->tied);
    differ_flag(&s, "attention_bias", a->attention_bias, b->attention_bias);
    differ_flag(&s, "mlp_bias", a->mlp_bias, b->mlp_bias);
    snprintf(out, size, "%s", s.text ? s.text : "");
    free(s.text);
    return out[0] != '\0';
}
