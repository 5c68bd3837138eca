#include "engine/forward.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Weights of a layer, in bytes, up to which a step is cut into a part a thread: each thread then reads all weights, which
 * must stay cheap (they stay in the second-level cache while a layer runs), and saves a dozen meetings a layer. */
#define SMALL_LAYER ((size_t)2 << 20)

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static size_t matrix_bytes(const matrix *m)
{
    return (size_t)(m->n * m->k) * dtype_size(m->dtype);
}

static size_t hop_bytes(const plan_hop *hop)
{
    size_t bytes = 0;
    for (int i = 0; i < hop->n_blocks; i++) {
        const plan_block *b = &hop->blocks[i];
        if (b->kind == BLOCK_ATTENTION)
            bytes += matrix_bytes(&b->attention.q) + matrix_bytes(&b->attention.k) + matrix_bytes(&b->attention.v) +
                     matrix_bytes(&b->attention.o);
        else
            bytes += matrix_bytes(&b->mlp.gate) + matrix_bytes(&b->mlp.up) + matrix_bytes(&b->mlp.down);
    }
    return bytes;
}

static void measure(forward *f)
{
    f->small = true;
    for (int h = 0; h < f->plan->n_hops; h++) {
        const model_config *c = f->plan->hops[h].config;
        f->q_width = larger(f->q_width, c->heads * c->head_dim);
        f->qkv_width = larger(f->qkv_width, (c->heads + 2 * c->kv_heads) * c->head_dim);
        f->mlp_width = larger(f->mlp_width, c->intermediate);
        if (hop_bytes(&f->plan->hops[h]) > SMALL_LAYER)
            f->small = false;
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
    f->parts = memory_new((size_t)threads_count(pool), sizeof *f->parts);
    for (int h = 0; h < p->n_hops; h++) {
        int a = 0;
        while (a < f->n_angles && f->angles[a].config != p->hops[h].config)
            a++;
        if (a == f->n_angles)
            angles_open(&f->angles[f->n_angles++], p->hops[h].config);
        f->hop_angles[h] = a;
    }
    measure(f);
    return forward_reserve(f, max_rows, err);
}

void forward_close(forward *f)
{
    for (int i = 0; i < f->n_angles; i++)
        angles_close(&f->angles[i]);
    for (int i = 0; f->parts && i < threads_count(f->pool); i++)
        part_free(&f->parts[i]);
    kv_close(&f->kv);
    free(f->angles);
    free(f->hop_angles);
    free(f->parts);
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

/* Segments [from, to) of the step, whose first row is `first`. */
static void set_part(forward *f, part *p, threads *pool, enum phase phase, const segment *segments, int n, int64_t first,
                     int64_t rows)
{
    int64_t hidden = f->plan->config.hidden;
    p->plan = f->plan;
    p->backend = f->backend;
    p->kv = &f->kv;
    p->angles = f->angles;
    p->hop_angles = f->hop_angles;
    p->n_angles = f->n_angles;
    p->pool = pool;
    p->phase = phase;
    p->segments = segments;
    p->n_segments = n;
    p->n_rows = rows;
    p->first_row = first;
    p->rows = f->rows + first;
    p->x = f->x + first * hidden;
    p->pending = f->pending + first * hidden;
    p->normed = f->normed + first * hidden;
    p->qkv = f->qkv + first * f->qkv_width;
    p->attended = f->attended + first * f->q_width;
    p->gate = f->gate + first * f->mlp_width;
    p->up = f->up + first * f->mlp_width;
}

static void run_part(void *context, size_t i)
{
    part_run((part *)context + i);
}

/* Whole segments, in order, to about equal numbers of rows. */
static int split(forward *f, enum phase phase, const segment *segments, int n, int64_t rows)
{
    int count = threads_count(f->pool), parts = 0;
    int64_t first = 0;
    for (int s = 0; s < n;) {
        int64_t goal = rows * (parts + 1) / count, taken = 0;
        int begin = s;
        do
            taken += segments[s++].count;
        while (s < n && (parts + 1 == count || first + taken + segments[s].count / 2 < goal));
        set_part(f, &f->parts[parts++], NULL, phase, segments + begin, s - begin, first, taken);
        first += taken;
    }
    return parts;
}

void forward_step(forward *f, enum phase phase, const segment *segments, int n)
{
    int64_t rows = 0;
    for (int s = 0; s < n; s++)
        rows += segments[s].count;
    assert(rows <= f->max_rows);
    find_angles(f, segments, n);
    if (f->small && n > 1 && threads_count(f->pool) > 1) {
        int parts = split(f, phase, segments, n, rows);
        threads_run(f->pool, (size_t)parts, run_part, f->parts);
    } else {
        set_part(f, &f->parts[0], f->pool, phase, segments, n, 0, rows);
        part_run(&f->parts[0]);
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
