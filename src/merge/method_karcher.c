/* karcher: the Riemannian mean of the models' directions on the sphere, all alike, times their mean norm. Steps go from the mean so far
 * along the mean of the tangents towards the models.
 *
 * Exact mode needs one pass: all vectors are sums of the models' directions, so the steps run on their factors and the products of the
 * models. Compat mode rounds every step's vectors: each pass computes again, strip by strip, what the passes before have the scalars of. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "merge/angle.h"
#include "merge/strip.h"

enum pass { APPLY, PRODUCTS, NORMS, MEAN, DOTS, TANGENT, STEPPED };

struct step {
    double cosine, sine, tangent_norm, unit_norm;   /* unit_norm 0: left as it is */
};

struct karcher {
    int n, max_iter, steps;         /* steps taken */
    double tol, alpha, mean_norm, length;
    int first;                      /* the mean begins as this model; -1: as the mean of all */
    bool nothing;                   /* no model has a direction */
    double *norm, *factor;          /* [n] of the result in exact mode: out = sum factor_i x_i */
    double *products;               /* [n][n] */
    struct step *step;              /* [max_iter] */
    double *dot, *pull;             /* [max_iter][n] of every step; pull 0: at the mean already */
};

static int begin(merge_job *j, error *err)
{
    double max_iter = 0, tol = 0;
    if (kernel_parameter(j, -1, "max_iter", &max_iter, err) != 0 || kernel_parameter(j, -1, "tol", &tol, err) != 0)
        return -1;
    size_t n = (size_t)j->n_models, steps = max_iter > 0 ? (size_t)fmin(max_iter, 1000) : 0;
    struct karcher *p = memory_new(1, sizeof *p + (2 * n + n * n + 2 * steps * n) * sizeof(double) + steps * sizeof(struct step));
    j->state = p;
    p->n = j->n_models;
    p->max_iter = (int)steps;
    p->tol = tol;
    p->first = -1;
    p->step = (struct step *)(p + 1);
    p->norm = (double *)(p->step + steps);
    p->factor = p->norm + n;
    p->products = p->factor + n;
    p->dot = p->products + n * n;
    p->pull = p->dot + steps * n;
    j->n_sums = j->rounding ? p->n : p->n * (p->n + 1) / 2;
    j->pass = p->n == 1 ? APPLY : j->rounding ? NORMS : PRODUCTS;
    return 0;
}

static const double *source(const merge_strip *s, int i)
{
    return s->x + i * s->stride;
}

static bool has_direction(const struct karcher *p, int i)
{
    return p->norm[i] > p->tol;
}

/* ---- exact: in factors of the models' directions ---- */

static double dot_with(const struct karcher *p, const double *factors, int i)
{
    double sum = 0;
    for (int k = 0; k < p->n; k++)
        sum += factors[k] * p->products[i * p->n + k];
    return sum;
}

static double norm_of(const struct karcher *p, const double *factors)
{
    double sum = 0;
    for (int i = 0; i < p->n; i++)
        sum += factors[i] * dot_with(p, factors, i);
    return sqrt(fmax(sum, 0));
}

/* One step of the mean [n]; false when it has arrived. */
static bool step(const struct karcher *p, double *mean, double *tangent)
{
    for (int k = 0; k < p->n; k++)
        tangent[k] = 0;
    for (int i = 0; i < p->n; i++) {
        double dot = fmin(fmax(dot_with(p, mean, i), -1), 1), theta = angle_of(dot), pull = p->alpha * (theta / angle_sine(theta));
        if (!has_direction(p, i) || theta <= p->tol)
            continue;
        for (int k = 0; k < p->n; k++)
            tangent[k] += pull * ((k == i) - dot * mean[k]);
    }
    double norm = norm_of(p, tangent);
    if (norm <= p->tol)
        return false;
    for (int k = 0; k < p->n; k++)
        mean[k] = angle_cosine(norm) * mean[k] + angle_sine(norm) * (tangent[k] / norm);
    double length = norm_of(p, mean);
    for (int k = 0; k < p->n && length > p->tol; k++)
        mean[k] /= length;
    return true;
}

static int find_directions(struct karcher *p)
{
    int n = 0;
    for (int i = 0; i < p->n; i++) {
        n += has_direction(p, i);
        p->length += p->norm[i] / p->n;
    }
    p->nothing = n == 0;
    p->alpha = n ? 1.0 / n : 0;
    return n;
}

static int first_direction(const struct karcher *p)
{
    int i = 0;
    while (!has_direction(p, i))
        i++;
    return i;
}

static void solve(merge_job *j, struct karcher *p)
{
    int which = 0;
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k <= i; k++)
            p->products[i * p->n + k] = p->products[k * p->n + i] = kernel_total(j, which++);
    for (int i = 0; i < p->n; i++)
        p->norm[i] = sqrt(p->products[i * p->n + i]);
    if (find_directions(p) == 0)
        return;
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k < p->n; k++)
            p->products[i * p->n + k] /= (has_direction(p, i) ? p->norm[i] : 1) * (has_direction(p, k) ? p->norm[k] : 1);
    double *mean = p->factor, *tangent = memory_new((size_t)p->n, sizeof *tangent);
    for (int i = 0; i < p->n; i++)
        mean[i] = has_direction(p, i) ? p->alpha : 0;
    double norm = norm_of(p, mean);
    for (int i = 0, first = first_direction(p); i < p->n; i++)
        mean[i] = norm <= p->tol ? i == first : mean[i] / norm;
    for (int i = 0; i < p->max_iter; i++)
        if (!step(p, mean, tangent))
            break;
    for (int i = 0; i < p->n; i++)
        mean[i] *= has_direction(p, i) ? p->length / p->norm[i] : 0;
    free(tangent);
}

/* ---- compat ---- */

static double *unit(const merge_job *j, const merge_strip *s, int i)
{
    const struct karcher *p = j->state;
    double *out = s->scratch + i * s->stride;
    const double *x = source(s, i);
    for (int k = 0; k < s->n; k++)
        out[k] = x[k] / p->norm[i];
    strip_round(j->rounding, out, s->n);
    return out;
}

static void divide(enum rounding r, double *x, double by, int n)
{
    for (int k = 0; k < n; k++)
        x[k] /= by;
    strip_round(r, x, n);
}

/* out += c x, everything rounded to the work type. */
static void accumulate(enum rounding r, double *x, double c, int n, double *out)
{
    strip_scale(r, x, c, n);
    for (int k = 0; k < n; k++)
        out[k] += x[k];
    strip_round(r, out, n);
}

static void first_mean(const merge_job *j, const merge_strip *s, double *out)
{
    const struct karcher *p = j->state;
    for (int k = 0; k < s->n; k++)
        out[k] = 0;
    for (int i = 0; i < p->n; i++)
        if (has_direction(p, i))
            accumulate(j->rounding, unit(j, s, i), (float)p->alpha, s->n, out);
}

static void tangent(const merge_job *j, const merge_strip *s, int step, const double *mean, double *out)
{
    const struct karcher *p = j->state;
    double *along = s->scratch + p->n * s->stride;
    for (int k = 0; k < s->n; k++)
        out[k] = 0;
    for (int i = 0; i < p->n; i++) {
        double pull = p->pull[step * p->n + i], dot = p->dot[step * p->n + i];
        if (pull == 0)
            continue;
        double *u = unit(j, s, i);
        for (int k = 0; k < s->n; k++)
            along[k] = dot * mean[k];
        strip_round(j->rounding, along, s->n);
        strip_subtract(j->rounding, u, along, s->n, u);
        accumulate(j->rounding, u, pull, s->n, out);
    }
}

static void step_strip(const merge_job *j, const merge_strip *s, const struct step *step, double *t, double *mean)
{
    strip_scale(j->rounding, mean, round_one(j->rounding, step->cosine), s->n);
    divide(j->rounding, t, step->tangent_norm, s->n);
    accumulate(j->rounding, t, round_one(j->rounding, step->sine), s->n, mean);
}

/* The mean after all steps that are complete; while a step is under way also its tangent t, and in the pass after it the step. */
static void replay(const merge_job *j, const merge_strip *s, double *t, double *mean)
{
    const struct karcher *p = j->state;
    if (p->first >= 0)
        memcpy(mean, unit(j, s, p->first), (size_t)s->n * sizeof *mean);
    else
        first_mean(j, s, mean);
    if (j->pass == MEAN)
        return;
    if (p->first < 0)
        divide(j->rounding, mean, p->mean_norm, s->n);
    for (int i = 0; i < p->steps; i++) {
        tangent(j, s, i, mean, t);
        step_strip(j, s, &p->step[i], t, mean);
        if (p->step[i].unit_norm > 0)
            divide(j->rounding, mean, p->step[i].unit_norm, s->n);
    }
    if (j->pass == TANGENT || j->pass == STEPPED)
        tangent(j, s, p->steps, mean, t);
    if (j->pass == STEPPED)
        step_strip(j, s, &p->step[p->steps], t, mean);
}

static void reduce(const merge_job *j, const merge_strip *s, double *sums)
{
    const struct karcher *p = j->state;
    double *mean = s->scratch + (p->n + 1) * s->stride, *t = mean + s->stride;
    if (j->pass == PRODUCTS || j->pass == NORMS) {
        for (int i = 0, which = 0; i < p->n; i++)
            for (int k = j->pass == NORMS ? i : 0; k <= i; k++)
                sums[which++] += strip_dot(source(s, i), source(s, k), s->n);
        return;
    }
    replay(j, s, t, mean);
    for (int i = 0; j->pass == DOTS && i < p->n; i++)
        if (has_direction(p, i))
            sums[i] += strip_dot(mean, unit(j, s, i), s->n);
    const double *v = j->pass == TANGENT ? t : mean;
    if (j->pass != DOTS)
        sums[0] += strip_dot(v, v, s->n);
}

static void combine_norms(merge_job *j, struct karcher *p)
{
    for (int i = 0; i < p->n; i++)
        p->norm[i] = (float)sqrt(kernel_total(j, i));
    int n = find_directions(p);
    p->length = 0;
    for (int i = 0; i < p->n; i++)
        p->length = (float)(p->length + (float)((float)(1.0 / p->n) * p->norm[i]));
    j->pass = n ? MEAN : APPLY;
}

/* The pull of each model on the mean. */
static void combine_dots(merge_job *j, struct karcher *p)
{
    enum rounding r = j->rounding;
    for (int i = 0; i < p->n; i++) {
        double dot = fmin(fmax(round_one(r, kernel_total(j, i)), -1), 1), theta = round_one(r, angle_of(dot));
        p->dot[p->steps * p->n + i] = dot;
        p->pull[p->steps * p->n + i] = !has_direction(p, i) || theta < p->tol
                                           ? 0 : round_one(r, (float)p->alpha * round_one(r, theta / round_one(r, angle_sine(theta))));
    }
    j->pass = TANGENT;
}

static void combine_tangent(merge_job *j, struct karcher *p)
{
    struct step *step = &p->step[p->steps];
    step->tangent_norm = (float)sqrt(kernel_total(j, 0));
    step->cosine = (float)angle_cosine(step->tangent_norm);
    step->sine = (float)angle_sine(step->tangent_norm);
    j->pass = step->tangent_norm < p->tol ? APPLY : STEPPED;
}

static int combine(merge_job *j, error *err)
{
    struct karcher *p = j->state;
    double norm = (float)sqrt(kernel_total(j, 0));
    (void)err;
    if (j->pass == PRODUCTS) {
        solve(j, p);
        j->pass = APPLY;
    } else if (j->pass == NORMS) {
        combine_norms(j, p);
    } else if (j->pass == MEAN) {
        p->mean_norm = norm;
        p->first = norm < p->tol ? first_direction(p) : -1;
        j->pass = p->max_iter > 0 ? DOTS : APPLY;
    } else if (j->pass == DOTS) {
        combine_dots(j, p);
    } else if (j->pass == TANGENT) {
        combine_tangent(j, p);
    } else {
        p->step[p->steps++].unit_norm = norm > p->tol ? norm : 0;
        j->pass = p->steps < p->max_iter ? DOTS : APPLY;
    }
    return 0;
}

static void apply(const merge_job *j, const merge_strip *s, double *out)
{
    const struct karcher *p = j->state;
    for (int k = 0; k < s->n; k++)
        out[k] = p->n == 1 ? source(s, 0)[k] : 0;
    if (p->n == 1 || p->nothing)
        return;
    if (j->rounding) {
        replay(j, s, s->scratch + (p->n + 1) * s->stride, out);
        strip_scale(j->rounding, out, round_one(j->rounding, p->length), s->n);
        return;
    }
    for (int i = 0; i < p->n; i++)
        strip_add_scaled(ROUND_NONE, source(s, i), p->factor[i], s->n, out);
}

const method_kernel kernel_karcher = {.begin = begin, .reduce = reduce, .combine = combine, .apply = apply};
