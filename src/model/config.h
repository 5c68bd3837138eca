/* What config.json says of a model, as transformers 4 and 5 write it: rope_theta or rope_parameters,
 * torch_dtype or dtype, nested text_config with the model type's defaults for what is not listed. */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "compute/backend.h"

enum rope_kind { ROPE_DEFAULT, ROPE_LINEAR, ROPE_DYNAMIC, ROPE_LLAMA3, ROPE_YARN };

typedef struct rope_config {
    enum rope_kind kind;
    int64_t dims;                     /* of a head that turn, the first; 0: none, the model has learned positions */
    double theta;
    double factor;                    /* linear, dynamic, llama3, yarn */
    double low_freq, high_freq;       /* llama3 */
    double beta_fast, beta_slow;      /* yarn */
    double attention_factor;          /* yarn: multiplies cos and sin; 0: 0.1 ln(factor) + 1 */
    bool truncate;                    /* yarn: correction range rounded to whole dimensions (default true) */
    int64_t original_positions;       /* llama3, yarn; dynamic: max_positions */
} rope_config;

#define CONFIG_MAX_STOPS 16
#define CONFIG_MAX_LAYERS 10000
#define CONFIG_MAX_EXPERTS 1024

enum norm_kind { NORM_RMS, NORM_LAYER };

typedef struct model_config {
    char type[64];                    /* model_type: "mistral" */
    int64_t layers, hidden, intermediate, heads, kv_heads, head_dim, vocab, max_positions;
    int64_t window;                   /* sliding window of the layers that have one; 0: none has */
    uint64_t sliding[(CONFIG_MAX_LAYERS + 63) / 64];   /* bit l: layer l has the window */
    enum norm_kind norm;
    double norm_offset;               /* what the stored weights of RMS norms lack: Gemma stores them minus one */
    double norm_eps;
    rope_config rope, local_rope;     /* local: of layers with the window, where it differs; theta 0: it does not */
    enum activation activation;
    double query_scale;               /* of the scores; 0: 1/sqrt(head_dim) */
    double attention_softcap, logit_softcap;   /* 0: none */
    double embedding_scale;           /* embeddings are multiplied with it */
    int64_t experts, experts_used;    /* of an MLP; 0: it is none of experts */
    bool learned_positions;           /* a table of them is added to the embeddings */
    bool parallel;                    /* attention and MLP read the same and put out one sum */
    bool tied;                        /* lm_head is the embedding */
    bool attention_bias, output_bias, mlp_bias;   /* of q, k and v; of o; of all of the MLP */
    int32_t bos;                      /* -1: none */
    int32_t stops[CONFIG_MAX_STOPS];  /* eos ids; generation_config.json adds its own */
    int n_stops;
} model_config;

/* Reads a parsed config.json; `name` is what errors call it. Every size is checked (1..2^24, heads divisible by
 * kv_heads, layers <= 10,000 ...). An architecture that is not in the table: ERROR_UNSUPPORTED with the list of those known.
 * hidden_size, num_hidden_layers and the like may be missing (and take the model type's defaults) only in a
 * nested text_config. */
int config_read(const json_t *json, const char *name, model_config *out, error *err);

/* What one layer does: its window (0: none) and its angles (NULL: none). */
int64_t config_window(const model_config *config, int64_t layer);
const rope_config *config_rope(const model_config *config, int64_t layer);

/* The most positions a sequence may have: max_positions, or none to speak of under dynamic scaling. */
int64_t config_position_limit(const model_config *config);

/* Adds eos_token_id of FOLDER/generation_config.json, where there is one, to out->stops. */
int config_read_generation(const char *folder, model_config *out, error *err);

/* What differs between two configs where it matters for a merge (rope_theta, window, eps, head counts, ...):
 * one line "rope_theta 10000 / 1000000; sliding_window 4096 / none", or ""; into out [size].
 * Returns whether anything differs. */
bool config_differences(const model_config *a, const model_config *b, char *out, size_t size);

#endif
