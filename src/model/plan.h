/* A plan: a path of layers bound to tensors, which is what the engine runs.
 *
 *     plan *p = plan_build(checkpoint, err);                 // the path 0..L-1 with scale 1
 *     plan *q = plan_build_path(checkpoints, path, err);     // hops through the layers of several models
 *     plan_free(p);
 *
 * A plan borrows the checkpoints' weights, a repeated layer's once: matrices point straight at the stored bytes, or at the
 * rows of them that are meant. Vectors (norms, biases) are kept widened to f32, and matrices that are stored [in][out] (GPT-2's) the other way
 * round; after the weights have been overwritten in place by another candidate, plan_refresh reads them again. */
#ifndef MODEL_PLAN_H
#define MODEL_PLAN_H

#include "base/error.h"
#include "compute/backend.h"
#include "model/architecture.h"
#include "model/config.h"
#include "model/path.h"
#include "tensor/checkpoint.h"

enum block_kind { BLOCK_ATTENTION, BLOCK_MLP, BLOCK_EXPERTS };

typedef struct plan_vector {   /* a stored vector and its f32 copy */
    const tensor *source;      /* borrowed; NULL: absent */
    float *value;              /* [n], owned by the plan */
    int64_t n;
} plan_vector;

typedef struct plan_norm {     /* of the kind that the hop's config says */
    plan_vector weight;        /* without a source there is no norm */
    plan_vector bias;          /* of LayerNorm */
} plan_norm;

typedef struct plan_mlp {      /* down(f(gate x) * up x), or down(f(gate x)) where up has no data */
    matrix gate, up, down;
    plan_vector gate_bias, up_bias, down_bias;
} plan_mlp;

typedef struct plan_attention {
    matrix q, k, v, o;         /* woven: q holds all rows, [heads][q k v][head_dim], k and v have no data */
    bool woven;
    plan_vector q_bias, k_bias, v_bias, o_bias;   /* of weights stored in one tensor: q_bias holds all */
    plan_vector q_norm, k_norm;                   /* RMSNorm before the rotation, of each head or (n) of all together; may be absent */
} plan_attention;

typedef struct plan_experts {  /* every token goes through the `used` that the router likes best, weighted */
    matrix router;             /* [n][hidden] */
    plan_mlp *expert;          /* [n], owned */
    int n, used;
} plan_experts;

typedef struct plan_block {
    enum block_kind kind;
    bool parallel;             /* it reads what the block before it read, and adds to what that one puts out */
    plan_norm norm, post_norm; /* before and behind the block, [hidden]; may be absent */
    union {
        plan_attention attention;
        plan_mlp mlp;
        plan_experts experts;
    };
} plan_block;

typedef struct plan_hop {
    int source, layer;              /* where it came from */
    float scale;                    /* multiplies the previous hop's MLP output (hop 0: the embeddings) */
    const model_config *config;     /* heads, norms and the like of this hop; borrowed from the plan */
    const rope_config *rope;        /* in config; NULL: none */
    int64_t window;                 /* 0: none */
    plan_block *blocks;             /* [n_blocks], owned */
    int n_blocks;
} plan_hop;

typedef struct plan {
    const char *name;               /* what messages call the model whose embeddings, final norm and head are used; borrowed */
    model_config config;            /* that model's; of the models on the path the least positions */
    model_config *configs;          /* [n_configs] one a source; owned */
    size_t n_configs;
    const tensor *embedding;        /* [vocab][hidden]; borrowed */
    const tensor *positions;        /* [max_positions][hidden]; NULL: none; borrowed */
    plan_norm final_norm;
    matrix head;                    /* [vocab][hidden] */
    plan_hop *hops;                 /* [n_hops], owned */
    int n_hops;
    struct plan_transposed { const tensor *source; void *data; } *transposed;   /* [n_transposed] matrices stored [in][out]; owned */
    size_t n_transposed;
} plan;

/* Every tensor must be there with the shape the config implies: errors name tensor, both shapes. Unused tensors are
 * left alone (rotary inv_freq buffers, vision towers). The checkpoint must have its config and must outlive the plan. */
plan *plan_build(const checkpoint *c, error *err);

/* checkpoints [way->n_sources]. Each hop runs as its own model's layer does: heads, intermediate size, RoPE, window, norms. The models need
 * the same hidden size, and to be told positions in the same way. A layer that a model does not have, another hidden size: errors that name
 * hop and model. */
plan *plan_build_path(checkpoint *const *checkpoints, const layer_path *way, error *err);
void plan_refresh(plan *p);

/* Calls `matrix` and `vector` (NULL: not wanted) for everything in a block that is there. */
typedef struct plan_visitor {
    void (*matrix)(void *context, const matrix *m);
    void (*vector)(void *context, plan_vector *v);
    void *context;
} plan_visitor;
void plan_visit(plan_block *block, const plan_visitor *visitor);

/* What this checkpoint calls a tensor of the architecture's table: models that also see put "language_model." in front, published GPT-2
 * leaves "transformer." out. free() it. */
char *plan_name(const checkpoint *c, const architecture *a, const char *pattern, int layer);
void plan_free(plan *p);

#endif
