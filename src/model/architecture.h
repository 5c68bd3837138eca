/* The table of architectures: which config.json names reach it, its defaults, and which tensors
 * make up a layer. Adding one like these is one row. */
#ifndef MODEL_ARCHITECTURE_H
#define MODEL_ARCHITECTURE_H

#include <stdbool.h>

#include "base/error.h"
#include "model/config.h"

typedef struct architecture {
    const char *type;               /* model_type */
    const char *class_name;         /* architectures[0] */
    model_config defaults;          /* what transformers assumes for missing keys; kv_heads 0: as many as heads */
    bool has_window, has_biases;    /* whether sliding_window, attention_bias and mlp_bias mean anything to it */
    /* Tensor names; %d is the layer. A bias is named like its weight. */
    const char *embedding, *final_norm, *head;
    const char *attention_norm, *q, *k, *v, *o;
    const char *mlp_norm, *gate, *up, *down;
} architecture;

const architecture *architecture_find(const char *type, const char *class_name);   /* either may be NULL; NULL when unknown */
const char *architecture_list(void);                                               /* "llama, mistral" */

#endif
