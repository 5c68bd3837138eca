#include "engine/forward.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int grow(float **scratch, int64_t rows, int64_t columns, error *err)
{
    free(*scratch);
    *scratch = memory_try((size_t)(rows * columns) * sizeof(float), "the engine's activations", err);
    return *scratch ? 0 : -1;
}

int forward_reserve(forward *f, int64_t rows, error *err)
{
    if (rows <= f->max_rows)
        return 0;
    int64_t q = 0, inner = 0, hidden = f->plan->config.hidden;
    f->widest = 0;
    for (int h = 0; h < f->plan->n_hops; h++) {
        const model_config *c = f->plan->hops[h].config;
        q = larger(q, c->heads * c->head_dim);
        f->widest = larger(f->widest, (c->heads + 2 * c->kv_heads) * c->head_dim);
        inner = larger(inner, c->intermediate);
    }
    f->max_rows = 0;
    if (grow(&f->x, rows, hidden, err) != 0 || grow(&f->pending, rows, hidden, err) != 0 || grow(&f->normed, rows, hidden, err) != 0 ||
        grow(&f->qkv, rows, f->widest, err) != 0 || grow(&f->attended, rows, q, err) != 0 || grow(&f->gate, rows, inner, err) != 0 ||
        grow(&f->up, rows, inner, err) != 0)
        return -1;
    f->rows = memory_grow(f->rows, (size_t)rows, sizeof *f->rows);
    f->position = memory_grow(f->position, (size_t)rows, sizeof *f->position);
    f->length = memory_grow(f->length, (size_t)rows, sizeof *f->length);
    f->max_rows = rows;
    return 0;
}

int forward_open(forward *f, const plan *p, const backend *b, threads *pool, int64_t max_rows, error *err)
{
    *f = (forward){.plan = p, .backend = b, .pool = pool};
    kv_open(&f->kv, p);
    f->angles = memory_new((size_t)p->n_hops, sizeof *f->angles);
    f->hop_angles = memory_new((size_t)p->n_hops, sizeof *f->hop_angles);
    for (int h = 0; h < p->n_hops; h++) {
        int a = 0;
        while (a < f->n_angles && f->angles[a].config != p->hops[h].config)
            a++;
        if (a == f->n_angles)
            angles_open(&f->angles[f->n_angles++], p->hops[h].config);
        f->hop_angles[h] = a;
    }
    return forward_reserve(f, max_rows, err);
}

void forward_close(forward *f)
{
    for (int i = 0; i < f->n_angles; i++)
        angles_close(&f->angles[i]);
    kv_close(&f->kv);
    free(f->angles);
    free(f->hop_angles);
    free(f->x);
    free(f->pending);
    free(f->normed);
    free(f->qkv);
    free(f->attended);
    free(f->gate);
    free(f->up);
    free(f->rows);
    free(f->position);
    free(f->length);
    free(f->keys);
    free(f->values);
    free(f->scores);
    *f = (forward){0};
}

void forward_positions(forward *f, int64_t positions)
{
    for (int i = 0; i < f->n_angles; i++)
        if (!angles_are_dynamic(&f->angles[i]))
            angles_grow(&f->angles[i], positions);
}

/* ---- what runs row by row, in pieces of several rows */

typedef struct row_pass {
    forward *f;
    void (*each)(const struct row_pass *pass, int64_t row);
    int64_t rows, per_piece;
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
    for (int64_t i = begin; i < end && i < pass->rows; i++)
        pass->each(pass, i);
}

static void run_pass(row_pass *pass)
{
    int64_t pieces = 4 * (int64_t)threads_count(pass->f->pool);
    pass->rows = pass->f->n_rows;
    pass->per_piece = (pass->rows + pieces - 1) / pieces;
    threads_run(pass->f->pool, (size_t)((pass->rows + pass->per_piece - 1) / pass->per_piece), pass_piece, pass);
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
    forward *f = pass->f;
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
    forward *f = pass->f;
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
    forward *f = pass->f;
    const model_config *c = pass->config;
    const angles *a = &f->angles[f->hop_angles[pass->hop]];
    int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim, position = f->rows[i].position;
    int64_t at = angles_are_dynamic(a) ? i : position;
    const float *cosine = a->cosine + at * a->half, *sine = a->sine + at * a->half;
    float *projected = f->qkv + i * (q + 2 * kv);
    f->backend->rope(projected, cosine, sine, (int)(c->heads + c->kv_heads), (int)c->head_dim, (int)c->head_dim);
    int block = f->segments[f->rows[i].segment].table->block[position / KV_BLOCK];
    int64_t inside = position % KV_BLOCK * kv;
    memcpy(kv_keys(&f->kv, block, pass->hop) + inside, projected + q, (size_t)kv * sizeof(float));
    memcpy(kv_values(&f->kv, block, pass->hop) + inside, projected + q + kv, (size_t)kv * sizeof(float));
}

/* ---- attention, in pieces of (row, key-value head) */

typedef struct attention_pass {
    forward *f;
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
        const row *r = &f->rows[i];
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
    f->backend->matmul(f->phase, w, x, ldx, y, ldy, f->n_rows, f->pool);
}

static void run_attention(forward *f, const plan_block *block, const model_config *c, int hop)
{
    int64_t hidden = f->plan->config.hidden, q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim, ld = q + 2 * kv;
    multiply(f, &block->attention.q, f->normed, hidden, f->qkv, ld);
    multiply(f, &block->attention.k, f->normed, hidden, f->qkv + q, ld);
    multiply(f, &block->attention.v, f->normed, hidden, f->qkv + q + kv, ld);
    row_pass rotate = {.f = f, .each = rotate_row, .hop = hop, .config = c};
    run_pass(&rotate);
    attend(f, c, hop);
    multiply(f, &block->attention.o, f->attended, q, f->pending, hidden);
}

static void run_mlp(forward *f, const plan_block *block, const model_config *c)
{
    int64_t hidden = f->plan->config.hidden;
    multiply(f, &block->mlp.gate, f->normed, hidden, f->gate, c->intermediate);
    multiply(f, &block->mlp.up, f->normed, hidden, f->up, c->intermediate);
    row_pass pass = {.f = f, .each = swiglu_row, .config = c};
    run_pass(&pass);
    multiply(f, &block->mlp.down, f->gate, c->intermediate, f->pending, hidden);
}

/* Rows, their angles, and scratch as long as the longest sequence of the step needs. */
static void begin_step(forward *f, enum phase phase, const segment *segments, int n)
{
    f->phase = phase;
    f->segments = segments;
    f->n_segments = n;
    f->n_rows = f->stride = 0;
    int64_t kv_heads = 1, longest = 0;
    for (int s = 0; s < n; s++) {
        for (int64_t i = 0; i < segments[s].count; i++) {
            assert(f->n_rows < f->max_rows);
            f->rows[f->n_rows] = (row){.segment = s, .position = segments[s].first + i, .token = segments[s].tokens[i]};
            f->position[f->n_rows] = segments[s].first + i;
            f->length[f->n_rows++] = segments[s].length;
        }
        longest = larger(longest, segments[s].first + segments[s].count);
        f->stride = larger(f->stride, segments[s].table->n);
    }
    f->scores_stride = 0;
    for (int i = 0; i < f->n_angles; i++) {
        attention_shape shape = shape_of(f->angles[i].config);
        size_t room = (attention_scratch(&shape, 0, longest) + 15) / 16 * 16;
        f->scores_stride = room > f->scores_stride ? room : f->scores_stride;
        kv_heads = larger(kv_heads, shape.kv_heads);
        if (angles_are_dynamic(&f->angles[i]))
            angles_of_rows(&f->angles[i], f->position, f->length, f->n_rows);
    }
    int count = threads_count(f->pool);
    f->pieces = count == 1 ? 1 : (int)(f->n_rows * kv_heads < 8 * count ? f->n_rows * kv_heads : 8 * count);
    size_t pointers = (size_t)n * (size_t)f->stride, scores = (size_t)f->pieces * f->scores_stride;
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

void forward_step(forward *f, enum phase phase, const segment *segments, int n)
{
    begin_step(f, phase, segments, n);
    if (f->n_rows == 0)
        return;
    row_pass pass = {.f = f, .each = embed_row, .scale = f->plan->hops[0].scale};
    run_pass(&pass);
    bool add = false;
    for (int h = 0; h < f->plan->n_hops; h++) {
        const plan_hop *hop = &f->plan->hops[h];
        for (int i = 0; i < hop->n_blocks; i++) {
            const plan_block *block = &hop->blocks[i];
            pass = (row_pass){.f = f, .each = norm_row, .norm = &block->norm, .scale = i == 0 ? hop->scale : 1, .add = add, .config = hop->config};
            run_pass(&pass);
            if (block->kind == BLOCK_ATTENTION)
                run_attention(f, block, hop->config, h);
            else
                run_mlp(f, block, hop->config);
            add = true;
        }
    }
}

void forward_logits(forward *f, enum phase phase, const int64_t *rows, int64_t n, float *logits)
{
    const model_config *c = &f->plan->config;
    for (int64_t i = 0; i < n; i++) {
        float *y = f->normed + i * c->hidden;
        memcpy(y, f->x + rows[i] * c->hidden, (size_t)c->hidden * sizeof(float));
        f->backend->add(y, f->pending + rows[i] * c->hidden, c->hidden);
        f->backend->rms_norm(y, f->plan->final_norm.value, 0, (float)c->norm_eps, y, 1, c->hidden);
    }
    f->backend->matmul(phase, &f->plan->head, f->normed, c->hidden, logits, c->vocab, n, f->pool);
}
