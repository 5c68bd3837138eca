/* slerp: spherical interpolation of the flattened tensors (Shoemake, 1985), as mergekit computes it: the angle is
 * that between the normalized tensors, what is interpolated are the tensors as they are. */
#include <math.h>

#include "base/memory.h"
#include "compute/scalar.h"
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
    const double *a = s->x + (int64_t)j->base * STRIP, *b = s->x + (int64_t)(1 - j->base) * STRIP;
    sums[SUM_AA] += strip_dot(a, a, s->n);
    sums[SUM_BB] += strip_dot(b, b, s->n);
    sums[SUM_AB] += strip_dot(a, b, s->n);
}

/* Newton on cos(theta) = c from a polynomial start (Abramowitz and Stegun 4.4.45, 7e-5): |c| <= 0.9995 keeps the sine away from 0. */
static double angle(double c)
{
    double x = fabs(c), sine, cosine;
    double theta = sqrt(1 - x) * (1.5707288 + x * (-0.2121144 + x * (0.0742610 - 0.0187293 * x)));
    theta = c < 0 ? 3.14159265358979323846 - theta : theta;
    for (int i = 0; i < 4; i++) {
        scalar_sincos64(theta, &sine, &cosine);
        theta += (cosine - c) / sine;
    }
    return theta;
}

static double sine_of(double x)
{
    double sine, cosine;
    scalar_sincos64(x, &sine, &cosine);
    return sine;
}

static void combine(merge_job *j)
{
    struct slerp *p = j->state;
    double sums[SUMS] = {0};
    for (int64_t r = 0; r < j->tensor->rows; r++)
        for (int k = 0; k < SUMS; k++)
            sums[k] += j->sums[r * SUMS + k];
    double a = sqrt(sums[SUM_AA]), b = sqrt(sums[SUM_BB]);
    double c = sums[SUM_AB] / ((a > NEARLY_ZERO ? a : 1) * (b > NEARLY_ZERO ? b : 1));
    p->from_base = 1 - p->t;
    p->from_other = p->t;
    if (!(fabs(c) > NEARLY_PARALLEL)) {
        double theta = angle(c), sine = sine_of(theta);
        p->from_base = sine_of((1 - p->t) * theta) / sine;
        p->from_other = sine_of(p->t * theta) / sine;
    }
    if (j->rounding) {
        p->from_base = (float)p->from_base;
        p->from_other = (float)p->from_other;
    }
    j->pass = 0;
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
    const double *a = s->x + (int64_t)j->base * STRIP, *b = s->x + (int64_t)(1 - j->base) * STRIP;
    (j->rounding ? mix_f32 : mix)(a, b, p->from_base, p->from_other, s->n, out);
    strip_round(j->rounding, out, s->n);
}

const method_kernel kernel_slerp = {.begin = begin, .reduce = reduce, .combine = combine, .apply = apply};
