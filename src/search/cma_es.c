/* CMA-ES over a box, full ("cma-es") and separable ("sep-cma-es"), and both with a margin ("cma-es-margin", "sep-cma-es-margin").
 *
 * Bounds. A candidate is its Gaussian sample with every coordinate clamped into the box; the update sees the sample as it was
 * drawn, and afterwards the mean may lie at most SLACK standard deviations outside. So an optimum on the bound is reached with
 * most samples beyond it, which all count as the bound, and the distribution stays Gaussian inside. Tried on six functions
 * with optima inside, on and beyond the bounds, 11 seeds (runs that reached 1e-6 within 40,000 evaluations, median evaluations):
 *                                                     linear, n = 24   optimum beyond, n = 24   ill-conditioned, on bounds, n = 48
 *     clamped, update sees the clamped point           0                0                        11  10,349
 *     reflected, update sees the sample                11  5,099        11  25,173               11   9,318
 *     clamped, update sees the sample, mean free       11    302         6   2,873                2       -   (the mean gets lost outside)
 *     the same, mean in the box                        11  5,343         0                        0
 *     the same, mean at most 1 outside                 11    388        11   8,827                8  35,681
 *     the same, 2                                      11    311        11   3,761               11  10,911
 *     the same, 3 (SLACK)                              11    302        11   2,557               11   8,317
 *     the same, 4                                      11    302        11   2,530               11   8,734
 * With accuracy on 64 questions as objective (60 generations of 16) the last three also came closest.
 *
 * The step size. No coordinate's standard deviation exceeds half its box: C is scaled down there, so that a flat direction
 * cannot drag sigma along. A generation in which no two candidates differ moves nothing. An invalid candidate never pulls the
 * mean: where its rank has a positive weight it counts as standing at the mean.
 *
 * Binaries. A binary is 1 where its coordinate is above 0 (Akiba et al., arXiv 2403.13187): the coordinate has no bounds, and
 * only its mean in standard deviations counts. With a margin that stays so near 0 that each side keeps a probability of
 * 1 / (n population) (Hamano et al., GECCO 2022, equations 10 to 12, whose case of a binary this is). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "search/cma.h"
#include "search/kind.h"
#include "search/normal.h"

#define SLACK 3.0
#define SURE 1e-6      /* a binary starts no surer than this */

typedef struct cma_es {
    cma_constants k;
    cma_state s;        /* in units of the spread */
    double *y;          /* [population][n] steps of this generation's candidates as drawn, in units of sigma; owned */
    double margin;      /* how many standard deviations from 0 a binary's mean may lie */
} cma_es;

static bool is_diagonal(const optimizer *o)
{
    return o->kind == &optimizer_sep_cma_es || o->kind == &optimizer_sep_cma_es_margin;
}

static double margin_of(const optimizer *o)
{
    if (o->kind == &optimizer_cma_es || o->kind == &optimizer_sep_cma_es)
        return INFINITY;
    return normal_quantile(1 - 1 / ((double)o->n * o->population));
}

static void show_mean(optimizer *o)
{
    const cma_es *e = o->state;
    for (size_t i = 0; i < o->n; i++)
        o->mean[i] = is_binary(o, i) ? normal_cdf(e->s.mean[i] / (e->s.sigma * sqrt(cma_variance(&e->s, i))))
                                     : clamp(e->s.mean[i] * o->spread[i], o->low[i], o->high[i]);
}

static void limit_mean(optimizer *o)
{
    cma_es *e = o->state;
    for (size_t i = 0; i < o->n; i++) {
        double deviation = e->s.sigma * sqrt(cma_variance(&e->s, i)), slack = SLACK * deviation;
        if (is_binary(o, i))
            e->s.mean[i] = clamp(e->s.mean[i], -e->margin * deviation, e->margin * deviation);
        else
            e->s.mean[i] = clamp(e->s.mean[i], o->low[i] / o->spread[i] - slack, o->high[i] / o->spread[i] + slack);
    }
}

static int begin(optimizer *o, const double *start, error *err)
{
    (void)err;
    bool diagonal = is_diagonal(o);
    cma_es *e = memory_new(1, sizeof *e);
    o->state = e;
    o->mean = memory_new(o->n, sizeof *o->mean);
    e->k = cma_constants_for(o->n, o->population, o->active, diagonal);
    e->s = cma_state_new(o->n, diagonal);
    e->y = memory_new((size_t)o->population * o->n, sizeof *e->y);
    e->s.sigma = o->sigma0;
    for (size_t i = 0; i < o->n; i++)
        e->s.mean[i] = is_binary(o, i) ? o->sigma0 * normal_quantile(clamp(start[i], SURE, 1 - SURE)) : start[i] / o->spread[i];
    e->margin = margin_of(o);
    limit_mean(o);
    show_mean(o);
    return 0;
}

static int sample(optimizer *o, error *err)
{
    cma_es *e = o->state;
    size_t n = o->n;
    double *z = memory_new(n, sizeof *z);
    int status = 0;
    for (int c = 0; c < o->population && status == 0; c++) {
        random_stream s = random_stream_for(o->seed, "cma", o->generation, (uint32_t)c);
        double *x = o->x + (size_t)c * n, *y = e->y + (size_t)c * n;
        for (size_t i = 0; i < n; i++)
            z[i] = random_normal(&s);
        cma_colour(&e->s, z, y);
        for (size_t i = 0; i < n; i++) {
            double u = e->s.mean[i] + e->s.sigma * y[i];
            x[i] = !is_binary(o, i) ? clamp(u * o->spread[i], o->low[i], o->high[i]) : isnan(u) ? u : u > 0;
        }
        for (size_t i = 0; i < n && status == 0; i++)
            if (!isfinite(x[i]))
                status = fail(err, ERROR_NOT_FINITE, "%s: generation %u, candidate %d, dimension %zu is %g: the search has run away "
                              "(sigma %g); give bounds", o->kind->name, o->generation, c, i, x[i], e->s.sigma);
    }
    free(z);
    return status;
}

/* Keeps every standard deviation within half the box of a real one, and sigma a number. True when C changed. */
static bool limit_steps(optimizer *o)
{
    cma_es *e = o->state;
    cma_state *s = &e->s;
    size_t n = o->n;
    bool changed = false;
    s->sigma = clamp(s->sigma, 1e-30 * o->sigma0, 1e10 * o->sigma0);
    for (size_t i = 0; i < n; i++) {
        double limit = (o->high[i] - o->low[i]) / o->spread[i] / 2, now = s->sigma * sqrt(cma_variance(s, i));
        if (is_binary(o, i) || !(now > limit))
            continue;
        double f = limit / now;
        changed = true;
        s->pc[i] *= f;
        if (s->diagonal) {
            s->C[i] *= f * f;
            continue;
        }
        for (size_t j = 0; j < n; j++) {
            s->C[i * n + j] *= f;
            s->C[j * n + i] *= f;
        }
    }
    return changed;
}

static int update(optimizer *o, const ranking *ranked, error *err)
{
    cma_es *e = o->state;
    if (ranked->flat) {
        e->s.generation++;
        return 0;
    }
    for (int r = 0; r < e->k.mu; r++)
        if (ranked->invalid[ranked->order[r]])
            memset(e->y + ranked->order[r] * o->n, 0, o->n * sizeof *e->y);
    cma_update(&e->k, &e->s, e->y, ranked->order, NULL);
    bool changed = limit_steps(o);
    if ((changed || cma_decompose_due(&e->k, &e->s)) && cma_decompose(&e->s, err) < 0)
        return -1;
    limit_mean(o);
    show_mean(o);
    return 0;
}

static double sigma(const optimizer *o)
{
    const cma_es *e = o->state;
    return e->s.sigma;
}

static void write(const optimizer *o, string *out)
{
    const cma_es *e = o->state;
    const cma_state *s = &e->s;
    size_t n = o->n;
    write_u32(out, s->decomposed);
    write_reals(out, &s->sigma, 1);
    write_reals(out, s->mean, n);
    write_reals(out, s->ps, n);
    write_reals(out, s->pc, n);
    write_reals(out, s->D, n);
    write_reals(out, s->C, s->diagonal ? n : n * n);
    if (!s->diagonal)
        write_reals(out, s->B, n * n);
    write_reals(out, e->y, (size_t)o->population * n);
}

/* C must be symmetric and have a Cholesky factor. */
static int check_C(const double *C, size_t n, error *err)
{
    double *L = memory_new(n * n, sizeof *L);
    int status = 0;
    for (size_t i = 0; i < n && status == 0; i++) {
        for (size_t j = 0; j <= i && status == 0; j++) {
            if (C[i * n + j] != C[j * n + i])
                status = fail(err, ERROR_FORMAT, "optimizer state: C is not symmetric: row %zu, column %zu is %g and %g", i, j,
                              C[i * n + j], C[j * n + i]);
            double sum = C[i * n + j];
            for (size_t k = 0; k < j; k++)
                sum -= L[i * n + k] * L[j * n + k];
            if (j < i)
                L[i * n + j] = sum / L[j * n + j];
            else if (sum > 0)
                L[i * n + i] = sqrt(sum);
            else if (status == 0)
                status = fail(err, ERROR_FORMAT, "optimizer state: C is not positive definite (pivot %zu is %g)", i, sum);
        }
    }
    free(L);
    return status;
}

static int check_axes(const double *B, size_t n, error *err)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t k = 0; k < n; k++)
                sum += B[i * n + k] * B[j * n + k];
            if (!(fabs(sum - (i == j)) < 1e-6))
                return fail(err, ERROR_FORMAT, "optimizer state: axes %zu and %zu of B are not orthonormal (%g)", j, i, sum);
        }
    return 0;
}

static int check_state(const optimizer *o, const cma_es *e, error *err)
{
    const cma_state *s = &e->s;
    size_t n = s->n, cells = s->diagonal ? n : n * n;
    if (!isfinite(s->sigma) || s->sigma <= 0)
        return fail(err, ERROR_FORMAT, "optimizer state: sigma is %g", s->sigma);
    if (s->decomposed > o->generation)
        return fail(err, ERROR_FORMAT, "optimizer state: B of generation %u in generation %u", s->decomposed, o->generation);
    if (check_finite(s->mean, n, "the mean", err) < 0 || check_finite(s->ps, n, "ps", err) < 0 || check_finite(s->pc, n, "pc", err) < 0 ||
        check_finite(s->D, n, "D", err) < 0 || check_finite(s->C, cells, "C", err) < 0 ||
        check_finite(e->y, (size_t)o->population * n, "the steps", err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (s->D[i] <= 0)
            return fail(err, ERROR_FORMAT, "optimizer state: D[%zu] is %g", i, s->D[i]);
    for (size_t i = 0; i < n; i++)
        if (cma_variance(s, i) <= 0)
            return fail(err, ERROR_FORMAT, "optimizer state: C is not positive definite (diagonal %zu is %g)", i, cma_variance(s, i));
    if (s->diagonal)
        return 0;
    if (check_finite(s->B, cells, "B", err) < 0 || check_C(s->C, n, err) < 0)
        return -1;
    return check_axes(s->B, n, err);
}

static int read(optimizer *o, reader *r, error *err)
{
    bool diagonal = is_diagonal(o);
    size_t n = o->n;
    cma_es *e = memory_new(1, sizeof *e);
    o->state = e;
    e->s = (cma_state){.n = n, .diagonal = diagonal, .generation = o->generation, .decomposed = read_u32(r)};
    double *sigma_read = read_reals(r, 1);
    e->s.sigma = sigma_read ? *sigma_read : 0;
    free(sigma_read);
    e->s.mean = read_reals(r, n);
    e->s.ps = read_reals(r, n);
    e->s.pc = read_reals(r, n);
    e->s.D = read_reals(r, n);
    e->s.C = read_reals(r, diagonal ? n : n * n);
    e->s.B = diagonal ? NULL : read_reals(r, n * n);
    e->y = read_reals(r, (size_t)o->population * n);
    if (r->bad)
        return fail(err, ERROR_FORMAT, "optimizer state: ends before its %zu dimensions", n);
    if (check_state(o, e, err) < 0)
        return -1;
    e->k = cma_constants_for(n, o->population, o->active, diagonal);
    e->margin = margin_of(o);
    o->mean = memory_new(n, sizeof *o->mean);
    show_mean(o);
    return 0;
}

static void clear(optimizer *o)
{
    cma_es *e = o->state;
    cma_constants_clear(&e->k);
    cma_state_clear(&e->s);
    free(e->y);
}

#define FULL 8192       /* C, B and LAPACK's work then take 2 GiB */
#define SEPARABLE ((size_t)1 << 24)
#define METHODS .begin = begin, .update = update, .sample = sample, .sigma = sigma, .write = write, .read = read, .clear = clear

const optimizer_kind optimizer_cma_es = {.name = "cma-es", .min_population = 2, .max_n = FULL, METHODS};
const optimizer_kind optimizer_sep_cma_es = {.name = "sep-cma-es", .min_population = 2, .max_n = SEPARABLE, METHODS};
const optimizer_kind optimizer_cma_es_margin = {.name = "cma-es-margin", .min_population = 2, .max_n = FULL, METHODS};
const optimizer_kind optimizer_sep_cma_es_margin = {.name = "sep-cma-es-margin", .min_population = 2, .max_n = SEPARABLE, METHODS};
