/* usage: bench-random_model [--type MODEL_TYPE] OUT LAYERS HIDDEN INTERMEDIATE HEADS KV_HEADS VOCAB SEED [BASE]
 * Writes a bf16 checkpoint with random weights, Mistral-shaped or of another model type that has a tensor each for q, k and v: a stand-in of any
 * size. With BASE (such a folder), the weights are BASE's plus small random differences, as a fine-tuned model's are. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "model/architecture.h"
#include "tensor/checkpoint.h"

struct shape { const char *name; int64_t rows, columns; bool bias; };   /* columns 0: a vector */

static const char usage[] = "usage: bench-random_model [--type MODEL_TYPE] OUT LAYERS HIDDEN INTERMEDIATE HEADS KV_HEADS VOCAB SEED [BASE]\n";

static void fill(uint16_t *out, size_t n, uint64_t key, float scale, const uint16_t *base, float offset)
{
    for (size_t i = 0; i < n; i += 4) {
        uint32_t counter[4] = {(uint32_t)(i / 4), (uint32_t)((uint64_t)(i / 4) >> 32), 0, 0}, bits[4], pair[2] = {(uint32_t)key, (uint32_t)(key >> 32)};
        random_philox(counter, pair, bits);
        for (size_t j = i; j < n && j < i + 4; j++) {
            /* the sum of two uniforms: a triangle around 0, near enough to a normal */
            float u = (float)((int)(bits[j - i] & 0xffff) + (int)(bits[j - i] >> 16) - 65535) * (1.0f / 65536);
            out[j] = bf16_from_f32((base ? bf16_to_f32(base[j]) : offset) + u * scale * 2.45f);
        }
    }
}

/* One tensor of a layer (below 0: of none), where the type has it. */
static void add(checkpoint_item *items, size_t *count, const char *pattern, long layer, int64_t rows, int64_t columns)
{
    if (!pattern)
        return;
    const char *mark = strstr(pattern, "%d");
    char *name = mark ? memory_print("%.*s%ld%s", (int)(mark - pattern), pattern, layer, mark + 2) : memory_text(pattern);
    items[(*count)++] = (checkpoint_item){.name = name, .tensor = {.dtype = DTYPE_BF16, .rank = columns ? 2 : 1, .shape = {rows, columns}}};
}

static void add_bias(checkpoint_item *items, size_t *count, const char *pattern, long layer, int64_t rows)
{
    char *bias = memory_print("%.*sbias", (int)(strlen(pattern) - strlen("weight")), pattern);
    add(items, count, bias, layer, rows, 0);
    free(bias);
}

static json_t *config_of(const architecture *a, const long v[7])
{
    json_t *config = json_pack("{s:[s], s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:s, s:b, s:i, s:i}", "architectures", a->class_name, "model_type",
                               a->type, "num_hidden_layers", (int)v[0], "hidden_size", (int)v[1], "intermediate_size", (int)v[2], "num_attention_heads", (int)v[3],
                               "num_key_value_heads", (int)v[4], "head_dim", (int)(v[1] / v[3]), "vocab_size", (int)v[5], "max_position_embeddings", 4096,
                               "rms_norm_eps", 1e-5, "rope_theta", 10000.0, "torch_dtype", "bfloat16", "tie_word_embeddings", a->defaults.tied, "bos_token_id", 1,
                               "eos_token_id", 2);
    if (a->defaults.query_scale > 0)
        json_object_set_new(config, "query_pre_attn_scalar", json_integer(v[1] / v[3]));
    if (a->window == WINDOW_EVERY)
        json_object_set_new(config, "sliding_window", json_null());
    if (a->defaults.activation == ACTIVATION_SILU)
        json_object_set_new(config, "hidden_act", json_string("silu"));
    return config;
}

int main(int argc, char **argv)
{
    const char *type = "mistral";
    if (argc > 2 && strcmp(argv[1], "--type") == 0) {
        type = argv[2];
        argc -= 2;
        argv += 2;
    }
    const architecture *a = architecture_find(type, NULL);
    if (argc < 9 || !a || a->query_rows != QUERY_APART || a->router) {
        fputs(usage, stderr);
        return 2;
    }
    long v[7];
    for (int i = 0; i < 7; i++)
        v[i] = strtol(argv[2 + i], NULL, 10);
    long layers = v[0], hidden = v[1], inter = v[2], heads = v[3], kv = v[4], vocab = v[5], head_dim = hidden / heads;
    const struct shape inner[] = {
        {a->q, heads * head_dim, hidden, a->defaults.attention_bias}, {a->k, kv * head_dim, hidden, a->defaults.attention_bias},
        {a->v, kv * head_dim, hidden, a->defaults.attention_bias}, {a->o, hidden, heads * head_dim, false}, {a->gate, inter, hidden, false},
        {a->up, inter, hidden, false}, {a->down, hidden, inter, false}, {a->attention_norm, hidden, 0, false}, {a->mlp_norm, hidden, 0, false},
        {a->attention_post_norm, hidden, 0, false}, {a->mlp_post_norm, hidden, 0, false},
        {a->q_norm, a->whole_query_norm ? heads * head_dim : head_dim, 0, false}, {a->k_norm, a->whole_query_norm ? kv * head_dim : head_dim, 0, false}};
    const size_t n_inner = sizeof inner / sizeof *inner;
    checkpoint_item *items = memory_new(3 + 2 * n_inner * (size_t)layers, sizeof *items);
    size_t count = 0;
    add(items, &count, a->embedding, -1, vocab, hidden);
    add(items, &count, a->defaults.tied ? NULL : a->head, -1, vocab, hidden);
    add(items, &count, a->final_norm, -1, hidden, 0);
    for (long layer = 0; layer < layers; layer++)
        for (size_t i = 0; i < n_inner; i++) {
            add(items, &count, inner[i].name, layer, inner[i].rows, inner[i].columns);
            if (inner[i].bias)
                add_bias(items, &count, inner[i].name, layer, inner[i].rows);
        }
    json_t *config = config_of(a, v);
    error err = {0};
    checkpoint *base = argc > 9 ? checkpoint_open(argv[9], &err) : NULL;
    if (argc > 9 && !base)
        goto failed;
    checkpoint *c = checkpoint_new(argv[1], NULL, config, items, count, &err);
    if (!c)
        goto failed;
    for (size_t i = 0; i < c->count; i++) {
        tensor *t = &c->items[i].tensor;
        const tensor *from = base ? checkpoint_find(base, c->items[i].name) : NULL;
        float scale = base ? 0.002f : t->rank == 1 ? 0.1f : 1 / sqrtf((float)tensor_columns(t));
        fill(t->data, (size_t)tensor_count(t), random_key((uint64_t)v[6], c->items[i].name), scale, from ? from->data : NULL,
             t->rank == 1 && !strstr(c->items[i].name, "bias") ? 1 - (float)a->defaults.norm_offset : 0);
    }
    if (checkpoint_write(c, argv[1], &(checkpoint_write_options){.replace = true}, &err) != 0)
        goto failed;
    checkpoint_free(c);
    checkpoint_free(base);
    for (size_t i = 0; i < count; i++)
        free(items[i].name);
    free(items);
    json_decref(config);
    return 0;
failed:
    fprintf(stderr, "random_model: %s\n", err.text);
    return 1;
}
