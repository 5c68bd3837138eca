#include "engine/forward.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/rows.h"

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void measure(forward *f)
{
    for (int h = 0; h < f->plan->n_hops; h++) {
        const model_config *c = f->plan->hops[h].config;
        f->q_width = larger(f->q_width, c->heads * c->head_dim);
        f->qkv_width = larger(f->qkv_width, (c->heads + 2 * c->kv_heads) * c->head_dim);
        f->mlp_width = larger(f->mlp_width, c->intermediate);
        f->experts = larger(f->experts, c->experts);
    }
}

static int grow(float **scratch, int64_t rows, int64_t columns, error *err)
{
    free(*scratch);
    *scratch = memory_try((size_t)(rows * columns) * sizeof(float), "the engine's activations", err);
    return *scratch ? 0 : -1;
}

int forward_reserve(forward *f, int64_t rows, error *err)
{
    int64_t hidden = f->plan->config.hidden;
    if (rows <= f->max_rows)
        return 0;
    f->max_rows = 0;
    if (grow(&f->x, rows, hidden, err) != 0 || grow(&f->pending, rows, hidden, err) != 0 ||
        grow(&f->normed, rows, hidden, err) != 0 || grow(&f->qkv, rows, f->qkv_width, err) != 0 ||
        grow(&f->attended, rows, f->q_width, err) != 0 || grow(&f->gate, rows, f->mlp_width, err) != 0 ||
        grow(&f->up, rows, f->mlp_width, err) != 0)
        return -1;
    if (f->experts > 0 && (grow(&f->routed, rows, f->experts, err) != 0 || grow(&f->expert_in, rows, hidden, err) != 0 ||
                           grow(&f->expert_out, rows, hidden, err) != 0))
        return -1;
    f->rows = memory_grow(f->rows, (size_t)rows, sizeof *f->rows);
    f->position = memory_grow(f->position, (size_t)rows, sizeof *f->position);
    f->length = memory_grow(f->length, (size_t)rows, sizeof *f->length);
    f->expert_row = memory_grow(f->expert_row, (size_t)rows, sizeof *f->expert_row);
    f->max_rows = rows;
    return 0;
}

int forward_open(forward *f, const plan *p, const backend *b, int64_t max_rows, error *err)
{
    *f = (forward){.plan = p, .backend = b};
    kv_open(&f->kv, p);
    f->angles = memory_new((size_t)p->n_hops, sizeof *f->angles);
    f->hop_angles = memory_new((size_t)p->n_hops, sizeof *f->hop_angles);
    for (int h = 0; h < p->n_hops; h++) {
        const rope_config *rope = p->hops[h].rope;
        int a = 0;
        while (a < f->n_angles && f->angles[a].rope != rope)
            a++;
        if (rope && a == f->n_angles)
            angles_open(&f->angles[f->n_angles++], rope);
        f->hop_angles[h] = rope ? a : -1;
    }
    measure(f);
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
    free(f->routed);
    free(f->expert_in);
    free(f->expert_out);
    free(f->expert_row);
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

static void find_angles(forward *f, const segment *segments, int n)
{
    int64_t row = 0;
    for (int s = 0; s < n; s++)
        for (int64_t i = 0; i < segments[s].count; i++, row++) {
            f->position[row] = segments[s].first + i;
            f->length[row] = segments[s].length;
        }
    for (int i = 0; i < f->n_angles; i++)
        if (angles_are_dynamic(&f->angles[i]))
            angles_of_rows(&f->angles[i], f->position, f->length, row);
}

void forward_step(forward *f, const segment *segments, int n)
{
    int64_t rows = 0;
    for (int s = 0; s < n; s++)
        rows += segments[s].count;
    assert(rows <= f->max_rows);
    find_angles(f, segments, n);
    f->segments = segments;
    f->n_segments = n;
    f->n_rows = rows;
    if (rows > 0)
        blocks_run(f);
}

typedef struct cap_job { const forward *f; float *logits; } cap_job;

static void cap_row(void *context, size_t i)
{
    const cap_job *job = context;
    const model_config *c = &job->f->plan->config;
    job->f->backend->softcap(job->logits + (int64_t)i * c->vocab, (float)c->logit_softcap, c->vocab);
}

void forward_logits(forward *f, const int64_t *rows, int64_t n, float *logits)
{
    const model_config *c = &f->plan->config;
    for (int64_t i = 0; i < n; i++) {
        float *y = f->normed + i * c->hidden;
        memcpy(y, f->x + rows[i] * c->hidden, (size_t)c->hidden * sizeof(float));
        f->backend->add(y, f->pending + rows[i] * c->hidden, c->hidden);
        row_norm(f->backend, &f->plan->final_norm, &f->plan->configs[0], y, y, c->hidden);
    }
    f->backend->matmul(&f->plan->head, f->normed, c->hidden, logits, c->vocab, n, f->pool);
    if (c->logit_softcap > 0)
        threads_run(f->pool, (size_t)n, cap_row, &(cap_job){f, logits});
}
