/* Attention of one query, for the heads that share a kv head. Included by a family's file, behind its vector header.
 *
 * A score's order: lanes along head_dim, added by vec_sum4's tree, whichever keys are computed beside it. Sums over
 * positions go by the absolute position: the denominator in lane position % WIDTH, the values one position after the other.
 * So neither the blocks' size nor how the query came here changes a bit. */
#ifndef COMPUTE_KERNEL_ATTENTION_H
#define COMPUTE_KERNEL_ATTENTION_H

#include <math.h>
#include <string.h>

#include "compute/backend.h"
#include "compute/kernel_math.h"

/* Consecutive positions of one kv head in one block, and the heads' scores of them. */
typedef struct attention_part {
    const float *rows;     /* [count][head_dim], stride apart */
    int64_t stride, count;
    float *scores;         /* [heads][count], score_stride apart */
    int64_t score_stride;
} attention_part;

/* scores[h][i] = q[h] . rows[i] for four rows, of which `count` exist. */
static inline __attribute__((always_inline)) void score_four(int heads, const float *q, int head_dim, const attention_part *p, int64_t at, int count)
{
    const float *rows[4];
    vec sums[HEADS_AT_ONCE][4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        rows[i] = p->rows + (at + (i < count ? i : 0)) * p->stride;
#pragma GCC unroll 4
        for (int h = 0; h < heads; h++)
            sums[h][i] = vec_zero();
    }
    for (int d = 0; d < head_dim; d += WIDTH) {
        const int n = head_dim - d;
        vec keys[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            keys[i] = n >= WIDTH ? vec_load(rows[i] + d) : vec_load_first(rows[i] + d, n);
#pragma GCC unroll 4
        for (int h = 0; h < heads; h++) {
            vec query = n >= WIDTH ? vec_load(q + h * head_dim + d) : vec_load_first(q + h * head_dim + d, n);
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++)
                sums[h][i] = vec_fma(query, keys[i], sums[h][i]);
        }
    }
#pragma GCC unroll 4
    for (int h = 0; h < heads; h++) {
        float *scores = p->scores + h * p->score_stride + at, four[4];
        vec4_store(four, vec_sum4(sums[h][0], sums[h][1], sums[h][2], sums[h][3]));
        memcpy(scores, four, (size_t)count * sizeof *four);
    }
}

static inline __attribute__((always_inline)) void score_part(int heads, const float *q, int head_dim, const attention_part *p)
{
    int64_t at = 0;
    for (; at + 4 <= p->count; at += 4)
        score_four(heads, q, head_dim, p, at, 4);
    if (at < p->count)
        score_four(heads, q, head_dim, p, at, (int)(p->count - at));
}

/* out[h] += weights[h][i] * rows[i] for one position after the other, in `vectors` vectors from dimension d on; the last one has n lanes. */
static inline __attribute__((always_inline)) void add_vectors(int heads, int vectors, int n, float *out, int head_dim, int d, const attention_part *p)
{
    vec sums[HEADS_AT_ONCE][4];
    out += d;
#pragma GCC unroll 4
    for (int h = 0; h < heads; h++) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sums[h][v] = n == WIDTH ? vec_load(out + h * head_dim + v * WIDTH) : vec_load_first(out + h * head_dim + v * WIDTH, n);
    }
    const float *row = p->rows + d, *weights = p->scores;
    for (int64_t i = 0; i < p->count; i++, row += p->stride, weights++) {
        vec values[4];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            values[v] = n == WIDTH ? vec_load(row + v * WIDTH) : vec_load_first(row + v * WIDTH, n);
#pragma GCC unroll 4
        for (int h = 0; h < heads; h++) {
            vec weight = vec_set(weights[h * p->score_stride]);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                sums[h][v] = vec_fma(weight, values[v], sums[h][v]);
        }
    }
#pragma GCC unroll 4
    for (int h = 0; h < heads; h++) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            if (n == WIDTH)
                vec_store(out + h * head_dim + v * WIDTH, sums[h][v]);
            else
                vec_store_first(out + h * head_dim + v * WIDTH, sums[h][v], n);
        }
    }
}

static inline __attribute__((always_inline)) void add_part(int heads, float *out, int head_dim, const attention_part *p)
{
    int d = 0;
    for (; head_dim - d >= 4 * WIDTH; d += 4 * WIDTH)
        add_vectors(heads, 4, WIDTH, out, head_dim, d, p);
    for (; head_dim - d >= 2 * WIDTH; d += 2 * WIDTH)
        add_vectors(heads, 2, WIDTH, out, head_dim, d, p);
    for (; head_dim - d >= WIDTH; d += WIDTH)
        add_vectors(heads, 1, WIDTH, out, head_dim, d, p);
    if (d < head_dim)
        add_vectors(heads, 1, head_dim - d, out, head_dim, d, p);
}

/* Scores [begin, end) of a row of whole vectors become weights exp(score - max), and 0 around them; returns their sum. */
static float softmax_row(const attention_shape *s, float *scores, int64_t begin, int64_t end)
{
    const int64_t whole = (end + WIDTH - 1) / WIDTH * WIDTH;
    vec max = vec_set(-INFINITY), sum = vec_zero();
    for (int64_t i = 0; i < whole; i += WIDTH) {
        vec v = vec_mul(vec_load(scores + i), vec_set(s->scale));
        if (s->softcap > 0)
            v = vec_mul(vec_tanh(vec_div(v, vec_set(s->softcap))), vec_set(s->softcap));
        vec_store(scores + i, v);
    }
    for (int64_t i = 0; i < begin; i++)
        scores[i] = -INFINITY;
    for (int64_t i = end; i < whole; i++)
        scores[i] = -INFINITY;
    for (int64_t i = 0; i < whole; i += WIDTH)
        max = vec_max(vec_load(scores + i), max);
    max = vec_set(vec_largest(max));
    for (int64_t i = 0; i < whole; i += WIDTH) {
        vec weight = vec_exp(vec_sub(vec_load(scores + i), max));
        vec_store(scores + i, weight);
        sum = vec_add(sum, weight);
    }
    return vec4_first(vec_sum4(sum, vec_zero(), vec_zero(), vec_zero()));
}

static inline __attribute__((always_inline)) void attention_heads(int heads, const attention_shape *s, const attention_query *query, int head,
                                                                 int kv_head, float *scratch)
{
    const int64_t base = query->begin / WIDTH * WIDTH, stride = (query->end - base + WIDTH - 1) / WIDTH * WIDTH;
    const float *q = query->q + (int64_t)head * s->head_dim;
    float *out = query->out + (int64_t)head * s->head_dim, sums[HEADS_AT_ONCE] = {0};
    attention_part part = {.stride = (int64_t)s->kv_heads * s->head_dim, .score_stride = stride};

    for (int pass = 0; pass < 2; pass++) {   /* the keys, then the values */
        for (int64_t at = query->begin; at < query->end; at += part.count) {
            const int64_t block = at / s->block_tokens, first = at % s->block_tokens, left = s->block_tokens - first;
            part.count = left < query->end - at ? left : query->end - at;
            part.rows = (pass == 0 ? query->keys : query->values)[block] + first * part.stride + (int64_t)kv_head * s->head_dim;
            part.scores = scratch + (at - base);
            if (pass == 0)
                score_part(heads, q, s->head_dim, &part);
            else
                add_part(heads, out, s->head_dim, &part);
        }
        if (pass == 0) {
            for (int h = 0; h < heads; h++)
                sums[h] = softmax_row(s, scratch + h * stride, query->begin - base, query->end - base);
            memset(out, 0, (size_t)heads * (size_t)s->head_dim * sizeof *out);
        }
    }
    for (int h = 0; h < heads; h++)
        for (int d = 0; d < s->head_dim; d++)
            out[h * s->head_dim + d] /= sums[h];
}

static void attention(const attention_shape *s, const attention_query *query, int kv_head, float *scratch)
{
    const int group = s->heads / s->kv_heads;
    int head = kv_head * group;
    const int end = head + group;
    for (; end - head >= HEADS_AT_ONCE; head += HEADS_AT_ONCE)
        attention_heads(HEADS_AT_ONCE, s, query, head, kv_head, scratch);
    for (; head < end; head++)
        attention_heads(1, s, query, head, kv_head, scratch);
}

#endif
