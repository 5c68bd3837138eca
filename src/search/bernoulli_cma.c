/* "bernoulli-cma": binaries and reals, each with a distribution of its own, as in CatCMA (Hamano et al., GECCO 2024) with two
 * categories and a diagonal covariance.
 *
 * Binaries. Each is 1 with a probability p, which follows the natural gradient of the expected rank weight, sum v (x - p), and
 * stays within [margin, 1 - margin], margin = 1 / (binaries population). CatCMA adapts the length of the step; one length for
 * all did as well. bench/search.c without scales, medians of 4 and 8 seeds, by population:
 *                                                     192 binaries, 12,800 trials   30 binaries, 1,000 trials
 *                                                       32    64   128                16    32    64
 *     CMA-ES's weights, rate 1 / sqrt(binaries)        .995  .954  .762              .992  .972  .685
 *     order statistics, the same rate                  .997  .995  .953              .995  .993  .936
 *     the same, step of Fisher length .3               .995  .992  .980              .993  .989  .920
 *     the same, .45                                    .993  .994  .994              .996  .995  .981
 *     the same, .6                                     .990  .990  .997              .989  .997  .993
 *     the same, .8                                     .981  .988  .993              .978  .997  .998
 *     the same, adapted, at most .7                    .994  .989  .994              .984  .996  .995
 *     the same, adapted, at most 1.5                   .963  .977  .985              .989  .985  .968
 *
 * Reals. Separable CMA-ES (cma.h's constants, the number of reals as n). A real that needs a binary is drawn only where that is 1
 * and stands at the mean elsewhere: there its step is zero. So only candidates in which it is active move its mean; its paths and
 * variance are normalised by their weights alone, which keeps both still under random ranks however rarely it is active. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "search/cma.h"
#include "search/kind.h"
#include "search/normal.h"

#define STRIDE 0.5      /* Fisher length of a generation's step under random ranks */
#define SLACK 3.0       /* standard deviations that a real's mean may lie outside its box; cma_es.c tells why */

typedef struct bernoulli_cma {
    cma_constants k;    /* for the reals */
    double *v;          /* [population] weights by rank for the binaries; their squares sum to 1; owned */
    double rate, margin;
    size_t n_binaries, n_reals;
    double sigma;
    double *mean;       /* [n] of a binary: p; of a real: in units of the spread; owned */
    double *ps, *pc, *C;    /* [n] of a real: evolution paths and variance; of a binary 0, 0, 1; owned */
    double *y;          /* [population][n] of a real: its step in units of sigma, 0 where it is not active; of a binary 0; owned */
} bernoulli_cma;

static void show_mean(optimizer *o)
{
    const bernoulli_cma *e = o->state;
    for (size_t i = 0; i < o->n; i++)
        o->mean[i] = is_binary(o, i) ? e->mean[i] : clamp(e->mean[i] * o->spread[i], o->low[i], o->high[i]);
}

/* The expected order statistics of a normal sample (Blom's approximation), best first: against noise no weights tell more. */
static double *rank_weights(int population)
{
    double *v = memory_new((size_t)population, sizeof *v), squares = 0;
    for (int r = 0; r < population; r++) {
        v[r] = -normal_quantile((r + 1 - 0.375) / (population + 0.25));
        squares += v[r] * v[r];
    }
    for (int r = 0; r < population; r++)
        v[r] /= sqrt(squares);
    return v;
}

/* What follows from the space and the population alone. */
static void set_constants(const optimizer *o, bernoulli_cma *e)
{
    for (size_t i = 0; i < o->n; i++)
        *(is_binary(o, i) ? &e->n_binaries : &e->n_reals) += 1;
    e->k = cma_constants_for(e->n_reals ? e->n_reals : 1, o->population, o->active, true);
    e->v = rank_weights(o->population);
    double binaries = e->n_binaries ? (double)e->n_binaries : 1;
    e->rate = STRIDE / sqrt(binaries);
    e->margin = fmin(1 / (binaries * o->population), 0.25);
}

static int begin(optimizer *o, const double *start, error *err)
{
    (void)err;
    bernoulli_cma *e = memory_new(1, sizeof *e);
    size_t n = o->n;
    o->state = e;
    o->mean = memory_new(n, sizeof *o->mean);
    set_constants(o, e);
    e->sigma = o->sigma0;
    e->mean = memory_new(n, sizeof *e->mean);
    e->ps = memory_new(n, sizeof *e->ps);
    e->pc = memory_new(n, sizeof *e->pc);
    e->C = memory_new(n, sizeof *e->C);
    e->y = memory_new((size_t)o->population * n, sizeof *e->y);
    for (size_t i = 0; i < n; i++) {
        e->C[i] = 1;
        e->mean[i] = is_binary(o, i) ? clamp(start[i], e->margin, 1 - e->margin) : start[i] / o->spread[i];
    }
    show_mean(o);
    return 0;
}

static int sample(optimizer *o, error *err)
{
    bernoulli_cma *e = o->state;
    size_t n = o->n;
    for (int c = 0; c < o->population; c++) {
        random_stream bits = random_stream_for(o->seed, "bernoulli", o->generation, (uint32_t)c);
        random_stream steps = random_stream_for(o->seed, "cma", o->generation, (uint32_t)c);
        double *x = o->x + (size_t)c * n, *y = e->y + (size_t)c * n;
        for (size_t i = 0; i < n; i++)
            if (is_binary(o, i))
                x[i] = random_uniform(&bits) < e->mean[i];
        for (size_t i = 0; i < n; i++) {
            if (is_binary(o, i))
                continue;
            double z = random_normal(&steps);
            y[i] = is_active(o, x, i) ? sqrt(e->C[i]) * z : 0;
            x[i] = clamp((e->mean[i] + e->sigma * y[i]) * o->spread[i], o->low[i], o->high[i]);
            if (!isfinite(x[i]))
                return fail(err, ERROR_NOT_FINITE, "%s: generation %u, candidate %d, dimension %zu is %g: the search has run away "
                            "(sigma %g); give bounds", o->kind->name, o->generation, c, i, x[i], e->sigma);
        }
    }
    return 0;
}

static void move_binary(optimizer *o, const ranking *ranked, size_t i)
{
    bernoulli_cma *e = o->state;
    double gradient = 0;
    for (int r = 0; r < o->population; r++) {
        size_t c = ranked->order[r];
        if (!(ranked->invalid[c] && e->v[r] > 0))       /* an invalid candidate pulls nothing towards itself */
            gradient += e->v[r] * (o->x[c * o->n + i] - e->mean[i]);
    }
    e->mean[i] = clamp(e->mean[i] + e->rate * gradient, e->margin, 1 - e->margin);
}

/* The weights as C sees them: a negative one is scaled to the length of its candidate's step, as in cma_update, over the reals
 * that were active in it. */
static void scale_weights(const optimizer *o, const ranking *ranked, double *w)
{
    const bernoulli_cma *e = o->state;
    for (int r = 0; r < o->population; r++) {
        size_t c = ranked->order[r];
        double length2 = 0, active = 0;
        for (size_t i = 0; i < o->n && e->k.w[r] < 0; i++)
            if (!is_binary(o, i) && is_active(o, o->x + c * o->n, i)) {
                length2 += e->y[c * o->n + i] * e->y[c * o->n + i] / e->C[i];
                active++;
            }
        w[r] = e->k.w[r] >= 0 ? e->k.w[r] : length2 > 0 ? e->k.w[r] * active / length2 : 0;
    }
}

/* Moves the mean and ps of one real. What comes back has variance C under random ranks, and is 0 where no valid one of the better
 * half was active: then nothing moved. */
static double move_real(optimizer *o, const ranking *ranked, size_t i)
{
    bernoulli_cma *e = o->state;
    double step = 0, squares = 0;
    for (int r = 0; r < e->k.mu; r++) {
        size_t c = ranked->order[r];
        if (!is_active(o, o->x + c * o->n, i))
            continue;
        squares += e->k.w[r] * e->k.w[r];
        step += e->k.w[r] * e->y[c * o->n + i];
    }
    if (step == 0)
        return 0;
    e->mean[i] += e->sigma * step;
    step /= sqrt(squares);
    e->ps[i] = (1 - e->k.cs) * e->ps[i] + sqrt(e->k.cs * (2 - e->k.cs) / e->C[i]) * step;
    return step;
}

/* sigma from the length of ps over the reals that moved. Returns h_sigma. */
static double adapt_sigma(optimizer *o, const double *step)
{
    bernoulli_cma *e = o->state;
    double length2 = 0, moved = 0;
    for (size_t i = 0; i < o->n; i++)
        if (step[i] != 0) {
            length2 += e->ps[i] * e->ps[i];
            moved++;
        }
    if (moved == 0)
        return 0;
    double norm = sqrt(length2), chi = cma_chi(moved);
    double settled = sqrt(1 - pow(1 - e->k.cs, 2 * ((double)o->generation + 1)));
    e->sigma *= exp(e->k.cs / e->k.ds * (norm / chi - 1));
    return norm / settled < (1.4 + 2 / (moved + 1)) * chi ? 1 : 0;
}

/* C of one real from the candidates in which it was active; w [population] as scaled. */
static void adapt_variance(optimizer *o, const ranking *ranked, size_t i, double step, double h, const double *w)
{
    bernoulli_cma *e = o->state;
    double sum_w = 0, sum = 0, c1 = step != 0 ? e->k.c1 : 0;
    if (step != 0)
        e->pc[i] = (1 - e->k.cc) * e->pc[i] + h * sqrt(e->k.cc * (2 - e->k.cc)) * step;
    for (int r = 0; r < o->population; r++) {
        size_t c = ranked->order[r];
        if (!is_active(o, o->x + c * o->n, i))
            continue;
        sum_w += e->k.w[r];
        sum += w[r] * e->y[c * o->n + i] * e->y[c * o->n + i];
    }
    double decay = 1 + c1 * (1 - h) * e->k.cc * (2 - e->k.cc) - c1 - e->k.cmu * sum_w;
    e->C[i] = decay * e->C[i] + c1 * e->pc[i] * e->pc[i] + e->k.cmu * sum;
}

/* Keeps sigma a number, every standard deviation within half the box and the mean near it; variances apart by 1e14 at most. */
static void limit_reals(optimizer *o)
{
    bernoulli_cma *e = o->state;
    double highest = 0;
    e->sigma = clamp(e->sigma, 1e-30 * o->sigma0, 1e10 * o->sigma0);
    for (size_t i = 0; i < o->n; i++)
        highest = is_binary(o, i) ? highest : fmax(highest, e->C[i]);
    for (size_t i = 0; i < o->n; i++) {
        if (is_binary(o, i))
            continue;
        double low = o->low[i] / o->spread[i], high = o->high[i] / o->spread[i];
        e->C[i] = fmax(e->C[i], highest / 1e14);
        double f = (high - low) / 2 / (e->sigma * sqrt(e->C[i]));
        if (f < 1) {
            e->pc[i] *= f;
            e->C[i] *= f * f;
        }
        double slack = SLACK * e->sigma * sqrt(e->C[i]);
        e->mean[i] = clamp(e->mean[i], low - slack, high + slack);
    }
}

static void update_reals(optimizer *o, const ranking *ranked)
{
    const bernoulli_cma *e = o->state;
    for (int r = 0; r < e->k.mu; r++)
        if (ranked->invalid[ranked->order[r]])
            memset(e->y + ranked->order[r] * o->n, 0, o->n * sizeof *e->y);
    double *step = memory_new(o->n, sizeof *step), *w = memory_new((size_t)o->population, sizeof *w);
    scale_weights(o, ranked, w);
    for (size_t i = 0; i < o->n; i++)
        if (!is_binary(o, i))
            step[i] = move_real(o, ranked, i);
    double h = adapt_sigma(o, step);
    for (size_t i = 0; i < o->n; i++)
        if (!is_binary(o, i))
            adapt_variance(o, ranked, i, step[i], h, w);
    limit_reals(o);
    free(step);
    free(w);
}

static int update(optimizer *o, const ranking *ranked, error *err)
{
    (void)err;
    const bernoulli_cma *e = o->state;
    if (ranked->flat)
        return 0;
    if (e->n_reals)
        update_reals(o, ranked);
    for (size_t i = 0; i < o->n; i++)
        if (is_binary(o, i))
            move_binary(o, ranked, i);
    show_mean(o);
    return 0;
}

static double sigma(const optimizer *o)
{
    const bernoulli_cma *e = o->state;
    return e->sigma;
}

static void write(const optimizer *o, string *out)
{
    const bernoulli_cma *e = o->state;
    size_t n = o->n;
    write_reals(out, &e->sigma, 1);
    write_reals(out, e->mean, n);
    write_reals(out, e->ps, n);
    write_reals(out, e->pc, n);
    write_reals(out, e->C, n);
    write_reals(out, e->y, (size_t)o->population * n);
}

static int check_state(const optimizer *o, const bernoulli_cma *e, error *err)
{
    size_t n = o->n;
    if (!isfinite(e->sigma) || e->sigma <= 0)
        return fail(err, ERROR_FORMAT, "optimizer state: sigma is %g", e->sigma);
    if (check_finite(e->mean, n, "the mean", err) < 0 || check_finite(e->ps, n, "ps", err) < 0 || check_finite(e->pc, n, "pc", err) < 0 ||
        check_finite(e->C, n, "C", err) < 0 || check_finite(e->y, (size_t)o->population * n, "the steps", err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (e->C[i] <= 0)
            return fail(err, ERROR_FORMAT, "optimizer state: C[%zu] is %g", i, e->C[i]);
        if (is_binary(o, i) && (e->mean[i] < e->margin || e->mean[i] > 1 - e->margin))
            return fail(err, ERROR_FORMAT, "optimizer state: the probability of dimension %zu is %g, outside [%g, %g]", i, e->mean[i],
                        e->margin, 1 - e->margin);
    }
    return 0;
}

static int read(optimizer *o, reader *r, error *err)
{
    bernoulli_cma *e = memory_new(1, sizeof *e);
    size_t n = o->n;
    o->state = e;
    double *sigma_read = read_reals(r, 1);
    e->sigma = sigma_read ? *sigma_read : 0;
    free(sigma_read);
    e->mean = read_reals(r, n);
    e->ps = read_reals(r, n);
    e->pc = read_reals(r, n);
    e->C = read_reals(r, n);
    e->y = read_reals(r, (size_t)o->population * n);
    if (r->bad)
        return fail(err, ERROR_FORMAT, "optimizer state: ends before its %zu dimensions", n);
    set_constants(o, e);
    if (check_state(o, e, err) < 0)
        return -1;
    o->mean = memory_new(n, sizeof *o->mean);
    show_mean(o);
    return 0;
}

static void clear(optimizer *o)
{
    bernoulli_cma *e = o->state;
    cma_constants_clear(&e->k);
    free(e->v);
    free(e->mean);
    free(e->ps);
    free(e->pc);
    free(e->C);
    free(e->y);
}

const optimizer_kind optimizer_bernoulli_cma = {
    .name = "bernoulli-cma", .min_population = 2, .usual_population = 32, .max_n = (size_t)1 << 24,
    .begin = begin, .update = update, .sample = sample, .sigma = sigma, .write = write, .read = read, .clear = clear,
};
