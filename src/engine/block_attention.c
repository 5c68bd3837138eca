/* Attention of a step's rows: from what the norm gave to the block's output. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "compute/scratch.h"
#include "engine/rows.h"

/* ---- queries and keys */

static void norm_heads(const backend *b, const plan_vector *norm, const model_config *c, float *x, int64_t n)
{
    if (norm->source)
        b->rms_norm(x, norm->value, (float)c->norm_offset, (float)c->norm_eps, x, n / norm->n, norm->n);
}

/* [heads][q k v][head_dim] becomes [q k v][heads][head_dim]. */
static void unweave(float *x, int64_t heads, int64_t head_dim)
{
    size_t bytes = (size_t)head_dim * sizeof *x;
    float *woven = scratch_get((size_t)(3 * heads * head_dim));
    memcpy(woven, x, 3 * (size_t)heads * bytes);
    for (int64_t h = 0; h < heads; h++)
        for (int64_t part = 0; part < 3; part++)
            memcpy(x + (part * heads + h) * head_dim, woven + (3 * h + part) * head_dim, bytes);
}

/* Normalises and rotates queries and keys and stores keys and values in the sequence's blocks. */
static void prepare_row(const row_pass *pass, int64_t i)
{
    const forward *f = pass->f;
    const model_config *c = pass->config;
    const plan_attention *a = &pass->block->attention;
    const angles *turn = f->hop_angles[pass->hop] >= 0 ? &f->angles[f->hop_angles[pass->hop]] : NULL;
    int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim, position = f->rows[i].position;
    float *projected = f->qkv + i * (q + 2 * kv);
    if (a->woven)
        unweave(projected, c->heads, c->head_dim);
    norm_heads(f->backend, &a->q_norm, c, projected, q);
    norm_heads(f->backend, &a->k_norm, c, projected + q, kv);
    if (turn) {
        int64_t at = angles_are_dynamic(turn) ? i : position;
        f->backend->rope(projected, turn->cosine + at * turn->half, turn->sine + at * turn->half, (int)(c->heads + c->kv_heads),
                         (int)c->head_dim, (int)(2 * turn->half));
    }
    int block = f->segments[f->rows[i].segment].table->block[position / KV_BLOCK];
    kv_write(&f->kv, block, pass->hop, (int)(position % KV_BLOCK), projected + q, projected + q + kv);
}

/* Copies rows that are wanted between a step's rows and rows side by side. */
static void copy_wanted(const forward *f, float *to, int64_t to_ld, const float *from, int64_t from_ld, int64_t n, bool gather)
{
    int64_t row = 0, kept = 0;
    for (int s = 0; s < f->n_segments; s++) {
        row += f->segments[s].count - f->segments[s].wanted;
        for (int64_t i = 0; i < f->segments[s].wanted; i++, row++, kept++)
            memcpy(to + (gather ? kept : row) * to_ld, from + (gather ? row : kept) * from_ld, (size_t)n * sizeof *to);
    }
}

/* Queries of the wanted rows alone: what the others attend to is not asked. `pending` has been taken in, `attended` is still to come. */
static void project_wanted(forward *f, const plan_attention *a, const float *x, int64_t q, int64_t ld)
{
    int64_t hidden = f->plan->config.hidden, kept = 0;
    for (int s = 0; s < f->n_segments; s++)
        kept += f->segments[s].wanted;
    if (kept == 0)
        return;
    copy_wanted(f, f->pending, hidden, x, hidden, hidden, true);
    f->backend->matmul(&a->q, f->pending, hidden, f->attended, q, kept, f->pool);
    copy_wanted(f, f->qkv, ld, f->attended, q, q, false);
}

static void project(forward *f, const plan_attention *a, const model_config *c, const float *x, bool last)
{
    int64_t hidden = f->plan->config.hidden, q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim, ld = q + 2 * kv;
    if (last && !a->woven)
        project_wanted(f, a, x, q, ld);
    else
        rows_multiply(f, &a->q, x, hidden, f->qkv, ld);
    if (a->woven)
        return;
    rows_multiply(f, &a->k, x, hidden, f->qkv + q, ld);
    rows_multiply(f, &a->v, x, hidden, f->qkv + q + kv, ld);
}

/* ---- scores and values, in pieces of (row, key-value head) */

typedef struct attention_pass {
    const forward *f;
    const plan_hop *hop;
    attention_shape shape;
    int64_t items;
} attention_pass;

static void attend_piece(void *context, size_t piece)
{
    const attention_pass *pass = context;
    const forward *f = pass->f;
    const model_config *c = pass->hop->config;
    int64_t begin = pass->items * (int64_t)piece / f->pieces, end = pass->items * ((int64_t)piece + 1) / f->pieces;
    int64_t q = c->heads * c->head_dim, stride = q + 2 * c->kv_heads * c->head_dim;
    float *scores = f->scores + piece * f->scores_stride;
    for (int64_t item = begin; item < end; item++) {
        int64_t i = item / c->kv_heads;
        const step_row *r = &f->rows[i];
        attention_query query = {.q = f->qkv + i * stride, .out = f->attended + i * q, .keys = f->keys + r->segment * f->stride,
                                 .values = f->values + r->segment * f->stride, .end = r->position + 1};
        if (pass->hop->window > 0 && query.end > pass->hop->window)
            query.begin = query.end - pass->hop->window;
        f->backend->attention(&pass->shape, &query, (int)(item % c->kv_heads), scores);
    }
}

static attention_shape shape_of(const model_config *c)
{
    return (attention_shape){.heads = (int)c->heads, .kv_heads = (int)c->kv_heads, .head_dim = (int)c->head_dim, .block_tokens = KV_BLOCK,
                             .scale = c->query_scale > 0 ? (float)c->query_scale : 1.0f / sqrtf((float)c->head_dim),
                             .softcap = (float)c->attention_softcap};
}

static void attend(forward *f, const plan_hop *hop, int number)
{
    for (int s = 0; s < f->n_segments; s++) {
        const kv_table *t = f->segments[s].table;
        for (int b = 0; b < t->n; b++) {
            f->keys[s * f->stride + b] = kv_keys(&f->kv, t->block[b], number);
            f->values[s * f->stride + b] = kv_values(&f->kv, t->block[b], number);
        }
    }
    attention_pass pass = {.f = f, .hop = hop, .shape = shape_of(hop->config), .items = f->n_rows * hop->config->kv_heads};
    threads_run(f->pool, (size_t)f->pieces, attend_piece, &pass);
}

void attention_begin(forward *f)
{
    int64_t kv_heads = 1, longest = 0;
    f->stride = 0;
    f->scores_stride = 0;
    for (int s = 0; s < f->n_segments; s++) {
        const segment *g = &f->segments[s];
        longest = g->first + g->count > longest ? g->first + g->count : longest;
        f->stride = g->table->n > f->stride ? g->table->n : f->stride;
    }
    for (size_t i = 0; i < f->plan->n_configs; i++) {
        attention_shape shape = shape_of(&f->plan->configs[i]);
        size_t room = (attention_scratch(&shape, 0, longest) + 15) / 16 * 16;
        f->scores_stride = room > f->scores_stride ? room : f->scores_stride;
        kv_heads = shape.kv_heads > kv_heads ? shape.kv_heads : kv_heads;
    }
    int count = threads_count(f->pool);
    f->pieces = count == 1 ? 1 : (int)(f->n_rows * kv_heads < 8 * count ? f->n_rows * kv_heads : 8 * count);
    size_t pointers = (size_t)f->n_segments * (size_t)f->stride, scores = (size_t)f->pieces * f->scores_stride;
    if (pointers > f->pointer_capacity) {
        f->keys = memory_grow(f->keys, pointers, sizeof *f->keys);
        f->values = memory_grow(f->values, pointers, sizeof *f->values);
        f->pointer_capacity = pointers;
    }
    if (scores > f->scores_capacity) {
        f->scores = memory_grow(f->scores, scores, sizeof *f->scores);
        f->scores_capacity = scores;
    }
}

/* ---- the rows that go on */

/* Moves the wanted rows' residual stream and queries to the front: the others have given their keys and values, and nothing
 * else is needed of them. */
static void keep_wanted(forward *f, const model_config *c)
{
    int64_t hidden = f->plan->config.hidden, q = c->heads * c->head_dim, ld = q + 2 * c->kv_heads * c->head_dim, kept = 0, row = 0;
    for (int s = 0; s < f->n_segments; s++) {
        const segment *g = &f->segments[s];
        row += g->count - g->wanted;
        for (int64_t i = 0; i < g->wanted; i++, row++, kept++) {
            if (kept == row)
                continue;
            f->rows[kept] = f->rows[row];
            memmove(f->x + kept * hidden, f->x + row * hidden, (size_t)hidden * sizeof(float));
            memmove(f->qkv + kept * ld, f->qkv + row * ld, (size_t)q * sizeof(float));
        }
    }
    f->n_rows = kept;
}

void attention_spread(forward *f, int64_t all_rows)
{
    int64_t hidden = f->plan->config.hidden, kept = f->n_rows, row = all_rows;
    for (int s = f->n_segments - 1; s >= 0; s--) {
        const segment *g = &f->segments[s];
        for (int64_t i = g->wanted; i > 0; i--) {
            row--;
            kept--;
            memmove(f->x + row * hidden, f->x + kept * hidden, (size_t)hidden * sizeof(float));
            memmove(f->pending + row * hidden, f->pending + kept * hidden, (size_t)hidden * sizeof(float));
        }
        row -= g->count - g->wanted;
    }
}

void attention_run(forward *f, const plan_block *block, const plan_hop *hop, int number, bool last)
{
    const model_config *c = hop->config;
    int64_t q = c->heads * c->head_dim;
    project(f, &block->attention, c, block->norm.weight.source ? f->normed : f->x, last);
    rows_run((row_pass){.f = f, .each = prepare_row, .block = block, .hop = number, .config = c});
    if (last)
        keep_wanted(f, c);
    if (f->n_rows == 0)
        return;
    attend(f, hop, number);
    rows_multiply(f, &block->attention.o, f->attended, q, f->pending, f->plan->config.hidden);
}
