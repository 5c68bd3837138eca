#include "tensor/gguf_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const gguf_architecture architectures[] = {
    {.name = "llama", .model_type = "llama", .class_name = "LlamaForCausalLM", .windowed_type = "mistral", .windowed_class = "MistralForCausalLM",
     .permuted = true, .has_vocab_size = true},
    {.name = "qwen2", .model_type = "qwen2", .class_name = "Qwen2ForCausalLM"},
    {.name = "qwen3", .model_type = "qwen3", .class_name = "Qwen3ForCausalLM", .has_head_norms = true},
};
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Names of whole tensors, then of a layer's modules, which have a .weight and perhaps a .bias. */
static const struct pair {
    const char *gguf, *model;
} whole[] = {{"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}}, modules[] = {
    {"attn_norm", "input_layernorm"}, {"attn_q", "self_attn.q_proj"}, {"attn_k", "self_attn.k_proj"}, {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"}, {"ffn_norm", "post_attention_layernorm"}, {"ffn_gate", "mlp.gate_proj"}, {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"}, {"attn_q_norm", "self_attn.q_norm"}, {"attn_k_norm", "self_attn.k_norm"},
};

const gguf_architecture *gguf_architecture_named(const char *name)
{
    for (size_t i = 0; i < COUNT(architectures); i++)
        if (strcmp(architectures[i].name, name) == 0)
            return &architectures[i];
    return NULL;
}

const gguf_architecture *gguf_architecture_of_type(const char *type)
{
    for (size_t i = 0; i < COUNT(architectures); i++)
        if (strcmp(architectures[i].model_type, type) == 0 || (architectures[i].windowed_type && strcmp(architectures[i].windowed_type, type) == 0))
            return &architectures[i];
    return NULL;
}

const char *gguf_architecture_list(void)
{
    return "llama (Mistral too), qwen2 and qwen3";
}

/* The digits at the start of text that make a layer's number, with no zero before them; 0 where there are none. */
static size_t layer_digits(const char *text)
{
    size_t n = strspn(text, "0123456789");
    return n <= 5 && (n == 1 || text[0] != '0') ? n : 0;
}

static const char *swap(const struct pair *pairs, size_t count, const char *from, size_t n, bool reading)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = reading ? pairs[i].gguf : pairs[i].model;
        if (strlen(name) == n && memcmp(name, from, n) == 0)
            return reading ? pairs[i].model : pairs[i].gguf;
    }
    return NULL;
}

static bool known_to(const gguf_architecture *a, const char *module)
{
    return a->has_head_norms || (!text_ends_with(module, "_norm") || strcmp(module, "attn_norm") == 0 || strcmp(module, "ffn_norm") == 0);
}

static char *translate(const gguf_architecture *a, const char *name, bool reading)
{
    const char *prefix = reading ? "blk." : "model.layers.", *other = reading ? "model.layers." : "blk.";
    const char *ending = text_ends_with(name, ".weight") ? ".weight" : text_ends_with(name, ".bias") ? ".bias" : NULL;
    if (!ending)
        return NULL;
    size_t n = strlen(name) - strlen(ending), skip = strlen(prefix);
    if (strncmp(name, prefix, skip) != 0) {
        const char *to = swap(whole, COUNT(whole), name, n, reading);
        return to ? memory_print("%s%s", to, ending) : NULL;
    }
    size_t digits = layer_digits(name + skip), begin = skip + digits + 1;
    if (!digits || name[skip + digits] != '.' || begin >= n)
        return NULL;
    const char *to = swap(modules, COUNT(modules), name + begin, n - begin, reading);
    if (!to)
        return NULL;
    char *module = reading ? memory_text_n(name + begin, n - begin) : memory_text(to);
    char *result = known_to(a, module) ? memory_print("%s%.*s.%s%s", other, (int)digits, name + skip, to, ending) : NULL;
    free(module);
    return result;
}

char *gguf_name_read(const gguf_architecture *a, const char *name)
{
    return translate(a, name, true);
}

char *gguf_name_write(const gguf_architecture *a, const char *name)
{
    return translate(a, name, false);
}

char gguf_name_permuted(const gguf_architecture *a, const char *name)
{
    if (!a->permuted)
        return 0;
    if (text_ends_with(name, ".q_proj.weight") || text_ends_with(name, ".q_proj.bias"))
        return 'q';
    return text_ends_with(name, ".k_proj.weight") || text_ends_with(name, ".k_proj.bias") ? 'k' : 0;
}
