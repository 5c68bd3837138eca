/* The run: requests are admitted in order while slots and promised KV blocks last; each step is either a prefill step
 * (pieces of all prompts that wait) or a decode step (one token of every running sequence).
 *
 * Invariants
 * 1. Prompt tokens, the last one and its logits included, and given continuations run through the prefill kernels;
 *    generated tokens run through the decode kernels.
 * 2. An admitted job has been promised the KV blocks of its worst case; taking a block never fails.
 * 3. A job waits for its donor only while the donor's prompt is being computed: take_donations
 *    runs before any of a step's jobs finish. */
#include "engine/run.h"

#include <stdlib.h>

#include "base/progress.h"
#include "engine/job.h"
#include "engine/readout.h"

#define DEFAULT_KV_BYTES ((size_t)4 << 30)
#define LEAST_PREFIX 8     /* tokens: a shorter common beginning is not worth a step of its own */
#define LEAST_DONATION 32

/* One call of engine_run. */
typedef struct run {
    engine *e;
    const request *requests;
    answer *answers;
    size_t n, next, done;      /* next to admit; finished */
    job_shape *shapes;         /* [n], owned */
    job **live;                /* [n_live], in order of admission; owned */
    size_t n_live, live_capacity;
    int live_width;            /* sequences of the live jobs */
    kv_table prefix;           /* the tokens that all prompts begin with */
    int64_t prefix_blocks;     /* promised for it */
    segment *segments;         /* [max_rows], owned */
    readout *readouts;         /* [max_rows], owned */
} run;

/* ---- before the run */

/* Under dynamic scaling rotations depend on each sequence's length: nothing can be shared. */
static bool can_share(const engine *e)
{
    for (int i = 0; i < e->forward.n_angles; i++)
        if (angles_are_dynamic(&e->forward.angles[i]))
            return false;
    return !e->options.no_prefix_sharing;
}

/* Tokens that all prompts begin with; a prompt's last token is always computed for itself. */
static int64_t common_prefix(const run *r)
{
    if (r->n < 2 || !can_share(r->e))
        return 0;
    int64_t common = r->shapes[0].n_prompt - 1;
    for (size_t i = 1; i < r->n; i++) {
        int64_t k = 0, most = r->shapes[i].n_prompt - 1;
        if (most > common)
            most = common;
        while (k < most && job_token(&r->requests[i], &r->shapes[i], k) == job_token(&r->requests[0], &r->shapes[0], k))
            k++;
        common = k;
    }
    return common < LEAST_PREFIX ? 0 : common;
}

static int more_blocks(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* How much KV memory the run takes, and whether every request fits in it. The prefix is given up where it is in the way. */
static int size_kv(run *r, int64_t *prefix, error *err)
{
    engine *e = r->e;
    size_t bytes = e->options.kv_bytes ? e->options.kv_bytes : DEFAULT_KV_BYTES;
    int64_t limit = (int64_t)(bytes / kv_block_bytes(&e->forward.kv)), wanted = 0, *blocks = memory_new(r->n, sizeof *blocks);
    size_t largest = 0;
    for (size_t i = 0; i < r->n; i++) {
        blocks[i] = r->shapes[i].blocks;
        if (blocks[i] > blocks[largest])
            largest = i;
    }
    int64_t most = blocks[largest];
    qsort(blocks, r->n, sizeof *blocks, more_blocks);
    for (size_t i = 0; i < r->n && i < (size_t)e->options.slots; i++)
        wanted += blocks[i];
    free(blocks);
    if (most > limit)
        return fail(
            err, ERROR_MEMORY,
            "request %zu: may come to %lld positions%s, whose keys and values take %lld bytes; "
            "the limit is %zu (--memory raises it)",
            largest, (long long)r->shapes[largest].positions, r->shapes[largest].width > 1 ? " in each beam" : "",
            (long long)(most * (int64_t)kv_block_bytes(&e->forward.kv)), bytes);
    if (most + kv_blocks(*prefix) > limit)
        *prefix = 0;
    wanted += kv_blocks(*prefix);
    return kv_size(&e->forward.kv, wanted < limit ? wanted : limit, err);
}

static int prepare(run *r, int64_t *prefix, error *err)
{
    engine *e = r->e;
    int64_t positions = 0, rows = e->options.slots;
    r->shapes = memory_new(r->n, sizeof *r->shapes);
    for (size_t i = 0; i < r->n; i++) {
        if (job_measure(&r->requests[i], i, &e->plan->config, e->options.tokenizer != NULL, &r->shapes[i], err) != 0)
            return -1;
        if (r->shapes[i].positions > positions)
            positions = r->shapes[i].positions;
        if (r->shapes[i].width > rows)
            rows = r->shapes[i].width;
    }
    *prefix = common_prefix(r);
    if (size_kv(r, prefix, err) != 0 || forward_reserve(&e->forward, rows, err) != 0)
        return -1;
    forward_positions(&e->forward, positions);
    r->segments = memory_new((size_t)e->forward.max_rows, sizeof *r->segments);
    r->readouts = memory_new((size_t)e->forward.max_rows, sizeof *r->readouts);
    return 0;
}

static void compute_prefix(run *r, int64_t tokens)
{
    forward *f = &r->e->forward;
    if (tokens == 0)
        return;
    double start = progress_seconds();
    int32_t *ids = memory_new((size_t)tokens, sizeof *ids);
    for (int64_t i = 0; i < tokens; i++)
        ids[i] = job_token(&r->requests[0], &r->shapes[0], i);
    r->prefix_blocks = kv_blocks(tokens);
    kv_promise(&f->kv, r->prefix_blocks);
    for (int64_t at = 0; at < tokens; at += PREFILL_ROWS) {
        int64_t count = tokens - at < PREFILL_ROWS ? tokens - at : PREFILL_ROWS;
        kv_extend(&f->kv, &r->prefix, at + count);
        segment s = {.table = &r->prefix, .tokens = ids + at, .first = at, .count = count, .length = tokens};
        forward_step(f, PHASE_PREFILL, &s, 1);
    }
    free(ids);
    r->e->stats.prefill_tokens += (uint64_t)tokens;
    r->e->stats.prefill_seconds += progress_seconds() - start;
}

/* ---- admission */

/* A live job whose prompt begins like this one's for longer than what is shared already, and by enough to wait for it. */
static void find_donor(const run *r, job *j)
{
    if (!can_share(r->e))
        return;
    int64_t best = j->fed + LEAST_DONATION - 1, half = (j->shape.n_feed + j->fed) / 2;
    if (best < half)
        best = half;
    for (size_t i = 0; i < r->n_live; i++) {
        const job *d = r->live[i];
        int64_t most = d->shape.n_feed < j->shape.n_prompt ? d->shape.n_feed : j->shape.n_prompt - 1, k = j->fed;
        if (d->beam || most <= best)
            continue;
        while (k < most && d->tokens[k] == j->tokens[k])
            k++;
        if (k > best) {
            best = k;
            j->donor = d;
            j->shared = k;
        }
    }
}

/* Takes over what all prompts share. */
static void take_prefix(run *r, job *j)
{
    kv_share(&r->e->forward.kv, &j->kv, &r->prefix, r->prefix.length);
    r->e->stats.shared_tokens += (uint64_t)r->prefix.length;
    j->fed = r->prefix.length;
    j->donor = NULL;
}

static void add_live(run *r, job *j)
{
    if (r->n_live == r->live_capacity) {
        r->live_capacity = r->live_capacity ? 2 * r->live_capacity : 64;
        r->live = memory_grow(r->live, r->live_capacity, sizeof *r->live);
    }
    r->live[r->n_live++] = j;
    r->live_width += j->shape.width;
}

/* Whether to let new requests in now. One slot at a time would prefill one prompt at a time, which wastes the
 * prefill kernels: wait until an eighth of the slots (and of the memory) is free, or nothing else is left to do. */
static bool worth_admitting(const run *r)
{
    const kv_cache *kv = &r->e->forward.kv;
    int slots = r->e->options.slots, free_slots = slots - r->live_width;
    if (r->n_live == 0 || (int64_t)(r->n - r->next) <= free_slots)
        return true;
    return free_slots >= (slots + 7) / 8 && kv->n_blocks - kv->promised >= kv->n_blocks / 8;
}

static void tell_text(run *r, job *j, bool final)
{
    engine *e = r->e;
    const char *news = e->on_text ? transcript_news(&j->transcript, final, &e->news) : NULL;
    if (news)
        e->on_text(e->on_text_context, j->index, news);
}

static void finish_job(run *r, job *j)
{
    answer *out = &r->answers[j->index];
    r->live_width -= j->shape.width;
    job_settle(j, out);
    tell_text(r, j, true);
    for (size_t i = 0; i < r->n_live; i++)   /* only where it ended early, its logits not being finite */
        if (r->live[i] && r->live[i]->donor == j)
            take_prefix(r, r->live[i]);
    job_free(j, &r->e->forward.kv, out);
    r->done++;
}

static void take_donations(run *r)
{
    for (size_t i = 0; i < r->n_live; i++) {
        job *j = r->live[i];
        if (!j->donor || j->donor->fed < j->shared)
            continue;
        kv_share(&r->e->forward.kv, &j->kv, &j->donor->kv, j->shared);
        r->e->stats.shared_tokens += (uint64_t)j->shared;
        j->fed = j->shared;
        j->donor = NULL;
    }
}

static void admit(run *r)
{
    engine *e = r->e;
    kv_cache *kv = &e->forward.kv;
    if (r->next == r->n || !worth_admitting(r))
        return;
    for (; r->next < r->n; r->next++) {
        const request *q = &r->requests[r->next];
        const job_shape *shape = &r->shapes[r->next];
        if (r->n_live && r->live_width + shape->width > e->options.slots)
            return;
        int64_t blocks = shape->blocks - r->prefix.length / KV_BLOCK;
        if (!kv_promise(kv, blocks))
            return;
        job *j = job_new(q, r->next, shape, &e->plan->config, e->options.tokenizer);
        j->promised = blocks;
        if (q->max_new == 0 && q->n_continuation == 0) {
            j->finish = FINISH_LENGTH;
            r->live_width += shape->width;
            finish_job(r, j);
            continue;
        }
        j->fed = r->prefix.length;
        find_donor(r, j);
        if (!j->donor)
            take_prefix(r, j);
        add_live(r, j);
        take_donations(r);   /* the donor may be done with its prompt already */
    }
}

/* ---- steps */

/* The rows of a prefilled piece whose logits are needed. */
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

/* Finished jobs leave; the others keep their order. */
static void sweep(run *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->n_live; i++) {
        job *j = r->live[i];
        r->live[i] = NULL;
        if (j->finish == FINISH_NONE) {
            r->live[kept++] = j;
            if (!j->beam && r->e->on_text)
                tell_text(r, j, false);
        } else {
            finish_job(r, j);
        }
    }
    r->n_live = kept;
}

static void step(run *r, enum phase phase, int n_segments, int64_t n_readouts)
{
    forward *f = &r->e->forward;
    forward_step(f, phase, r->segments, n_segments);
    take_donations(r);
    for (int64_t i = 0; i < n_readouts; i++)
        if (phase == PHASE_PREFILL && r->readouts[i].job->beam)
            job_start_beams(r->readouts[i].job);
    readouts_run(f, phase, r->readouts, n_readouts, r->e->logits, r->e->logit_rows);
    readouts_take(r->readouts, n_readouts, &f->kv);
    sweep(r);
}

/* One step over the prompts that wait; false where none does. */
static bool prefill(run *r)
{
    double start = progress_seconds();
    int n = 0;
    int64_t rows = 0, readouts = 0;
    for (size_t i = 0; i < r->n_live && rows < PREFILL_ROWS; i++) {
        job *j = r->live[i];
        int64_t count = j->shape.n_feed - j->fed;
        if (count == 0 || j->donor)
            continue;
        if (count > PREFILL_ROWS - rows)
            count = PREFILL_ROWS - rows;
        kv_extend(&r->e->forward.kv, &j->kv, j->fed + count);
        r->segments[n++] =
            (segment){.table = &j->kv, .tokens = j->tokens + j->fed, .first = j->fed, .count = count, .length = j->shape.n_feed};
        readouts += ask(j, rows, j->fed, count, r->readouts + readouts);
        rows += count;
        j->fed += count;
    }
    if (n == 0)
        return false;
    step(r, PHASE_PREFILL, n, readouts);
    r->e->stats.prefill_tokens += (uint64_t)rows;
    r->e->stats.prefill_seconds += progress_seconds() - start;
    return true;
}

static void add_decode(run *r, int n, job *j, int lane, kv_table *table, const int32_t *token, int64_t position)
{
    kv_extend(&r->e->forward.kv, table, position + 1);
    r->segments[n] = (segment){.table = table, .tokens = token, .first = position, .count = 1, .length = position + 1};
    r->readouts[n] = (readout){.job = j, .row = n, .lane = lane, .continuation = -1};
}

static void decode(run *r)
{
    double start = progress_seconds();
    int n = 0;
    for (size_t i = 0; i < r->n_live; i++) {
        job *j = r->live[i];
        int64_t position = j->shape.n_feed + (j->beam ? j->beam->step : j->n_new) - 1;
        if (!j->beam)
            add_decode(r, n++, j, 0, &j->kv, &j->tokens[position], position);
        for (int k = 0; j->beam && k < j->beam->n_live; k++)
            add_decode(r, n++, j, k, &j->beam->live[k].kv, &j->beam->live[k].tokens[j->beam->step - 1], position);
    }
    step(r, PHASE_DECODE, n, n);
    r->e->stats.decode_tokens += (uint64_t)n;
    r->e->stats.decode_seconds += progress_seconds() - start;
}

static void interrupt(run *r)
{
    for (size_t i = 0; i < r->n_live; i++) {
        job *j = r->live[i];
        r->live[i] = NULL;
        j->finish = FINISH_INTERRUPTED;
        finish_job(r, j);
    }
    r->n_live = 0;
    for (; r->next < r->n; r->next++)
        r->answers[r->next].finish = FINISH_INTERRUPTED;
}

int run_requests(engine *e, const request *requests, size_t n, answer *answers, engine_progress *progress, void *context,
                 error *err)
{
    run r = {.e = e, .requests = requests, .answers = answers, .n = n};
    int64_t prefix = 0;
    int status = prepare(&r, &prefix, err);
    if (status != 0)
        goto done;
    compute_prefix(&r, prefix);
    while (r.done < n) {
        admit(&r);
        if (r.n_live > 0 && !prefill(&r))
            decode(&r);
        if (progress && !progress(context, r.done, n, &e->stats)) {
            interrupt(&r);
            break;
        }
    }
    kv_table_free(&e->forward.kv, &r.prefix);
done:
    free(r.shapes);
    free(r.live);
    free(r.segments);
    free(r.readouts);
    return status;
}
