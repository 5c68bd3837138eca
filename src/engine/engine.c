#include "engine/engine.h"

#include <stdlib.h>

#include "engine/job.h"
#include "engine/run.h"

#define DEFAULT_SLOTS 64
#define LOGIT_BYTES ((size_t)16 << 20)

engine *engine_new(const plan *p, const engine_options *options, error *err)
{
    engine *e = memory_new(1, sizeof *e);
    e->plan = p;
    e->options = *options;
    if (!e->options.backend)
        e->options.backend = backend_best();
    if (e->options.slots <= 0)
        e->options.slots = DEFAULT_SLOTS;
    int64_t rows = e->options.slots > PREFILL_ROWS ? e->options.slots : PREFILL_ROWS;
    size_t row_bytes = (size_t)p->config.vocab * sizeof(float);
    e->logit_rows = (int64_t)(LOGIT_BYTES / row_bytes);
    e->logit_rows = e->logit_rows < 64 ? 64 : e->logit_rows > PREFILL_ROWS ? PREFILL_ROWS : e->logit_rows;
    e->logits = memory_try((size_t)e->logit_rows * row_bytes, "logits", err);
    if (!e->logits || forward_open(&e->forward, p, e->options.backend, e->options.pool, rows, err) != 0) {
        engine_free(e);
        return NULL;
    }
    return e;
}

void engine_free(engine *e)
{
    if (!e)
        return;
    forward_close(&e->forward);
    free(e->logits);
    free(e->news.text);
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
    forward *f = &e->forward;
    job_shape shape;
    request q = {.ids = ids, .n_ids = n};
    if (job_measure(&q, 0, &e->plan->config, true, &shape, err) != 0 || kv_size(&f->kv, shape.blocks, err) != 0)
        return -1;
    forward_positions(f, shape.positions);
    kv_table table = {0};
    int64_t vocab = e->plan->config.vocab, rows[PREFILL_ROWS];
    for (int64_t at = 0; at < (int64_t)n; at += PREFILL_ROWS) {
        int64_t count = (int64_t)n - at < PREFILL_ROWS ? (int64_t)n - at : PREFILL_ROWS;
        for (int64_t i = 0; i < count; i++)
            rows[i] = i;
        kv_extend(&f->kv, &table, at + count);
        segment s = {.table = &table, .tokens = ids + at, .first = at, .count = count, .length = (int64_t)n};
        forward_step(f, PHASE_PREFILL, &s, 1);
        forward_logits(f, PHASE_PREFILL, rows, count, out + at * vocab);
    }
    kv_table_free(&f->kv, &table);
    return 0;
}
