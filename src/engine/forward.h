/* One step of the network over a batch of tokens: pieces of prompts (prefill) or one token of every running
 * sequence (decode). Keys and values go into the sequences' KV blocks; logits are computed only for the rows asked for.
 *
 *     forward_step(f, PHASE_PREFILL, segments, n);
 *     forward_logits(f, PHASE_PREFILL, rows, n_rows, logits);
 *
 * Every row is computed from its own tokens alone and in one order, whatever else stands in the batch. */
#ifndef ENGINE_FORWARD_H
#define ENGINE_FORWARD_H

#include "engine/part.h"

typedef struct forward {
    const plan *plan;
    const backend *backend;
    threads *pool;
    kv_cache kv;
    angles *angles;           /* [n_angles] one for each config of the path; owned */
    int n_angles;
    int *hop_angles;          /* [n_hops] index into angles; owned */
    bool small;               /* cut steps into a part a thread */
    part *parts;              /* [threads], owned */
    int64_t max_rows;         /* that the buffers hold */
    int64_t q_width, qkv_width, mlp_width;   /* floats of the widest row of each kind */
    /* Scratch, owned, [max_rows][...]: see part.h */
    float *x, *pending, *normed, *qkv, *attended, *gate, *up;
    part_row *rows;
    int64_t *position, *length;
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
