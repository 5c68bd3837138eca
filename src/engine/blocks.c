/* A step's rows, taken from the embeddings through the last block. */
#include "engine/forward.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- what runs row by row, in pieces of several rows */

typedef struct row_pass {
    forward *f;
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
    for (int64_t i = begin; i < end && i < pass->f->n_rows; i++)
        pass->each(pass, i);
}

static void run_pass(row_pass pass)
{
    const forward *f = pass.f;
    int64_t pieces = f->pool ? 4 * (int64_t)threads_count(f->pool) : 1;
    pass.per_piece = (f->n_rows + pieces - 1) / pieces;
    threads_run(f->pool, (size_t)((f->n_rows + pass.per_piece - 1) / pass.per_piece), pass_piece, &pass);
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
    const forward *f = pass->f;
    int64_t n = f->plan->config.hidden;
    const tensor *e = f->plan->embedding;
    float *x = f->x + i * n;
    dtype_to_f32(e->dtype, (const char *)e->data + (size_t)(f->rows[i].token * n) * dtype_size(e->dtype), x, (size_t)n);
    if (pass->scale != 1.0f)
        for (int64_t j = 0; j < n; j++)
            x[j] *= pass->scale;
}

static void norm_row(const row_pass *pass, int64_t i)
{
    const forward *f = pass->f;
    int64_t n = f->plan->config.hidden;
    if (pass->add)
        take_in(f->backend, f->x + i * n, f->pending + i * n, pass->scale, n);
    f->backend->rms_norm(f->x + i * n, pass->norm->value, 0, (float)pass->config->norm_eps, f->normed + i * n, 1, n);
}

static void swiglu_row(const row_pass *pass, int64_t i)
{
    int64_t n = pass->config->intermediate;
    float *gate = pass->f->gate + i * n;
    pass->f->backend->swiglu(gate, pass->f->up + i * n, gate, n);
}

/* Rotates queries and keys and stores keys and values in the sequence's blocks. */
static void rotate_row(const row_pass *pass, int64_t i)
{
    const forward *f = pass->f;
    const model_config *c = pass->config;
    const angles *a = &f->angles[f->hop_angles[pass->hop]];
    int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim, position = f->rows[i].position;
    int64_t at = angles_are_dynamic(a) ? i : position;
    float *projected = f->qkv + i * (q + 2 * kv);
    f->backend->rope(projected, a->cosine + at * a->half, a->sine + at * a->half, (int)(c->heads + c->kv_heads), (int)c->head_dim,
                     (int)c->head_dim);
    int block = f->segments[f->rows[i].segment].table->block[position / KV_BLOCK];
    kv_write(&f->kv, block, pass->hop, (int)(position % KV_BLOCK), projected + q, projected + q + kv);
}

/* ---- attention, in pieces of (row, key-value head) */

typedef struct attention_pass {
    const forward *f;
    const model_config *config;
    attention_shape shape;
    int64_t items;
} attention_pass;

static void attend_piece(void *context, size_t piece)
{
    const attention_pass *pass = context;
    const forward *f = pass->f;
    const model_config *c = pass->config;
    int64_t begin = pass->items * (int64_t)piece / f->pieces, end = pass->items * ((int64_t)piece + 1) / f->pieces;
    int64_t q = c->heads * c->head_dim, stride = q + 2 * c->kv_heads * c->head_dim;
    float *scores = f->scores + piece * f->scores_stride;
    for (int64_t item = begin; item < end; item++) {
        int64_t i = item / c->kv_heads;
        const step_row *r = &f->rows[i];
        attention_query query = {.q = f->qkv + i * stride, .out = f->attended + i * q, .keys = f->keys + r->segment * f->stride,
                                 .values = f->values + r->segment * f->stride, .end = r->position + 1};
        if (c->window > 0 && query.end > c->window)
            query.begin = query.end - c->window;
        f->backend->attention(&pass->shape, &query, (int)(item % c->kv_heads), scores);
    }
}

static attention_shape shape_of(const model_config *c)
{
    return (attention_shape){.heads = (int)c->heads, .kv_heads = (int)c->kv_heads, .head_dim = (int)c->head_dim,
                             .block_tokens = KV_BLOCK, .scale = 1.0f / sqrtf((float)c->head_dim)};
}

static void attend(forward *f, const model_config *c, int hop)
{
    for (int s = 0; s < f->n_segments; s++) {
        const kv_table *t = f->segments[s].table;
        for (int b = 0; b < t->n; b++) {
            f->keys[s * f->stride + b] = kv_keys(&f->kv, t->block[b], hop);
            f->values[s * f->stride + b] = kv_values(&f->kv, t->block[b], hop);
        }
    }
    attention_pass pass = {.f = f, .config = c, .shape = shape_of(c), .items = f->n_rows * c->kv_heads};
    threads_run(f->pool, (size_t)f->pieces, attend_piece, &pass);
}

/* ---- the blocks of a hop */

static void multiply(const forward *f, const matrix *w, const float *x, int64_t ldx, float *y, int64_t ldy)
{
    f->backend->matmul(w, x, ldx, y, ldy, f->n_rows, f->pool);
}

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

/* Puts what came of the wanted rows back where the step has them. */
static void spread_wanted(forward *f, int64_t all_rows)
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

/* `last`: no block behind this one looks at other positions. */
static void run_attention(forward *f, const plan_block *block, const model_config *c, int hop, bool last)
{
    int64_t hidden = f->plan->config.hidden, q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim, ld = q + 2 * kv;
    multiply(f, &block->attention.q, f->normed, hidden, f->qkv, ld);
    multiply(f, &block->attention.k, f->normed, hidden, f->qkv + q, ld);
    multiply(f, &block->attention.v, f->normed, hidden, f->qkv + q + kv, ld);
    run_pass((row_pass){.f = f, .each = rotate_row, .hop = hop, .config = c});
    if (last)
        keep_wanted(f, c);
    if (f->n_rows == 0)
        return;
    attend(f, c, hop);
    multiply(f, &block->attention.o, f->attended, q, f->pending, hidden);
}

static void run_mlp(forward *f, const plan_block *block, const model_config *c)
{
    int64_t hidden = f->plan->config.hidden;
    multiply(f, &block->mlp.gate, f->normed, hidden, f->gate, c->intermediate);
    multiply(f, &block->mlp.up, f->normed, hidden, f->up, c->intermediate);
    run_pass((row_pass){.f = f, .each = swiglu_row, .config = c});
    multiply(f, &block->mlp.down, f->gate, c->intermediate, f->pending, hidden);
}

/* Rows, and scratch as long as the longest sequence needs. */
static void begin(forward *f)
{
    int64_t kv_heads = 1, longest = 0, row = 0;
    f->stride = 0;
    f->scores_stride = 0;
    for (int s = 0; s < f->n_segments; s++) {
        const segment *g = &f->segments[s];
        for (int64_t i = 0; i < g->count; i++)
            f->rows[row++] = (step_row){.segment = s, .position = g->first + i, .token = g->tokens[i]};
        longest = g->first + g->count > longest ? g->first + g->count : longest;
        f->stride = g->table->n > f->stride ? g->table->n : f->stride;
    }
    for (int i = 0; i < f->n_angles; i++) {
        attention_shape shape = shape_of(f->angles[i].config);
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

static const plan_block *last_attention(const plan *p)
{
    for (int h = p->n_hops - 1; h >= 0; h--)
        for (int i = p->hops[h].n_blocks - 1; i >= 0; i--)
            if (p->hops[h].blocks[i].kind == BLOCK_ATTENTION)
                return &p->hops[h].blocks[i];
    return NULL;
}

void blocks_run(forward *f)
{
    begin(f);
    run_pass((row_pass){.f = f, .each = embed_row, .scale = f->plan->hops[0].scale});
    const plan_block *last = last_attention(f->plan);
    const int64_t all_rows = f->n_rows;
    bool add = false;
    for (int h = 0; h < f->plan->n_hops; h++) {
        const plan_hop *hop = &f->plan->hops[h];
        for (int i = 0; i < hop->n_blocks; i++) {
            const plan_block *block = &hop->blocks[i];
            run_pass((row_pass){.f = f,
                                .each = norm_row,
                                .norm = &block->norm,
                                .scale = i == 0 ? hop->scale : 1,
                                .add = add,
                                .config = hop->config});
            if (block->kind == BLOCK_ATTENTION)
                run_attention(f, block, hop->config, h, block == last);
            else
                run_mlp(f, block, hop->config);
            if (f->n_rows == 0)
                return;
            add = true;
        }
    }
    if (f->n_rows < all_rows)
        spread_wanted(f, all_rows);
}
