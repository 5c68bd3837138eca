/* A run: what its requests need is measured, KV memory is shared out, the common prefix computed; then the workers run. */
#include "engine/run.h"

#include <math.h>
#include <stdlib.h>

#define LEAST_PREFIX 8     /* tokens: a shorter common beginning is not worth a step of its own */

typedef struct run {
    engine *e;
    queue queue;
    job_shape *shapes;         /* [n], owned */
    int64_t positions;         /* of the longest request */
    int64_t blocks;            /* KV blocks of the largest request */
    size_t largest;            /* its index */
    int width;                 /* sequences of the widest */
    int workers;
    bool share;                /* what prompts have in common */
} run;

/* Under dynamic scaling rotations depend on each sequence's length: nothing can be shared. */
static bool can_share(const engine *e)
{
    const forward *f = &e->workers[0].forward;
    for (int i = 0; i < f->n_angles; i++)
        if (angles_are_dynamic(&f->angles[i]))
            return false;
    return !e->options.no_prefix_sharing;
}

/* Tokens that all prompts begin with; a prompt's last token is always computed for itself. */
static int64_t common_prefix(const run *r)
{
    const queue *q = &r->queue;
    if (q->n < 2 || !r->share)
        return 0;
    int64_t common = r->shapes[0].n_prompt - 1;
    for (size_t i = 1; i < q->n; i++) {
        int64_t k = 0, most = r->shapes[i].n_prompt - 1;
        if (most > common)
            most = common;
        while (k < most && job_same(&q->requests[i], &r->shapes[i], &q->requests[0], &r->shapes[0], k))
            k++;
        common = k;
    }
    return common < LEAST_PREFIX ? 0 : common;
}

static int measure(run *r, error *err)
{
    const engine *e = r->e;
    const queue *q = &r->queue;
    r->shapes = memory_new(q->n, sizeof *r->shapes);
    r->queue.shapes = r->shapes;
    for (size_t i = 0; i < q->n; i++) {
        job_shape *s = &r->shapes[i];
        if (job_measure(&q->requests[i], i, &e->plan->config, e->options.tokenizer != NULL, s, err) != 0)
            return fail_in(err, "%s", e->plan->name);
        r->positions = s->positions > r->positions ? s->positions : r->positions;
        r->width = s->width > r->width ? s->width : r->width;
        if (s->blocks > r->blocks) {
            r->blocks = s->blocks;
            r->largest = i;
        }
    }
    return 0;
}

static int more_blocks(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* The blocks of so many of the largest requests. */
static int64_t blocks_of_largest(const run *r, size_t count)
{
    int64_t sum = 0, *blocks = memory_new(r->queue.n, sizeof *blocks);
    for (size_t i = 0; i < r->queue.n; i++)
        blocks[i] = r->shapes[i].blocks;
    qsort(blocks, r->queue.n, sizeof *blocks, more_blocks);
    for (size_t i = 0; i < r->queue.n && i < count; i++)
        sum += blocks[i];
    free(blocks);
    return sum;
}

/* How many sequences may go at once. */
static int64_t all_slots(const run *r)
{
    int64_t most = (int64_t)r->queue.n * r->width;
    return r->e->options.slots < most ? r->e->options.slots : most;
}

/* The prefix is given up, and workers are, where the largest request would not fit into a worker's share of `limit` blocks. */
static int choose_workers(run *r, int64_t limit, int64_t *prefix, error *err)
{
    const engine *e = r->e;
    int64_t block_bytes = (int64_t)kv_block_bytes(&e->workers[0].forward.kv);
    if (r->blocks > limit)
        return fail(
            err, ERROR_MEMORY,
            "request %zu: may come to %lld positions%s, whose keys and values take %lld bytes; "
            "the limit is %lld (--memory raises it)",
            r->largest, (long long)r->shapes[r->largest].positions, r->shapes[r->largest].width > 1 ? " in each beam" : "",
            (long long)(r->blocks * block_bytes), (long long)(limit * block_bytes));
    if (r->blocks + kv_blocks(*prefix) > limit)
        *prefix = 0;
    int64_t least = r->blocks + kv_blocks(*prefix), most = e->small && !e->on_text ? threads_count(e->options.pool) : 1;
    most = most < all_slots(r) ? most : all_slots(r);
    most = most < (int64_t)r->queue.n ? most : (int64_t)r->queue.n;
    r->workers = (int)(most < limit / least ? most : limit / least);
    return 0;
}

static int prepare_worker(run *r, int i, int64_t blocks, error *err)
{
    engine *e = r->e;
    worker *w = &e->workers[i];
    if (i >= e->n_workers) {
        if (worker_open(w, e->plan, e->options.backend, err) != 0) {
            worker_close(w);
            return -1;
        }
        e->n_workers = i + 1;
    }
    w->queue = &r->queue;
    w->number = i;
    w->slots = (int)(all_slots(r) / r->workers + (i < all_slots(r) % r->workers));
    w->share = r->share;
    w->words = e->options.tokenizer;
    w->on_text = e->on_text;
    w->on_text_context = e->on_text_context;
    if (kv_size(&w->forward.kv, blocks, err) != 0)
        return -1;
    return worker_prepare(w, w->slots > r->width ? w->slots : r->width, r->positions, err);
}

/* Workers, and each one's KV memory: what its slots may need, as far as its share of the limit goes. */
static int prepare_workers(run *r, int64_t *prefix, error *err)
{
    engine *e = r->e;
    size_t bytes = e->options.kv_bytes ? e->options.kv_bytes : ENGINE_KV_BYTES;
    int64_t limit = (int64_t)(bytes / kv_block_bytes(&e->workers[0].forward.kv));
    if (choose_workers(r, limit, prefix, err) != 0)
        return -1;
    int64_t share = limit / r->workers, slots = (all_slots(r) + r->workers - 1) / r->workers;
    int64_t wanted = blocks_of_largest(r, (size_t)slots) + kv_blocks(*prefix), blocks = wanted < share ? wanted : share;
    for (int i = 0; i < e->n_workers; i++)   /* an earlier run's, before more is taken */
        if (i >= r->workers || e->workers[i].forward.kv.n_blocks > share)
            kv_drop(&e->workers[i].forward.kv);
    for (int i = 0; i < r->workers; i++)
        if (prepare_worker(r, i, blocks, err) != 0)
            return -1;
    return 0;
}

static void run_worker(void *context, size_t i)
{
    worker_run((worker *)context + i);
}

int run_requests(engine *e, const request *requests, size_t n, answer *answers, engine_progress *progress, void *context,
                 error *err)
{
    run r = {.e = e, .share = can_share(e), .queue = {.requests = requests, .answers = answers, .n = n, .progress = progress, .context = context}};
    int status = measure(&r, err);
    int64_t prefix = status == 0 ? common_prefix(&r) : 0;
    if (status == 0)
        status = prepare_workers(&r, &prefix, err);
    if (status == 0) {
        queue_open(&r.queue, r.workers);
        e->workers[0].forward.pool = e->options.pool;
        if (prefix > 0)
            worker_compute_prefix(&e->workers[0], prefix);
        for (int i = 0; i < r.workers; i++) {
            if (i > 0)
                worker_copy_prefix(&e->workers[i], &e->workers[0]);
            e->workers[i].forward.pool = r.workers == 1 ? e->options.pool : NULL;
        }
        threads_run(e->options.pool, (size_t)r.workers, run_worker, e->workers);
        for (int i = 0; i < r.workers; i++)
            worker_end(&e->workers[i]);
        for (size_t i = 0; i < n; i++)   /* never begun */
            if (answers[i].finish == FINISH_NONE)
                answers[i] = (answer){.finish = FINISH_INTERRUPTED, .min_margin = INFINITY};
        e->stats = r.queue.stats;
        queue_close(&r.queue);
    }
    free(r.shapes);
    return status;
}
