/* Tiny checkpoints of random weights, made in memory: a function of their seed. */
#ifndef TESTS_UNIT_MODEL_TINY_H
#define TESTS_UNIT_MODEL_TINY_H

#include "../base/check.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/random.h"
#include "tensor/checkpoint.h"

typedef struct tiny {
    const char *type;          /* NULL: "mistral" */
    int layers, hidden, intermediate, heads, kv_heads, head_dim, vocab;   /* 0: 2, 32, 48, 4, 2, 8, 40 */
    const char *more;          /* further members of config.json, each with a comma in front; NULL */
    int experts;               /* of a mixtral's MLP */
    bool tied, biases;
    bool wide;                 /* F32; else BF16, or F16 where half is set */
    bool half;
    uint64_t seed;
    const char *without;       /* a tensor to leave out; NULL */
} tiny;

typedef struct tiny_items {
    checkpoint_item item[64];
    size_t count;
} tiny_items;

static inline void tiny_add(tiny_items *list, const tiny *t, const char *name, int64_t n, int64_t k)
{
    if (t->without && strcmp(t->without, name) == 0)
        return;
    checkpoint_item *item = &list->item[list->count++];
    item->name = memory_text(name);
    item->tensor = (tensor){.dtype = t->wide ? DTYPE_F32 : t->half ? DTYPE_F16 : DTYPE_BF16, .rank = k ? 2 : 1, .shape = {n, k}};
}

static inline void tiny_add_experts(tiny_items *list, const tiny *t, int layer)
{
    const struct { const char *name; int64_t n, k; } parts[] = {{"w1", t->intermediate, t->hidden}, {"w2", t->hidden, t->intermediate}, {"w3", t->intermediate, t->hidden}};
    char name[128];
    snprintf(name, sizeof name, "model.layers.%d.block_sparse_moe.gate.weight", layer);
    tiny_add(list, t, name, t->experts, t->hidden);
    for (int e = 0; e < t->experts; e++)
        for (int i = 0; i < 3; i++) {
            snprintf(name, sizeof name, "model.layers.%d.block_sparse_moe.experts.%d.%s.weight", layer, e, parts[i].name);
            tiny_add(list, t, name, parts[i].n, parts[i].k);
        }
}

static inline void tiny_add_layer(tiny_items *list, const tiny *t, int layer)
{
    const struct { const char *name; int64_t n, k; bool bias;
    } parts[] = {
        {"input_layernorm", t->hidden, 0, false},
        {"post_attention_layernorm", t->hidden, 0, false},
        {"self_attn.q_proj", t->heads * t->head_dim, t->hidden, true},
        {"self_attn.k_proj", t->kv_heads * t->head_dim, t->hidden, true},
        {"self_attn.v_proj", t->kv_heads * t->head_dim, t->hidden, true},
        {"self_attn.o_proj", t->hidden, t->heads * t->head_dim, true},
        {"mlp.gate_proj", t->intermediate, t->hidden, true},
        {"mlp.up_proj", t->intermediate, t->hidden, true},
        {"mlp.down_proj", t->hidden, t->intermediate, true},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char name[128];
        if (t->experts && strncmp(parts[i].name, "mlp.", 4) == 0)
            continue;
        snprintf(name, sizeof name, "model.layers.%d.%s.weight", layer, parts[i].name);
        tiny_add(list, t, name, parts[i].n, parts[i].k);
        snprintf(name, sizeof name, "model.layers.%d.%s.bias", layer, parts[i].name);
        if (t->biases && parts[i].bias)
            tiny_add(list, t, name, parts[i].n, 0);
    }
    if (t->experts)
        tiny_add_experts(list, t, layer);
}

/* Norms around 1, the head wide, embeddings in between, the rest small: as the goldens do it, so that text varies. */
static inline void tiny_fill(const checkpoint_item *item, uint64_t seed)
{
    bool norm = strstr(item->name, "norm") != NULL;
    float scale = norm                            ? 0.25f
                  : strstr(item->name, "lm_head") ? 0.45f
                  : strstr(item->name, "embed")   ? 0.6f
                  : strstr(item->name, "bias")    ? 0.15f
                                                  : 0.2f;
    size_t n = (size_t)tensor_count(&item->tensor);
    float *value = memory_new(n, sizeof *value);
    random_stream s = random_stream_for(seed, item->name, 0, 0);
    for (size_t i = 0; i < n; i++)
        value[i] = (norm ? 1.0f : 0.0f) + scale * (float)random_normal(&s);
    dtype_from_f32(item->tensor.dtype, value, item->tensor.data, n);
    free(value);
}

static inline void tiny_default(int *field, int value)
{
    *field = *field ? *field : value;
}

static inline checkpoint *tiny_checkpoint(tiny t)
{
    tiny_default(&t.layers, 2);
    tiny_default(&t.hidden, 32);
    tiny_default(&t.intermediate, 48);
    tiny_default(&t.heads, 4);
    tiny_default(&t.kv_heads, 2);
    tiny_default(&t.head_dim, 8);
    tiny_default(&t.vocab, 40);
    error err = {0};
    tiny_items list = {0};
    char *text = memory_print(
        "{\"model_type\":\"%s\",\"hidden_size\":%d,\"num_hidden_layers\":%d,\"num_attention_heads\":%d,\"num_key_value_heads\":%d,"
        "\"head_dim\":%d,\"intermediate_size\":%d,\"vocab_size\":%d,\"tie_word_embeddings\":%s,\"attention_bias\":%s,\"mlp_bias\":%s,"
        "\"num_local_experts\":%d,\"rms_norm_eps\":1e-5%s}",
        t.type ? t.type : "mistral", t.hidden, t.layers, t.heads, t.kv_heads, t.head_dim, t.intermediate, t.vocab,
        t.tied ? "true" : "false", t.biases ? "true" : "false", t.biases ? "true" : "false", t.experts,
        t.more ? t.more : ",\"sliding_window\":null,\"max_position_embeddings\":256");
    json_t *config = json_parse(text, strlen(text), "config.json", &err);
    if (!config)
        fail_msg("%s", err.text);
    tiny_add(&list, &t, "model.embed_tokens.weight", t.vocab, t.hidden);
    tiny_add(&list, &t, "model.norm.weight", t.hidden, 0);
    if (!t.tied)
        tiny_add(&list, &t, "lm_head.weight", t.vocab, t.hidden);
    for (int layer = 0; layer < t.layers; layer++)
        tiny_add_layer(&list, &t, layer);
    checkpoint *c = checkpoint_new("tiny", NULL, config, list.item, list.count, &err);
    if (!c)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < c->count; i++)
        tiny_fill(&c->items[i], t.seed);
    for (size_t i = 0; i < list.count; i++)
        free(list.item[i].name);
    json_decref(config);
    free(text);
    return c;
}

#endif
