/* Invariants
 * 1. Every pass of every tensor is cut into pieces of whole rows; a row's reduction comes from one piece, in order.
 * 2. Tensors are taken in groups. All tensors of a group that want a reduction take part in one round; rounds go on until none
 *    does; then everything is applied. So threads stay busy whatever the tensors' sizes, nothing depends on their number or on
 *    the pieces, what a group needs beside the sources is bounded, and sources larger than memory are read from disk once. */
#include "merge/merge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "merge/mask.h"
#include "merge/method.h"
#include "merge/strip.h"
#include "merge/tensors.h"
#include "model/config.h"

#define PIECE_ELEMENTS (128 * STRIP)
#define GROUP_ELEMENTS ((int64_t)32 << 20)

struct merger {
    const method *method;
    checkpoint *const *models;   /* borrowed */
    int n_models, base, config_from;
    merge_options options;
    tensor_plan plan;
};

struct piece { size_t job; int64_t begin, end; };   /* rows */

struct round {
    const merger *m;
    merge_job *jobs;   /* [n_jobs] the group */
    size_t n_jobs;
    struct piece *pieces;
};

int kernel_parameter(const merge_job *j, int model, const char *name, double *out, error *err)
{
    const method *m = method_find(j->recipe->method);
    const method_parameter *p = method_parameter_find(m, name);
    *out = p->standard;
    bool given = recipe_real(j->recipe, model, name, j->tensor->name, j->tensor->place, out);
    const char *whose = model >= 0 ? j->recipe->models[model].path : "the recipe";
    if (!given && p->required)
        return fail(err, ERROR_FORMAT, "%s: '%s' of %s is not given for '%s'", m->name, name, whose, j->tensor->name);
    if (!isfinite(*out))
        return fail(err, ERROR_FORMAT, "%s: '%s' of %s is %g", m->name, name, whose, *out);
    if (j->rounding == ROUND_NONE && (*out < p->low || *out > p->high))
        return fail(err, ERROR_FORMAT, "%s: '%s' of %s is %g, outside [%g, %g]", m->name, name, whose, *out, p->low, p->high);
    return 0;
}

static int check_models(const recipe *r, const method *m, error *err)
{
    int n = (int)r->n_models - (m->needs_base && r->base >= 0);
    if (m->needs_base && r->base < 0)
        return fail(err, ERROR_FORMAT, "%s needs a base_model", m->name);
    if (n < m->min_models || (m->max_models && n > m->max_models))
        return fail(err, ERROR_FORMAT, "%s takes %s%d model%s%s, not %d", m->name, m->max_models ? "" : "at least ", m->min_models, m->min_models == 1 ? "" : "s",
                    m->needs_base ? " beside the base" : "", n);
    return 0;
}

static void note_configs(merger *m)
{
    model_config ours, other;
    char line[512];
    const checkpoint *winner = m->models[m->config_from];
    if (!winner->config || config_read(winner->config, winner->name, &ours, NULL) != 0)
        return;
    for (int i = 0; i < m->n_models; i++) {
        const checkpoint *c = m->models[i];
        if (c == winner || !c->config || config_read(c->config, c->name, &other, NULL) != 0)
            continue;
        if (config_differences(&ours, &other, line, sizeof line))
            string_print(&m->plan.notes, "configs differ, %s wins over %s: %s\n", winner->name, c->name, line);
    }
}

merger *merge_prepare(const recipe *r, checkpoint *const *models, const merge_options *options, error *err)
{
    const method *found = method_find(r->method);
    if (!found) {
        fail(err, ERROR_UNSUPPORTED, "unknown merge method '%s'", r->method ? r->method : "");
        return NULL;
    }
    if (check_models(r, found, err) != 0)
        return NULL;
    merger *m = memory_new(1, sizeof *m);
    m->method = found;
    m->models = models;
    m->n_models = (int)r->n_models;
    m->base = r->base;
    m->config_from = r->config_from >= 0 ? r->config_from : r->base >= 0 ? r->base : 0;
    if (options)
        m->options = *options;
    if (tensors_plan(r, models, &m->plan, err) != 0) {
        merge_free(m);
        return NULL;
    }
    note_configs(m);
    return m;
}

void merge_free(merger *m)
{
    if (!m)
        return;
    tensors_free(&m->plan);
    free(m);
}

char *merge_notes(const merger *m)
{
    const string *notes = &m->plan.notes;
    size_t n = notes->length;
    return memory_text_n(n ? notes->text : "", n && notes->text[n - 1] == '\n' ? n - 1 : n);
}

static void set_untied(json_t *config)
{
    json_t *objects[] = {config, json_object_get(config, "text_config")};
    for (int i = 0; i < 2; i++)
        if (json_is_true(json_object_get(objects[i], "tie_word_embeddings")))
            json_object_set_new(objects[i], "tie_word_embeddings", json_false());
}

checkpoint *merge_allocate(const merger *m, error *err)
{
    checkpoint_item *items = memory_new(m->plan.count, sizeof *items);
    for (size_t i = 0; i < m->plan.count; i++)
        items[i] = (checkpoint_item){.name = (char *)m->plan.items[i].name, .tensor = m->plan.items[i].shape};
    const checkpoint *from = m->models[m->config_from], *words = m->models[m->base >= 0 ? m->base : 0];
    json_t *config = from->config ? json_deep_copy(from->config) : NULL;
    if (config && m->plan.has_head)
        set_untied(config);
    checkpoint *c = checkpoint_new("the merge", words->folder, config, items, m->plan.count, err);
    json_t *fitting = c && config ? checkpoint_config(c, err) : NULL;
    if (fitting) {
        json_decref(c->config);
        c->config = fitting;
    } else if (c && config) {
        checkpoint_free(c);
        c = NULL;
    }
    json_decref(config);
    free(items);
    return c;
}

static int job_begin(const merger *m, const recipe *r, const merge_tensor *t, const tensor *out, merge_job *j, error *err)
{
    *j = (merge_job){.tensor = t, .recipe = r, .n_models = m->n_models, .base = m->base, .out = out->data,
                     .rounding = r->mode == MERGE_COMPAT ? t->work : ROUND_NONE, .mask_key = random_key(r->seed, t->name)};
    if (t->copy) {
        memcpy(j->out, t->sources[0]->data, tensor_bytes(&t->shape));
        return 0;
    }
    j->draws = memory_new((size_t)m->n_models, sizeof *j->draws);
    return m->method->kernel->begin(j, err);
}

static void job_free(merge_job *j)
{
    for (int i = 0; j->drawn && i < j->n_models; i++)
        free(j->drawn[i]);
    free(j->drawn);
    free(j->draws);
    free(j->sums);
    free(j->state);
}

static int by_drawing_order(const void *a, const void *b)
{
    return strcmp((*(const merge_tensor *const *)a)->drawn_as, (*(const merge_tensor *const *)b)->drawn_as);
}

/* mergekit's masks come from one stream: tensor after tensor in the order of their names, model after model. */
static int draw_masks(mask_stream *stream, merge_job *jobs, size_t n, error *err)
{
    for (size_t i = 0; i < n; i++) {
        merge_job *j = &jobs[i];
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
            mask_stream_draw(stream, density, j->tensor->count, j->drawn[k]);
        }
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
        int64_t rows = round->m->options.block_rows ? round->m->options.block_rows : PIECE_ELEMENTS / t->columns;
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
        strip_load(j->tensor->sources[i], s->begin, s->n, x);
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
    const method_kernel *k = round->m->method->kernel;
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
    int64_t end = piece->end * j->tensor->columns;
    merge_strip s = strip_new(j);
    double *out = s.scratch + (int64_t)(j->n_models + 4) * STRIP;
    for (s.begin = piece->begin * j->tensor->columns; s.begin < end; s.begin += s.n) {
        s.n = end - s.begin < STRIP ? (int)(end - s.begin) : STRIP;
        load_sources(j, &s);
        round->m->method->kernel->apply(j, &s, out);
        strip_store(out, s.n, j->tensor->shape.dtype, j->out, s.begin);
    }
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
    threads_run(round->m->options.pool, n, reduce_piece, round);
    for (size_t i = 0; i < round->n_jobs; i++)
        if (round->jobs[i].pass)
            round->m->method->kernel->combine(&round->jobs[i]);
    return 0;
}

static int run_group(struct round *round, mask_stream *stream, error *err)
{
    if (stream && draw_masks(stream, round->jobs, round->n_jobs, err) != 0)
        return -1;
    for (bool more = true; more;)
        if (reduce_once(round, &more, err) != 0)
            return -1;
    threads_run(round->m->options.pool, cut_pieces(round, false), apply_piece, round);
    return 0;
}

int merge_run(merger *m, const recipe *r, checkpoint *out, error *err)
{
    size_t count = m->plan.count;
    const merge_tensor **order = memory_new(count, sizeof *order);
    merge_job *jobs = memory_new(count, sizeof *jobs);
    mask_stream stream;
    int status = 0;
    mask_stream_seed(&stream, (uint32_t)r->seed);
    for (size_t i = 0; i < count; i++)
        order[i] = &m->plan.items[i];
    if (r->mask == MERGE_MASK_MT19937)
        qsort(order, count, sizeof *order, by_drawing_order);
    for (size_t at = 0; at < count && status == 0;) {
        struct round round = {.m = m, .jobs = jobs};
        for (int64_t elements = 0; at < count && (elements == 0 || elements + order[at]->count <= GROUP_ELEMENTS) && status == 0; at++) {
            elements += order[at]->count;
            status = job_begin(m, r, order[at], checkpoint_find(out, order[at]->name), &jobs[round.n_jobs++], err);
        }
        if (status == 0)
            status = run_group(&round, r->mask == MERGE_MASK_MT19937 ? &stream : NULL, err);
        for (size_t i = 0; i < round.n_jobs; i++)
            job_free(&jobs[i]);
        free(round.pieces);
    }
    for (int i = 0; i < m->n_models && status == 0; i++)
        status = checkpoint_check(m->models[i], err);
    free(jobs);
    free(order);
    return status;
}
