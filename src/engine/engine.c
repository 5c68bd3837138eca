#include "engine/engine.h"

#include <stdlib.h>

#include "engine/job.h"
#include "engine/run.h"

#define DEFAULT_SLOTS 64
#define SMALL_MODEL_SLOTS 8   /* a thread: their keys and values stay in the caches */

/* Weights of a layer, and of the head, in bytes, up to which each thread runs sequences of its own: it then reads all weights, which must
 * stay cheap (they stay in the second-level cache while a layer runs), and meets no other thread. */
#define SMALL_LAYER ((size_t)2 << 20)

static size_t matrix_bytes(const matrix *m)
{
    return (size_t)(m->n * m->k) * dtype_size(m->dtype);
}

static void count_matrix(void *bytes, const matrix *m)
{
    *(size_t *)bytes += matrix_bytes(m);
}

static bool is_small(const plan *p)
{
    if (matrix_bytes(&p->head) > SMALL_LAYER)
        return false;
    for (int h = 0; h < p->n_hops; h++) {
        size_t bytes = 0;
        for (int i = 0; i < p->hops[h].n_blocks; i++)
            plan_visit(&p->hops[h].blocks[i], &(plan_visitor){.matrix = count_matrix, .context = &bytes});
        if (bytes > SMALL_LAYER)
            return false;
    }
    return true;
}

int engine_slots(const plan *p, const threads *pool)
{
    return is_small(p) ? SMALL_MODEL_SLOTS * threads_count(pool) : DEFAULT_SLOTS;
}

engine *engine_new(const plan *p, const engine_options *options, error *err)
{
    engine *e = memory_new(1, sizeof *e);
    e->plan = p;
    e->options = *options;
    if (!e->options.backend)
        e->options.backend = backend_best();
    e->small = is_small(p);
    const int workers = e->small ? threads_count(e->options.pool) : 1;
    if (e->options.slots <= 0)
        e->options.slots = engine_slots(p, e->options.pool);
    e->workers = memory_new((size_t)workers, sizeof *e->workers);
    e->n_workers = 1;
    if (worker_open(&e->workers[0], p, e->options.backend, err) != 0) {
        engine_free(e);
        return NULL;
    }
    return e;
}

void engine_free(engine *e)
{
    if (!e)
        return;
    for (int i = 0; i < e->n_workers; i++)
        worker_close(&e->workers[i]);
    free(e->workers);
    free(e);
}

void engine_on_text(engine *e, void (*on_text)(void *, size_t, const char *), void *context)
{
    e->on_text = on_text;
    e->on_text_context = context;
}

engine_stats engine_statistics(const engine *e)
{
    return e->stats;
}

size_t engine_kv_bytes(const plan *p, size_t tokens)
{
    kv_cache kv;
    kv_open(&kv, p);
    size_t bytes = (size_t)kv_blocks((int64_t)tokens) * kv_block_bytes(&kv);
    kv_close(&kv);
    return bytes;
}

void answers_free(answer *answers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        answer *a = &answers[i];
        for (int k = 0; k < a->n_beams; k++)
            free(a->beams[k].tokens);
        free(a->beams);
        free(a->tokens);
        free(a->text);
        free(a->loglik);
        *a = (answer){0};
    }
}

int engine_run(engine *e, const request *requests, size_t n, answer *answers, engine_progress *progress, void *context,
               error *err)
{
    for (size_t i = 0; i < n; i++)
        answers[i] = (answer){0};
    e->stats = (engine_stats){0};
    return n ? run_requests(e, requests, n, answers, progress, context, err) : 0;
}

int engine_logits(engine *e, const int32_t *ids, size_t n, float *out, error *err)
{
    return engine_request_logits(e, &(request){.ids = ids, .n_ids = n}, out, err);
}

int engine_request_logits(engine *e, const request *r, float *out, error *err)
{
    forward *f = &e->workers[0].forward;
    f->pool = e->options.pool;
    job_shape shape;
    const size_t n = r->n_ids;
    const request q = {.ids = r->ids, .n_ids = n, .pictures = r->pictures, .n_pictures = r->n_pictures};
    if (job_measure(&q, 0, &e->plan->config, true, &shape, err) != 0)
        return fail_in(err, "%s", e->plan->name);
    if (kv_size(&f->kv, shape.blocks, err) != 0 ||
        forward_reserve(f, PREFILL_ROWS, err) != 0)
        return -1;
    forward_positions(f, shape.positions);
    kv_table table = {0};
    int64_t vocab = e->plan->config.vocab, rows[PREFILL_ROWS];
    for (int64_t at = 0; at < (int64_t)n; at += PREFILL_ROWS) {
        int64_t count = (int64_t)n - at < PREFILL_ROWS ? (int64_t)n - at : PREFILL_ROWS;
        for (int64_t i = 0; i < count; i++)
            rows[i] = i;
        kv_extend(&f->kv, &table, at + count);
        segment s = {.table = &table, .tokens = r->ids + at, .request = r, .first = at, .count = count, .length = (int64_t)n, .wanted = count};
        forward_step(f, &s, 1);
        forward_logits(f, rows, count, out + at * vocab);
    }
    kv_table_free(&f->kv, &table);
    return 0;
}
