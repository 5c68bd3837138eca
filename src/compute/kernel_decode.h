/* Matrix products of the decode phase. Included by a family's file, behind its vector header.
 *
 * Weights are widened in registers and multiplied along K: each output is a dot product. Its order is the same
 * whatever the tile it falls in: K goes in blocks of BLOCK_K; in a block lane i of one vector adds up the elements of
 * each step of 2 * WIDTH that weights_load puts there; vec_sum4 adds the lanes; blocks are added in turn, and the bias last. Elements
 * behind K count as 0 * 0.
 *
 * Few tokens (one tile): a group of rows goes through all of K, and memory is the limit. More: a block of weights,
 * ROW_BLOCK x BLOCK_K, stays in the second-level cache while tiles of tokens, which stay in the first, pass over it.
 * Either way each tile asks for its share of the weights that come next. */
#ifndef COMPUTE_KERNEL_DECODE_H
#define COMPUTE_KERNEL_DECODE_H

#include <string.h>

#include "base/threads.h"
#include "compute/backend.h"
#include "compute/scratch.h"

#define BLOCK_K 1024
#define ROW_BLOCK 128
#define DECODE_MAX_ROWS 8

typedef struct decode_product {
    const matrix *w;
    const float *x;    /* [m][ldx], arranged, zeros behind K */
    float *y;          /* [m][n], rows ldy apart */
    int64_t ldx, ldy, m, piece_rows;
} decode_product;

/* Rows of weights x tokens over one block of K. */
typedef struct decode_tile {
    const char *w;          /* [rows][k], rows row_bytes apart */
    const char *ahead;      /* weights to ask for, rows row_bytes apart */
    const float *x;         /* [tokens][ldx] */
    float *y;               /* [tokens][ldy] */
    int64_t row_bytes, ldx, ldy, k;
    bool first;             /* block of K: y is set, not added to */
} decode_tile;

static inline __attribute__((always_inline)) void decode_step(enum dtype d, int rows, int tokens, vec sums[DECODE_MAX_ROWS][DECODE_MAX_TOKENS],
                                                             const char *w, int64_t row_bytes, const float *x, int64_t ldx, int64_t n)
{
    vec a[DECODE_MAX_ROWS], b[DECODE_MAX_ROWS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        if (n == 2 * WIDTH)
            weights_load(d, w + r * row_bytes, &a[r], &b[r]);
        else
            weights_load_first(d, w + r * row_bytes, n, &a[r], &b[r]);
    }
#pragma GCC unroll 8
    for (int t = 0; t < tokens; t++) {
        vec xa = vec_load(x + t * ldx), xb = vec_load(x + t * ldx + WIDTH);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            sums[r][t] = vec_fma(a[r], xa, sums[r][t]);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            sums[r][t] = vec_fma(b[r], xb, sums[r][t]);
    }
}

static inline __attribute__((always_inline)) void decode_tile_run(enum dtype d, int rows, int tokens, int ahead_rows, const decode_tile *t)
{
    vec sums[DECODE_MAX_ROWS][DECODE_MAX_TOKENS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int c = 0; c < tokens; c++)
            sums[r][c] = vec_zero();
    }
    const int64_t size = d == DTYPE_F32 ? 4 : 2, row_bytes = t->row_bytes, ldx = t->ldx, whole = t->k - t->k % (2 * WIDTH);
    const char *w = t->w, *ahead = t->ahead;
    const float *x = t->x;
    for (int64_t k = 0; k < whole; k += 2 * WIDTH) {
#pragma GCC unroll 8
        for (int r = 0; r < ahead_rows; r++)
            __builtin_prefetch(ahead + r * row_bytes, 0, 2);
        decode_step(d, rows, tokens, sums, w, row_bytes, x, ldx, 2 * WIDTH);
        w += 2 * WIDTH * size;
        ahead += 2 * WIDTH * size;
        x += 2 * WIDTH;
    }
    if (whole < t->k)
        decode_step(d, rows, tokens, sums, w, row_bytes, x, ldx, t->k - whole);
#pragma GCC unroll 8
    for (int c = 0; c < tokens; c++) {
        float *y = t->y + c * t->ldy;
        if (rows < 4) {
            float sum = vec4_first(vec_sum4(sums[0][c], vec_zero(), vec_zero(), vec_zero()));
            *y = t->first ? sum : *y + sum;
            continue;
        }
#pragma GCC unroll 2
        for (int r = 0; r < rows; r += 4) {
            vec4 sum = vec_sum4(sums[r][c], sums[r + 1][c], sums[r + 2][c], sums[r + 3][c]);
            vec4_store(y + r, t->first ? sum : vec4_add(vec4_load(y + r), sum));
        }
    }
}

/* The same for a block of many rows. */
static inline __attribute__((always_inline)) void decode_rows(enum dtype d, int tokens, int ahead_rows, decode_tile t, int64_t rows)
{
    static const int tile_rows[] = DECODE_ROWS;
    const int r = tile_rows[tokens];
    for (; rows >= r; rows -= r, t.w += r * t.row_bytes, t.ahead += r * t.row_bytes, t.y += r)
        decode_tile_run(d, r, tokens, ahead_rows ? ahead_rows : r, &t);
    for (; rows > 0; rows--, t.w += t.row_bytes, t.ahead += t.row_bytes, t.y++)
        decode_tile_run(d, 1, tokens, 1, &t);
}

/* `lone`: there is no other tile of tokens, so this one asks for all that comes next, else for two rows' worth. */
static inline __attribute__((always_inline)) void decode_tokens(enum dtype d, int tokens, bool lone, const decode_tile *t, int64_t rows)
{
    switch (tokens) {
    case 1: decode_rows(d, 1, 0, *t, rows); break;
    case 2: decode_rows(d, 2, 0, *t, rows); break;
    case 3: lone ? decode_rows(d, 3, 0, *t, rows) : decode_rows(d, 3, 2, *t, rows); break;
#if DECODE_MAX_TOKENS > 4
    case 4: lone ? decode_rows(d, 4, 0, *t, rows) : decode_rows(d, 4, 2, *t, rows); break;
    case 5: lone ? decode_rows(d, 5, 0, *t, rows) : decode_rows(d, 5, 2, *t, rows); break;
    case 6: lone ? decode_rows(d, 6, 0, *t, rows) : decode_rows(d, 6, 2, *t, rows); break;
#endif
    }
}

static void decode_bf16(int tokens, bool lone, const decode_tile *t, int64_t rows) { decode_tokens(DTYPE_BF16, tokens, lone, t, rows); }
static void decode_f16(int tokens, bool lone, const decode_tile *t, int64_t rows) { decode_tokens(DTYPE_F16, tokens, lone, t, rows); }
static void decode_f32(int tokens, bool lone, const decode_tile *t, int64_t rows) { decode_tokens(DTYPE_F32, tokens, lone, t, rows); }

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void decode_piece(void *context, size_t piece)
{
    const decode_product *p = context;
    const matrix *w = p->w;
    const int64_t size = w->dtype == DTYPE_F32 ? 4 : 2, row_bytes = w->k * size;
    const int64_t begin = (int64_t)piece * p->piece_rows, end = smaller(begin + p->piece_rows, w->n);
    const int64_t tiles = (p->m + DECODE_MAX_TOKENS - 1) / DECODE_MAX_TOKENS;
    const int64_t row_block = tiles == 1 ? DECODE_MAX_ROWS : ROW_BLOCK;
    void (*run)(int, bool, const decode_tile *, int64_t) = w->dtype == DTYPE_BF16 ? decode_bf16 : w->dtype == DTYPE_F16 ? decode_f16 : decode_f32;

    for (int64_t n = begin; n < end; n += row_block) {
        const int64_t rows = smaller(row_block, end - n);
        for (int64_t k = 0; k < w->k; k += BLOCK_K) {
            const char *at = (const char *)w->data + n * row_bytes + k * size;
            const char *next = at + (tiles > 1 && k + BLOCK_K < w->k ? BLOCK_K * size : n + rows < end ? rows * row_bytes - (tiles > 1 ? k * size : 0) : 0);
            decode_tile t = {.row_bytes = row_bytes, .w = at, .ldx = p->ldx, .ldy = p->ldy, .k = smaller(BLOCK_K, w->k - k), .first = k == 0};
            for (int64_t i = 0, m = 0; i < tiles; i++) {
                const int64_t tokens = p->m / tiles + (i < p->m % tiles);
                t.ahead = tiles == 1 ? next : i < 2 ? next + 2 * i * row_bytes : at;
                t.x = p->x + m * p->ldx + k;
                t.y = p->y + m * p->ldy + n;
                run((int)tokens, tiles == 1, &t, rows);
                m += tokens;
            }
        }
        if (w->bias)
            for (int64_t m = 0; m < p->m; m++)
                for (int64_t i = n; i < n + rows; i++)
                    p->y[m * p->ldy + i] += w->bias[i];
    }
}

static void decode_matmul(const matrix *w, const float *x, int64_t ldx, float *y, int64_t ldy, int64_t m, threads *pool)
{
    const int64_t step = 2 * WIDTH, whole = w->k - w->k % step, padded = (w->k + step - 1) / step * step;
    float *arranged = scratch_get(SCRATCH_CALL, (size_t)(m * padded));
    for (int64_t i = 0; i < m; i++) {
        for (int64_t k = 0; k < whole; k += step)
            activations_arrange(w->dtype, x + i * ldx + k, arranged + i * padded + k);
        if (whole < w->k) {
            float tail[2 * WIDTH] = {0};
            memcpy(tail, x + i * ldx + whole, (size_t)(w->k - whole) * sizeof(float));
            activations_arrange(w->dtype, tail, arranged + i * padded + whole);
        }
    }
    /* Four pieces a thread balance the load; more rows a piece waste less at its start. */
    const int64_t share = w->n / (4 * threads_count(pool)), piece_rows = share < 64 ? 64 : share > 1024 ? 1024 : share / 64 * 64;
    decode_product p = {.w = w, .x = arranged, .y = y, .ldx = padded, .ldy = ldy, .m = m, .piece_rows = piece_rows};
    threads_run(pool, (size_t)((w->n + piece_rows - 1) / piece_rows), decode_piece, &p);
}

#endif
