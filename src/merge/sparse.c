#include "merge/sparse.h"

#include <string.h>

#include "merge/prune.h"

#define NORM_FLOOR 1e-7     /* mergekit's: no rescale below */

enum pass { APPLY, SELECT, TIES, MASK };

static const double *source(const merge_strip *s, int model)
{
    return s->x + model * s->stride;
}

/* The thresholds of a model that are still to be found. */
static int selects(const sparse_model *m, select_state *out[2])
{
    int n = 0;
    if (m->large)
        out[n++] = m->large;
    if (m->small)
        out[n++] = m->small;
    return n;
}

static bool is_drawn(const sparse_model *m)
{
    return m->kept == KEPT_RANDOM || m->kept == KEPT_PRUNED;
}

static bool is_sparse(const sparse_model *m)
{
    return m->kept != KEPT_ALL && m->kept != KEPT_NONE;
}

static uint64_t *mask_of(const merge_job *j, const sparse_model *m)
{
    return j->kept + m->ordinal * mask_words(j->tensor->count);
}

/* What the next pass is, `after` one that is complete. */
static void plan(const sparse *p, merge_job *j, enum pass after)
{
    bool stage[4] = {false}, mask = false, rows = false, stream = j->recipe->mask == MERGE_MASK_MT19937;
    for (int i = 0; i < j->n_models; i++) {
        const sparse_model *m = &p->model[i];
        select_state *some[2];
        for (int k = selects(m, some) - 1; k >= 0; k--)
            stage[some[k]->stage] = true;
        mask |= is_sparse(m) && (p->l1 || m->kept == KEPT_PRUNED || (is_drawn(m) && stream));
        rows |= m->kept == KEPT_PRUNED;
    }
    j->pass = stage[SELECT_SAMPLE] || stage[SELECT_COUNT] ? SELECT : stage[SELECT_TIES] ? TIES : mask && after != MASK ? MASK : APPLY;
    j->n_sums = j->pass == TIES || j->pass == MASK ? 2 * j->n_models : 0;
    j->piece_bytes = j->pass == SELECT ? 2 * (size_t)j->n_models * sizeof(select_piece) : 0;
    j->walk = j->pass == MASK && rows ? WALK_ROWS : WALK_STRIPS;
    j->in_order = j->pass == MASK && stream;
    j->every = stage[SELECT_SAMPLE] ? SELECT_EVERY : 0;
}

size_t sparse_bytes(enum sparsifier kind, int n_models, int64_t columns)
{
    size_t each = sizeof(sparse_model);
    if (kind == SPARSE_MAGNITUDE)
        each += sizeof(select_state);
    else if (kind == SPARSE_OUTLIERS)
        each += 2 * sizeof(select_state);
    else if (kind != SPARSE_NONE)
        each += sizeof(mersenne);
    if (kind == SPARSE_MAGPRUNE)
        each += (size_t)columns * sizeof(uint32_t);
    return sizeof(sparse) + (size_t)n_models * each;
}

static int begin_magnitude(sparse_model *m, merge_job *j, select_state *memory)
{
    int64_t k = (int64_t)(m->density * (double)j->tensor->count);
    m->kept = m->density > 0 ? KEPT_LARGE : KEPT_NONE;
    if (m->kept == KEPT_LARGE) {
        m->large = memory;
        select_begin(m->large, SELECT_LARGE, k > 1 ? k : 1, j->tensor->count);
    }
    return 0;
}

/* Of the elements in ascending order those from `below` to `to` stay. */
static int begin_outliers(sparse_model *m, merge_job *j, int i, select_state *memory, error *err)
{
    double gamma = 0;
    int64_t n = j->tensor->count;
    if (kernel_parameter(j, i, "gamma", &gamma, err) != 0)
        return -1;
    int64_t stay = m->density > 0 ? (int64_t)(m->density * (double)n) : 0, top = (int64_t)(gamma * (double)n);
    int64_t below = n - stay - top > 0 ? n - stay - top : 0, to = below + stay < n ? below + stay : n;
    m->kept = to > below ? KEPT_MIDDLE : KEPT_NONE;
    if (m->kept == KEPT_MIDDLE && to < n) {
        m->large = memory;
        select_begin(m->large, SELECT_SMALL, to, n);
    }
    if (m->kept == KEPT_MIDDLE && below > 0) {
        m->small = memory + 1;
        select_begin(m->small, SELECT_SMALL, below, n);
    }
    return 0;
}

static int begin_random(sparse_model *m, merge_job *j, int i, mersenne *memory, error *err)
{
    if (m->density < 0)
        return fail(err, ERROR_FORMAT, "%s: the density of '%s' for '%s' is %g; a share of elements is in [0, 1]", j->recipe->method, kernel_model(j, i),
                    j->tensor->name, m->density);
    m->kept = KEPT_RANDOM;
    m->density = round_one(m->work, m->density);
    m->stream = memory;
    j->draws[i] = true;
    return 0;
}

static int begin_magprune(sparse_model *m, merge_job *j, int i, void *memory, error *err)
{
    if (kernel_parameter(j, i, "epsilon", &m->epsilon, err) != 0)
        return -1;
    m->kept = m->density > 0 ? KEPT_PRUNED : KEPT_NONE;
    if (m->kept == KEPT_NONE)
        return 0;
    if (!(m->density - m->epsilon > 0 && m->density + m->epsilon < 1))
        return fail(err, ERROR_FORMAT, "%s: density %g and epsilon %g of '%s' for '%s': density - epsilon and density + epsilon should lie between 0 and 1",
                    j->recipe->method, m->density, m->epsilon, kernel_model(j, i), j->tensor->name);
    m->stream = (mersenne *)memory + i;
    m->limits = (uint32_t *)(void *)((mersenne *)memory + j->n_models) + i * j->columns;
    prune_limits(m->work, m->density, m->epsilon, j->recipe->mask == MERGE_MASK_MT19937 ? 0x1p24 : 0x1p32, (int)j->columns, m->limits);
    j->draws[i] = true;
    return 0;
}

static int begin_model(sparse *p, merge_job *j, int i, enum sparsifier kind, bool rescale, error *err)
{
    sparse_model *m = &p->model[i];
    void *memory = &p->model[j->n_models];
    if (kernel_parameter(j, i, "density", &m->density, err) != 0)
        return -1;
    m->work = j->rounding;
    if (kind == SPARSE_NONE || m->density >= 1 || j->tensor->count == 0)
        return 0;
    if (kind == SPARSE_RANDOM || kind == SPARSE_MAGPRUNE)
        m->work = j->rounding == ROUND_F16 ? ROUND_F32 : j->rounding;
    int status = kind == SPARSE_MAGNITUDE  ? begin_magnitude(m, j, (select_state *)memory + i)
                 : kind == SPARSE_OUTLIERS ? begin_outliers(m, j, i, (select_state *)memory + (ptrdiff_t)2 * i, err)
                 : kind == SPARSE_RANDOM   ? begin_random(m, j, i, (mersenne *)memory + i, err)
                                           : begin_magprune(m, j, i, memory, err);
    if (rescale && j->recipe->inverse_density && m->density > 0)
        m->scale = 1 / m->density;
    return status;
}

int sparse_begin(sparse *p, merge_job *j, enum sparsifier kind, bool rescale, error *err)
{
    uint32_t ordinal = 0;
    bool drawn = false;
    p->l1 = rescale && !j->recipe->inverse_density;
    for (int i = 0; i < j->n_models; i++) {
        p->model[i].scale = 1;
        if (i == j->base)
            continue;
        p->model[i].ordinal = ordinal++;
        if (begin_model(p, j, i, kind, rescale, err) != 0)
            return -1;
        drawn |= is_drawn(&p->model[i]);
    }
    plan(p, j, APPLY);
    j->n_kept = drawn && j->pass == MASK ? (int)ordinal : 0;
    return 0;
}

/* ---- masks ---- */

/* Mergekit draws model after model; here all models go through the tensor together, each with a copy of the stream. */
static void begin_streams(const sparse *p, const merge_job *j)
{
    mersenne at = *j->stream;
    for (int i = 0; i < j->n_models; i++)
        if (is_drawn(&p->model[i])) {
            *p->model[i].stream = at;
            mersenne_skip(&at, j->tensor->count);
        }
}

/* d [n] is a row of the task vector; memory is that of prune_row, and n numbers. */
static void prune(const merge_job *j, const sparse_model *m, const merge_strip *s, const double *d, uint32_t *memory, uint64_t *bits)
{
    uint32_t *numbers = memory;
    if (j->stream)
        for (int i = 0; i < s->n; i++)
            numbers[i] = mersenne_next(m->stream) & 0xffffff;
    else
        mask_numbers(j->mask_key, m->ordinal, s->begin, s->n, numbers);
    prune_row(s->n, d, m->limits, numbers, memory + s->n, bits);
}

/* Draws the mask of a strip and keeps it in the job's. */
static void draw(const merge_job *j, const sparse_model *m, const merge_strip *s, double *d)
{
    uint32_t *memory = (uint32_t *)(void *)(s->scratch + (j->n_models + 1) * s->stride);
    uint64_t *bits = (uint64_t *)(void *)(s->scratch + j->n_models * s->stride);
    if (m->kept == KEPT_PRUNED)
        prune(j, m, s, d, memory, bits);
    else if (j->stream)
        mask_draw(m->stream, m->density, s->n, bits);
    else
        mask_random(j->mask_key, m->ordinal, m->density, s->begin, s->n, bits);
    mask_put(mask_of(j, m), s->begin, s->n, bits);
    mask_apply(bits, 0, s->n, d);
}

/* Zeroes what does not stay. */
static void sparsify(const merge_job *j, const sparse_model *m, int64_t begin, int n, double *d)
{
    if (m->kept == KEPT_NONE)
        strip_scale(ROUND_NONE, d, 0, n);
    if (m->large)
        select_apply(m->large, SELECT_KEEP, begin, n, d);
    if (m->small)
        select_apply(m->small, SELECT_DROP, begin, n, d);
    if (is_drawn(m) && j->kept)
        mask_apply(mask_of(j, m), begin, n, d);
    else if (is_drawn(m)) {
        uint64_t bits[STRIP / 64];
        mask_random(j->mask_key, m->ordinal, m->density, begin, n, bits);
        mask_apply(bits, 0, n, d);
    }
}

/* ---- passes ---- */

static void reduce_select(const merge_job *j, const sparse_model *m, const merge_strip *s, const double *d, int i, double *sums)
{
    select_state *some[2];
    for (int k = selects(m, some) - 1; k >= 0; k--)
        if (j->pass == SELECT && some[k]->stage <= SELECT_COUNT)
            select_count(some[k], s->n, d, (select_piece *)s->piece + 2 * i + k);
        else if (j->pass == TIES && some[k]->stage == SELECT_TIES)
            sums[2 * i + k] += select_ties(some[k], s->n, d);
}

void sparse_reduce(const sparse *p, const merge_job *j, const merge_strip *s, double *sums)
{
    double *d = s->scratch;
    if (j->in_order && j->stream && s->begin == 0)
        begin_streams(p, j);
    for (int i = 0; i < j->n_models; i++) {
        const sparse_model *m = &p->model[i];
        if (!is_sparse(m))
            continue;
        strip_subtract(j->rounding, source(s, i), source(s, j->base), s->n, d);
        if (j->pass != MASK) {
            reduce_select(j, m, s, d, i, sums);
            continue;
        }
        sums[2 * i] += strip_sum_abs(d, s->n);
        if (is_drawn(m))
            draw(j, m, s, d);
        else
            sparsify(j, m, s->begin, s->n, d);
        sums[2 * i + 1] += strip_sum_abs(d, s->n);
    }
}

void sparse_flush(const sparse *p, const merge_job *j, const void *piece)
{
    for (int i = 0; i < j->n_models; i++) {
        select_state *some[2];
        for (int k = selects(&p->model[i], some) - 1; k >= 0; k--)
            if (some[k]->stage <= SELECT_COUNT)
                select_flush(some[k], (const select_piece *)piece + 2 * i + k);
    }
}

/* The place of the last equal value that is chosen: its row from the counts, then along the row. */
static void cut_ties(const merge_job *j, select_state *select, int model, int column)
{
    int64_t columns = j->columns, row = 0;
    double wanted = (double)select->wanted;
    while (j->sums[row * j->n_sums + column] < wanted)
        wanted -= j->sums[row++ * j->n_sums + column];
    double x[STRIP], b[STRIP];
    for (int64_t at = 0; at < columns; at += STRIP) {
        int n = columns - at < STRIP ? (int)(columns - at) : STRIP;
        strip_load(&j->sources[model], row * columns + at, n, x);
        strip_load(&j->sources[j->base], row * columns + at, n, b);
        strip_round(j->rounding, x, n);
        strip_round(j->rounding, b, n);
        strip_subtract(j->rounding, x, b, n, x);
        int ties = select_ties(select, n, x);
        if (ties >= wanted) {
            select->cut = row * columns + at + select_tie(select, (int)wanted, n, x) + 1;
            break;
        }
        wanted -= ties;
    }
    select->stage = SELECT_DONE;
}

static double l1_ratio(const merge_job *j, int model, enum rounding work)
{
    double before = kernel_total(j, 2 * model), after = kernel_total(j, 2 * model + 1);
    before = round_one(work, before);
    after = round_one(work, after);
    return before < NORM_FLOOR || after < NORM_FLOOR ? 1 : round_one(work, before / after);
}

void sparse_combine(sparse *p, merge_job *j)
{
    enum pass pass = (enum pass)j->pass;
    for (int i = 0; i < j->n_models; i++) {
        sparse_model *m = &p->model[i];
        select_state *some[2];
        for (int k = selects(m, some) - 1; k >= 0; k--)
            if (pass == SELECT && some[k]->stage <= SELECT_COUNT)
                select_next(some[k]);
            else if (pass == TIES && some[k]->stage == SELECT_TIES)
                cut_ties(j, some[k], i, 2 * i + k);
        if (pass == MASK && p->l1 && is_sparse(m))
            m->scale = l1_ratio(j, i, m->work);
    }
    plan(p, j, pass);
}

void sparse_unscaled(const sparse *p, const merge_job *j, const merge_strip *s, int model, double *out)
{
    strip_subtract(j->rounding, source(s, model), source(s, j->base), s->n, out);
    sparsify(j, &p->model[model], s->begin, s->n, out);
}

void sparse_vector(const sparse *p, const merge_job *j, const merge_strip *s, int model, double *out)
{
    const sparse_model *m = &p->model[model];
    sparse_unscaled(p, j, s, model, out);
    if (m->scale != 1) {
        strip_scale(m->work, out, m->scale, s->n);
        strip_round(j->rounding, out, s->n);
    }
}
