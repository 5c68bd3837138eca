/* Invariants
 * 1. Tensors are taken in groups, so that what is needed beside the sources is bounded and sources larger than memory are read once.
 *    Nothing in the output depends on the groups.
 * 2. While a group is computed and its blocks are written, the kernel reads the next group's sources. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "merge/mask.h"
#include "merge/merger.h"
#include "merge/walk.h"

#define GROUP_ELEMENTS ((int64_t)32 << 20)
#define OWN_BYTES ((uint64_t)3 << 20)        /* names, headers, configs and the program itself */
#define THREAD_BYTES ((uint64_t)1 << 20)     /* strips and a block of results */
#define TABLE_BYTES ((uint64_t)64 << 10)

/* A run over some of the plan's tensors. */
struct run {
    const merger *m;
    const recipe *recipe;
    const mersenne *streams;   /* [plan.count]; NULL: native masks */
    const size_t *order;          /* [count] places in the plan */
    size_t count;
    checkpoint *out;              /* memory to fill; NULL: */
    merge_sink *sink;             /* blocks go through it to */
    folder_writer *writer;        /* what a sink puts them into; NULL: something else */
    uint64_t *done, total;        /* bytes of the output, for the bar; done NULL: no bar, as nothing is written */
};

static int by_drawing_order(const void *a, const void *b)
{
    return strcmp((*(const merge_tensor *const *)a)->drawn_as, (*(const merge_tensor *const *)b)->drawn_as);
}

/* mergekit's masks come from one stream, tensor after tensor in the order of their names: where each one begins. NULL: native masks, or
 * an error. */
static mersenne *find_streams(const merger *m, const recipe *r, error *err)
{
    size_t count = m->plan.count;
    mersenne *streams = memory_new(count, sizeof *streams), at;
    const merge_tensor **order = memory_new(count, sizeof *order);
    int status = 0;
    for (size_t i = 0; i < count; i++)
        order[i] = &m->plan.items[i];
    qsort(order, count, sizeof *order, by_drawing_order);
    mersenne_seed(&at, (uint32_t)r->seed);
    for (size_t i = 0; i < count && status == 0; i++) {
        merge_job j;
        streams[order[i] - m->plan.items] = at;
        status = walk_begin(&j, m->method->kernel, r, order[i], err);
        for (int k = 0; status == 0 && j.draws && k < j.n_models; k++)
            if (j.draws[k])
                mersenne_skip(&at, order[i]->count);
        walk_end(&j);
    }
    free(order);
    if (status == 0)
        return streams;
    free(streams);
    return NULL;
}

static uint64_t fixed_bytes(const merger *m)
{
    return OWN_BYTES + (uint64_t)threads_count(m->options.pool) * THREAD_BYTES;
}

/* What a tensor needs beside its sources in files: those that have to be made; masks; sums of rows (or columns), at most of the products of all pairs or
 * two a model; tables of thresholds; rows that are carried. */
static uint64_t job_bytes(const merge_job *j)
{
    const merge_tensor *t = j->tensor;
    uint64_t n = (uint64_t)t->n_models, bytes = 0, pairs = n * (n + 1) / 2;
    for (int i = 0; i < t->n_models; i++)
        bytes += t->sources[i]->data ? 0 : tensor_bytes(t->sources[i]);
    if (t->copy)
        return bytes;
    if (t->rest)
        bytes += (uint64_t)((t->shape.shape[0] - t->rows) * t->columns) * (dtype_size(t->shape.dtype) + (t->rest->data ? 0 : dtype_size(t->rest->dtype)));
    bytes += (uint64_t)j->n_kept * (uint64_t)t->count / 8;
    if (j->pass)
        bytes += (pairs > 2 * n ? pairs : 2 * n) * (uint64_t)(j->walk == WALK_COLUMNS ? j->columns : j->rows) * sizeof(double);
    if (j->piece_bytes)
        bytes += n * TABLE_BYTES;
    return bytes;
}

static uint64_t held_bytes(const checkpoint *out)
{
    return out ? checkpoint_bytes(out) : 0;
}

/* The end of a group that begins at `at`: places order [count] in the plan, NULL: all of it as it stands. out: merged into memory, or NULL. */
static size_t group_end(const merger *m, const checkpoint *out, const size_t *order, size_t count, size_t at, uint64_t *needs)
{
    uint64_t limit = m->options.memory ? m->options.memory - fixed_bytes(m) - held_bytes(out) : UINT64_MAX;
    int64_t elements = 0;
    size_t end = at;
    *needs = 0;
    for (; end < count; end++) {
        size_t place = order ? order[end] : end;
        elements += m->plan.items[place].count;
        if (end > at && (elements > GROUP_ELEMENTS || *needs + m->needs[place] > limit))
            break;
        *needs += m->needs[place];
    }
    return end;
}

static uint64_t largest(const merger *m)
{
    uint64_t most = 0;
    for (size_t i = 0; i < m->plan.count; i++)
        most = m->needs[i] > most ? m->needs[i] : most;
    return most;
}

uint64_t merge_memory(const merger *m)
{
    uint64_t most = 0, needs;
    for (size_t at = 0; at < m->plan.count; most = needs > most ? needs : most)
        at = group_end(m, NULL, NULL, m->plan.count, at, &needs);
    return most + fixed_bytes(m);
}

static int check_memory(const merger *m, const checkpoint *out, error *err)
{
    uint64_t work = largest(m) + fixed_bytes(m), held = held_bytes(out), allowed = m->options.memory;
    char all[32], merged[32], one[32], have[32];
    if (!allowed || work + held <= allowed)
        return 0;
    progress_bytes(all, (double)(work + held));
    progress_bytes(have, (double)allowed);
    if (!out)
        return fail(err, ERROR_MEMORY, "the merge needs %s (%llu bytes) beside the models' files for its largest tensor, and --memory allows %s", all,
                    (unsigned long long)work, have);
    return fail(err, ERROR_MEMORY, "merging in memory needs %s (%llu bytes) beside the models' files, %s for what is merged and %s for the largest tensor, and --memory allows %s",
                all, (unsigned long long)(work + held), progress_bytes(merged, (double)held), progress_bytes(one, (double)work), have);
}

/* Every parameter of every tensor, and memory, before the first is computed. */
static int check_run(merger *m, const recipe *r, const checkpoint *out, error *err)
{
    int status = 0;
    if (!m->needs)
        m->needs = memory_new(m->plan.count, sizeof *m->needs);
    for (size_t i = 0; i < m->plan.count && status == 0; i++) {
        merge_job j;
        status = walk_begin(&j, m->method->kernel, r, &m->plan.items[i], err);
        m->needs[i] = job_bytes(&j);
        walk_end(&j);
    }
    return status == 0 ? check_memory(m, out, err) : -1;
}

struct advice {
    const struct run *run;
    size_t begin;
    void (*give)(const tensor *t);
};

static void advise_one(void *context, size_t i)
{
    const struct advice *a = context;
    const merge_tensor *t = &a->run->m->plan.items[a->run->order[a->begin + i]];
    for (int k = 0; k < t->n_models; k++)
        a->give(t->sources[k]);
}

/* By all threads: unmapping what was read takes about as long as a simple merge. */
static void advise(const struct run *run, size_t begin, size_t end, void (*give)(const tensor *t))
{
    threads_run(run->m->options.pool, end - begin, advise_one, &(struct advice){run, begin, give});
}

static int run_group(const struct run *run, size_t begin, size_t end, error *err)
{
    const merger *m = run->m;
    merge_job *jobs = memory_new(end - begin, sizeof *jobs);
    int status = 0;
    size_t n = 0;
    while (n < end - begin && status == 0) {
        size_t place = run->order[begin + n];
        const merge_tensor *t = &m->plan.items[place];
        status = walk_begin(&jobs[n], m->method->kernel, run->recipe, t, err);
        jobs[n].stream = run->streams ? &run->streams[place] : NULL;
        jobs[n].out = run->out ? checkpoint_find(run->out, t->name)->data : NULL;
        jobs[n++].sink = run->sink;
    }
    if (status == 0)
        status = walk_group(m->method->kernel, jobs, n, &(walk_options){.pool = m->options.pool, .block_rows = m->options.block_rows, .check_finite = m->options.check_finite}, err);
    for (size_t i = 0; i < n; i++)
        walk_end(&jobs[i]);
    free(jobs);
    return status;
}

static void show_progress(const struct run *run, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        *run->done += tensor_bytes(&run->m->plan.items[run->order[i]].shape);
    progress_bar("merge", *run->done / 1000000, run->total / 1000000, "MB");
}

static int run_all(const struct run *run, error *err)
{
    uint64_t needs;
    for (size_t at = 0, end; at < run->count; at = end) {
        end = group_end(run->m, run->out, run->order, run->count, at, &needs);
        if (run->done)
            advise(run, end, group_end(run->m, run->out, run->order, run->count, end, &needs), tensor_expect);
        if (run_group(run, at, end, err) != 0)
            return -1;
        if (run->writer)
            folder_start_writing(run->writer);
        if (run->done)
            advise(run, at, end, tensor_release);
        if (run->done)
            show_progress(run, at, end);
        if (run->done && progress_interrupted())
            return fail(err, ERROR_INTERRUPTED, "interrupted");
    }
    return 0;
}

static int check_models(const merger *m, error *err)
{
    int status = 0;
    for (int i = 0; i < m->n_models && status == 0; i++)
        status = checkpoint_check(m->models[i], err);
    return status;
}

int merge_run(merger *m, const recipe *r, checkpoint *out, error *err)
{
    mersenne *streams = NULL;
    if (check_run(m, r, out, err) != 0)
        return -1;
    if (r->mask == MERGE_MASK_MT19937 && !(streams = find_streams(m, r, err)))
        return -1;
    size_t *order = memory_new(m->plan.count, sizeof *order);
    for (size_t i = 0; i < m->plan.count; i++)
        order[i] = i;
    int status = run_all(&(struct run){.m = m, .recipe = r, .streams = streams, .order = order, .count = m->plan.count, .out = out}, err);
    if (status == 0)
        status = check_models(m, err);
    free(order);
    free(streams);
    return status;
}

static void drop(merge_sink *self, const merge_tensor *t, int64_t first, int64_t n, const void *bytes)
{
    (void)self;
    (void)t;
    (void)first;
    (void)n;
    (void)bytes;
}

int merge_sample(merger *m, const recipe *r, const size_t *places, size_t n, error *err)
{
    mersenne *streams = NULL;
    merge_sink nowhere = {drop};
    if (check_run(m, r, NULL, err) != 0 || (r->mask == MERGE_MASK_MT19937 && !(streams = find_streams(m, r, err))))
        return -1;
    int status = run_all(&(struct run){.m = m, .recipe = r, .streams = streams, .order = places, .count = n, .sink = &nowhere}, err);
    free(streams);
    return status == 0 ? check_models(m, err) : -1;
}

/* ---- into a folder */

typedef struct folder_sink {
    merge_sink sink;
    const merger *m;
    folder_writer *writer;
} folder_sink;

static void put(merge_sink *self, const merge_tensor *t, int64_t first, int64_t n, const void *bytes)
{
    folder_sink *s = (folder_sink *)self;
    size_t size = dtype_size(t->shape.dtype);
    folder_put(s->writer, (size_t)(t - s->m->plan.items), (uint64_t)first * size, bytes, (size_t)n * size);
}

static int write_shard(struct run *run, folder_sink *sink, size_t shard, error *err)
{
    run->order = folder_items(sink->writer, shard, &run->count);
    if (folder_open_shard(sink->writer, shard, err) != 0 || run_all(run, err) != 0)
        return -1;
    if (check_models(run->m, err) != 0)
        return -1;
    return folder_close_shard(sink->writer, err);
}

/* The outline has the plan's tensors in the plan's order. */
int merge_write(merger *m, const recipe *r, folder_writer *w, error *err)
{
    mersenne *streams = NULL;
    folder_sink sink = {.sink = {put}, .m = m, .writer = w};
    int status = check_run(m, r, NULL, err);
    if (status == 0 && r->mask == MERGE_MASK_MT19937 && !(streams = find_streams(m, r, err)))
        status = -1;
    uint64_t done = 0;
    struct run run = {.m = m, .recipe = r, .streams = streams, .sink = &sink.sink, .writer = w, .done = &done};
    for (size_t s = 0; s < folder_shards(w); s++)
        run.total += folder_is_done(w, s) ? 0 : folder_shard_bytes(w, s);
    for (size_t s = 0; s < folder_shards(w) && status == 0; s++)
        if (!folder_is_done(w, s))
            status = write_shard(&run, &sink, s, err);
    progress_clear();
    free(streams);
    return status;
}

/* ---- into a GGUF file */

typedef struct gguf_sink {
    merge_sink sink;
    const merger *m;
    gguf_writer *writer;
} gguf_sink;

static void put_gguf(merge_sink *self, const merge_tensor *t, int64_t first, int64_t n, const void *bytes)
{
    gguf_sink *s = (gguf_sink *)self;
    gguf_put(s->writer, (size_t)(t - s->m->plan.items), first, bytes, n);
}

int merge_write_gguf(merger *m, const recipe *r, gguf_writer *w, error *err)
{
    mersenne *streams = NULL;
    gguf_sink sink = {.sink = {put_gguf}, .m = m, .writer = w};
    if (check_run(m, r, NULL, err) != 0 || (r->mask == MERGE_MASK_MT19937 && !(streams = find_streams(m, r, err))))
        return -1;
    uint64_t done = 0;
    size_t *order = memory_new(m->plan.count, sizeof *order);
    struct run run = {.m = m, .recipe = r, .streams = streams, .order = order, .sink = &sink.sink, .done = &done};
    for (size_t i = 0; i < m->plan.count; i++)
        if (gguf_holds(w, i)) {
            order[run.count++] = i;
            run.total += tensor_bytes(&m->plan.items[i].shape);
        }
    int status = run_all(&run, err) == 0 ? check_models(m, err) : -1;
    progress_clear();
    free(order);
    free(streams);
    return status == 0 ? gguf_check(w, err) : -1;
}
