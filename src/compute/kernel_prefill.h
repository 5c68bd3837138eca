/* Matrix products of the prefill phase. Included by a family's file, behind its vector header.
 *
 * PANEL rows of weights are transposed to f32 panels [k][PANEL]; a tile of tokens multiplies them as outer products, one
 * element of K at a time: each output is one lane of one register. Its order is the same in every tile: within a block of
 * BLOCK_K_PREFILL elements one after the other, blocks added in turn, and the bias last. */
#ifndef COMPUTE_KERNEL_PREFILL_H
#define COMPUTE_KERNEL_PREFILL_H

#include <string.h>

#include "base/threads.h"
#include "compute/backend.h"
#include "compute/scratch.h"

#define PANEL (2 * WIDTH)
#define BLOCK_K_PREFILL 256
#define MAX_PIECE_ROWS 256
#define X_STRIDE (BLOCK_K_PREFILL + 16)   /* one cache line more, so that a tile's rows fall into different sets */

typedef struct prefill_product {
    const matrix *w;
    const float *x;    /* [m][k], rows ldx apart */
    float *y;          /* [m][n], rows ldy apart */
    int64_t ldx, ldy, m, piece_rows;
} prefill_product;

/* y[tokens][PANEL] = or += x[tokens][k] * panel[k][PANEL] */
static inline __attribute__((always_inline)) void prefill_tile(int tokens, int64_t k, const float *panel, const float *x, float *y, int64_t ldy, bool first)
{
    vec sums[PREFILL_TOKENS][2];
#pragma GCC unroll 12
    for (int t = 0; t < tokens; t++)
        sums[t][0] = sums[t][1] = vec_zero();
    for (int64_t i = 0; i < k; i++) {
        vec a = vec_load(panel + i * PANEL), b = vec_load(panel + i * PANEL + WIDTH);
#pragma GCC unroll 12
        for (int t = 0; t < tokens; t++) {
            vec value = vec_set(x[t * X_STRIDE + i]);
            sums[t][0] = vec_fma(value, a, sums[t][0]);
            sums[t][1] = vec_fma(value, b, sums[t][1]);
        }
    }
#pragma GCC unroll 12
    for (int t = 0; t < tokens; t++, y += ldy) {
        vec_store(y, first ? sums[t][0] : vec_add(vec_load(y), sums[t][0]));
        vec_store(y + WIDTH, first ? sums[t][1] : vec_add(vec_load(y + WIDTH), sums[t][1]));
    }
}

static void prefill_tokens(int64_t tokens, int64_t k, const float *panel, const float *x, float *y, int64_t ldy, bool first)
{
    switch (tokens) {
    case 1: prefill_tile(1, k, panel, x, y, ldy, first); break;
    case 2: prefill_tile(2, k, panel, x, y, ldy, first); break;
    case 3: prefill_tile(3, k, panel, x, y, ldy, first); break;
    case 4: prefill_tile(4, k, panel, x, y, ldy, first); break;
    case 5: prefill_tile(5, k, panel, x, y, ldy, first); break;
    case 6: prefill_tile(6, k, panel, x, y, ldy, first); break;
#if PREFILL_TOKENS > 6
    case 7: prefill_tile(7, k, panel, x, y, ldy, first); break;
    case 8: prefill_tile(8, k, panel, x, y, ldy, first); break;
    case 9: prefill_tile(9, k, panel, x, y, ldy, first); break;
    case 10: prefill_tile(10, k, panel, x, y, ldy, first); break;
    case 11: prefill_tile(11, k, panel, x, y, ldy, first); break;
    case 12: prefill_tile(12, k, panel, x, y, ldy, first); break;
#endif
    }
}

static void transpose_bf16(const char *w, int64_t row_bytes, int64_t rows, int64_t k, float *out) { weights_transpose(DTYPE_BF16, w, row_bytes, rows, k, out, PANEL); }
static void transpose_f16(const char *w, int64_t row_bytes, int64_t rows, int64_t k, float *out) { weights_transpose(DTYPE_F16, w, row_bytes, rows, k, out, PANEL); }
static void transpose_f32(const char *w, int64_t row_bytes, int64_t rows, int64_t k, float *out) { weights_transpose(DTYPE_F32, w, row_bytes, rows, k, out, PANEL); }

/* A tile over the last, narrower panel: computed whole, and the columns that exist copied. */
static void prefill_narrow(int64_t tokens, int64_t k, const float *panel, const float *x, float *y, int64_t ldy, bool first, int64_t columns)
{
    float whole[PREFILL_TOKENS][PANEL];
    prefill_tokens(tokens, k, panel, x, whole[0], PANEL, true);
    for (int64_t t = 0; t < tokens; t++, y += ldy)
        for (int64_t i = 0; i < columns; i++)
            y[i] = first ? whole[t][i] : y[i] + whole[t][i];
}

static void prefill_piece(void *context, size_t piece)
{
    const prefill_product *p = context;
    const matrix *w = p->w;
    const int64_t size = w->dtype == DTYPE_F32 ? 4 : 2, row_bytes = w->k * size;
    const int64_t begin = (int64_t)piece * p->piece_rows, end = begin + p->piece_rows < w->n ? begin + p->piece_rows : w->n;
    const int64_t tiles = (p->m + PREFILL_TOKENS - 1) / PREFILL_TOKENS;
    void (*turn)(const char *, int64_t, int64_t, int64_t, float *) = w->dtype == DTYPE_BF16 ? transpose_bf16 : w->dtype == DTYPE_F16 ? transpose_f16 : transpose_f32;
    float *panels = scratch_get(SCRATCH_PIECE, MAX_PIECE_ROWS * BLOCK_K_PREFILL + PREFILL_TOKENS * X_STRIDE);
    float *x = panels + MAX_PIECE_ROWS * BLOCK_K_PREFILL;

    for (int64_t k0 = 0; k0 < w->k; k0 += BLOCK_K_PREFILL) {
        const int64_t k = w->k - k0 < BLOCK_K_PREFILL ? w->k - k0 : BLOCK_K_PREFILL;
        for (int64_t n = begin; n < end; n += WIDTH) {
            const int64_t half = (n - begin) % PANEL;
            turn((const char *)w->data + n * row_bytes + k0 * size, row_bytes, end - n, k, panels + (n - begin - half) * BLOCK_K_PREFILL + half);
        }
        for (int64_t i = 0, m = 0; i < tiles; i++) {
            const int64_t tokens = p->m / tiles + (i < p->m % tiles);
            for (int64_t t = 0; t < tokens; t++)
                memcpy(x + t * X_STRIDE, p->x + (m + t) * p->ldx + k0, (size_t)k * sizeof(float));
            for (int64_t n = begin; n < end; n += PANEL) {
                const float *panel = panels + (n - begin) * BLOCK_K_PREFILL;
                float *y = p->y + m * p->ldy + n;
                if (end - n >= PANEL)
                    prefill_tokens(tokens, k, panel, x, y, p->ldy, k0 == 0);
                else
                    prefill_narrow(tokens, k, panel, x, y, p->ldy, k0 == 0, end - n);
            }
            m += tokens;
        }
    }
    if (w->bias)
        for (int64_t m = 0; m < p->m; m++)
            for (int64_t n = begin; n < end; n++)
                p->y[m * p->ldy + n] += w->bias[n];
}

static void prefill_matmul(const matrix *w, const float *x, int64_t ldx, float *y, int64_t ldy, int64_t m, threads *pool)
{
    const int64_t share = w->n / (4 * threads_count(pool)) / PANEL * PANEL;
    const int64_t piece_rows = share < 2 * PANEL ? 2 * PANEL : share > MAX_PIECE_ROWS ? MAX_PIECE_ROWS : share;
    prefill_product p = {.w = w, .x = x, .y = y, .ldx = ldx, .ldy = ldy, .m = m, .piece_rows = piece_rows};
    threads_run(pool, (size_t)((w->n + piece_rows - 1) / piece_rows), prefill_piece, &p);
}

#endif
