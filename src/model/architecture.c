#include "model/architecture.h"

#include <stddef.h>
#include <string.h>

#define LLAMA_TENSORS \
    .embedding = "model.embed_tokens.weight", .final_norm = "model.norm.weight", .head = "lm_head.weight", \
    .attention_norm = "model.layers.%d.input_layernorm.weight", \
    .q = "model.layers.%d.self_attn.q_proj.weight", .k = "model.layers.%d.self_attn.k_proj.weight", \
    .v = "model.layers.%d.self_attn.v_proj.weight", .o = "model.layers.%d.self_attn.o_proj.weight", \
    .mlp_norm = "model.layers.%d.post_attention_layernorm.weight", \
    .gate = "model.layers.%d.mlp.gate_proj.weight", .up = "model.layers.%d.mlp.up_proj.weight", \
    .down = "model.layers.%d.mlp.down_proj.weight"

/* Sorted by type: architecture_list says the same names. */
static const architecture table[] = {
    {.type = "llama",
     .class_name = "LlamaForCausalLM",
     .has_biases = true,
     .defaults = {.type = "llama",
                  .layers = 32,
                  .hidden = 4096,
                  .intermediate = 11008,
                  .heads = 32,
                  .vocab = 32000,
                  .max_positions = 2048,
                  .norm_eps = 1e-6,
                  .rope = {.theta = 10000},
                  .bos = 1,
                  .stops = {2},
                  .n_stops = 1},
     LLAMA_TENSORS},
    {.type = "mistral",
     .class_name = "MistralForCausalLM",
     .has_window = true,
     .defaults = {.type = "mistral",
                  .layers = 32,
                  .hidden = 4096,
                  .intermediate = 14336,
                  .heads = 32,
                  .kv_heads = 8,
                  .vocab = 32000,
                  .max_positions = 131072,
                  .window = 4096,
                  .norm_eps = 1e-6,
                  .rope = {.theta = 10000},
                  .bos = 1,
                  .stops = {2},
                  .n_stops = 1},
     LLAMA_TENSORS},
};

const architecture *architecture_find(const char *type, const char *class_name)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (type && strcmp(type, table[i].type) == 0)
            return &table[i];
        if (!type && class_name && strcmp(class_name, table[i].class_name) == 0)
            return &table[i];
    }
    return NULL;
}

const char *architecture_list(void)
{
    return "llama, mistral";
}
