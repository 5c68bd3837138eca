#include "search/cma.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "search/eigen.h"

#define MAX_CONDITION 1e14

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

double cma_chi(double n)
{
    return sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n));
}

cma_constants cma_constants_for(size_t n, int lambda, bool active, bool diagonal)
{
    cma_constants k = {.n = n, .lambda = lambda, .mu = lambda / 2, .w = memory_new((size_t)lambda, sizeof *k.w)};
    double plus = 0, plus2 = 0, minus = 0, minus2 = 0, positive = 0, negative = 0, N = (double)n;
    for (int i = 0; i < lambda; i++) {
        double w = log((lambda + 1) / 2.0) - log(i + 1);
        k.w[i] = w;
        *(i < k.mu ? &plus : &minus) += w;
        *(i < k.mu ? &plus2 : &minus2) += w * w;
        if (w > 0)
            positive += w;
        else
            negative -= w;
    }
    k.mueff = plus * plus / plus2;
    k.mueff_minus = minus * minus / minus2;
    double factor = diagonal ? (N + 2) / 3 : 1;
    k.c1 = factor * 2 / ((N + 1.3) * (N + 1.3) + k.mueff);
    k.cmu = least(1 - k.c1, factor * 2 * (0.25 + k.mueff + 1 / k.mueff - 2) / ((N + 2) * (N + 2) + k.mueff));
    k.alpha = least(least(1 + k.c1 / k.cmu, 1 + 2 * k.mueff_minus / (k.mueff + 2)), (1 - k.c1 - k.cmu) / (N * k.cmu));
    for (int i = 0; i < lambda; i++) {
        k.w[i] = k.w[i] >= 0 ? k.w[i] / positive : active ? k.alpha * k.w[i] / negative : 0;
        k.sum_w += k.w[i];
    }
    k.cs = (k.mueff + 2) / (N + k.mueff + 5);
    k.ds = 1 + 2 * fmax(0, sqrt((k.mueff - 1) / (N + 1)) - 1) + k.cs;
    k.cc = (4 + k.mueff / N) / (N + 4 + 2 * k.mueff / N);
    k.chi = cma_chi(N);
    return k;
}

void cma_constants_clear(cma_constants *k)
{
    free(k->w);
    *k = (cma_constants){0};
}

cma_state cma_state_new(size_t n, bool diagonal)
{
    cma_state s = {.n = n, .diagonal = diagonal, .sigma = 1};
    s.mean = memory_new(n, sizeof(double));
    s.ps = memory_new(n, sizeof(double));
    s.pc = memory_new(n, sizeof(double));
    s.D = memory_new(n, sizeof(double));
    s.C = memory_new(diagonal ? n : n * n, sizeof(double));
    s.B = diagonal ? NULL : memory_new(n * n, sizeof(double));
    for (size_t i = 0; i < n; i++) {
        s.D[i] = s.C[diagonal ? i : i * n + i] = 1;
        if (!diagonal)
            s.B[i * n + i] = 1;
    }
    return s;
}

void cma_state_clear(cma_state *s)
{
    free(s->mean);
    free(s->ps);
    free(s->pc);
    free(s->C);
    free(s->B);
    free(s->D);
    *s = (cma_state){0};
}

double cma_variance(const cma_state *s, size_t i)
{
    return s->C[s->diagonal ? i : i * s->n + i];
}

void cma_whiten(const cma_state *s, const double *y, double *out)
{
    size_t n = s->n;
    memset(out, 0, n * sizeof *out);
    for (size_t k = 0; k < n; k++) {
        if (s->diagonal) {
            out[k] = y[k] / s->D[k];
            continue;
        }
        const double *axis = s->B + k * n;
        double t = dot(axis, y, n) / s->D[k];
        for (size_t i = 0; i < n; i++)
            out[i] += t * axis[i];
    }
}

void cma_colour(const cma_state *s, const double *z, double *out)
{
    size_t n = s->n;
    memset(out, 0, n * sizeof *out);
    for (size_t k = 0; k < n; k++) {
        double t = s->D[k] * z[k];
        if (s->diagonal) {
            out[k] = t;
            continue;
        }
        const double *axis = s->B + k * n;
        for (size_t i = 0; i < n; i++)
            out[i] += t * axis[i];
    }
}

/* C <- decay C + c1 pc pc^T + cmu sum w y y^T. Only the lower half is computed, then mirrored: C stays symmetric to the bit. */
static void update_C(const cma_constants *k, cma_state *s, double decay, const double *y, const size_t *order, const double *w)
{
    size_t n = s->n;
    if (s->diagonal) {
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (int r = 0; r < k->lambda; r++)
                sum += w[r] * y[order[r] * n + i] * y[order[r] * n + i];
            s->C[i] = decay * s->C[i] + k->c1 * s->pc[i] * s->pc[i] + k->cmu * sum;
        }
        return;
    }
    double *sum = memory_new(n, sizeof *sum);
    for (size_t i = 0; i < n; i++) {
        memset(sum, 0, (i + 1) * sizeof *sum);
        for (int r = 0; r < k->lambda; r++) {
            const double *row = y + order[r] * n;
            double t = w[r] * row[i];
            for (size_t j = 0; j <= i; j++)
                sum[j] += t * row[j];
        }
        double *C = s->C + i * n;
        for (size_t j = 0; j <= i; j++)
            C[j] = decay * C[j] + k->c1 * s->pc[i] * s->pc[j] + k->cmu * sum[j];
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            s->C[i * n + j] = s->C[j * n + i];
    free(sum);
}

void cma_update(const cma_constants *k, cma_state *s, const double *y, const size_t *order, cma_trace *trace)
{
    size_t n = s->n;
    double *yw = memory_new(n, sizeof *yw), *white = memory_new(n, sizeof *white), *w = memory_new((size_t)k->lambda, sizeof *w);
    for (int r = 0; r < k->mu; r++)
        for (size_t i = 0; i < n; i++)
            yw[i] += k->w[r] * y[order[r] * n + i];
    cma_whiten(s, yw, white);

    double gain = sqrt(k->cs * (2 - k->cs) * k->mueff);
    for (size_t i = 0; i < n; i++) {
        s->mean[i] += s->sigma * yw[i];
        s->ps[i] = (1 - k->cs) * s->ps[i] + gain * white[i];
    }
    double norm = sqrt(dot(s->ps, s->ps, n));
    double settled = sqrt(1 - pow(1 - k->cs, 2 * ((double)s->generation + 1)));
    double h = norm / settled < (1.4 + 2 / ((double)n + 1)) * k->chi ? 1 : 0;
    gain = h * sqrt(k->cc * (2 - k->cc) * k->mueff);
    for (size_t i = 0; i < n; i++)
        s->pc[i] = (1 - k->cc) * s->pc[i] + gain * yw[i];
    s->sigma *= exp(k->cs / k->ds * (norm / k->chi - 1));

    for (int r = 0; r < k->lambda; r++) {
        w[r] = k->w[r];
        if (w[r] >= 0)
            continue;
        cma_whiten(s, y + order[r] * n, white);     /* the old C: s->C is untouched until here */
        double length2 = dot(white, white, n);
        w[r] = length2 > 0 ? w[r] * (double)n / length2 : 0;
    }
    double decay = 1 + k->c1 * (1 - h) * k->cc * (2 - k->cc) - k->c1 - k->cmu * k->sum_w;
    update_C(k, s, decay, y, order, w);
    s->generation++;
    if (trace) {
        trace->h_sigma = h;
        trace->norm_ps = norm;
        trace->decay = decay;
        memcpy(trace->weights, w, (size_t)k->lambda * sizeof *w);
    }
    free(yw);
    free(white);
    free(w);
}

bool cma_decompose_due(const cma_constants *k, const cma_state *s)
{
    return s->generation - s->decomposed > 1 / (k->c1 + k->cmu) / (double)s->n / 10;
}

int cma_decompose(cma_state *s, error *err)
{
    size_t n = s->n;
    double *values = memory_new(n, sizeof *values);
    int status = -1;
    if (s->diagonal)
        memcpy(values, s->C, n * sizeof *values);
    else if (eigen_symmetric(n, s->C, s->B, values, err) < 0)
        goto done;
    double low = values[0], high = values[0];
    for (size_t i = 1; i < n; i++) {
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
    }
    if (!(high > 0) || !isfinite(high) || !isfinite(low)) {
        fail(err, ERROR_NOT_FINITE, "CMA-ES: the covariance matrix has eigenvalues from %g to %g", low, high);
        goto done;
    }
    double lift = low < high / MAX_CONDITION ? high / MAX_CONDITION - low : 0;
    for (size_t i = 0; i < n; i++) {
        s->D[i] = sqrt(values[i] + lift);
        s->C[s->diagonal ? i : i * n + i] += lift;
    }
    s->decomposed = s->generation;
    status = 0;
done:
    free(values);
    return status;
}
