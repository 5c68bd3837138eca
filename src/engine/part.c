#include "engine/part.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- what runs row by row, in pieces of several rows */

typedef struct row_pass {
    part *part;
    void (*each)(const struct row_pass *pass, int64_t row);
    int64_t per_piece;
    const plan_vector *norm;
    float scale;
    bool add;              /* there is a pending block output to take in */
    int hop;
    const model_config *config;
} row_pass;

static void pass_piece(void *context, size_t piece)
{
    const row_pass *pass = context;
    int64_t begin = (int64_t)piece * pass->per_piece, end = begin + pass->per_piece;
    for (int64_t i = begin; i < end && i < pass->part->n_rows; i++)
        pass->each(pass, i);
}

static void run_pass(row_pass pass)
{
    const part *p = pass.part;
    int64_t pieces = p->pool ? 4 * (int64_t)threads_count(p->pool) : 1;
    pass.per_piece = (p->n_rows + pieces - 1) / pieces;
    threads_run(p->pool, (size_t)((p->n_rows + pass.per_piece - 1) / pass.per_piece), pass_piece, &pass);
}

/* residual += scale * what the last block gave; 1 is by far the most common scale */
static void take_in(const backend *b, float *x, const float *pending, float scale, int64_t n)
{
    if (scale == 1.0f) {
        b->add(x, pending, n);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        x[i] += scale * pending[i];
}

static void embed_row(const row_pass *pass, int64_t i)
{
    const part *p = pass->part;
    int64_t n = p->plan->config.hidden;
    const tensor *e = p->plan->embedding;
    float *x = p->x + i * n;
    dtype_to_f32(e->dtype, (const char *)e->data + (size_t)(p->rows[i].token * n) * dtype_size(e->dtype), x, (size_t)n);
    if (pass->scale != 1.0f)
        for (int64_t j = 0; j < n; j++)
            x[j] *= pass->scale;
}

static void norm_row(const row_pass *pass, int64_t i)
{
    const part *p = pass->part;
    int64_t n = p->plan->config.hidden;
    if (pass->add)
        take_in(p->backend, p->x + i * n, p->pending + i * n, pass->scale, n);
    p->backend->rms_norm(p->x + i * n, pass->norm->value, 0, (float)pass->config->norm_eps, p->normed + i * n, 1, n);
}

static void swiglu_row(const row_pass *pass, int64_t i)
{
    int64_t n = pass->config->intermediate;
    float *gate = pass->part->gate + i * n;
    pass->part->backend->swiglu(gate, pass->part->up + i * n, gate, n);
}

/* Rotates queries and keys and stores keys and values in the sequence's blocks. */
static void rotate_row(const row_pass *pass, int64_t i)
{
    const part *p = pass->part;
    const model_config *c = pass->config;
    const angles *a = &p->angles[p->hop_angles[pass->hop]];
    int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim, position = p->rows[i].position;
    int64_t at = angles_are_dynamic(a) ? p->first_row + i : position;
    float *projected = p->qkv + i * (q + 2 * kv);
    p->backend->rope(projected, a->cosine + at * a->half, a->sine + at * a->half, (int)(c->heads + c->kv_heads), (int)c->head_dim,
                     (int)c->head_dim);
    int block = p->segments[p->rows[i].segment].table->block[position / KV_BLOCK];
    int64_t inside = position % KV_BLOCK * kv;
    memcpy(kv_keys(p->kv, block, pass->hop) + inside, projected + q, (size_t)kv * sizeof(float));
    memcpy(kv_values(p->kv, block, pass->hop) + inside, projected + q + kv, (size_t)kv * sizeof(float));
}

/* ---- attention, in pieces of (row, key-value head) */

typedef struct attention_pass {
    const part *part;
    const model_config *config;
    attention_shape shape;
    int64_t items;
} attention_pass;

static void attend_piece(void *context, size_t piece)
{
    const attention_pass *pass = context;
    const part *p = pass->part;
    const model_config *c = pass->config;
    int64_t begin = pass->items * (int64_t)piece / p->pieces, end = pass->items * ((int64_t)piece + 1) / p->pieces;
    int64_t q = c->heads * c->head_dim, stride = q + 2 * c->kv_heads * c->head_dim;
    float *scores = p->scores + piece * p->scores_stride;
    for (int64_t item = begin; item < end; item++) {
        int64_t i = item / c->kv_heads;
        const part_row *r = &p->rows[i];
        attention_query query = {.q = p->qkv + i * stride, .out = p->attended + i * q, .keys = p->keys + r->segment * p->stride,
                                 .values = p->values + r->segment * p->stride, .end = r->position + 1};
        if (c->window > 0 && query.end > c->window)
            query.begin = query.end - c->window;
        p->backend->attention(&pass->shape, &query, (int)(item % c->kv_heads), scores);
    }
}

static attention_shape shape_of(const model_config *c)
{
    return (attention_shape){.heads = (int)c->heads, .kv_heads = (int)c->kv_heads, .head_dim = (int)c->head_dim,
                             .block_tokens = KV_BLOCK, .scale = 1.0f / sqrtf((float)c->head_dim)};
}

static void attend(part *p, const model_config *c, int hop)
{
    for (int s = 0; s < p->n_segments; s++) {
        const kv_table *t = p->segments[s].table;
        for (int b = 0; b < t->n; b++) {
            p->keys[s * p->stride + b] = kv_keys(p->kv, t->block[b], hop);
            p->values[s * p->stride + b] = kv_values(p->kv, t->block[b], hop);
        }
    }
    attention_pass pass = {.part = p, .config = c, .shape = shape_of(c), .items = p->n_rows * c->kv_heads};
    threads_run(p->pool, (size_t)p->pieces, attend_piece, &pass);
}

/* ---- the blocks of a hop */

static void multiply(const part *p, const matrix *w, const float *x, int64_t ldx, float *y, int64_t ldy)
{
    p->backend->matmul(p->phase, w, x, ldx, y, ldy, p->n_rows, p->pool);
}

static void run_attention(part *p, const plan_block *block, const model_config *c, int hop)
{
    int64_t hidden = p->plan->config.hidden, q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim, ld = q + 2 * kv;
    multiply(p, &block->attention.q, p->normed, hidden, p->qkv, ld);
    multiply(p, &block->attention.k, p->normed, hidden, p->qkv + q, ld);
    multiply(p, &block->attention.v, p->normed, hidden, p->qkv + q + kv, ld);
    run_pass((row_pass){.part = p, .each = rotate_row, .hop = hop, .config = c});
    attend(p, c, hop);
    multiply(p, &block->attention.o, p->attended, q, p->pending, hidden);
}

static void run_mlp(part *p, const plan_block *block, const model_config *c)
{
    int64_t hidden = p->plan->config.hidden;
    multiply(p, &block->mlp.gate, p->normed, hidden, p->gate, c->intermediate);
    multiply(p, &block->mlp.up, p->normed, hidden, p->up, c->intermediate);
    run_pass((row_pass){.part = p, .each = swiglu_row, .config = c});
    multiply(p, &block->mlp.down, p->gate, c->intermediate, p->pending, hidden);
}

/* Rows, and scratch as long as the longest sequence needs. */
static void begin(part *p)
{
    int64_t kv_heads = 1, longest = 0, row = 0;
    p->stride = 0;
    p->scores_stride = 0;
    for (int s = 0; s < p->n_segments; s++) {
        const segment *g = &p->segments[s];
        for (int64_t i = 0; i < g->count; i++)
            p->rows[row++] = (part_row){.segment = s, .position = g->first + i, .token = g->tokens[i]};
        longest = g->first + g->count > longest ? g->first + g->count : longest;
        p->stride = g->table->n > p->stride ? g->table->n : p->stride;
    }
    for (int i = 0; i < p->n_angles; i++) {
        attention_shape shape = shape_of(p->angles[i].config);
        size_t room = (attention_scratch(&shape, 0, longest) + 15) / 16 * 16;
        p->scores_stride = room > p->scores_stride ? room : p->scores_stride;
        kv_heads = shape.kv_heads > kv_heads ? shape.kv_heads : kv_heads;
    }
    int count = threads_count(p->pool);
    p->pieces = count == 1 ? 1 : (int)(p->n_rows * kv_heads < 8 * count ? p->n_rows * kv_heads : 8 * count);
    size_t pointers = (size_t)p->n_segments * (size_t)p->stride, scores = (size_t)p->pieces * p->scores_stride;
    if (pointers > p->pointer_capacity) {
        p->keys = memory_grow(p->keys, pointers, sizeof *p->keys);
        p->values = memory_grow(p->values, pointers, sizeof *p->values);
        p->pointer_capacity = pointers;
    }
    if (scores > p->scores_capacity) {
        p->scores = memory_grow(p->scores, scores, sizeof *p->scores);
        p->scores_capacity = scores;
    }
}

void part_run(part *p)
{
    begin(p);
    if (p->n_rows == 0)
        return;
    run_pass((row_pass){.part = p, .each = embed_row, .scale = p->plan->hops[0].scale});
    bool add = false;
    for (int h = 0; h < p->plan->n_hops; h++) {
        const plan_hop *hop = &p->plan->hops[h];
        for (int i = 0; i < hop->n_blocks; i++) {
            const plan_block *block = &hop->blocks[i];
            run_pass((row_pass){.part = p,
                                .each = norm_row,
                                .norm = &block->norm,
                                .scale = i == 0 ? hop->scale : 1,
                                .add = add,
                                .config = hop->config});
            if (block->kind == BLOCK_ATTENTION)
                run_attention(p, block, hop->config, h);
            else
                run_mlp(p, block, hop->config);
            add = true;
        }
    }
}

void part_free(part *p)
{
    free(p->keys);
    free(p->values);
    free(p->scores);
    *p = (part){0};
}
