/* Invariants
 * 1. Every pass of every tensor is cut into pieces of whole rows (or columns); what is summed of a row comes from one piece, in order.
 * 2. All jobs of a group that want a reduction take part in one round; rounds go on until none does; then everything is applied.
 *    So threads stay busy whatever the tensors' sizes, and nothing depends on their number or on the pieces.
 * 3. A source's elements are checked in the first round of their job, before anything is concluded from them. */
#include "merge/walk.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "merge/method.h"
#include "merge/strip.h"

#define PIECE_ELEMENTS (512 * STRIP)

struct piece { size_t job; int64_t begin, end; };   /* rows; columns where the job goes by columns */

struct desk {               /* what a thread works on */
    atomic_bool taken;
    double *strips;
    void *block;            /* results on their way to a sink */
};

struct checked {            /* of one job */
    bool done;
    _Atomic int64_t *first; /* [n_models + 1] the first element that is not finite, of each source and of the result; INT64_MAX: none */
};

struct round {
    const method_kernel *kernel;
    const walk_options *options;
    merge_job *jobs;        /* [n_jobs] the group */
    struct checked *checks; /* [n_jobs] or NULL */
    size_t n_jobs;
    bool reducing;
    struct piece *pieces;   /* [n_pieces] */
    size_t n_pieces, capacity;
    struct desk *desks;     /* [threads] */
};

const char *kernel_model(const merge_job *j, int model)
{
    const recipe *r = j->recipe;
    const merge_tensor *t = j->tensor;
    if (model < 0)
        return "the recipe";
    if (t->slice < 0)
        return r->models[model].path;
    const recipe_slice *s = &r->slices[t->slice];
    return r->models[(size_t)model < s->n_sources ? s->sources[model].model : s->base].path;
}

double kernel_total(const merge_job *j, int which)
{
    double total = 0;
    for (int64_t i = 0, n = j->walk == WALK_COLUMNS ? j->columns : j->rows; i < n; i++)
        total += j->sums[i * j->n_sums + which];
    return total;
}

int kernel_other(const merge_job *j, int which)
{
    return j->base >= 0 && which >= j->base ? which + 1 : which;
}

int kernel_parameter(const merge_job *j, int model, const char *name, double *out, error *err)
{
    const merge_tensor *t = j->tensor;
    const method *m = method_find(j->recipe->method);
    const method_parameter *p = method_parameter_find(m, name);
    *out = p->standard;
    const char *whose = kernel_model(j, model);
    bool given = recipe_find(j->recipe, t->slice, model, name, model >= 0 ? t->source_names[model] : t->name, t->name, t->place, out);
    if (!given && p->required)
        return fail(err, ERROR_FORMAT, "%s: '%s' of %s is not given for '%s'", m->name, name, whose, t->name);
    if (!isfinite(*out))
        return fail(err, ERROR_FORMAT, "%s: '%s' of %s is %g", m->name, name, whose, *out);
    if (j->rounding == ROUND_NONE && (*out < p->low || *out > p->high))
        return fail(err, ERROR_FORMAT, "%s: '%s' of %s is %g, outside [%g, %g]", m->name, name, whose, *out, p->low, p->high);
    return 0;
}

int walk_begin(merge_job *j, const method_kernel *k, const recipe *r, const merge_tensor *t, error *err)
{
    *j = (merge_job){.tensor = t, .recipe = r, .n_models = t->n_models, .base = t->base,
                     .rounding = r->mode == MERGE_COMPAT ? t->work : ROUND_NONE, .mask_key = random_key(r->seed, t->name),
                     .rows = t->rows, .columns = t->columns};
    if (t->copy)
        return 0;
    j->draws = memory_new((size_t)j->n_models, sizeof *j->draws);
    int status = k->begin(j, err);
    j->pass = t->count > 0 ? j->pass : 0;
    return status;
}

void walk_end(merge_job *j)
{
    for (int i = 0; j->made && i < j->n_models; i++)
        free(j->made[i]);
    free(j->kept);
    free(j->draws);
    free(j->made);
    free(j->sources);
    free(j->sums);
    free(j->state);
}

static int load_job(merge_job *j, threads *pool, error *err)
{
    j->sources = memory_new((size_t)j->n_models, sizeof *j->sources);
    j->made = memory_new((size_t)j->n_models, sizeof *j->made);
    for (int i = 0; i < j->n_models; i++) {
        tensor *t = &j->sources[i];
        *t = *j->tensor->sources[i];
        if (t->data || tensor_count(t) == 0)
            continue;
        if (!(j->made[i] = memory_try(tensor_bytes(t), j->tensor->name, err)) || tensor_make(t, pool, j->made[i], err) != 0)
            return -1;
        t->data = j->made[i];
    }
    return 0;
}

static int make_masks(merge_job *j, error *err)
{
    size_t bytes = (size_t)j->n_kept * (size_t)mask_words(j->tensor->count) * sizeof *j->kept;
    if (bytes == 0)
        return 0;
    if (!(j->kept = memory_try(bytes, "masks", err)))
        return -1;
    memset(j->kept, 0, bytes);
    return 0;
}

static void add_piece(struct round *round, struct piece piece)
{
    if (round->n_pieces == round->capacity) {
        round->capacity = round->capacity ? 2 * round->capacity : 256;
        round->pieces = memory_grow(round->pieces, round->capacity, sizeof *round->pieces);
    }
    round->pieces[round->n_pieces++] = piece;
}

static bool takes_part(const struct round *round, const merge_job *j)
{
    return !j->tensor->copy && j->tensor->count > 0 && (j->pass != 0 || !round->reducing);
}

static bool by_columns(const struct round *round, const merge_job *j)
{
    return round->reducing && j->walk == WALK_COLUMNS;
}

static void cut_pieces(struct round *round)
{
    round->n_pieces = 0;
    for (size_t i = 0; i < round->n_jobs; i++) {
        const merge_job *j = &round->jobs[i];
        if (!takes_part(round, j))
            continue;
        bool columns = by_columns(round, j);
        int64_t whole = columns ? j->columns : j->rows, step = columns ? STRIP : PIECE_ELEMENTS / j->columns;
        if (round->options->block_rows)
            step = round->options->block_rows;
        if (round->reducing && j->in_order)
            step = whole;
        step = step < 1 ? 1 : step > whole ? whole : step;
        for (int64_t at = 0; at < whole; at += step)
            add_piece(round, (struct piece){i, at, at + step < whole ? at + step : whole});
    }
}

/* A strip's stride: rows that are taken whole may be longer than STRIP. */
static int64_t stride_of(const struct round *round, const merge_job *j)
{
    bool whole = round->reducing && j->walk == WALK_ROWS && j->columns > STRIP;
    return whole ? (j->columns + 7) / 8 * 8 : STRIP;
}

static int lay_desks(struct round *round, error *err)
{
    size_t strips = 0, block = 0;
    int status = 0;
    for (size_t p = 0; p < round->n_pieces; p++) {
        const struct piece *piece = &round->pieces[p];
        const merge_job *j = &round->jobs[piece->job];
        size_t need = (size_t)(2 * j->n_models + SCRATCH + 1) * (size_t)stride_of(round, j) * sizeof(double);
        size_t bytes = (size_t)(piece->end - piece->begin) * (size_t)j->columns * dtype_size(j->tensor->shape.dtype);
        strips = need > strips ? need : strips;
        block = !round->reducing && !j->out && bytes > block ? bytes : block;
    }
    for (int i = 0; i < threads_count(round->options->pool) && status == 0; i++) {
        struct desk *desk = &round->desks[i];
        free(desk->strips);
        free(desk->block);
        *desk = (struct desk){.strips = memory_try(strips, "strips of weights", err)};
        if (!desk->strips || (block && !(desk->block = memory_try(block, "a block of results", err))))
            status = -1;
    }
    return status;
}

/* There are as many desks as threads, so one is free. */
static struct desk *take_desk(struct round *round)
{
    for (int i = 0;; i = i + 1 < threads_count(round->options->pool) ? i + 1 : 0)
        if (!atomic_exchange(&round->desks[i].taken, true))
            return &round->desks[i];
}

static merge_strip strip_at(const struct round *round, const merge_job *j, const struct desk *desk)
{
    int64_t stride = stride_of(round, j);
    return (merge_strip){.stride = stride, .x = desk->strips, .scratch = desk->strips + j->n_models * stride};
}

static void note(_Atomic int64_t *first, int64_t element)
{
    int64_t seen = atomic_load(first);
    while (element < seen && !atomic_compare_exchange_weak(first, &seen, element))
        ;
}

void kernel_load(const merge_job *j, merge_strip *s)
{
    for (int i = 0; i < j->n_models; i++) {
        strip_load(&j->sources[i], s->begin, s->n, s->x + i * s->stride);
        strip_round(j->rounding, s->x + i * s->stride, s->n);
        strip_expect(&j->sources[i], s->begin + s->n, s->n);
    }
}

static void check_sources(struct checked *checked, const merge_job *j, const merge_strip *s)
{
    for (int i = 0; i < j->n_models; i++) {
        const tensor *t = &j->sources[i];
        if (j->rounding == ROUND_NONE && strip_is_finite(t->dtype, t->data, s->begin, s->n))
            continue;
        int bad = strip_first_not_finite(s->x + i * s->stride, s->n);
        if (bad < s->n)
            note(&checked->first[i], s->begin + bad);
    }
}

static void load_sources(struct round *round, size_t job, merge_strip *s)
{
    kernel_load(&round->jobs[job], s);
    if (round->checks && !round->checks[job].done)
        check_sources(&round->checks[job], &round->jobs[job], s);
}

static void reduce_rows(struct round *round, const struct piece *piece, merge_strip *s)
{
    const merge_job *j = &round->jobs[piece->job];
    int64_t columns = j->columns, longest = j->walk == WALK_ROWS ? columns : STRIP;
    for (s->row = piece->begin; s->row < piece->end; s->row++)
        for (int64_t at = 0; at < columns; at += longest) {
            s->begin = s->row * columns + at;
            s->n = (int)(columns - at < longest ? columns - at : longest);
            if (j->every && s->begin / STRIP % j->every != 0)
                continue;
            load_sources(round, piece->job, s);
            round->kernel->reduce(j, s, j->sums ? j->sums + s->row * j->n_sums : NULL);
        }
}

static void reduce_columns(struct round *round, const struct piece *piece, merge_strip *s)
{
    const merge_job *j = &round->jobs[piece->job];
    for (s->row = 0; s->row < j->rows; s->row++)
        for (int64_t at = piece->begin; at < piece->end; at += STRIP) {
            s->begin = s->row * j->columns + at;
            s->n = piece->end - at < STRIP ? (int)(piece->end - at) : STRIP;
            load_sources(round, piece->job, s);
            round->kernel->reduce(j, s, j->sums + at * j->n_sums);
        }
}

static void reduce_piece(void *context, size_t number)
{
    struct round *round = context;
    const struct piece *piece = &round->pieces[number];
    const merge_job *j = &round->jobs[piece->job];
    struct desk *desk = take_desk(round);
    merge_strip s = strip_at(round, j, desk);
    s.piece = j->piece_bytes ? memory_new(1, j->piece_bytes) : NULL;
    (j->walk == WALK_COLUMNS ? reduce_columns : reduce_rows)(round, piece, &s);
    if (s.piece)
        round->kernel->flush(j, s.piece);
    free(s.piece);
    atomic_store(&desk->taken, false);
}

static void apply_strip(struct round *round, size_t job, merge_strip *s, void *bytes, int64_t at)
{
    const merge_job *j = &round->jobs[job];
    enum dtype d = j->tensor->shape.dtype;
    double *out = s->scratch + (j->n_models + SCRATCH) * s->stride;
    load_sources(round, job, s);
    round->kernel->apply(j, s, out);
    strip_store(out, s->n, d, bytes, at);
    if (round->checks && !strip_is_finite(d, bytes, at, s->n))
        note(&round->checks[job].first[j->n_models], s->begin + strip_first_overflow(out, s->n, d));
}

static void apply_piece(void *context, size_t number)
{
    struct round *round = context;
    const struct piece *piece = &round->pieces[number];
    const merge_job *j = &round->jobs[piece->job];
    struct desk *desk = take_desk(round);
    merge_strip s = strip_at(round, j, desk);
    int64_t first = piece->begin * j->columns, end = piece->end * j->columns, longest = j->by_row ? j->columns : end - first;
    for (int64_t row = first; row < end; row += longest)
        for (s.begin = row; s.begin < row + longest; s.begin += s.n) {
            s.n = row + longest - s.begin < STRIP ? (int)(row + longest - s.begin) : STRIP;
            s.row = j->by_row ? row / j->columns : 0;
            apply_strip(round, piece->job, &s, j->out ? j->out : desk->block, j->out ? s.begin : s.begin - first);
        }
    if (!j->out)
        j->sink->put(j->sink, j->tensor, first, end - first, desk->block);
    atomic_store(&desk->taken, false);
}

static int fail_not_finite(const merge_job *j, const _Atomic int64_t *first, error *err)
{
    const merge_tensor *t = j->tensor;
    for (int i = 0; i < j->n_models; i++)
        if (first[i] < INT64_MAX) {
            double x = 0;
            strip_load(&j->sources[i], first[i], 1, &x);
            return fail(err, ERROR_NOT_FINITE, "%s: '%s' holds %s at element %lld", kernel_model(j, i), t->source_names[i], isnan(x) ? "NaN" : isinf(x) ? "infinity" : "more than the recipe's dtype does", (long long)first[i]);
        }
    return fail(err, ERROR_NOT_FINITE, "the merge: '%s' overflows or holds NaN at element %lld", t->name, (long long)first[j->n_models]);
}

static int check_round(struct round *round, error *err)
{
    for (size_t i = 0; round->checks && i < round->n_jobs; i++) {
        const merge_job *j = &round->jobs[i];
        if (!takes_part(round, j))
            continue;
        for (int k = 0; k <= j->n_models; k++)
            if (round->checks[i].first[k] < INT64_MAX)
                return fail_not_finite(j, round->checks[i].first, err);
        round->checks[i].done = !round->reducing || j->every == 0;
    }
    return 0;
}

static int run_round(struct round *round, error *err)
{
    cut_pieces(round);
    if (round->n_pieces == 0)
        return 0;
    if (lay_desks(round, err) != 0)
        return -1;
    threads_run(round->options->pool, round->n_pieces, round->reducing ? reduce_piece : apply_piece, round);
    return check_round(round, err);
}

/* One reduction of every tensor of the group that asks for one; *any: whether there was one. */
static int reduce_once(struct round *round, bool *any, error *err)
{
    *any = false;
    for (size_t i = 0; i < round->n_jobs; i++) {
        merge_job *j = &round->jobs[i];
        if (j->pass == 0)
            continue;
        size_t bytes = (size_t)(j->walk == WALK_COLUMNS ? j->columns : j->rows) * (size_t)j->n_sums * sizeof *j->sums;
        *any = true;
        if (j->keep_sums)
            continue;
        free(j->sums);
        j->sums = NULL;
        if (bytes == 0)
            continue;
        if (!(j->sums = memory_try(bytes, "the sums of rows", err)))
            return -1;
        memset(j->sums, 0, bytes);
    }
    round->reducing = true;
    int status = *any ? run_round(round, err) : 0;
    for (size_t i = 0; i < round->n_jobs && status == 0; i++)
        if (round->jobs[i].pass)
            status = round->kernel->combine(&round->jobs[i], err);
    return status;
}

static void copy_job(const merge_job *j)
{
    const void *data = j->sources[0].data;
    if (j->tensor->count == 0)
        return;
    if (j->out)
        memcpy(j->out, data, tensor_bytes(&j->tensor->shape));
    else
        j->sink->put(j->sink, j->tensor, 0, j->tensor->count, data);
}

/* The rows that are one model's as they are. */
static int put_rest(const merge_job *j, error *err)
{
    const merge_tensor *t = j->tensor;
    int64_t columns = t->columns, rows = t->shape.shape[0] - t->rows;
    enum dtype d = t->shape.dtype;
    tensor rest = *t->rest;
    rest.shape[0] = rows;
    size_t from = (size_t)t->count * dtype_size(rest.dtype), bytes = (size_t)(rows * columns) * dtype_size(d);
    void *made = rest.data ? NULL : memory_try(tensor_bytes(&rest), t->name, err), *block = memory_try(bytes, t->name, err);
    double x[STRIP];
    int status = block && (rest.data || (made && rest.maker->make(rest.maker, t->rest, t->rows, rows, made, err) == 0)) ? 0 : -1;
    rest.data = made ? made : (char *)t->rest->data + from;
    for (int64_t at = 0; at < rows * columns && status == 0; at += STRIP) {
        int n = rows * columns - at < STRIP ? (int)(rows * columns - at) : STRIP;
        strip_load(&rest, at, n, x);
        strip_store(x, n, d, block, at);
    }
    if (status == 0 && j->out)
        memcpy((char *)j->out + (size_t)t->count * dtype_size(d), block, bytes);
    else if (status == 0)
        j->sink->put(j->sink, t, t->count, rows * columns, block);
    free(block);
    free(made);
    return status;
}

static struct checked *new_checks(const merge_job *jobs, size_t n)
{
    struct checked *checks = memory_new(n, sizeof *checks);
    for (size_t i = 0; i < n; i++) {
        checks[i].first = memory_new((size_t)jobs[i].n_models + 1, sizeof *checks[i].first);
        for (int k = 0; k <= jobs[i].n_models; k++)
            atomic_init(&checks[i].first[k], INT64_MAX);
    }
    return checks;
}

static void round_free(struct round *round)
{
    for (size_t i = 0; round->checks && i < round->n_jobs; i++)
        free((void *)round->checks[i].first);
    for (int i = 0; i < threads_count(round->options->pool); i++) {
        free(round->desks[i].strips);
        free(round->desks[i].block);
    }
    free(round->checks);
    free(round->desks);
    free(round->pieces);
}

int walk_group(const method_kernel *k, merge_job *jobs, size_t n, const walk_options *options, error *err)
{
    struct round round = {.kernel = k, .options = options, .jobs = jobs, .n_jobs = n};
    int status = 0;
    round.checks = options->check_finite ? new_checks(jobs, n) : NULL;
    round.desks = memory_new((size_t)threads_count(options->pool), sizeof *round.desks);
    for (size_t i = 0; i < n && status == 0; i++) {
        status = load_job(&jobs[i], options->pool, err);
        if (status == 0 && jobs[i].tensor->copy)
            copy_job(&jobs[i]);
        else if (status == 0)
            status = make_masks(&jobs[i], err);
        if (status == 0 && jobs[i].tensor->rest)
            status = put_rest(&jobs[i], err);
    }
    for (bool more = true; more && status == 0;)
        status = reduce_once(&round, &more, err);
    round.reducing = false;
    if (status == 0)
        status = run_round(&round, err);
    round_free(&round);
    return status;
}
