/* slerp: spherical interpolation of the flattened tensors (Shoemake, 1985), as mergekit computes it: the angle is
 * that between the normalized tensors, what is interpolated are the tensors as they are. */
#include <math.h>

#include "base/memory.h"
#include "merge/angle.h"
#include "merge/strip.h"

#define NEARLY_PARALLEL 0.9995   /* mergekit's: beyond it the sine of the angle is too small to divide by */
#define NEARLY_ZERO 1e-8

struct slerp {
    double t, from_base, from_other;
};

enum { SUM_AA, SUM_BB, SUM_AB, SUMS };

static int begin(merge_job *j, error *err)
{
    struct slerp *p = memory_new(1, sizeof *p);
    j->state = p;
    if (kernel_parameter(j, -1, "t", &p->t, err) != 0)
        return -1;
    if (j->rounding)
        p->t = (float)p->t;
    j->n_sums = SUMS;
    j->pass = 1;
    return 0;
}

static void reduce(const merge_job *j, const merge_strip *s, double *sums)
{
    const double *a = s->x + j->base * s->stride, *b = s->x + (1 - j->base) * s->stride;
    sums[SUM_AA] += strip_dot(a, a, s->n);
    sums[SUM_BB] += strip_dot(b, b, s->n);
    sums[SUM_AB] += strip_dot(a, b, s->n);
}

static int combine(merge_job *j, error *err)
{
    struct slerp *p = j->state;
    (void)err;
    double a = sqrt(kernel_total(j, SUM_AA)), b = sqrt(kernel_total(j, SUM_BB));
    double c = kernel_total(j, SUM_AB) / ((a > NEARLY_ZERO ? a : 1) * (b > NEARLY_ZERO ? b : 1));
    p->from_base = 1 - p->t;
    p->from_other = p->t;
    if (!(fabs(c) > NEARLY_PARALLEL)) {
        double theta = angle_of(c), sine = angle_sine(theta);
        p->from_base = angle_sine((1 - p->t) * theta) / sine;
        p->from_other = angle_sine(p->t * theta) / sine;
    }
    if (j->rounding) {
        p->from_base = (float)p->from_base;
        p->from_other = (float)p->from_other;
    }
    j->pass = 0;
    return 0;
}

CPU_CLONES static void mix(const double *a, const double *b, double wa, double wb, int n, double *out)
{
    for (int k = 0; k < n; k++)
        out[k] = wa * a[k] + wb * b[k];
}

CPU_CLONES static void mix_f32(const double *a, const double *b, double wa, double wb, int n, double *out)
{
    for (int k = 0; k < n; k++)
        out[k] = (float)(wa * a[k]) + (float)(wb * b[k]);
}

static void apply(const merge_job *j, const merge_strip *s, double *out)
{
    const struct slerp *p = j->state;
    const double *a = s->x + j->base * s->stride, *b = s->x + (1 - j->base) * s->stride;
    (j->rounding ? mix_f32 : mix)(a, b, p->from_base, p->from_other, s->n, out);
    strip_round(j->rounding, out, s->n);
}

const method_kernel kernel_slerp = {.begin = begin, .reduce = reduce, .combine = combine, .apply = apply};
