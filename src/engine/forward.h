/* One step of the network over a batch of tokens: pieces of prompts and the newest tokens of running sequences, in any
 * mixture. Keys and values go into the sequences' KV blocks; logits are computed only for the rows asked for.
 *
 *     forward_step(f, segments, n);
 *     forward_logits(f, rows, n_rows, logits);
 *
 * Every row is computed from its own tokens alone and in one order, whatever else stands in the batch. */
#ifndef ENGINE_FORWARD_H
#define ENGINE_FORWARD_H

#include "base/threads.h"
#include "compute/backend.h"
#include "engine/angles.h"
#include "engine/engine.h"
#include "engine/kv.h"
#include "model/plan.h"

#define PREFILL_ROWS 512   /* rows of prompts in a step at most */

/* Consecutive tokens of one sequence; its table holds all positions up to first + count (kv_extend comes before). */
typedef struct segment {
    kv_table *table;
    const int32_t *tokens;    /* [count], borrowed */
    const request *request;   /* for its pictures; borrowed; NULL: it has none */
    int64_t first, count;     /* positions */
    int64_t length;           /* of the sequence, for dynamic RoPE scaling */
    int64_t wanted;           /* of so many of its last rows logits may be asked for */
} segment;

typedef struct step_row {
    int segment;
    int64_t position;
    int32_t token;
    const float *embedding;   /* [hidden] of a picture's row, borrowed; NULL: the token's */
} step_row;

typedef struct forward {
    const plan *plan;
    const backend *backend;
    threads *pool;            /* borrowed; NULL: this thread; may change between steps */
    kv_cache kv;
    angles *angles;           /* [n_angles] one for each kind of RoPE of the path; owned */
    int n_angles;
    int *hop_angles;          /* [n_hops] index into angles, -1: none; owned */
    int64_t max_rows;         /* that the buffers hold */
    int64_t q_width, qkv_width, mlp_width, experts;   /* floats of the widest row of each kind */
    /* the step */
    const segment *segments; int n_segments;
    int64_t n_rows;
    /* scratch, owned, [max_rows][...] */
    step_row *rows;
    int64_t *position, *length;
    float *x;                 /* [hidden] the residual stream, without what `pending` still brings */
    float *pending;           /* [hidden] the last block's output */
    float *normed;            /* [hidden] */
    float *qkv;               /* [q | k | v] */
    float *attended;          /* [heads * head_dim] */
    float *gate, *up;         /* [intermediate] */
    /* of experts, where there are any */
    float *routed;            /* [experts] the weight of each; 0: not chosen */
    float *expert_in, *expert_out;   /* [hidden] rows of one expert */
    int64_t *expert_row;      /* [max_rows] which they are */
    /* of attention, owned */
    const float **keys, **values;   /* [segments][stride] block pointers of the current hop */
    size_t pointer_capacity;
    float *scores;            /* [pieces][scores_stride] */
    size_t scores_capacity, scores_stride;
    int64_t stride;           /* blocks of the longest table */
    int pieces;
} forward;

int forward_open(forward *f, const plan *p, const backend *b, int64_t max_rows, error *err);
void forward_close(forward *f);
int forward_reserve(forward *f, int64_t rows, error *err);   /* more rows in a step */

/* Tables of angles for sequences of up to `positions`; before the first step of a run. */
void forward_positions(forward *f, int64_t positions);

/* Rows are numbered through the segments in order; at most max_rows. blocks_run is its larger part, in a file of its own. */
void forward_step(forward *f, const segment *segments, int n);
void blocks_run(forward *f);

/* Logits [n][vocab] of rows of the last step, of those that their segments said are wanted. */
void forward_logits(forward *f, const int64_t *rows, int64_t n, float *logits);

#endif
