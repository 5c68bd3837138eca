/* usage: bench-random_model OUT LAYERS HIDDEN INTERMEDIATE HEADS KV_HEADS VOCAB SEED [BASE]
 * Writes a Mistral-shaped bf16 checkpoint with random weights: a stand-in of any size. With BASE (such a folder),
 * the weights are BASE's plus small random differences, as a fine-tuned model's are. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "tensor/checkpoint.h"

struct shape { const char *name; int64_t rows, columns; };   /* columns 0: a vector */

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

int main(int argc, char **argv)
{
    if (argc < 9) {
        fputs("usage: bench-random_model OUT LAYERS HIDDEN INTERMEDIATE HEADS KV_HEADS VOCAB SEED [BASE]\n", stderr);
        return 2;
    }
    long v[7];
    for (int i = 0; i < 7; i++)
        v[i] = strtol(argv[2 + i], NULL, 10);
    long layers = v[0], hidden = v[1], inter = v[2], heads = v[3], kv = v[4], vocab = v[5], head_dim = hidden / heads;
    const struct shape outer[] = {{"model.embed_tokens.weight", vocab, hidden}, {"lm_head.weight", vocab, hidden}, {"model.norm.weight", hidden, 0}};
    const struct shape inner[] = {
        {"self_attn.q_proj.weight", heads * head_dim, hidden}, {"self_attn.k_proj.weight", kv * head_dim, hidden}, {"self_attn.v_proj.weight", kv * head_dim, hidden},
        {"self_attn.o_proj.weight", hidden, heads * head_dim}, {"mlp.gate_proj.weight", inter, hidden}, {"mlp.up_proj.weight", inter, hidden},
        {"mlp.down_proj.weight", hidden, inter}, {"input_layernorm.weight", hidden, 0}, {"post_attention_layernorm.weight", hidden, 0}};
    size_t count = 3 + 9 * (size_t)layers, at = 0;
    checkpoint_item *items = memory_new(count, sizeof *items);
    for (size_t i = 0; i < count; i++) {
        const struct shape *s = i < 3 ? &outer[i] : &inner[(i - 3) % 9];
        items[at].name = i < 3 ? memory_text(s->name) : memory_print("model.layers.%zu.%s", (i - 3) / 9, s->name);
        items[at].tensor = (tensor){.dtype = DTYPE_BF16, .rank = s->columns ? 2 : 1, .shape = {s->rows, s->columns}};
        at++;
    }
    json_t *config = json_pack("{s:[s], s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:s, s:n, s:b, s:i, s:i, s:s}", "architectures", "MistralForCausalLM",
                               "model_type", "mistral", "num_hidden_layers", (int)layers, "hidden_size", (int)hidden, "intermediate_size", (int)inter,
                               "num_attention_heads", (int)heads, "num_key_value_heads", (int)kv, "head_dim", (int)head_dim, "vocab_size", (int)vocab,
                               "max_position_embeddings", 4096, "rms_norm_eps", 1e-5, "rope_theta", 10000.0, "torch_dtype", "bfloat16", "sliding_window",
                               "tie_word_embeddings", 0, "bos_token_id", 1, "eos_token_id", 2, "hidden_act", "silu");
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
        fill(t->data, (size_t)tensor_count(t), random_key((uint64_t)v[6], c->items[i].name), scale, from ? from->data : NULL, t->rank == 1 ? 1.0f : 0.0f);
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
