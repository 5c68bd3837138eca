/* A plan: a path of layers bound to tensors, which is what the engine runs.
 *
 *     plan *p = plan_build(checkpoint, err);                 // the path 0..L-1 with scale 1
 *     plan *q = plan_build_path(checkpoints, path, err);     // hops through the layers of several models
 *     plan_free(p);
 *
 * A plan borrows the checkpoints' weights, a repeated layer's once: matrices point straight at the stored bytes. Vectors (norms,
 * biases) are kept widened to f32; after the weights have been overwritten in place by another
 * candidate, plan_refresh reads them again. */
#ifndef MODEL_PLAN_H
#define MODEL_PLAN_H

#include "base/error.h"
#include "compute/backend.h"
#include "model/config.h"
#include "model/path.h"
#include "tensor/checkpoint.h"

enum block_kind { BLOCK_ATTENTION, BLOCK_MLP };

typedef struct plan_vector {   /* a stored vector and its f32 copy */
    const tensor *source;      /* borrowed; NULL: absent */
    float *value;              /* [n], owned by the plan */
    int64_t n;
} plan_vector;

typedef struct plan_block {
    enum block_kind kind;
    plan_vector norm;          /* RMSNorm before the block, [hidden] */
    union {
        struct { matrix q, k, v, o; plan_vector q_bias, k_bias, v_bias, o_bias; } attention;
        struct { matrix gate, up, down; plan_vector gate_bias, up_bias, down_bias; } mlp;
    };
} plan_block;

typedef struct plan_hop {
    int source, layer;              /* where it came from */
    float scale;                    /* multiplies the previous hop's MLP output (hop 0: the embeddings) */
    const model_config *config;     /* heads, window, RoPE of this hop; borrowed from the plan */
    plan_block *blocks;             /* [n_blocks], owned */
    int n_blocks;
} plan_hop;

typedef struct plan {
    model_config config;            /* the model whose embeddings, final norm and head are used; of the models on the path the least positions */
    model_config *configs;          /* [n_configs] one a source; owned */
    size_t n_configs;
    const tensor *embedding;        /* [vocab][hidden]; borrowed */
    plan_vector final_norm;
    matrix head;                    /* [vocab][hidden] */
    plan_hop *hops;                 /* [n_hops], owned */
    int n_hops;
} plan;

/* Every tensor must be there with the shape the config implies: errors name tensor, both shapes. Unused tensors are
 * left alone (rotary inv_freq buffers, vision towers). The checkpoint must have its config and must outlive the plan. */
plan *plan_build(const checkpoint *c, error *err);

/* checkpoints [way->n_sources]. Each hop runs with its own model's heads, intermediate size, RoPE and window; the models need
 * the same hidden size only. A layer that a model does not have, another hidden size: errors that name hop and model. */
plan *plan_build_path(checkpoint *const *checkpoints, const layer_path *way, error *err);
void plan_refresh(plan *p);

/* What the language model's tensors are called by in front of the architecture's names: "", or "language_model." in models that also see. */
const char *plan_prefix(const checkpoint *c);
void plan_free(plan *p);

#endif
