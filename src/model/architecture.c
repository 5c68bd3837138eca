#include "model/architecture.h"

#include <stddef.h>
#include <string.h>

#define LAYER "model.layers.%d."

#define ENDS .embedding = "model.embed_tokens.weight", .final_norm = "model.norm.weight", .head = "lm_head.weight"
#define OUTPUT .o = LAYER "self_attn.o_proj.weight"
#define ATTENTION \
    .q = LAYER "self_attn.q_proj.weight", .k = LAYER "self_attn.k_proj.weight", .v = LAYER "self_attn.v_proj.weight", OUTPUT
#define QUERY_NORMS .q_norm = LAYER "self_attn.q_norm.weight", .k_norm = LAYER "self_attn.k_norm.weight"
#define MLP .gate = LAYER "mlp.gate_proj.weight", .up = LAYER "mlp.up_proj.weight", .down = LAYER "mlp.down_proj.weight"
#define NORMS .attention_norm = LAYER "input_layernorm.weight", .mlp_norm = LAYER "post_attention_layernorm.weight"
#define POST_NORMS \
    .attention_post_norm = LAYER "post_attention_layernorm.weight", .mlp_post_norm = LAYER "post_feedforward_layernorm.weight"
#define FOUR_NORMS .attention_norm = LAYER "input_layernorm.weight", .mlp_norm = LAYER "pre_feedforward_layernorm.weight", POST_NORMS

#define LLAMA_TENSORS ENDS, NORMS, ATTENTION, MLP
#define GEMMA_KEYS .keys = {{"hidden_act", "hidden_activation"}}
#define LAYER_NORM .norm = NORM_LAYER, .norm_eps = 1e-5

/* Sorted by type. */
static const architecture table[] = {
    {.type = "gemma2",
     .class_name = "Gemma2ForCausalLM",
     .defaults = {.type = "gemma2", .layers = 26, .hidden = 2304, .intermediate = 9216, .heads = 8, .kv_heads = 4, .head_dim = 256,
                  .vocab = 256000, .max_positions = 8192, .window = 4096, .norm_offset = 1, .norm_eps = 1e-6, .rope = {.theta = 10000},
                  .activation = ACTIVATION_GELU_TANH, .query_scale = 1.0 / 16, .attention_softcap = 50, .logit_softcap = 30,
                  .output_bias = true, .tied = true, .bos = 2, .stops = {1}, .n_stops = 1},
     GEMMA_KEYS, .window = WINDOW_LAYERS, .full_every = 2, .bias_key = "attention_bias", .scales_embeddings = true,
     .refused = "use_bidirectional_attention", ENDS, FOUR_NORMS, ATTENTION, MLP},
    {.type = "gemma3_text",
     .class_name = "Gemma3ForCausalLM",
     .defaults = {.type = "gemma3_text", .layers = 26, .hidden = 2304, .intermediate = 9216, .heads = 8, .kv_heads = 4, .head_dim = 256,
                  .vocab = 262208, .max_positions = 131072, .window = 4096, .norm_offset = 1, .norm_eps = 1e-6,
                  .rope = {.theta = 1000000}, .local_rope = {.theta = 10000}, .activation = ACTIVATION_GELU_TANH, .query_scale = 1.0 / 16,
                  .output_bias = true, .tied = true, .bos = 2, .stops = {1}, .n_stops = 1},
     GEMMA_KEYS, .window = WINDOW_LAYERS, .full_every = 6, .bias_key = "attention_bias", .scales_embeddings = true,
     .refused = "use_bidirectional_attention", ENDS, FOUR_NORMS, ATTENTION, QUERY_NORMS, MLP},
    {.type = "gpt2",
     .class_name = "GPT2LMHeadModel",
     .defaults = {.type = "gpt2", .layers = 12, .hidden = 768, .heads = 12, .vocab = 50257, .max_positions = 1024, LAYER_NORM,
                  .activation = ACTIVATION_GELU_TANH, .learned_positions = true, .attention_bias = true, .output_bias = true,
                  .mlp_bias = true, .tied = true, .bos = 50256, .stops = {50256}, .n_stops = 1},
     .keys = {{"hidden_size", "n_embd"}, {"num_hidden_layers", "n_layer"}, {"num_attention_heads", "n_head"},
              {"intermediate_size", "n_inner"}, {"max_position_embeddings", "n_positions"}, {"hidden_act", "activation_function"},
              {"rms_norm_eps", "layer_norm_epsilon"}},
     .refused = "scale_attn_by_inverse_layer_idx", .query_rows = QUERY_STACKED, .transposed = true,
     .embedding = "transformer.wte.weight", .positions = "transformer.wpe.weight", .final_norm = "transformer.ln_f.weight",
     .head = "lm_head.weight", .attention_norm = "transformer.h.%d.ln_1.weight", .q = "transformer.h.%d.attn.c_attn.weight",
     .o = "transformer.h.%d.attn.c_proj.weight", .mlp_norm = "transformer.h.%d.ln_2.weight",
     .gate = "transformer.h.%d.mlp.c_fc.weight", .down = "transformer.h.%d.mlp.c_proj.weight"},
    {.type = "gpt_neox",
     .class_name = "GPTNeoXForCausalLM",
     .defaults = {.type = "gpt_neox", .layers = 44, .hidden = 6144, .intermediate = 24576, .heads = 64, .vocab = 50432,
                  .max_positions = 2048, LAYER_NORM, .rope = {.theta = 10000}, .activation = ACTIVATION_GELU, .parallel = true,
                  .attention_bias = true, .output_bias = true, .mlp_bias = true, .bos = 0, .stops = {2}, .n_stops = 1},
     .rotary_part = 0.25,
     .keys = {{"rms_norm_eps", "layer_norm_eps"}, {"rope_theta", "rotary_emb_base"}, {"partial_rotary_factor", "rotary_pct"}},
     .bias_key = "attention_bias", .query_rows = QUERY_WOVEN,
     .embedding = "gpt_neox.embed_in.weight", .final_norm = "gpt_neox.final_layer_norm.weight", .head = "embed_out.weight",
     .attention_norm = "gpt_neox.layers.%d.input_layernorm.weight", .q = "gpt_neox.layers.%d.attention.query_key_value.weight",
     .o = "gpt_neox.layers.%d.attention.dense.weight", .mlp_norm = "gpt_neox.layers.%d.post_attention_layernorm.weight",
     .parallel_mlp_norm = "gpt_neox.layers.%d.post_attention_layernorm.weight",
     .gate = "gpt_neox.layers.%d.mlp.dense_h_to_4h.weight", .down = "gpt_neox.layers.%d.mlp.dense_4h_to_h.weight"},
    {.type = "llama",
     .class_name = "LlamaForCausalLM",
     .defaults = {.type = "llama", .layers = 32, .hidden = 4096, .intermediate = 11008, .heads = 32, .vocab = 32000,
                  .max_positions = 2048, .norm_eps = 1e-6, .rope = {.theta = 10000}, .output_bias = true, .bos = 1, .stops = {2},
                  .n_stops = 1},
     .bias_key = "attention_bias", .has_mlp_bias_key = true, LLAMA_TENSORS},
    {.type = "mistral",
     .class_name = "MistralForCausalLM",
     .defaults = {.type = "mistral", .layers = 32, .hidden = 4096, .intermediate = 14336, .heads = 32, .kv_heads = 8, .vocab = 32000,
                  .max_positions = 131072, .window = 4096, .norm_eps = 1e-6, .rope = {.theta = 10000}, .bos = 1, .stops = {2},
                  .n_stops = 1},
     .window = WINDOW_EVERY, LLAMA_TENSORS},
    {.type = "mixtral",
     .class_name = "MixtralForCausalLM",
     .defaults = {.type = "mixtral", .layers = 32, .hidden = 4096, .intermediate = 14336, .heads = 32, .kv_heads = 8, .vocab = 32000,
                  .max_positions = 131072, .norm_eps = 1e-5, .rope = {.theta = 1000000}, .experts = 8, .experts_used = 2, .bos = 1,
                  .stops = {2}, .n_stops = 1},
     .window = WINDOW_EVERY, ENDS, NORMS, ATTENTION, .router = LAYER "block_sparse_moe.gate.weight",
     .gate = LAYER "block_sparse_moe.experts.%d.w1.weight", .up = LAYER "block_sparse_moe.experts.%d.w3.weight",
     .down = LAYER "block_sparse_moe.experts.%d.w2.weight"},
    {.type = "olmo2",
     .class_name = "Olmo2ForCausalLM",
     .defaults = {.type = "olmo2", .layers = 32, .hidden = 4096, .intermediate = 11008, .heads = 32, .vocab = 50304,
                  .max_positions = 2048, .norm_eps = 1e-5, .rope = {.theta = 10000}, .output_bias = true, .bos = -1, .stops = {50279},
                  .n_stops = 1},
     .bias_key = "attention_bias", .whole_query_norm = true, ENDS, POST_NORMS, ATTENTION, QUERY_NORMS, MLP},
    {.type = "phi3",
     .class_name = "Phi3ForCausalLM",
     .defaults = {.type = "phi3", .layers = 32, .hidden = 3072, .intermediate = 8192, .heads = 32, .vocab = 32064,
                  .max_positions = 4096, .norm_eps = 1e-5, .rope = {.theta = 10000}, .bos = 1, .stops = {32000}, .n_stops = 1},
     .window = WINDOW_EVERY, .query_rows = QUERY_STACKED, .gate_stacked = true, ENDS, NORMS,
     .q = LAYER "self_attn.qkv_proj.weight", OUTPUT, .gate = LAYER "mlp.gate_up_proj.weight", .down = LAYER "mlp.down_proj.weight"},
    {.type = "qwen2",
     .class_name = "Qwen2ForCausalLM",
     .defaults = {.type = "qwen2", .layers = 32, .hidden = 4096, .intermediate = 22016, .heads = 32, .kv_heads = 32, .vocab = 151936,
                  .max_positions = 32768, .window = 4096, .norm_eps = 1e-6, .rope = {.theta = 10000}, .attention_bias = true, .bos = -1},
     .window = WINDOW_SWITCHED, LLAMA_TENSORS},
    {.type = "qwen3",
     .class_name = "Qwen3ForCausalLM",
     .defaults = {.type = "qwen3", .layers = 32, .hidden = 4096, .intermediate = 22016, .heads = 32, .kv_heads = 32, .head_dim = 128,
                  .vocab = 151936, .max_positions = 32768, .window = 4096, .norm_eps = 1e-6, .rope = {.theta = 10000},
                  .output_bias = true, .bos = -1},
     .window = WINDOW_SWITCHED, .bias_key = "attention_bias", LLAMA_TENSORS, QUERY_NORMS},
    {.type = "stablelm",
     .class_name = "StableLmForCausalLM",
     .defaults = {.type = "stablelm", .layers = 32, .hidden = 2560, .intermediate = 6912, .heads = 32, .kv_heads = 32, .vocab = 50304,
                  .max_positions = 4096, LAYER_NORM, .rope = {.theta = 10000}, .bos = 0, .stops = {0}, .n_stops = 1},
     .rotary_part = 0.25, .keys = {{"rms_norm_eps", "layer_norm_eps"}}, .bias_key = "use_qkv_bias", .refused = "qk_layernorm",
     LLAMA_TENSORS, .parallel_mlp_norm = LAYER "input_layernorm.weight"},
};

#define COUNT (sizeof table / sizeof *table)

const architecture *architecture_find(const char *type, const char *class_name)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (type && strcmp(type, table[i].type) == 0)
            return &table[i];
        if (!type && class_name && strcmp(class_name, table[i].class_name) == 0)
            return &table[i];
    }
    return NULL;
}

const char *architecture_list(void)
{
    return "gemma2, gemma3_text, gpt2, gpt_neox, llama, mistral, mixtral, olmo2, phi3, qwen2, qwen3, stablelm";
}

const char *architecture_last(const architecture *a)
{
    return a->mlp_post_norm ? a->mlp_post_norm : a->down;
}

const char *architecture_key(const architecture *a, const char *usual)
{
    for (size_t i = 0; i < sizeof a->keys / sizeof *a->keys && a->keys[i].usual; i++)
        if (strcmp(a->keys[i].usual, usual) == 0)
            return a->keys[i].own;
    return usual;
}
