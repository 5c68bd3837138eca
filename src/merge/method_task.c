/* The task-vector family (Ilharco et al., 2023), after mergekit's formulas:
 *
 *     d_i = x_i - b, sparsified;  P_i = w_i d_i
 *     consensus: m = sign(sum P_i);  D = sum of the P_i with sign m;  s = sum of their w_i, 1 if 0
 *     otherwise: D = sum P_i;  s = sum w_i, 1 if nearly 0
 *     normalize: D = D / s;  out = b + lambda D */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "merge/sparse.h"

#define DIVISOR_FLOOR 1e-8

struct task {
    bool consensus, normalize;
    double lambda, divisor;
    double *weight;              /* [n_models] behind the sparsifier */
    sparse sparse;               /* the last member: what it points to lies behind it */
};

static int begin(merge_job *j, bool consensus, enum sparsifier sparsifier, error *err)
{
    size_t n = (size_t)j->n_models, end = sizeof(struct task) + (sparse_bytes(sparsifier, j->n_models, j->columns) + 7) / 8 * 8;
    struct task *p = memory_new(1, end + n * sizeof(double));
    double normalize = 0, rescale = 0;
    j->state = p;
    p->weight = (double *)(void *)((char *)p + end);
    p->consensus = consensus;
    if (kernel_parameter(j, -1, "normalize", &normalize, err) != 0 || kernel_parameter(j, -1, "rescale", &rescale, err) != 0 ||
        kernel_parameter(j, -1, "lambda", &p->lambda, err) != 0)
        return -1;
    p->normalize = normalize != 0;
    for (int i = 0; i < j->n_models; i++) {
        if (i == j->base)
            continue;
        if (kernel_parameter(j, i, "weight", &p->weight[i], err) != 0)
            return -1;
        p->weight[i] = round_one(j->rounding, p->weight[i]);
        p->divisor = j->rounding ? (float)(p->divisor + p->weight[i]) : p->divisor + p->weight[i];
    }
    p->divisor = round_one(j->rounding, p->divisor);
    if (fabs(p->divisor) < DIVISOR_FLOOR)
        p->divisor = 1;
    return sparse_begin(&p->sparse, j, sparsifier, rescale != 0, err);
}

static void reduce(const merge_job *j, const merge_strip *s, double *sums)
{
    const struct task *p = j->state;
    sparse_reduce(&p->sparse, j, s, sums);
}

static void flush(const merge_job *j, const void *piece)
{
    const struct task *p = j->state;
    sparse_flush(&p->sparse, j, piece);
}

static int combine(merge_job *j, error *err)
{
    struct task *p = j->state;
    (void)err;
    sparse_combine(&p->sparse, j);
    return 0;
}

/* mergekit's sums over models are in f32. */
CPU_CLONES static void add(const double *restrict term, int n, double *restrict sum)
{
    for (int k = 0; k < n; k++)
        sum[k] = (float)(sum[k] + term[k]);
}

/* Adds where the sign of the term is that of `majority` (not negative: plus); 0 has no sign. */
CPU_CLONES static void add_agreeing(const double *restrict term, const double *restrict majority, int n, double *restrict sum)
{
    for (int k = 0; k < n; k++) {
        double with = majority[k] >= 0 ? term[k] : -term[k];
        sum[k] += with > 0 ? term[k] : 0;
    }
}

CPU_CLONES static void weigh_agreeing(const double *restrict term, const double *restrict majority, double weight, int n, double *restrict weights)
{
    for (int k = 0; k < n; k++) {
        double with = majority[k] >= 0 ? term[k] : -term[k];
        weights[k] += with > 0 ? weight : 0;
    }
}

CPU_CLONES static void divide(double *x, const double *by, int n)
{
    for (int k = 0; k < n; k++)
        x[k] /= by[k] == 0 ? 1 : by[k];
}

/* The terms that agree with the sign of all, and the sum of their weights. */
static void agree(const merge_job *j, const merge_strip *s, const double *majority, double *weights, double *out)
{
    const struct task *p = j->state;
    for (int i = 0; i < j->n_models; i++) {
        const double *term = s->scratch + i * s->stride;
        if (i == j->base)
            continue;
        add_agreeing(term, majority, s->n, out);
        strip_round(ROUND_F32, out, s->n);
        if (p->normalize)
            weigh_agreeing(term, majority, p->weight[i], s->n, weights);
        strip_round(ROUND_F32, weights, s->n);
    }
    strip_round(j->rounding, weights, s->n);
}

static void apply_compat(const merge_job *j, const merge_strip *s, double *out)
{
    const struct task *p = j->state;
    double *majority = s->scratch + j->n_models * s->stride, *weights = majority + s->stride;
    for (int k = 0; k < s->n; k++)
        out[k] = majority[k] = weights[k] = 0;
    for (int i = 0; i < j->n_models; i++) {
        double *term = s->scratch + i * s->stride;
        if (i == j->base)
            continue;
        sparse_vector(&p->sparse, j, s, i, term);
        strip_scale(j->rounding, term, p->weight[i], s->n);
        add(term, s->n, p->consensus ? majority : out);
    }
    if (p->consensus) {
        strip_round(j->rounding, majority, s->n);
        agree(j, s, majority, weights, out);
    }
    strip_round(j->rounding, out, s->n);
    if (p->normalize && p->consensus)
        divide(out, weights, s->n);
    else if (p->normalize)
        for (int k = 0; k < s->n; k++)
            out[k] /= p->divisor;
    strip_round(j->rounding, out, s->n);
    if (p->lambda != 1)
        strip_scale(j->rounding, out, (float)p->lambda, s->n);
    add(s->x + j->base * s->stride, s->n, out);
    strip_round(j->rounding, out, s->n);
}

/* ---- exact mode: the same with as few loops as there can be ---- */

CPU_CLONES static void scale_and_add(double *restrict term, double factor, int n, double *restrict sum)
{
    for (int k = 0; k < n; k++) {
        term[k] *= factor;
        sum[k] += term[k];
    }
}

CPU_CLONES static void agree_once(const double *restrict term, const double *restrict majority, double weight, int n, double *restrict sum, double *restrict weights)
{
    for (int k = 0; k < n; k++) {
        double with = majority[k] >= 0 ? term[k] : -term[k];
        sum[k] += with > 0 ? term[k] : 0;
        weights[k] += with > 0 ? weight : 0;
    }
}

CPU_CLONES static void add_base(const double *restrict base, double factor, int n, double *restrict out)
{
    for (int k = 0; k < n; k++)
        out[k] = base[k] + factor * out[k];
}

static void apply_exact(const merge_job *j, const merge_strip *s, double *out)
{
    const struct task *p = j->state;
    double *majority = s->scratch + j->n_models * s->stride, *weights = majority + s->stride;
    memset(majority, 0, (size_t)s->n * sizeof *majority);
    memset(weights, 0, (size_t)s->n * sizeof *weights);
    memset(out, 0, (size_t)s->n * sizeof *out);
    for (int i = 0; i < j->n_models; i++) {
        double *term = s->scratch + i * s->stride;
        if (i == j->base)
            continue;
        sparse_unscaled(&p->sparse, j, s, i, term);
        scale_and_add(term, p->sparse.model[i].scale * p->weight[i], s->n, p->consensus ? majority : out);
    }
    for (int i = 0; i < j->n_models && p->consensus; i++)
        if (i != j->base)
            agree_once(s->scratch + i * s->stride, majority, p->weight[i], s->n, out, weights);
    if (p->normalize && p->consensus)
        divide(out, weights, s->n);
    add_base(s->x + j->base * s->stride, p->normalize && !p->consensus ? p->lambda / p->divisor : p->lambda, s->n, out);
}

static void apply(const merge_job *j, const merge_strip *s, double *out)
{
    (j->rounding ? apply_compat : apply_exact)(j, s, out);
}

static int begin_task_arithmetic(merge_job *j, error *err)
{
    return begin(j, false, SPARSE_NONE, err);
}

static int begin_ties(merge_job *j, error *err)
{
    return begin(j, true, SPARSE_MAGNITUDE, err);
}

static int begin_dare_linear(merge_job *j, error *err)
{
    return begin(j, false, SPARSE_RANDOM, err);
}

static int begin_dare_ties(merge_job *j, error *err)
{
    return begin(j, true, SPARSE_RANDOM, err);
}

static int begin_breadcrumbs(merge_job *j, error *err)
{
    return begin(j, false, SPARSE_OUTLIERS, err);
}

static int begin_breadcrumbs_ties(merge_job *j, error *err)
{
    return begin(j, true, SPARSE_OUTLIERS, err);
}

static int begin_della(merge_job *j, error *err)
{
    return begin(j, true, SPARSE_MAGPRUNE, err);
}

static int begin_della_linear(merge_job *j, error *err)
{
    return begin(j, false, SPARSE_MAGPRUNE, err);
}

const method_kernel kernel_task_arithmetic = {begin_task_arithmetic, reduce, flush, combine, apply};
const method_kernel kernel_ties = {begin_ties, reduce, flush, combine, apply};
const method_kernel kernel_dare_linear = {begin_dare_linear, reduce, flush, combine, apply};
const method_kernel kernel_dare_ties = {begin_dare_ties, reduce, flush, combine, apply};
const method_kernel kernel_breadcrumbs = {begin_breadcrumbs, reduce, flush, combine, apply};
const method_kernel kernel_breadcrumbs_ties = {begin_breadcrumbs_ties, reduce, flush, combine, apply};
const method_kernel kernel_della = {begin_della, reduce, flush, combine, apply};
const method_kernel kernel_della_linear = {begin_della_linear, reduce, flush, combine, apply};
