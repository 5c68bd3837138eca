/* Attention of one query, for the heads that share a kv head. Included by a family's file, behind its vector header.
 *
 * Keys lie transposed, so that a vector holds the scores of WIDTH consecutive positions: each is summed up along head_dim, one
 * element after the other, without a horizontal sum. Sums over positions go by the absolute position: the denominator in
 * lane position % WIDTH, the values in 1, 2 or 4 sums (ways) by position % ways; head_dim alone tells which.
 * So neither the blocks' size nor how the query came here changes a bit. */
#ifndef COMPUTE_KERNEL_ATTENTION_H
#define COMPUTE_KERNEL_ATTENTION_H

#include <assert.h>
#include <math.h>

#include "compute/backend.h"
#include "compute/kernel_math.h"

#define SUMS 8   /* as many sums at a time keep the multipliers busy */

/* Some heads of one kv head, and their scratch: [heads][score_stride], of positions from `base` on. */
typedef struct attention_heads {
    const attention_shape *shape;
    const attention_query *query;
    int head, kv_head;     /* the first head */
    int64_t base, score_stride;
    float *scores;
} attention_heads;

/* The scaled scores of `groups` times WIDTH positions from `at` on, a multiple of WIDTH; those outside of the query's span are to be
 * overwritten. */
static inline __attribute__((always_inline)) void score_groups(int heads, int groups, const attention_heads *a, int64_t at)
{
    const attention_shape *s = a->shape;
    const float *q = a->query->q + (int64_t)a->head * s->head_dim, *keys[SUMS];
    vec sums[HEADS_AT_ONCE][SUMS];
#pragma GCC unroll 8
    for (int g = 0; g < groups; g++) {
        const int64_t p = at + g * WIDTH;
        keys[g] = a->query->keys[p / s->block_tokens] + (int64_t)a->kv_head * s->head_dim * s->block_tokens + p % s->block_tokens;
#pragma GCC unroll 4
        for (int h = 0; h < heads; h++)
            sums[h][g] = vec_zero();
    }
    for (int64_t d = 0, offset = 0; d < s->head_dim; d++, offset += s->block_tokens) {
        vec key[SUMS];
#pragma GCC unroll 8
        for (int g = 0; g < groups; g++)
            key[g] = vec_load(keys[g] + offset);
#pragma GCC unroll 4
        for (int h = 0; h < heads; h++) {
            const vec element = vec_set(q[h * s->head_dim + d]);
#pragma GCC unroll 8
            for (int g = 0; g < groups; g++)
                sums[h][g] = vec_fma(element, key[g], sums[h][g]);
        }
    }
#pragma GCC unroll 4
    for (int h = 0; h < heads; h++) {
        float *scores = a->scores + h * a->score_stride + (at - a->base);
#pragma GCC unroll 8
        for (int g = 0; g < groups; g++) {
            vec v = vec_mul(sums[h][g], vec_set(s->scale));
            if (s->softcap > 0)
                v = vec_mul(vec_tanh(vec_div(v, vec_set(s->softcap))), vec_set(s->softcap));
            vec_store(scores + g * WIDTH, v);
        }
    }
}

static inline __attribute__((always_inline)) void score_keys(int heads, const attention_heads *a)
{
    const int groups = SUMS / heads;
    int64_t at = a->base;
    for (; at + (groups - 1) * WIDTH < a->query->end; at += groups * WIDTH)
        score_groups(heads, groups, a, at);
    for (; at < a->query->end; at += WIDTH)
        score_groups(heads, 1, a, at);
}

/* Scores [begin, end) of a row of whole vectors become weights exp(score - max), and 0 around them; returns their sum. */
static float softmax_row(float *scores, int64_t begin, int64_t end)
{
    const int64_t whole = (end + WIDTH - 1) / WIDTH * WIDTH;
    vec max = vec_set(-INFINITY), sum = vec_zero();
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

/* `vectors` (1, 2 or 4) vectors of the heads' outputs from dimension d on, the last of n lanes. Where only some of `ways` positions are in the span,
 * the others count as weight 0 times one that is. */
static inline __attribute__((always_inline)) void add_vectors(int heads, int vectors, int n, const attention_heads *a, const float *denominator, int d)
{
    const int ways = 4 / vectors;   /* so that even one head has four sums to add to in turn */
    const attention_shape *s = a->shape;
    const attention_query *query = a->query;
    vec sums[HEADS_AT_ONCE][4][4];
#pragma GCC unroll 4
    for (int h = 0; h < heads; h++) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
#pragma GCC unroll 4
            for (int w = 0; w < ways; w++)
                sums[h][v][w] = vec_zero();
        }
    }
    for (int64_t at = query->begin / ways * ways; at < query->end;) {
        const int64_t inside = at % s->block_tokens, left = s->block_tokens - inside;
        const int64_t stop = at + left < query->end ? at + left : query->end;
        const float *row = query->values[at / s->block_tokens] + ((int64_t)a->kv_head * s->block_tokens + inside) * s->head_dim + d;
        const float *weights = a->scores + (at - a->base);
        for (; at < stop; at += ways, row += ways * s->head_dim, weights += ways) {
            const bool whole = ways == 1 || (at >= query->begin && at + ways <= query->end);
            const int64_t first = query->begin > at ? query->begin - at : 0;
#pragma GCC unroll 4
            for (int w = 0; w < ways; w++) {
                const bool seen = whole || (at + w >= query->begin && at + w < query->end);
                const float *values = row + (seen ? w : first) * s->head_dim;
                vec value[4];
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++)
                    value[v] = n == WIDTH ? vec_load(values + v * WIDTH) : vec_load_first(values + v * WIDTH, n);
#pragma GCC unroll 4
                for (int h = 0; h < heads; h++) {
                    const vec weight = vec_set(seen ? weights[h * a->score_stride + w] : 0);
#pragma GCC unroll 4
                    for (int v = 0; v < vectors; v++)
                        sums[h][v][w] = vec_fma(weight, value[v], sums[h][v][w]);
                }
            }
        }
    }
#pragma GCC unroll 4
    for (int h = 0; h < heads; h++) {
        float *out = query->out + (int64_t)(a->head + h) * s->head_dim + d;
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            vec sum = sums[h][v][0];
            if (ways >= 2)
                sum = vec_add(sum, sums[h][v][1]);
            if (ways >= 4)
                sum = vec_add(sum, vec_add(sums[h][v][2], sums[h][v][3]));
            sum = vec_div(sum, vec_set(denominator[h]));
            if (n == WIDTH)
                vec_store(out + v * WIDTH, sum);
            else
                vec_store_first(out + v * WIDTH, sum, n);
        }
    }
}

static inline __attribute__((always_inline)) void add_values(int heads, const attention_heads *a, const float *denominator)
{
    const int head_dim = a->shape->head_dim;
    int d = 0;
    for (; head_dim - d >= 4 * WIDTH; d += 4 * WIDTH)
        add_vectors(heads, 4, WIDTH, a, denominator, d);
    for (; head_dim - d >= 2 * WIDTH; d += 2 * WIDTH)
        add_vectors(heads, 2, WIDTH, a, denominator, d);
    for (; head_dim - d >= WIDTH; d += WIDTH)
        add_vectors(heads, 1, WIDTH, a, denominator, d);
    if (d < head_dim)
        add_vectors(heads, 1, head_dim - d, a, denominator, d);
}

static inline __attribute__((always_inline)) void attend(int heads, const attention_heads *a)
{
    float denominator[HEADS_AT_ONCE];
    score_keys(heads, a);
    for (int h = 0; h < heads; h++)
        denominator[h] = softmax_row(a->scores + h * a->score_stride, a->query->begin - a->base, a->query->end - a->base);
    add_values(heads, a, denominator);
}

static void attention(const attention_shape *s, const attention_query *query, int kv_head, float *scratch)
{
    assert(s->block_tokens % 16 == 0);
    const int group = s->heads / s->kv_heads;
    attention_heads a = {.shape = s, .query = query, .kv_head = kv_head, .head = kv_head * group, .base = query->begin / WIDTH * WIDTH, .scores = scratch};
    a.score_stride = (query->end - a.base + WIDTH - 1) / WIDTH * WIDTH;
    const int end = a.head + group;
    for (; end - a.head >= HEADS_AT_ONCE; a.head += HEADS_AT_ONCE)
        attend(HEADS_AT_ONCE, &a);
    if (HEADS_AT_ONCE > 2 && end - a.head >= 2) {
        attend(2, &a);
        a.head += 2;
    }
    if (a.head < end)
        attend(1, &a);
}

#endif
