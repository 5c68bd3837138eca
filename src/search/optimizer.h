/* Optimisers: ask for vectors, tell how they did. They never call the objective. Maximising. A dimension is a real number or
 * a binary one (is this layer on the path?); a real one may mean something only where a given binary is 1 (its scale).
 *
 *     optimizer *o = optimizer_new("cma-es", &options, err);
 *     double *x = ...;                              // [population][n]
 *     optimizer_ask(o, x);                          // the same until optimizer_tell
 *     optimizer_tell(o, fates, err);                // results in candidate order; the next generation begins
 *     size_t n; void *bytes = optimizer_save(o, &n);      // all state: mean, sigma, C, B, D, paths, generation, sampled points
 *
 * Random numbers come from (seed, generation, candidate). What ask returned is part of the saved
 * state, as are B and D: a study resumed elsewhere recomputes nothing.
 *
 *     "cma-es"             full covariance; "sep-cma-es" above 1000 dimensions, unless `full`
 *     "sep-cma-es"         diagonal covariance
 *     "cma-es-margin"      cma-es whose binaries keep a probability of 1 / (n population) to change; "sep-cma-es-margin" likewise
 *     "bernoulli-cma"      a probability for each binary, sep-cma-es for the reals; heeds `needs`
 *     "genetic"            a population bred by crossing and by the caller's `move`; heeds `needs`; its mean is its best candidate
 *     "random"             learns nothing
 * The CMA-ES four see a binary as the sign of a normal variable, as the paper does, and do not heed `needs`. Under bernoulli-cma
 * 32 candidates suit 1,000 to 3,000 trials, 64 more (bench/search.c). */
#ifndef SEARCH_OPTIMIZER_H
#define SEARCH_OPTIMIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/random.h"

enum variable { VARIABLE_REAL, VARIABLE_BINARY };

enum fate_state { FATE_COMPLETE, FATE_PRUNED, FATE_INVALID };

typedef struct fate {               /* what became of one candidate */
    enum fate_state state;
    double objective;               /* of a complete one; larger is better */
    int round; double partial;      /* of a pruned one: ranks below the complete ones by (round, partial, index) */
    double violation;               /* of an invalid one: by how much it breaks a limit; ranks last, the largest at the end */
    const double *scores;           /* [n_scores] per question; may be NULL; borrowed */
    size_t n_scores;
} fate;

/* Changes one candidate's binaries (0 or 1) in a way that means something to the caller, with numbers from `s`. */
typedef void optimizer_move(const void *context, double *x, random_stream *s);

typedef struct optimizer_options {
    size_t n;                       /* dimensions */
    const enum variable *kinds;     /* [n] borrowed; NULL: all real */
    const int *needs;               /* [n] borrowed; of a real one: the binary without which it means nothing, -1: none; NULL: none */
    const double *start;            /* [n] borrowed; of a binary: its probability of being 1, which optimizers may clip */
    const double *low, *high;       /* [n] borrowed; may be infinite; NULL: infinite. Of a binary: 0 and 1 */
    const double *spread;           /* [n] borrowed; initial standard deviations, in the units of x (multiplied with sigma); NULL: 1. Not used
                                       of a binary: where that is the sign of a normal variable, `start` alone fixes its mean */
    double sigma;                   /* overall initial step; 0: 1 */
    int population;                 /* 0: 4 + floor(3 ln n), for bernoulli-cma at least 32 */
    uint64_t seed;
    int active;                     /* 1: negative weights too (default for cma-es) */
    optimizer_move *move;           /* for genetic; NULL: it flips binaries */
    const void *move_context;       /* borrowed, as long as the optimizer lives */
    bool full;                      /* cma-es and cma-es-margin keep the full covariance above 1000 dimensions too, up to 8192 */
} optimizer_options;

typedef struct optimizer optimizer;

const char *const *optimizer_names(void);    /* NULL-terminated */
const char *optimizer_default(bool has_binaries);
optimizer *optimizer_new(const char *name, const optimizer_options *options, error *err);
void optimizer_free(optimizer *o);
const char *optimizer_name(const optimizer *o);        /* the one in use: "sep-cma-es" where cma-es was asked for more than 1000 dimensions */
size_t optimizer_dimensions(const optimizer *o);
int optimizer_population(const optimizer *o);
uint32_t optimizer_generation(const optimizer *o);     /* updates done so far */
const double *optimizer_mean(const optimizer *o);      /* [n] inside the bounds, of a binary its probability of being 1; borrowed; NULL for random search */
double optimizer_sigma(const optimizer *o);
void optimizer_ask(const optimizer *o, double *x);     /* [population][n]; binaries are 0.0 or 1.0 */
int optimizer_tell(optimizer *o, const fate *fates, error *err);

void *optimizer_save(const optimizer *o, size_t *n);   /* versioned bytes with a checksum; free() them */
/* What options said, after a load: functions are not saved. */
void optimizer_set_move(optimizer *o, optimizer_move *move, const void *context);

/* Distrusts: wrong version, wrong n, NaN, kinds and needs that cannot be, sigma <= 0, C not symmetric or not positive definite are errors. */
optimizer *optimizer_load(const void *bytes, size_t n, error *err);

#endif
