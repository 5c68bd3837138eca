/* A part of a step: rows of whole segments, taken from the embeddings through the last block. A step of a large model is
 * one part whose every pass is spread over the threads; a step of a small one is cut into a part a thread, which then
 * meet only at its end: their layers are too short to meet a dozen times in each. What a row comes to is the same. */
#ifndef ENGINE_PART_H
#define ENGINE_PART_H

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

typedef struct part_row {
    int segment;              /* of the part */
    int64_t position;
    int32_t token;
} part_row;

typedef struct part {
    const plan *plan;
    const backend *backend;
    const kv_cache *kv;
    const angles *angles;     /* one for each config of the path; borrowed */
    const int *hop_angles;    /* [n_hops] index into angles */
    int n_angles;
    threads *pool;            /* NULL where the part is one thread's */
    enum phase phase;
    const segment *segments; int n_segments;
    int64_t n_rows, first_row;   /* first_row: of the step, where angles are kept by row */
    /* borrowed from the step's buffers, [n_rows][...] */
    part_row *rows;
    float *x;                 /* [hidden] the residual stream, without what `pending` still brings */
    float *pending;           /* [hidden] the last block's output */
    float *normed;            /* [hidden] */
    float *qkv;               /* [q | k | v] */
    float *attended;          /* [heads * head_dim] */
    float *gate, *up;         /* [intermediate] */
    /* owned, kept from step to step */
    const float **keys, **values;   /* [segments][stride] block pointers of the current hop */
    size_t pointer_capacity;
    float *scores;            /* [pieces][scores_stride] attention's scratch */
    size_t scores_capacity, scores_stride;
    int64_t stride;           /* blocks of the longest table */
    int pieces;
} part;

void part_run(part *p);
void part_free(part *p);

#endif
