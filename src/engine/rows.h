/* What a step does row by row, in pieces of several rows: norms, activations, rotation. Each row depends on itself alone. */
#ifndef ENGINE_ROWS_H
#define ENGINE_ROWS_H

#include "engine/forward.h"

struct expert_rows;   /* of block_experts.c */

typedef struct row_pass {
    forward *f;
    void (*each)(const struct row_pass *pass, int64_t row);
    int64_t rows;              /* 0: those of the step */
    const plan_block *block;
    float scale;
    bool add;                  /* there is a pending block output to take in */
    int hop;
    const model_config *config;
    const struct expert_rows *expert;
    int64_t per_piece;         /* rows_run sets it */
} row_pass;

void rows_run(row_pass pass);

/* All rows of the step through a matrix. */
void rows_multiply(const forward *f, const matrix *w, const float *x, int64_t ldx, float *y, int64_t ldy);

/* One row through a norm of the kind that c says, in place too. */
void row_norm(const backend *b, const plan_norm *norm, const model_config *c, const float *x, float *y, int64_t n);

/* A block's body: from x [rows][hidden] to pending, and what it is made of, in files of their own. */
void attention_run(forward *f, const plan_block *block, const plan_hop *hop, int number, bool last);   /* last: no block behind it looks at other positions */
void experts_run(forward *f, const plan_experts *experts, const model_config *c, const float *x, float *y);

/* Scratch for attention, as long as the longest sequence of the step needs. */
void attention_begin(forward *f);

/* Puts what came of the wanted rows back where the step has them, after the last attention left the others out. */
void attention_spread(forward *f, int64_t all_rows);

#endif
