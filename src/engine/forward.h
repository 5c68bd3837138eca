/* One step of the network over a batch of tokens: pieces of prompts (prefill) or one token of every running
 * sequence (decode). Keys and values go into the sequences' KV blocks; logits are computed only for the rows asked for.
 *
 *     forward_step(f, PHASE_PREFILL, segments, n);
 *     forward_logits(f, PHASE_PREFILL, rows, n_rows, logits);
 *
 * Every row is computed from its own tokens alone and in one order, whatever else stands in the batch. */
#ifndef ENGINE_FORWARD_H
#define ENGINE_FORWARD_H

#include "base/threads.h"
#include "compute/backend.h"
#include "engine/angles.h"
#include "engine/kv.h"
#include "model/plan.h"

/* Consecutive tokens of one sequence; its table holds all positions up to first + count (kv_extend comes before). */
typedef struct segment {
    kv_table *table;
    const int32_t *tokens;    /* [count], borrowed */
    int64_t first, count;     /* positions */
    int64_t length;           /* of the sequence, for dynamic RoPE scaling */
} segment;

typedef struct row {
    int segment;
    int64_t position;
    int32_t token;
} row;

typedef struct forward {
    const plan *plan;
    const backend *backend;
    threads *pool;
    kv_cache kv;
    angles *angles;           /* [n_angles] one for each config of the path; owned */
    int n_angles;
    int *hop_angles;          /* [n_hops] index into angles; owned */
    int64_t max_rows, widest; /* rows the buffers hold; floats of the widest q|k|v row */
    /* Scratch, owned, [max_rows][...] */
    float *x;                 /* [hidden] the residual stream, without what `pending` still brings */
    float *pending;           /* [hidden] the last block's output */
    float *normed;            /* [hidden] */
    float *qkv;               /* [q | k | v] */
    float *attended;          /* [heads * head_dim] */
    float *gate, *up;         /* [intermediate] */
    row *rows;
    int64_t *position, *length;
    const float **keys, **values;   /* [segments][blocks] of the current hop; owned */
    size_t pointer_capacity;
    float *scores;            /* [pieces][scores_stride] attention's scratch; owned */
    size_t scores_capacity;
    /* The step under way */
    enum phase phase;
    const segment *segments;
    int n_segments, pieces;
    int64_t n_rows, stride;   /* stride: blocks of the longest table */
    size_t scores_stride;
} forward;

int forward_open(forward *f, const plan *p, const backend *b, threads *pool, int64_t max_rows, error *err);
void forward_close(forward *f);
int forward_reserve(forward *f, int64_t rows, error *err);   /* more rows in a step */

/* Tables of angles for sequences of up to `positions`; before the first step of a run. */
void forward_positions(forward *f, int64_t positions);

/* Rows are numbered through the segments in order; at most max_rows. */
void forward_step(forward *f, enum phase phase, const segment *segments, int n);

/* Logits [n][vocab] of rows of the last step. */
void forward_logits(forward *f, enum phase phase, const int64_t *rows, int64_t n, float *logits);

#endif
