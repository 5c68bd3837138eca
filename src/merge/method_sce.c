/* sce (Wan et al., "FuseChat", 2024): select the elements whose task vectors differ most between the models, calculate each model's weight
 * from the mean square of its task vector, erase what is against the sign of the sum. */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "merge/select.h"
#include "merge/strip.h"

#define WEIGHTS_FLOOR 1e-6

enum pass { APPLY, SELECT, TIES, SQUARES };

struct sce {
    int n;                 /* models that are not the base */
    double share;
    bool started, nothing; /* nothing is selected */
    double *weight;        /* [n] behind this */
    select_state select;
};

static int begin(merge_job *j, error *err)
{
    int n = j->n_models - 1;
    struct sce *p = memory_new(1, sizeof *p + (size_t)n * sizeof(double));
    j->state = p;
    p->n = n;
    p->weight = (double *)(void *)(p + 1);
    if (kernel_parameter(j, -1, "select_topk", &p->share, err) != 0)
        return -1;
    p->nothing = p->share <= 0;
    select_begin(&p->select, SELECT_LARGE, 1, 0);
    j->pass = p->share > 0 && p->share < 1 ? SELECT : SQUARES;
    j->piece_bytes = j->pass == SELECT ? sizeof(select_piece) : 0;
    j->n_sums = n;
    return 0;
}

static void task_vectors(const merge_job *j, const merge_strip *s)
{
    const struct sce *p = j->state;
    for (int i = 0; i < p->n; i++)
        strip_subtract(j->rounding, s->x + kernel_other(j, i) * s->stride, s->x + j->base * s->stride, s->n, s->scratch + i * s->stride);
}

static double *variance(const merge_job *j, const merge_strip *s)
{
    const struct sce *p = j->state;
    double *out = s->scratch + p->n * s->stride;
    for (int k = 0; k < s->n; k++) {
        double mean = 0, sum = 0;
        for (int i = 0; i < p->n; i++)
            mean += s->scratch[i * s->stride + k];
        mean /= p->n;
        for (int i = 0; i < p->n; i++) {
            double away = s->scratch[i * s->stride + k] - mean;
            sum += away * away;
        }
        out[k] = sum / p->n;
    }
    strip_round(j->rounding, out, s->n);
    return out;
}

static void select_vectors(const merge_job *j, const merge_strip *s)
{
    const struct sce *p = j->state;
    if (p->share >= 1)
        return;
    double *v = variance(j, s);
    if (p->nothing)
        strip_scale(ROUND_NONE, v, 0, s->n);
    else
        select_apply(&p->select, SELECT_KEEP, s->begin, s->n, v);
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k < s->n; k++)
            s->scratch[i * s->stride + k] = v[k] != 0 ? s->scratch[i * s->stride + k] : 0;
}

static void reduce(const merge_job *j, const merge_strip *s, double *sums)
{
    const struct sce *p = j->state;
    task_vectors(j, s);
    if (j->pass == SQUARES) {
        select_vectors(j, s);
        for (int i = 0; i < p->n; i++)
            sums[i] += strip_dot_rounded(j->rounding, s->scratch + i * s->stride, s->scratch + i * s->stride, s->n);
        return;
    }
    const double *v = variance(j, s);
    if (j->pass == SELECT)
        select_count(&p->select, s->n, v, s->piece);
    if (j->pass == TIES)
        sums[0] += select_ties(&p->select, s->n, v);
    for (int k = 0; k < s->n && j->pass == SELECT && !p->started; k++)
        sums[0] += v[k] != 0;
}

static void flush(const merge_job *j, const void *piece)
{
    struct sce *p = j->state;
    if (j->pass == SELECT)
        select_flush(&p->select, piece);
}

/* The place of the last equal value that is chosen: its row from the counts, then along the row. */
static int cut_ties(merge_job *j, error *err)
{
    struct sce *p = j->state;
    int64_t row = 0;
    double wanted = (double)p->select.wanted, *room = memory_try((size_t)(2 * j->n_models + SCRATCH) * STRIP * sizeof *room, "a strip of weights", err);
    if (!room)
        return -1;
    while (j->sums[row * j->n_sums] < wanted)
        wanted -= j->sums[row++ * j->n_sums];
    merge_strip s = {.row = row, .stride = STRIP, .x = room, .scratch = room + (ptrdiff_t)j->n_models * STRIP};
    for (int64_t at = 0; at < j->columns; at += STRIP) {
        s.begin = row * j->columns + at;
        s.n = j->columns - at < STRIP ? (int)(j->columns - at) : STRIP;
        kernel_load(j, &s);
        task_vectors(j, &s);
        const double *v = variance(j, &s);
        int ties = select_ties(&p->select, s.n, v);
        if (ties >= wanted) {
            p->select.cut = s.begin + select_tie(&p->select, (int)wanted, s.n, v) + 1;
            break;
        }
        wanted -= ties;
    }
    p->select.stage = SELECT_DONE;
    free(room);
    return 0;
}

static void weigh(merge_job *j, struct sce *p)
{
    enum rounding r = j->rounding;
    double total = 0;
    for (int i = 0; i < p->n; i++) {
        p->weight[i] = round_one(r, kernel_total(j, i) / (double)j->tensor->count);
        total = r ? (float)(total + p->weight[i]) : total + p->weight[i];
    }
    total = round_one(r, total);
    for (int i = 0; i < p->n; i++)
        p->weight[i] = round_one(r, fabs(total) < WEIGHTS_FLOOR ? 1.0 / p->n : p->weight[i] / total);
}

static int combine(merge_job *j, error *err)
{
    struct sce *p = j->state;
    if (j->pass == SQUARES) {
        weigh(j, p);
        j->pass = APPLY;
        return 0;
    }
    if (j->pass == SELECT && !p->started) {
        p->select.k = (int64_t)(kernel_total(j, 0) * p->share);
        p->nothing = p->select.k == 0;
        p->started = true;
    }
    if (j->pass == TIES && cut_ties(j, err) != 0)
        return -1;
    if (j->pass == SELECT && !p->nothing)
        select_next(&p->select);
    j->pass = p->nothing || p->select.stage == SELECT_DONE ? SQUARES : p->select.stage == SELECT_TIES ? TIES : SELECT;
    j->piece_bytes = j->pass == SELECT ? sizeof(select_piece) : 0;
    return 0;
}

static void apply(const merge_job *j, const merge_strip *s, double *out)
{
    const struct sce *p = j->state;
    enum rounding r = j->rounding;
    double *majority = s->scratch + p->n * s->stride, *weights = majority + s->stride, least = round_one(r, WEIGHTS_FLOOR);
    task_vectors(j, s);
    select_vectors(j, s);
    for (int k = 0; k < s->n; k++)
        out[k] = majority[k] = weights[k] = 0;
    for (int i = 0; i < p->n; i++)
        strip_add_scaled(r, s->scratch + i * s->stride, 1, s->n, majority);
    strip_round(r, majority, s->n);
    for (int i = 0; i < p->n; i++) {
        double *d = s->scratch + i * s->stride;
        for (int k = 0; k < s->n; k++) {
            bool agrees = majority[k] >= 0 ? d[k] > 0 : d[k] < 0;
            d[k] = agrees ? d[k] : 0;
            weights[k] += agrees ? p->weight[i] : 0;
        }
        strip_round(r ? ROUND_F32 : r, weights, s->n);
        strip_add_scaled(r, d, p->weight[i], s->n, out);
    }
    strip_round(r, weights, s->n);
    strip_round(r, out, s->n);
    for (int k = 0; k < s->n; k++)
        out[k] /= weights[k] > least ? weights[k] : least;
    strip_round(r, out, s->n);
    strip_add_scaled(ROUND_NONE, s->x + j->base * s->stride, 1, s->n, out);
    strip_round(r, out, s->n);
}

const method_kernel kernel_sce = {begin, reduce, flush, combine, apply};
