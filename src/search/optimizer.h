/* Optimisers: ask for vectors, tell how they did. They never call the objective. Maximising.
 *
 *     optimizer *o = optimizer_new("cma-es", &options, err);
 *     double *x = ...;                              // [population][n]
 *     optimizer_ask(o, x);                          // the same until optimizer_tell
 *     optimizer_tell(o, fates, err);                // results in candidate order; the next generation begins
 *     size_t n; void *bytes = optimizer_save(o, &n);      // all state: mean, sigma, C, B, D, paths, generation, sampled points
 *
 * Random numbers come from (seed, generation, candidate). What ask returned is part of the saved
 * state, as are B and D: a study resumed elsewhere recomputes nothing. */
#ifndef SEARCH_OPTIMIZER_H
#define SEARCH_OPTIMIZER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum fate_state { FATE_COMPLETE, FATE_PRUNED, FATE_INVALID };

typedef struct fate {               /* what became of one candidate */
    enum fate_state state;
    double objective;               /* of a complete one; larger is better */
    int round; double partial;      /* of a pruned one: ranks below the complete ones by (round, partial, index) */
    const double *scores;           /* [n_scores] per question; may be NULL; borrowed */
    size_t n_scores;
} fate;

typedef struct optimizer_options {
    size_t n;                       /* dimensions */
    const double *start, *low, *high;  /* [n] borrowed; bounds may be infinite */
    const double *spread;           /* [n] initial standard deviations, in the units of x (multiplied with sigma 1) */
    double sigma;                   /* overall initial step; 0: 1 */
    int population;                 /* 0: 4 + floor(3 ln n) */
    uint64_t seed;
    int active;                     /* 1: negative weights too (default for cma-es) */
} optimizer_options;

typedef struct optimizer optimizer;

const char *const *optimizer_names(void);    /* "cma-es", "sep-cma-es", "random"; NULL-terminated */
optimizer *optimizer_new(const char *name, const optimizer_options *options, error *err);
void optimizer_free(optimizer *o);
const char *optimizer_name(const optimizer *o);        /* the one in use: "sep-cma-es" where cma-es was asked for more than 1000 dimensions */
size_t optimizer_dimensions(const optimizer *o);
int optimizer_population(const optimizer *o);
uint32_t optimizer_generation(const optimizer *o);     /* updates done so far */
const double *optimizer_mean(const optimizer *o);      /* [n] inside the bounds; borrowed; NULL for random search */
double optimizer_sigma(const optimizer *o);
void optimizer_ask(const optimizer *o, double *x);     /* [population][n] */
int optimizer_tell(optimizer *o, const fate *fates, error *err);

void *optimizer_save(const optimizer *o, size_t *n);   /* versioned bytes with a checksum; free() them */
/* Distrusts: wrong version, wrong n, NaN, sigma <= 0, C not symmetric or not positive definite are errors. */
optimizer *optimizer_load(const void *bytes, size_t n, error *err);

#endif
