/* arcee_fusion: the elements that matter most are taken over. An element's score is its difference times the KL divergence of the
 * softmax of its row from the base's; it is taken from the median of the scores and 1.5 interquartile ranges on. mergekit samples
 * a million scores of larger tensors for it; here the order statistics are of all. */
#include <math.h>

#include "base/memory.h"
#include "compute/scalar.h"
#include "merge/select.h"
#include "merge/strip.h"

#define FLOOR 1e-8   /* added to probabilities */

enum pass { APPLY, DIVERGE, SELECT };

struct arcee {
    double threshold;
    select_state quartile[3];
};

static int begin(merge_job *j, error *err)
{
    struct arcee *p = memory_new(1, sizeof *p);
    const tensor *shape = &j->tensor->shape;
    (void)err;
    j->state = p;
    if (shape->rank > 1 && j->tensor->count > 0) {
        j->columns = shape->shape[shape->rank - 1];
        j->rows = j->tensor->count / j->columns;
    }
    for (int q = 0; q < 3; q++)
        select_begin(&p->quartile[q], SELECT_RANK, (int64_t)((q + 1) * 0.25 * (double)(j->tensor->count - 1)) + 1, j->tensor->count);
    j->by_row = true;
    j->walk = WALK_ROWS;
    j->n_sums = 1;
    j->pass = DIVERGE;
    return 0;
}

static void softmax(enum rounding r, const double *x, int n, double *out)
{
    double most = x[0], sum = 0;
    for (int k = 1; k < n; k++)
        most = x[k] > most ? x[k] : most;
    for (int k = 0; k < n; k++) {
        out[k] = scalar_exp64(fmax(x[k] - most, -700));
        sum += out[k];
    }
    for (int k = 0; k < n; k++)
        out[k] /= sum;
    strip_round(r, out, n);
    for (int k = 0; k < n; k++)
        out[k] += round_one(r, FLOOR);
    strip_round(r, out, n);
}

static double divergence(const merge_job *j, const merge_strip *s, const double *x, const double *b)
{
    enum rounding r = j->rounding;
    double *p = s->scratch, *q = p + s->stride, sum = 0;
    softmax(r, x, s->n, p);
    softmax(r, b, s->n, q);
    for (int k = 0; k < s->n; k++)
        q[k] = p[k] / q[k];
    strip_round(r, q, s->n);
    for (int k = 0; k < s->n; k++)
        q[k] = scalar_log64(q[k]);
    strip_round(r, q, s->n);
    for (int k = 0; k < s->n; k++)
        q[k] *= p[k];
    strip_round(r, q, s->n);
    for (int k = 0; k < s->n; k++)
        sum += q[k];
    return round_one(r, sum);
}

static double *scores(const merge_job *j, const merge_strip *s)
{
    double *d = s->scratch;
    strip_subtract(j->rounding, s->x + kernel_other(j, 0) * s->stride, s->x + j->base * s->stride, s->n, d);
    for (int k = 0; k < s->n; k++)
        d[k] = fabs(d[k]);
    strip_scale(j->rounding, d, j->sums[s->row], s->n);
    return d;
}

static void reduce(const merge_job *j, const merge_strip *s, double *sums)
{
    const struct arcee *p = j->state;
    if (j->pass == DIVERGE) {
        sums[0] = divergence(j, s, s->x + kernel_other(j, 0) * s->stride, s->x + j->base * s->stride);
        return;
    }
    const double *d = scores(j, s);
    for (int q = 0; q < 3; q++)
        if (p->quartile[q].stage == SELECT_COUNT)
            select_count(&p->quartile[q], s->n, d, (select_piece *)s->piece + q);
}

static void flush(const merge_job *j, const void *piece)
{
    struct arcee *p = j->state;
    for (int q = 0; q < 3; q++)
        if (p->quartile[q].stage == SELECT_COUNT)
            select_flush(&p->quartile[q], (const select_piece *)piece + q);
}

static int combine(merge_job *j, error *err)
{
    struct arcee *p = j->state;
    enum rounding r = j->rounding;
    bool more = j->pass == DIVERGE;
    (void)err;
    for (int q = 0; q < 3 && j->pass == SELECT; q++) {
        if (p->quartile[q].stage == SELECT_COUNT)
            select_next(&p->quartile[q]);
        more |= p->quartile[q].stage == SELECT_COUNT;
    }
    j->pass = more ? SELECT : APPLY;
    j->walk = WALK_STRIPS;
    j->keep_sums = true;
    j->piece_bytes = 3 * sizeof(select_piece);
    if (more)
        return 0;
    double low = select_value(&p->quartile[0]), median = select_value(&p->quartile[1]), high = select_value(&p->quartile[2]);
    p->threshold = round_one(r, median + round_one(r, 1.5 * round_one(r, high - low)));
    return 0;
}

static void apply(const merge_job *j, const merge_strip *s, double *out)
{
    const struct arcee *p = j->state;
    const double *base = s->x + j->base * s->stride, *score = scores(j, s);
    double *d = s->scratch + s->stride;
    strip_subtract(j->rounding, s->x + kernel_other(j, 0) * s->stride, base, s->n, d);
    for (int k = 0; k < s->n; k++)
        out[k] = base[k] + (score[k] >= p->threshold ? d[k] : 0);
    strip_round(j->rounding ? ROUND_F32 : ROUND_NONE, out, s->n);
}

const method_kernel kernel_arcee_fusion = {begin, reduce, flush, combine, apply};
