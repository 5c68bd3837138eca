/* A step's rows, taken from the embeddings through the last block. */
#include <string.h>

#include "engine/job.h"
#include "engine/rows.h"

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

/* One row of a table to f32. */
static void read_row(const tensor *table, int64_t row, float *x, int64_t n)
{
    dtype_to_f32(table->dtype, (const char *)table->data + (size_t)(row * n) * dtype_size(table->dtype), x, (size_t)n);
}

static void embed_row(const row_pass *pass, int64_t i)
{
    const forward *f = pass->f;
    const plan *p = f->plan;
    int64_t n = p->config.hidden;
    float *x = f->x + i * n, *place = f->normed + i * n;
    if (f->rows[i].embedding)
        memcpy(x, f->rows[i].embedding, (size_t)n * sizeof *x);
    else
        read_row(p->embedding, f->rows[i].token, x, n);
    if (p->positions) {
        read_row(p->positions, f->rows[i].position, place, n);
        f->backend->add(x, place, n);
    }
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
    if (pass->block->norm.weight.source)
        row_norm(f->backend, &pass->block->norm, pass->config, f->x + i * n, f->normed + i * n, n);
}

static void post_norm_row(const row_pass *pass, int64_t i)
{
    const forward *f = pass->f;
    int64_t n = f->plan->config.hidden;
    row_norm(f->backend, &pass->block->post_norm, pass->config, f->pending + i * n, f->pending + i * n, n);
}

static void activate_row(const row_pass *pass, int64_t i)
{
    const forward *f = pass->f;
    int64_t n = pass->config->intermediate;
    f->backend->activate(pass->config->activation, f->gate + i * n, pass->block->mlp.up.data ? f->up + i * n : NULL, f->gate + i * n, n);
}

/* pending += normed, which holds the output of a parallel block */
static void join_row(const row_pass *pass, int64_t i)
{
    const forward *f = pass->f;
    int64_t n = f->plan->config.hidden;
    f->backend->add(f->pending + i * n, f->normed + i * n, n);
}

static void run_mlp(forward *f, const plan_block *block, const model_config *c, const float *x, float *y)
{
    int64_t hidden = f->plan->config.hidden;
    rows_multiply(f, &block->mlp.gate, x, hidden, f->gate, c->intermediate);
    if (block->mlp.up.data)
        rows_multiply(f, &block->mlp.up, x, hidden, f->up, c->intermediate);
    rows_run((row_pass){.f = f, .each = activate_row, .block = block, .config = c});
    rows_multiply(f, &block->mlp.down, f->gate, c->intermediate, y, hidden);
}

/* The MLP, of experts or not. A parallel one gives its output over what it reads, which is free by then. */
static void run_second(forward *f, const plan_block *block, const model_config *c)
{
    const float *x = block->norm.weight.source ? f->normed : f->x;
    float *y = block->parallel ? f->normed : f->pending;
    if (block->kind == BLOCK_EXPERTS)
        experts_run(f, &block->experts, c, x, y);
    else
        run_mlp(f, block, c, x, y);
    if (block->parallel)
        rows_run((row_pass){.f = f, .each = join_row});
}

/* `add`: a block came before this one. */
static void run_block(forward *f, int h, int i, bool add, bool last)
{
    const plan_hop *hop = &f->plan->hops[h];
    const plan_block *block = &hop->blocks[i];
    rows_run((row_pass){.f = f, .each = norm_row, .block = block, .scale = i == 0 ? hop->scale : 1, .add = add && !block->parallel,
                        .config = hop->config});
    if (block->kind == BLOCK_ATTENTION)
        attention_run(f, block, hop, h, last);
    else
        run_second(f, block, hop->config);
    if (block->post_norm.weight.source && f->n_rows > 0)
        rows_run((row_pass){.f = f, .each = post_norm_row, .block = block, .config = hop->config});
}

static void number_rows(forward *f)
{
    int64_t row = 0;
    for (int s = 0; s < f->n_segments; s++) {
        const segment *g = &f->segments[s];
        for (int64_t i = 0; i < g->count; i++)
            f->rows[row++] = (step_row){.segment = s, .position = g->first + i, .token = g->tokens[i],
                                        .embedding = g->request ? request_row(g->request, g->first + i, f->plan->config.hidden) : NULL};
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
    const plan *p = f->plan;
    const plan_block *last = last_attention(p);
    const int64_t all_rows = f->n_rows;
    number_rows(f);
    attention_begin(f);
    rows_run((row_pass){.f = f, .each = embed_row, .scale = p->hops[0].scale * (float)p->config.embedding_scale});
    for (int h = 0; h < p->n_hops; h++)
        for (int i = 0; i < p->hops[h].n_blocks; i++) {
            run_block(f, h, i, h + i > 0, &p->hops[h].blocks[i] == last);
            if (f->n_rows == 0)
                return;
        }
    if (f->n_rows < all_rows)
        attention_spread(f, all_rows);
}
