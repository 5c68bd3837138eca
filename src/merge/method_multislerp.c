/* multislerp: the weighted mean of directions, times the weighted mean of norms. mergekit goes from the directions' mean along the
 * weighted sum of their tangents there, which is 0 but for its rounding: in exact mode it is left out, in compat mode it is computed.
 * Each pass computes again, strip by strip, what the passes before have the scalars of. */
#include <math.h>

#include "base/memory.h"
#include "merge/angle.h"
#include "merge/strip.h"

enum pass { APPLY, NORMS, MEAN, DOTS, TANGENT };

struct multislerp {
    int n;                        /* the models that are not the base */
    double eps, mean_norm, cosine, sine_ratio, length;
    bool straight;                /* interpolated as they are */
    double *weight, *norm, *dot;  /* [n] behind this */
};

static int begin(merge_job *j, error *err)
{
    int n = j->n_models - (j->base >= 0);
    struct multislerp *p = memory_new(1, sizeof *p + 3 * (size_t)n * sizeof(double));
    double normalize = 0, sum = 0;
    enum rounding r = j->rounding;
    j->state = p;
    p->n = n;
    p->weight = (double *)(void *)(p + 1);
    p->norm = p->weight + n;
    p->dot = p->norm + n;
    if (kernel_parameter(j, -1, "normalize_weights", &normalize, err) != 0 || kernel_parameter(j, -1, "eps", &p->eps, err) != 0)
        return -1;
    for (int i = 0; i < n; i++) {
        if (kernel_parameter(j, kernel_other(j, i), "weight", &p->weight[i], err) != 0)
            return -1;
        p->weight[i] = round_one(r, p->weight[i]);
        sum = r ? (float)(sum + p->weight[i]) : sum + p->weight[i];
    }
    sum = round_one(r, sum);
    if (n > 1 && normalize != 0 && sum == 0)
        return fail(err, ERROR_FORMAT, "multislerp: the weights of '%s' sum to 0 and cannot be normalized", j->tensor->name);
    for (int i = 0; i < n && normalize != 0; i++)
        p->weight[i] = round_one(r, p->weight[i] / sum);
    j->n_sums = n;
    j->pass = n > 1 ? NORMS : APPLY;
    return 0;
}

static const double *vector(const merge_job *j, const merge_strip *s, int i, double *out)
{
    const double *x = s->x + kernel_other(j, i) * s->stride;
    if (j->base < 0)
        return x;
    strip_subtract(j->rounding, x, s->x + j->base * s->stride, s->n, out);
    return out;
}

static void divide(enum rounding r, double *x, double by, int n)
{
    for (int k = 0; k < n; k++)
        x[k] /= by;
    strip_round(r, x, n);
}

static double *unit(const merge_job *j, const merge_strip *s, int i)
{
    const struct multislerp *p = j->state;
    double *out = s->scratch + i * s->stride, by = round_one(j->rounding, p->norm[i] + round_one(j->rounding, p->eps));
    if (by == 0 && j->rounding == ROUND_NONE)   /* a vector of zeros, and an eps of 0 */
        by = 1;
    const double *x = vector(j, s, i, out);
    for (int k = 0; k < s->n; k++)
        out[k] = x[k] / by;
    strip_round(j->rounding, out, s->n);
    return out;
}

/* The weighted sum of the units, and of the tangents at its direction. */
static void mean(const merge_job *j, const merge_strip *s, double *out)
{
    const struct multislerp *p = j->state;
    for (int k = 0; k < s->n; k++)
        out[k] = 0;
    for (int i = 0; i < p->n; i++)
        strip_add_scaled(j->rounding, unit(j, s, i), p->weight[i], s->n, out);
    strip_round(j->rounding, out, s->n);
}

static void tangent(const merge_job *j, const merge_strip *s, const double *direction, double *out)
{
    const struct multislerp *p = j->state;
    double *along = s->scratch + p->n * s->stride;
    for (int k = 0; k < s->n; k++)
        out[k] = 0;
    for (int i = 0; i < p->n; i++) {
        double *u = unit(j, s, i);
        for (int k = 0; k < s->n; k++)
            along[k] = p->dot[i] * direction[k];
        strip_round(j->rounding, along, s->n);
        strip_subtract(j->rounding, u, along, s->n, u);
        strip_add_scaled(j->rounding, u, p->weight[i], s->n, out);
    }
    strip_round(j->rounding, out, s->n);
}

static void reduce(const merge_job *j, const merge_strip *s, double *sums)
{
    const struct multislerp *p = j->state;
    double *m = s->scratch + (p->n + 1) * s->stride, *t = m + s->stride;
    if (j->pass == NORMS) {
        for (int i = 0; i < p->n; i++) {
            const double *x = vector(j, s, i, s->scratch);
            sums[i] += strip_dot(x, x, s->n);
        }
        return;
    }
    mean(j, s, m);
    if (j->pass == MEAN) {
        sums[0] += strip_dot(m, m, s->n);
        return;
    }
    divide(j->rounding, m, p->mean_norm, s->n);
    if (j->pass == DOTS) {
        for (int i = 0; i < p->n; i++)
            sums[i] += strip_dot_rounded(j->rounding, unit(j, s, i), m, s->n);
        return;
    }
    tangent(j, s, m, t);
    sums[0] += strip_dot(t, t, s->n);
}

static void combine_norms(merge_job *j, struct multislerp *p)
{
    double length = 0;
    for (int i = 0; i < p->n; i++) {
        p->norm[i] = round_one(j->rounding, sqrt(kernel_total(j, i)));
        double part = round_one(j->rounding, p->norm[i] * p->weight[i]);
        length = j->rounding ? (float)(length + part) : length + part;
    }
    p->length = round_one(j->rounding, length);
    j->pass = MEAN;
}

static int combine_mean(merge_job *j, struct multislerp *p, error *err)
{
    bool nothing = j->rounding == ROUND_NONE;
    p->mean_norm = round_one(j->rounding, sqrt(kernel_total(j, 0)));
    p->straight = p->mean_norm < round_one(j->rounding, p->eps) || (j->rounding == ROUND_NONE && p->mean_norm == 0);
    for (int i = 0; i < p->n; i++)
        nothing &= p->norm[i] == 0;
    if (p->straight && p->n > 2 && !nothing)
        return fail(err, ERROR_FORMAT, "multislerp: the weighted directions of '%s' cancel each other, so they have no mean; other weights would do", j->tensor->name);
    p->cosine = angle_cosine(p->eps);
    j->pass = p->straight || j->rounding == ROUND_NONE ? APPLY : DOTS;
    return 0;
}

static int combine(merge_job *j, error *err)
{
    struct multislerp *p = j->state;
    enum rounding r = j->rounding;
    if (j->pass == NORMS) {
        combine_norms(j, p);
    } else if (j->pass == MEAN) {
        return combine_mean(j, p, err);
    } else if (j->pass == DOTS) {
        for (int i = 0; i < p->n; i++)
            p->dot[i] = round_one(r, kernel_total(j, i));
        j->pass = TANGENT;
    } else {
        double norm = round_one(r, round_one(r, sqrt(kernel_total(j, 0))) + round_one(r, p->eps));
        p->cosine = round_one(r, angle_cosine(norm));
        p->sine_ratio = round_one(r, round_one(r, angle_sine(norm)) / norm);
        j->pass = APPLY;
    }
    return 0;
}

static void apply(const merge_job *j, const merge_strip *s, double *out)
{
    const struct multislerp *p = j->state;
    double *t = s->scratch + (p->n + 1) * s->stride;
    if (p->n == 1) {
        for (int k = 0; k < s->n; k++)
            out[k] = s->x[kernel_other(j, 0) * s->stride + k];
        return;
    }
    if (p->straight) {
        double *room = s->scratch;
        for (int k = 0; k < s->n; k++)
            out[k] = 0;
        for (int i = 0; i < p->n; i++)
            strip_add_scaled(j->rounding, vector(j, s, i, room), p->weight[i], s->n, out);
    } else {
        mean(j, s, out);
        divide(j->rounding, out, p->mean_norm, s->n);
        if (j->rounding) {
            tangent(j, s, out, t);
            strip_scale(j->rounding, t, p->sine_ratio, s->n);
        }
        strip_scale(j->rounding, out, p->cosine, s->n);
        if (j->rounding)
            strip_add_scaled(ROUND_NONE, t, 1, s->n, out);
        strip_round(j->rounding, out, s->n);
        strip_scale(j->rounding, out, p->length, s->n);
    }
    if (j->base >= 0)
        strip_add_scaled(ROUND_NONE, s->x + j->base * s->stride, 1, s->n, out);
    strip_round(j->rounding, out, s->n);
}

const method_kernel kernel_multislerp = {.begin = begin, .reduce = reduce, .combine = combine, .apply = apply};
