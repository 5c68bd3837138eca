/* nuslerp: spherical interpolation of two models, or of two task vectors, as one vector a tensor, a row or a column. */
#include <math.h>

#include "base/memory.h"
#include "merge/angle.h"
#include "merge/strip.h"

#define NORM_FLOOR 1e-7
#define COLLINEAR 1e-16
#define WEIGHTS_FLOOR 1e-6

enum { SUM_AA, SUM_BB, SUM_AB, SUMS };
enum { FROM_A = SUM_AA, FROM_B = SUM_BB, DIVISOR = SUM_AB };   /* what combine leaves in their place: out = (from_a a + from_b b) / divisor */
enum pass { APPLY, GRAM, NORMS, COSINES };
enum vectors { WHOLE, ROWS, COLUMNS };

struct nuslerp {
    double t;
    enum vectors vectors;
};

static int begin(merge_job *j, error *err)
{
    struct nuslerp *p = memory_new(1, sizeof *p);
    double w[2] = {0, 0}, flatten = 0, row_wise = 0;
    const tensor *shape = &j->tensor->shape;
    j->state = p;
    if (kernel_parameter(j, kernel_other(j, 0), "weight", &w[0], err) != 0 || kernel_parameter(j, kernel_other(j, 1), "weight", &w[1], err) != 0 ||
        kernel_parameter(j, -1, "nuslerp_flatten", &flatten, err) != 0 || kernel_parameter(j, -1, "nuslerp_row_wise", &row_wise, err) != 0)
        return -1;
    p->t = fabs(w[0] + w[1]) < WEIGHTS_FLOOR ? 0.5 : w[1] / (w[0] + w[1]);
    p->vectors = flatten != 0 || shape->rank < 2 ? WHOLE : row_wise != 0 ? COLUMNS : ROWS;
    if (p->vectors == ROWS && j->tensor->count > 0) {
        j->columns = shape->shape[shape->rank - 1];
        j->rows = j->tensor->count / j->columns;
    }
    j->by_row = p->vectors != WHOLE;
    j->walk = p->vectors == COLUMNS ? WALK_COLUMNS : WALK_STRIPS;
    j->n_sums = SUMS;
    j->pass = j->rounding ? NORMS : GRAM;
    return 0;
}

/* The two vectors: the models, or what they add to the base. */
static void vectors(const merge_job *j, const merge_strip *s, const double *v[2])
{
    for (int i = 0; i < 2; i++) {
        v[i] = s->x + kernel_other(j, i) * s->stride;
        if (j->base < 0)
            continue;
        double *d = s->scratch + i * s->stride;
        strip_subtract(j->rounding, v[i], s->x + j->base * s->stride, s->n, d);
        v[i] = d;
    }
}

static double norm_of(const merge_job *j, double squares)
{
    double norm = round_one(j->rounding, sqrt(squares)), least = round_one(j->rounding, NORM_FLOOR);
    return norm > least ? norm : least;
}

static void reduce_column(const merge_job *j, const double *const v[2], int n, double *sums)
{
    for (int k = 0; k < n; k++, sums += SUMS) {
        double a = v[0][k], b = v[1][k];
        if (j->pass == COSINES) {
            sums[SUM_AB] += round_one(j->rounding, round_one(j->rounding, a / norm_of(j, sums[SUM_AA])) * round_one(j->rounding, b / norm_of(j, sums[SUM_BB])));
            continue;
        }
        sums[SUM_AA] += a * a;
        sums[SUM_BB] += b * b;
        if (j->pass == GRAM)
            sums[SUM_AB] += a * b;
    }
}

static void unit(const merge_job *j, const double *v, double norm, int n, double *out)
{
    for (int k = 0; k < n; k++)
        out[k] = v[k] / norm;
    strip_round(j->rounding, out, n);
}

static void reduce(const merge_job *j, const merge_strip *s, double *sums)
{
    const struct nuslerp *p = j->state;
    const double *v[2];
    vectors(j, s, v);
    if (p->vectors == COLUMNS) {
        reduce_column(j, v, s->n, sums);
    } else if (j->pass == COSINES) {
        double *a = s->scratch + j->n_models * s->stride, *b = a + s->stride;
        unit(j, v[0], norm_of(j, sums[SUM_AA]), s->n, a);
        unit(j, v[1], norm_of(j, sums[SUM_BB]), s->n, b);
        sums[SUM_AB] += strip_dot_rounded(j->rounding, a, b, s->n);
    } else {
        sums[SUM_AA] += strip_dot(v[0], v[0], s->n);
        sums[SUM_BB] += strip_dot(v[1], v[1], s->n);
        if (j->pass == GRAM)
            sums[SUM_AB] += strip_dot(v[0], v[1], s->n);
    }
}

/* Every vector's sums become its factors. */
static void set_factors(const merge_job *j, double sums[SUMS])
{
    const struct nuslerp *p = j->state;
    enum rounding r = j->rounding;
    double t = r ? (float)p->t : p->t, rest = r ? (float)(1 - p->t) : 1 - p->t, c = sums[SUM_AB];
    if (r == ROUND_NONE)
        c /= norm_of(j, sums[SUM_AA]) * norm_of(j, sums[SUM_BB]);
    c = fmin(fmax(round_one(r, c), -1), 1);
    if (round_one(r, 1 - round_one(r, c * c)) <= round_one(r, COLLINEAR)) {
        sums[FROM_A] = rest;
        sums[FROM_B] = t;
        sums[DIVISOR] = 1;
        return;
    }
    double theta = round_one(r, angle_of(c));
    sums[FROM_A] = round_one(r, angle_sine(round_one(r, rest * theta)));
    sums[FROM_B] = round_one(r, angle_sine(round_one(r, t * theta)));
    sums[DIVISOR] = round_one(r, angle_sine(theta));
}

/* The norms of all rows are that of the tensor. */
static void share_total(const merge_job *j, int which)
{
    double total = kernel_total(j, which);
    for (int64_t r = 0; r < j->rows; r++)
        j->sums[r * SUMS + which] = total;
}

static int combine(merge_job *j, error *err)
{
    const struct nuslerp *p = j->state;
    (void)err;
    int64_t n = p->vectors == COLUMNS ? j->columns : j->rows;
    bool cosines = j->pass != NORMS, norms = j->pass != COSINES;
    for (int k = SUM_AA; p->vectors == WHOLE && k < SUMS; k++)
        if (k == SUM_AB ? cosines : norms)
            share_total(j, k);
    for (int64_t i = 0; cosines && i < n; i++)
        set_factors(j, j->sums + i * SUMS);
    j->keep_sums = true;
    j->pass = cosines ? APPLY : COSINES;
    return 0;
}

static void apply(const merge_job *j, const merge_strip *s, double *out)
{
    const struct nuslerp *p = j->state;
    const double *v[2], *factors = j->sums;
    double *a = s->scratch + j->n_models * s->stride, *b = a + s->stride;
    int64_t step = p->vectors == COLUMNS ? SUMS : 0;
    if (p->vectors == ROWS)
        factors += s->row * SUMS;
    else if (p->vectors == COLUMNS)
        factors += (s->begin - s->row * j->columns) * SUMS;
    vectors(j, s, v);
    for (int k = 0; k < s->n; k++) {
        a[k] = v[0][k] * factors[k * step + FROM_A];
        b[k] = v[1][k] * factors[k * step + FROM_B];
    }
    strip_round(j->rounding, a, s->n);
    strip_round(j->rounding, b, s->n);
    for (int k = 0; k < s->n; k++)
        out[k] = a[k] + b[k];
    strip_round(j->rounding, out, s->n);
    for (int k = 0; k < s->n; k++)
        out[k] /= factors[k * step + DIVISOR];
    strip_round(j->rounding, out, s->n);
    if (j->base >= 0)
        strip_add_scaled(ROUND_NONE, s->x + j->base * s->stride, 1, s->n, out);
    strip_round(j->rounding, out, s->n);
}

const method_kernel kernel_nuslerp = {.begin = begin, .reduce = reduce, .combine = combine, .apply = apply};
