/* The table of architectures: which config.json names reach it, its defaults, and which tensors
 * make up a layer. Adding one like these is one row. */
#ifndef MODEL_ARCHITECTURE_H
#define MODEL_ARCHITECTURE_H

#include <stdbool.h>

#include "base/error.h"
#include "model/config.h"

enum window_kind {
    WINDOW_UNKNOWN,    /* sliding_window means nothing to it */
    WINDOW_EVERY,      /* every layer has it */
    WINDOW_LAYERS,     /* those that layer_types names sliding_attention; without that list all but every full_every-th ... */
    WINDOW_SWITCHED,   /* ... or those from max_window_layers on; all that only with use_sliding_window */
};

enum query_rows {      /* how the weights of q, k and v are stored */
    QUERY_APART,       /* a tensor each */
    QUERY_STACKED,     /* one: the rows of q, those of k, those of v */
    QUERY_WOVEN,       /* one: a head's rows of q, k and v, the next head's ... */
};

typedef struct architecture {
    const char *type;               /* model_type */
    const char *class_name;         /* architectures[0] */
    model_config defaults;          /* what transformers assumes for missing keys; kv_heads 0: as many as heads; head_dim 0: hidden / heads;
                                     * intermediate 0: 4 hidden */
    double rotary_part;             /* of a head that turns; 0: all of it */
    struct { const char *usual, *own; } keys[8];   /* what it calls the keys of config.json otherwise */
    enum window_kind window;
    int full_every;
    const char *bias_key;           /* says whether q, k and v have biases, and o where the defaults say so; NULL: the defaults do */
    bool has_mlp_bias_key;
    bool scales_embeddings;         /* by sqrt(hidden) */
    const char *refused;            /* a key that, when true, means something that is not built in; NULL */

    enum query_rows query_rows;
    bool gate_stacked;              /* gate names a tensor of gate's rows, then up's */
    bool transposed;                /* matrices of the layers are stored [in][out] */
    bool whole_query_norm;          /* q_norm and k_norm are of all heads together, not of each */
    /* Tensor names; %d is the layer, the second one the expert. A bias is named like its weight. NULL: there is none. */
    const char *embedding, *positions, *final_norm, *head;
    const char *attention_norm, *q, *k, *v, *q_norm, *k_norm, *o, *attention_post_norm;
    const char *mlp_norm, *parallel_mlp_norm, *router, *gate, *up, *down, *mlp_post_norm;   /* gate without up: an MLP of two matrices */
} architecture;

const architecture *architecture_find(const char *type, const char *class_name);   /* either may be NULL; NULL when unknown */
const char *architecture_list(void);                                               /* "llama, mistral" */

/* The tensor whose output a path's scale can be folded into: the MLP's last, a norm behind it before all. Its bias goes with it. */
const char *architecture_last(const architecture *a);

/* What it calls a key of config.json. */
const char *architecture_key(const architecture *a, const char *usual);

#endif
