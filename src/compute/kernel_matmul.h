/* Matrix products. Included by a family's file, behind its vector header.
 *
 * Weights are widened in registers and multiplied along K, so that few tokens cost no more than reading the weights. Each output
 * is a dot product, in the same order whatever the tile it falls in: K goes in blocks of BLOCK_K; in a block lane i of one
 * vector adds up the elements of each step of 2 * WIDTH that weights_load puts there; vec_sum4 adds the lanes; blocks are added in turn,
 * and the bias last. Elements behind K count as 0 * 0. So prefill and decode run through one kernel, and agree.
 *
 * Few tokens (one tile): a group of rows goes through all of K, and memory is the limit. More: a block of weights,
 * BLOCK_BYTES of BLOCK_K columns, stays in the second-level cache while tiles of tokens, which stay in the first, pass over it.
 * Either way the first tiles ask for the weights that come next. */
#ifndef COMPUTE_KERNEL_MATMUL_H
#define COMPUTE_KERNEL_MATMUL_H

#include <string.h>

#include "base/threads.h"
#include "compute/backend.h"
#include "compute/scratch.h"

#define BLOCK_K 1024
#define BLOCK_BYTES (512 << 10)      /* of weights: half of a second-level cache */
#define MAX_ROWS 8
#define WORTH_PACKING 8           /* tiles of tokens that go through a block */
#define WORTH_THREADS (1 << 15)   /* floats to copy */

typedef struct matmul_job {
    const matrix *w;
    const float *x;    /* arranged */
    float *y;          /* [m][n], rows ldy apart */
    int64_t padded_k, ldy, m, piece_rows;
    int64_t stride_rows;   /* from a piece to the one that its thread probably takes next */
} matmul_job;

/* Rows of weights x tokens over one block of K. */
typedef struct matmul_tile {
    const char *w;          /* [rows][k], rows row_bytes apart */
    const char *ahead;      /* weights to ask for, rows ahead_bytes apart */
    const float *x;         /* [k / (2 * WIDTH)][tokens][2 * WIDTH] */
    float *y;               /* [tokens][ldy] */
    int64_t row_bytes, ahead_bytes, ldy, k;
    bool first;             /* block of K: y is set, not added to */
} matmul_tile;

/* One step of 2 * WIDTH elements: the first halves, then the second. The fewer of weights and tokens wait in registers. */
static inline __attribute__((always_inline)) void tile_step(enum dtype d, int rows, int tokens, vec sums[MAX_ROWS][MAX_TOKENS],
                                                             const char *w, int64_t row_bytes, const float *x)
{
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        vec held[MAX_ROWS];
        if (rows <= tokens) {
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++)
                held[r] = weights_load(d, w + r * row_bytes, half);
#pragma GCC unroll 8
            for (int t = 0; t < tokens; t++) {
                const vec token = vec_keep(vec_load(x + (2 * t + half) * WIDTH));
#pragma GCC unroll 8
                for (int r = 0; r < rows; r++)
                    sums[r][t] = vec_fma(held[r], token, sums[r][t]);
            }
        } else {
#pragma GCC unroll 8
            for (int t = 0; t < tokens; t++)
                held[t] = vec_keep(vec_load(x + (2 * t + half) * WIDTH));
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                const vec weights = weights_load(d, w + r * row_bytes, half);
#pragma GCC unroll 8
                for (int t = 0; t < tokens; t++)
                    sums[r][t] = vec_fma(weights, held[t], sums[r][t]);
            }
        }
    }
}

/* Sums of lanes to y, four rows of a token at a time. */
static inline __attribute__((always_inline)) void tile_store(int rows, int tokens, vec sums[MAX_ROWS][MAX_TOKENS], const matmul_tile *t)
{
#pragma GCC unroll 8
    for (int c = 0; c < tokens; c++) {
        float *y = t->y + c * t->ldy;
#pragma GCC unroll 2
        for (int r = 0; r < rows; r += 4) {
            vec4 four = vec_sum4(sums[r][c], sums[r + 1][c], sums[r + 2][c], sums[r + 3][c]);
            vec4_store(y + r, t->first ? four : vec4_add(vec4_load(y + r), four));
        }
    }
}

/* The same for one row or two: two rows of two tokens at a time. */
static inline __attribute__((always_inline)) void tile_store_few(int rows, int tokens, vec sums[MAX_ROWS][MAX_TOKENS], const matmul_tile *t)
{
#pragma GCC unroll 8
    for (int c = 0; c < tokens; c += 2) {
        const bool both = c + 1 < tokens;
        float four[4], *y = t->y + c * t->ldy;
        vec4_store(four, vec_sum4(sums[0][c], rows > 1 ? sums[1][c] : vec_zero(), both ? sums[0][c + 1] : vec_zero(),
                                  both && rows > 1 ? sums[1][c + 1] : vec_zero()));
        for (int r = 0; r < rows; r++) {
            y[r] = t->first ? four[r] : y[r] + four[r];
            if (both)
                y[t->ldy + r] = t->first ? four[2 + r] : y[t->ldy + r] + four[2 + r];
        }
    }
}

static inline __attribute__((always_inline)) void tile_run(enum dtype d, int rows, int tokens, int ahead_rows, const matmul_tile *t)
{
    vec sums[MAX_ROWS][MAX_TOKENS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int c = 0; c < tokens; c++)
            sums[r][c] = vec_zero();
    }
    const int64_t size = d == DTYPE_F32 ? 4 : 2, row_bytes = t->row_bytes, ahead_bytes = t->ahead_bytes, whole = t->k - t->k % (2 * WIDTH);
    const char *w = t->w, *ahead = t->ahead;
    const float *x = t->x;
    for (int64_t k = 0; k < whole; k += 2 * WIDTH) {
#pragma GCC unroll 8
        for (int r = 0; r < ahead_rows; r++)
            __builtin_prefetch(ahead + r * ahead_bytes, 0, 2);
        tile_step(d, rows, tokens, sums, w, row_bytes, x);
        w += 2 * WIDTH * size;
        ahead += 2 * WIDTH * size;
        x += tokens * 2 * WIDTH;
    }
    if (whole < t->k) {
        char tail[MAX_ROWS][8 * WIDTH] = {{0}};
        for (int r = 0; r < rows; r++)
            memcpy(tail[r], w + r * row_bytes, (size_t)((t->k - whole) * size));
        tile_step(d, rows, tokens, sums, tail[0], sizeof tail[0], x);
    }
    if (rows < 4)
        tile_store_few(rows, tokens, sums, t);
    else
        tile_store(rows, tokens, sums, t);
}

/* The same for a block of many rows. */
static inline __attribute__((always_inline)) void matmul_rows(enum dtype d, int tokens, int ahead_rows, matmul_tile t, int64_t rows)
{
    static const int tile_rows[] = TILE_ROWS;
    const int r = tile_rows[tokens];
    for (; rows >= r; rows -= r, t.w += r * t.row_bytes, t.ahead += r * t.ahead_bytes, t.y += r)
        tile_run(d, r, tokens, ahead_rows ? ahead_rows : r, &t);
    for (; rows > 0; rows--, t.w += t.row_bytes, t.ahead += t.ahead_bytes, t.y++)
        tile_run(d, 1, tokens, 1, &t);
}

/* `lone`: there is no other tile of tokens, so this one asks for all that comes next, else for two rows' worth. */
static inline __attribute__((always_inline)) void matmul_tokens(enum dtype d, int tokens, bool lone, const matmul_tile *t, int64_t rows)
{
    switch (tokens) {
    case 1: matmul_rows(d, 1, 0, *t, rows); break;
    case 2: matmul_rows(d, 2, 0, *t, rows); break;
    case 3: lone ? matmul_rows(d, 3, 0, *t, rows) : matmul_rows(d, 3, 2, *t, rows); break;
    case 4: lone ? matmul_rows(d, 4, 0, *t, rows) : matmul_rows(d, 4, 2, *t, rows); break;
    case 5: lone ? matmul_rows(d, 5, 0, *t, rows) : matmul_rows(d, 5, 2, *t, rows); break;
#if MAX_TOKENS == 6
    case 6: lone ? matmul_rows(d, 6, 0, *t, rows) : matmul_rows(d, 6, 2, *t, rows); break;
#endif
    }
}

static void matmul_bf16(int tokens, bool lone, const matmul_tile *t, int64_t rows) { matmul_tokens(DTYPE_BF16, tokens, lone, t, rows); }
static void matmul_f16(int tokens, bool lone, const matmul_tile *t, int64_t rows) { matmul_tokens(DTYPE_F16, tokens, lone, t, rows); }
static void matmul_f32(int tokens, bool lone, const matmul_tile *t, int64_t rows) { matmul_tokens(DTYPE_F32, tokens, lone, t, rows); }

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Rows of a block side by side: as they lie in a matrix of many columns they would fall into few sets of the caches. */
static const char *pack_rows(const char *w, int64_t rows, int64_t row_bytes, int64_t bytes, char *out)
{
    for (int64_t r = 0; r < rows; r++)
        memcpy(out + r * bytes, w + r * row_bytes, (size_t)bytes);
    return out;
}

static void matmul_piece(void *context, size_t piece)
{
    const matmul_job *p = context;
    const matrix *w = p->w;
    const int64_t size = w->dtype == DTYPE_F32 ? 4 : 2, row_bytes = w->k * size;
    const int64_t begin = (int64_t)piece * p->piece_rows, end = smaller(begin + p->piece_rows, w->n);
    const int64_t tiles = (p->m + MAX_TOKENS - 1) / MAX_TOKENS;
    const int64_t row_block = tiles == 1 ? MAX_ROWS : BLOCK_BYTES / (BLOCK_K * size);
    const bool packed = tiles >= WORTH_PACKING && w->k > BLOCK_K;
    char block[BLOCK_BYTES];
    void (*run)(int, bool, const matmul_tile *, int64_t) = w->dtype == DTYPE_BF16 ? matmul_bf16 : w->dtype == DTYPE_F16 ? matmul_f16 : matmul_f32;

    for (int64_t n = begin; n < end; n += row_block) {
        const int64_t rows = smaller(row_block, end - n);
        for (int64_t k = 0; k < w->k; k += BLOCK_K) {
            const char *at = (const char *)w->data + n * row_bytes + k * size;
            const char *next = at;   /* the block of weights that the walk comes to after this one */
            if (tiles > 1 && k + BLOCK_K < w->k)
                next += BLOCK_K * size;
            else if (n + rows < end)
                next += rows * row_bytes - (tiles > 1 ? k * size : 0);
            else if (begin + p->stride_rows + rows <= w->n)
                next = (const char *)w->data + (begin + p->stride_rows) * row_bytes + (tiles > 1 ? 0 : k * size);
            const int64_t columns = smaller(BLOCK_K, w->k - k);
            matmul_tile t = {.row_bytes = row_bytes, .ahead_bytes = row_bytes, .w = at, .ldy = p->ldy, .k = columns, .first = k == 0};
            if (packed) {
                t.w = pack_rows(at, rows, row_bytes, columns * size, block);
                t.row_bytes = columns * size;
            }
            for (int64_t i = 0, m = 0; i < tiles; i++) {
                const int64_t tokens = p->m / tiles + (i < p->m % tiles);
                t.ahead = tiles == 1 ? next : i < 2 ? next + 2 * i * row_bytes : at;
                t.x = p->x + m * p->padded_k + tokens * k;
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

typedef struct arrange_job {
    enum dtype dtype;      /* of the weights */
    const float *x;        /* [m][k], rows ldx apart */
    float *out;
    int64_t ldx, m, k, padded_k;
} arrange_job;

/* A tile's activations as it walks through them: [step][token of the tile][2 * WIDTH], zeros behind K. */
static void arrange_tile(void *context, size_t tile)
{
    const arrange_job *p = context;
    const int64_t step = 2 * WIDTH, tiles = (p->m + MAX_TOKENS - 1) / MAX_TOKENS, i = (int64_t)tile, rest = p->m % tiles;
    const int64_t tokens = p->m / tiles + (i < rest), first = i * (p->m / tiles) + (i < rest ? i : rest);
    const float *x = p->x + first * p->ldx;
    float *out = p->out + first * p->padded_k;
    for (int64_t at = 0; at < p->k; at += step) {
        for (int64_t t = 0; t < tokens; t++, out += step) {
            if (at + step <= p->k) {
                activations_arrange(p->dtype, x + t * p->ldx + at, out);
            } else {
                float tail[2 * WIDTH] = {0};
                memcpy(tail, x + t * p->ldx + at, (size_t)(p->k - at) * sizeof(float));
                activations_arrange(p->dtype, tail, out);
            }
        }
    }
}

static void matmul(const matrix *w, const float *x, int64_t ldx, float *y, int64_t ldy, int64_t m, threads *pool)
{
    const int64_t padded_k = (w->k + 2 * WIDTH - 1) / (2 * WIDTH) * (2 * WIDTH);
    float *arranged = scratch_get((size_t)(m * padded_k));
    arrange_job arrange = {.dtype = w->dtype, .x = x, .out = arranged, .ldx = ldx, .m = m, .k = w->k, .padded_k = padded_k};
    threads_run(m * padded_k < WORTH_THREADS ? NULL : pool, (size_t)((m + MAX_TOKENS - 1) / MAX_TOKENS), arrange_tile, &arrange);
    /* Equal pieces, about four a thread to balance the load; more rows a piece waste less at its start. */
    const int64_t count = threads_count(pool), most = (w->n + 63) / 64, share = (w->n + 1023) / 1024;
    int64_t pieces = count == 1 ? 1 : most < 4 * count ? most : 4 * count > share ? 4 * count : (share + count - 1) / count * count;
    const int64_t piece_rows = (w->n + pieces * 8 - 1) / (pieces * 8) * 8;
    matmul_job p = {.w = w, .x = arranged, .y = y, .padded_k = padded_k, .ldy = ldy, .m = m, .piece_rows = piece_rows, .stride_rows = piece_rows * count};
    threads_run(pool, (size_t)((w->n + piece_rows - 1) / piece_rows), matmul_piece, &p);
}

#endif
