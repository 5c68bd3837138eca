/* Invariants
 * 1. An admitted job has been promised the KV blocks of its worst case; taking a block never fails.
 * 2. A job waits for its donor only while the donor's prompt is being computed: take_donations
 *    runs before any of a step's jobs finish. */
#include "engine/worker.h"

#include <stdlib.h>

#include "base/progress.h"

#define LEAST_DONATION 32   /* tokens */
#define LOGIT_BYTES ((size_t)16 << 20)

int worker_open(worker *w, const plan *p, const backend *b, error *err)
{
    size_t row_bytes = (size_t)p->config.vocab * sizeof(float);
    *w = (worker){.logit_rows = (int64_t)(LOGIT_BYTES / row_bytes)};
    w->logit_rows = w->logit_rows < 64 ? 64 : w->logit_rows > PREFILL_ROWS ? PREFILL_ROWS : w->logit_rows;
    w->logits = memory_try((size_t)w->logit_rows * row_bytes, "logits", err);
    return w->logits ? forward_open(&w->forward, p, b, PREFILL_ROWS, err) : -1;
}

void worker_close(worker *w)
{
    kv_table_free(&w->forward.kv, &w->prefix);
    forward_close(&w->forward);
    free(w->logits);
    free(w->news.text);
    free(w->live);
    free(w->segments);
    free(w->readouts);
    *w = (worker){0};
}

int worker_prepare(worker *w, int width, int64_t positions, error *err)
{
    if (forward_reserve(&w->forward, width + PREFILL_ROWS, err) != 0)
        return -1;
    forward_positions(&w->forward, positions);
    w->segments = memory_grow(w->segments, (size_t)w->forward.max_rows, sizeof *w->segments);
    w->readouts = memory_grow(w->readouts, (size_t)w->forward.max_rows, sizeof *w->readouts);
    w->finished = 0;
    w->step = (engine_stats){0};
    return 0;
}

/* ---- what all prompts begin with */

void worker_compute_prefix(worker *w, int64_t tokens)
{
    forward *f = &w->forward;
    const queue *q = w->queue;
    double start = progress_seconds();
    int32_t *ids = memory_new((size_t)tokens, sizeof *ids);
    for (int64_t i = 0; i < tokens; i++)
        ids[i] = job_token(&q->requests[0], &q->shapes[0], i);
    kv_promise(&f->kv, kv_blocks(tokens));
    for (int64_t at = 0; at < tokens; at += PREFILL_ROWS) {
        int64_t count = tokens - at < PREFILL_ROWS ? tokens - at : PREFILL_ROWS;
        kv_extend(&f->kv, &w->prefix, at + count);
        segment s = {.table = &w->prefix, .tokens = ids + at, .request = &q->requests[0], .first = at, .count = count, .length = tokens};
        forward_step(f, &s, 1);
    }
    free(ids);
    w->step.prefill_tokens += (uint64_t)tokens;
    w->step.prefill_seconds += (progress_seconds() - start) * q->workers;   /* all wait for it */
}

void worker_copy_prefix(worker *w, const worker *from)
{
    kv_promise(&w->forward.kv, kv_blocks(from->prefix.length));
    kv_copy(&w->forward.kv, &w->prefix, &from->forward.kv, &from->prefix);
}

void worker_end(worker *w)
{
    kv_release(&w->forward.kv, &w->prefix);
}

/* ---- admission */

/* A live job whose prompt begins like this one's for longer than what is shared already, and by enough to wait for it. */
static void find_donor(const worker *w, job *j)
{
    int64_t best = j->fed + LEAST_DONATION - 1, half = (j->shape.n_feed + j->fed) / 2;
    if (!w->share)
        return;
    if (best < half)
        best = half;
    for (size_t i = 0; i < w->n_live; i++) {
        const job *d = w->live[i];
        int64_t most = d->shape.n_feed < j->shape.n_prompt ? d->shape.n_feed : j->shape.n_prompt - 1, k = j->fed;
        if (most <= best)
            continue;
        while (k < most && d->tokens[k] == j->tokens[k] && request_row(d->request, k, 1) == request_row(j->request, k, 1))
            k++;
        if (k > best) {
            best = k;
            j->donor = d;
            j->shared = k;
        }
    }
}

static void take_over(worker *w, job *j, const kv_table *from, int64_t tokens)
{
    kv_share(&w->forward.kv, &j->kv, from, tokens);
    w->step.shared_tokens += (uint64_t)tokens;
    j->fed = tokens;
    j->donor = NULL;
}

static void take_donations(worker *w)
{
    for (size_t i = 0; i < w->n_live; i++) {
        job *j = w->live[i];
        if (j->donor && j->donor->fed >= j->shared)
            take_over(w, j, job_prompt_table(j->donor), j->shared);
    }
}

static void tell_text(worker *w, job *j, bool final)
{
    const char *news = w->on_text ? transcript_news(&j->transcript, final, &w->news) : NULL;
    if (news)
        w->on_text(w->on_text_context, j->index, news);
}

static void finish_job(worker *w, job *j)
{
    answer *out = &w->queue->answers[j->index];
    w->live_width -= j->shape.width;
    job_settle(j, out);
    tell_text(w, j, true);
    for (size_t i = 0; i < w->n_live; i++)   /* only where it ended early, its logits not being finite */
        if (w->live[i] && w->live[i]->donor == j)
            take_over(w, w->live[i], &w->prefix, w->prefix.length);
    job_free(j, &w->forward.kv, out);
    w->finished++;
}

static int64_t blocks_beside_prefix(const worker *w, const job_shape *shape)
{
    return shape->blocks - w->prefix.length / KV_BLOCK;
}

/* A request alone always fits: the KV cache is large enough for it. */
static bool fits(void *context, const job_shape *shape)
{
    worker *w = context;
    if (w->n_live > 0 && w->live_width + shape->width > w->slots)
        return false;
    return kv_promise(&w->forward.kv, blocks_beside_prefix(w, shape));
}

static void add_live(worker *w, job *j)
{
    if (w->n_live == w->live_capacity) {
        w->live_capacity = w->live_capacity ? 2 * w->live_capacity : 64;
        w->live = memory_grow(w->live, w->live_capacity, sizeof *w->live);
    }
    w->live[w->n_live++] = j;
}

static void admit(worker *w)
{
    const queue *q = w->queue;
    while (w->n_live == 0 || w->live_width < w->slots) {
        size_t index = queue_take(w->queue, w->number, fits, w);
        if (index == QUEUE_NOTHING)
            return;
        const request *r = &q->requests[index];
        const job_shape *shape = &q->shapes[index];
        job *j = job_new(r, index, shape, &w->forward.plan->config, w->words);
        j->promised = blocks_beside_prefix(w, shape);
        w->live_width += shape->width;
        if (r->max_new == 0 && r->n_continuation == 0) {
            j->finish = FINISH_LENGTH;
            finish_job(w, j);
            continue;
        }
        j->fed = w->prefix.length;
        find_donor(w, j);
        if (!j->donor)
            take_over(w, j, &w->prefix, w->prefix.length);
        add_live(w, j);
        take_donations(w);   /* the donor may be done with its prompt already */
    }
}

/* ---- steps */

/* What a step is made of. */
typedef struct batch {
    int n_segments;
    int64_t prompt_rows, new_rows, readouts;
} batch;

/* The rows of a prompt's piece whose logits are needed: the last ones. */
static int64_t ask(job *j, int64_t first_row, int64_t first, int64_t count, readout *out)
{
    int64_t n = 0, last = j->shape.n_prompt - 1;
    if (!j->request->n_continuation) {
        if (first + count == j->shape.n_feed)
            out[n++] = (readout){.job = j, .row = first_row + count - 1, .continuation = -1};
        return n;
    }
    for (int64_t p = first > last ? first : last; p < first + count; p++)
        out[n++] = (readout){.job = j, .row = first_row + p - first, .continuation = p - last};
    return n;
}

/* A piece of a prompt, as long as the step has room for. */
static void add_piece(worker *w, batch *b, job *j)
{
    int64_t count = j->shape.n_feed - j->fed, row = b->prompt_rows + b->new_rows;
    if (count > PREFILL_ROWS - b->prompt_rows)
        count = PREFILL_ROWS - b->prompt_rows;
    if (count == 0 || j->donor)
        return;
    kv_extend(&w->forward.kv, &j->kv, j->fed + count);
    int64_t wanted = ask(j, row, j->fed, count, w->readouts + b->readouts);
    w->segments[b->n_segments++] = (segment){.table = &j->kv, .tokens = j->tokens + j->fed, .request = j->request, .first = j->fed, .count = count,
                                             .length = j->shape.n_feed, .wanted = wanted};
    b->prompt_rows += count;
    b->readouts += wanted;
    j->fed += count;
}

static void add_token(worker *w, batch *b, job *j, int lane, kv_table *table, const int32_t *token, int64_t position)
{
    kv_extend(&w->forward.kv, table, position + 1);
    w->readouts[b->readouts++] = (readout){.job = j, .row = b->prompt_rows + b->new_rows++, .lane = lane, .continuation = -1};
    w->segments[b->n_segments++] =
        (segment){.table = table, .tokens = token, .first = position, .count = 1, .length = position + 1, .wanted = 1};
}

static void add_tokens(worker *w, batch *b, job *j)
{
    int64_t position = j->shape.n_feed + (j->beam ? j->beam->step : j->n_new) - 1;
    if (!j->beam)
        add_token(w, b, j, 0, &j->kv, &j->tokens[position], position);
    for (int k = 0; j->beam && k < j->beam->n_live; k++)
        add_token(w, b, j, k, &j->beam->live[k].kv, &j->beam->live[k].tokens[j->beam->step - 1], position);
}

/* Finished jobs leave; the others keep their order. */
static void sweep(worker *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->n_live; i++) {
        job *j = w->live[i];
        w->live[i] = NULL;
        if (j->finish == FINISH_NONE) {
            w->live[kept++] = j;
            if (!j->beam)
                tell_text(w, j, false);
        } else {
            finish_job(w, j);
        }
    }
    w->n_live = kept;
}

/* The time of a step counts as prefill and decode by the rows of each. */
static void count_step(worker *w, const batch *b, double seconds)
{
    double prompt_share = (double)b->prompt_rows / (double)(b->prompt_rows + b->new_rows);
    w->step.prefill_tokens += (uint64_t)b->prompt_rows;
    w->step.decode_tokens += (uint64_t)b->new_rows;
    w->step.prefill_seconds += seconds * prompt_share;
    w->step.decode_seconds += seconds * (1 - prompt_share);
}

static void step(worker *w)
{
    batch b = {0};
    double start = progress_seconds();
    for (size_t i = 0; i < w->n_live; i++) {
        job *j = w->live[i];
        if (j->fed < j->shape.n_feed)
            add_piece(w, &b, j);
        else
            add_tokens(w, &b, j);
    }
    forward_step(&w->forward, w->segments, b.n_segments);
    take_donations(w);
    for (int64_t i = 0; i < b.readouts; i++) {
        job *j = w->readouts[i].job;
        if (j->beam && j->beam->step == 0)
            job_start_beams(j);
    }
    readouts_run(&w->forward, w->readouts, b.readouts, w->logits, w->logit_rows);
    readouts_take(w->readouts, b.readouts, &w->forward.kv);
    sweep(w);
    count_step(w, &b, progress_seconds() - start);
}

static void interrupt(worker *w)
{
    for (size_t i = 0; i < w->n_live; i++) {
        job *j = w->live[i];
        w->live[i] = NULL;
        j->finish = FINISH_INTERRUPTED;
        finish_job(w, j);
    }
    w->n_live = 0;
}

void worker_run(worker *w)
{
    bool busy = true, go_on = true;
    while (busy && go_on) {
        admit(w);
        busy = w->n_live > 0;
        if (busy)
            step(w);
        go_on = queue_report(w->queue, w->finished, &w->step);
        w->finished = 0;
        w->step = (engine_stats){0};
    }
    interrupt(w);
}
