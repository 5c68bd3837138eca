/* The arithmetic of CMA-ES (Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv 1604.00772): constants, state and one
 * update. No sampling, no bounds, no ranking: cma_es.c adds those.
 *
 *     cma_constants k = cma_constants_for(n, lambda, true, false);
 *     cma_state s = cma_state_new(n, false);      // mean 0, sigma 1, C = I
 *     cma_update(&k, &s, y, order, NULL);         // y [lambda][n] = (x - mean) / sigma; order[0] is the best
 *     if (cma_decompose(&s, err) < 0) ...         // B and D of the new C; may lag behind C by some updates
 *     cma_state_clear(&s);
 *     cma_constants_clear(&k);
 */
#ifndef SEARCH_CMA_H
#define SEARCH_CMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct cma_constants {
    size_t n;
    int lambda, mu;
    double *w;                  /* [lambda] in order of rank: the first mu sum to 1, the negative ones to -alpha; owned */
    double sum_w;
    double mueff, mueff_minus, c1, cmu, alpha, cs, ds, cc, chi;
} cma_constants;

/* diagonal: c1 and cmu times (n + 2) / 3 (Ros and Hansen, PPSN 2008). lambda >= 2. */
cma_constants cma_constants_for(size_t n, int lambda, bool active, bool diagonal);
double cma_chi(double n);       /* the expected length of N(0, I) in n dimensions */
void cma_constants_clear(cma_constants *k);

/* C = B^T diag(D)^2 B as of the last cma_decompose. */
typedef struct cma_state {
    size_t n;
    bool diagonal;
    uint32_t generation;        /* updates done so far */
    uint32_t decomposed;        /* generation of B and D */
    double sigma;
    double *mean, *ps, *pc;     /* [n], owned */
    double *C;                  /* [n][n], symmetric; diagonal: [n]; owned */
    double *B;                  /* [n][n], row k is the k-th axis; diagonal: NULL; owned */
    double *D;                  /* [n] standard deviations along the axes; owned */
} cma_state;

cma_state cma_state_new(size_t n, bool diagonal);
void cma_state_clear(cma_state *s);
double cma_variance(const cma_state *s, size_t i);                       /* C[i][i] */
void cma_whiten(const cma_state *s, const double *y, double *out);       /* C^-1/2 y, with B and D as they are; out != y */
void cma_colour(const cma_state *s, const double *z, double *out);       /* B^T D z: a sample of N(0, C) for z of N(0, I); out != z */

typedef struct cma_trace {      /* what the update used, for comparisons */
    double h_sigma, norm_ps, decay;
    double *weights;            /* [lambda] given by the caller; filled in order of rank */
} cma_trace;

void cma_update(const cma_constants *k, cma_state *s, const double *y, const size_t *order, cma_trace *trace);

/* B and D from C. Condition numbers above 1e14 are brought down to it by adding to C's diagonal. */
int cma_decompose(cma_state *s, error *err);

/* Whether C changed enough since the last decomposition that B and D should follow. */
bool cma_decompose_due(const cma_constants *k, const cma_state *s);

#endif
