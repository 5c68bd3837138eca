/* Invariants
 * 1. Every pass of every tensor is cut into pieces of whole rows; a row's reduction comes from one piece, in order.
 * 2. All jobs of a group that want a reduction take part in one round; rounds go on until none does; then everything is applied.
 *    So threads stay busy whatever the tensors' sizes, and nothing depends on their number or on the pieces. */
#include "merge/walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "merge/method.h"
#include "merge/strip.h"

#define PIECE_ELEMENTS (128 * STRIP)

struct piece { size_t job; int64_t begin, end; };   /* rows */

struct round {
    const method_kernel *kernel;
    const walk_options *options;
    merge_job *jobs;   /* [n_jobs] the group */
    size_t n_jobs;
    struct piece *pieces;
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
                     .rounding = r->mode == MERGE_COMPAT ? t->work : ROUND_NONE, .mask_key = random_key(r->seed, t->name)};
    if (t->copy)
        return 0;
    j->draws = memory_new((size_t)j->n_models, sizeof *j->draws);
    return k->begin(j, err);
}

void walk_end(merge_job *j)
{
    for (int i = 0; i < j->n_models; i++) {
        free(j->drawn ? j->drawn[i] : NULL);
        free(j->made ? j->made[i] : NULL);
    }
    free(j->drawn);
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

/* mergekit's masks come from one stream, model after model. */
static int draw_masks(merge_job *j, error *err)
{
    mask_stream stream = *j->stream;
    for (int k = 0; j->draws && k < j->n_models; k++) {
        double density = 1;
        if (!j->draws[k])
            continue;
        if (!j->drawn)
            j->drawn = memory_new((size_t)j->n_models, sizeof *j->drawn);
        if (kernel_parameter(j, k, "density", &density, err) != 0)
            return -1;
        density = round_one(j->rounding == ROUND_F16 ? ROUND_F32 : j->rounding, density);
        j->drawn[k] = memory_try((size_t)(j->tensor->count + 7) / 8, "a mask", err);
        if (!j->drawn[k])
            return -1;
        mask_stream_draw(&stream, density, j->tensor->count, j->drawn[k]);
    }
    return 0;
}

static size_t cut_pieces(struct round *round, bool reducing)
{
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < round->n_jobs; i++) {
        const merge_tensor *t = round->jobs[i].tensor;
        if (t->copy || t->count == 0 || (reducing && round->jobs[i].pass == 0))
            continue;
        int64_t rows = round->options->block_rows ? round->options->block_rows : PIECE_ELEMENTS / t->columns;
        rows = rows < 1 ? 1 : rows > t->rows ? t->rows : rows;
        for (int64_t at = 0; at < t->rows; at += rows) {
            if (count == capacity) {
                capacity = capacity ? 2 * capacity : 256;
                round->pieces = memory_grow(round->pieces, capacity, sizeof *round->pieces);
            }
            round->pieces[count++] = (struct piece){i, at, at + rows < t->rows ? at + rows : t->rows};
        }
    }
    return count;
}

static void load_sources(const merge_job *j, merge_strip *s)
{
    for (int i = 0; i < j->n_models; i++) {
        double *x = s->x + (int64_t)i * STRIP;
        strip_load(&j->sources[i], s->begin, s->n, x);
        if (j->rounding != ROUND_NONE)
            strip_round(j->rounding, x, s->n);
    }
}

static merge_strip strip_new(const merge_job *j)
{
    size_t n = (size_t)j->n_models;
    double *memory = aligned_alloc(64, (2 * n + 5) * STRIP * sizeof *memory);
    if (!memory)
        abort();
    return (merge_strip){.x = memory, .scratch = memory + n * STRIP, .piece = j->piece_bytes ? memory_new(1, j->piece_bytes) : NULL};
}

static void strip_free(merge_strip *s)
{
    free(s->x);
    free(s->piece);
}

static void reduce_piece(void *context, size_t number)
{
    const struct round *round = context;
    const struct piece *piece = &round->pieces[number];
    const method_kernel *k = round->kernel;
    merge_job *j = &round->jobs[piece->job];
    int64_t columns = j->tensor->columns;
    merge_strip s = strip_new(j);
    for (s.row = piece->begin; s.row < piece->end; s.row++)
        for (int64_t at = 0; at < columns; at += STRIP) {
            s.begin = s.row * columns + at;
            s.n = columns - at < STRIP ? (int)(columns - at) : STRIP;
            load_sources(j, &s);
            k->reduce(j, &s, j->sums ? j->sums + s.row * j->n_sums : NULL);
        }
    if (s.piece)
        k->flush(j, s.piece);
    strip_free(&s);
}

static void apply_piece(void *context, size_t number)
{
    const struct round *round = context;
    const struct piece *piece = &round->pieces[number];
    const merge_job *j = &round->jobs[piece->job];
    int64_t first = piece->begin * j->tensor->columns, end = piece->end * j->tensor->columns;
    void *block = j->out ? NULL : memory_new((size_t)(end - first), dtype_size(j->tensor->shape.dtype));
    merge_strip s = strip_new(j);
    double *out = s.scratch + (int64_t)(j->n_models + 4) * STRIP;
    for (s.begin = first; s.begin < end; s.begin += s.n) {
        s.n = end - s.begin < STRIP ? (int)(end - s.begin) : STRIP;
        load_sources(j, &s);
        round->kernel->apply(j, &s, out);
        if (j->out)
            strip_store(out, s.n, j->tensor->shape.dtype, j->out, s.begin);
        else
            strip_store(out, s.n, j->tensor->shape.dtype, block, s.begin - first);
    }
    if (!j->out)
        j->sink->put(j->sink, j->tensor, first, end - first, block);
    free(block);
    strip_free(&s);
}

/* One reduction of every tensor of the group that asks for one; *any: whether there was one. */
static int reduce_once(struct round *round, bool *any, error *err)
{
    size_t n = cut_pieces(round, true);
    *any = n > 0;
    for (size_t i = 0; i < round->n_jobs; i++) {
        merge_job *j = &round->jobs[i];
        size_t bytes = (size_t)j->tensor->rows * (size_t)j->n_sums * sizeof *j->sums;
        free(j->sums);
        j->sums = NULL;
        if (j->pass == 0 || bytes == 0)
            continue;
        if (!(j->sums = memory_try(bytes, "the sums of rows", err)))
            return -1;
        memset(j->sums, 0, bytes);
    }
    threads_run(round->options->pool, n, reduce_piece, round);
    for (size_t i = 0; i < round->n_jobs; i++)
        if (round->jobs[i].pass)
            round->kernel->combine(&round->jobs[i]);
    return 0;
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

int walk_group(const method_kernel *k, merge_job *jobs, size_t n, const walk_options *options, error *err)
{
    struct round round = {.kernel = k, .options = options, .jobs = jobs, .n_jobs = n};
    int status = 0;
    for (size_t i = 0; i < n && status == 0; i++) {
        status = load_job(&jobs[i], options->pool, err);
        if (status == 0 && jobs[i].tensor->copy)
            copy_job(&jobs[i]);
        else if (status == 0 && jobs[i].stream)
            status = draw_masks(&jobs[i], err);
    }
    for (bool more = true; more && status == 0;)
        status = reduce_once(&round, &more, err);
    if (status == 0)
        threads_run(options->pool, cut_pieces(&round, false), apply_piece, &round);
    free(round.pieces);
    return status;
}
