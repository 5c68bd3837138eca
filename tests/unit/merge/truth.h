/* What a method makes of a tensor in plain f64, and how near a merge has to come to it. */
#ifndef TESTS_UNIT_MERGE_TRUTH_H
#define TESTS_UNIT_MERGE_TRUTH_H

#include "models.h"

#include <math.h>

#include "merge/method.h"

enum { LAYERS = 3, WORDS = 37 };

struct truth {
    const recipe *r;
    checkpoint *const *models;
    const char *name;
    double t;
    int64_t n, rows, columns;   /* rows of the last dimension */
    double *out, *largest;   /* [n] the result and its largest term */
    bool *close;             /* [n] a decision hangs on less than 2^-20 of what it compares */
};

static inline double parameter(const struct truth *truth, int model, const char *name)
{
    double x = method_parameter_find(method_find(truth->r->method), name)->standard;
    recipe_real(truth->r, model, name, truth->name, truth->t, &x);
    return x;
}

static inline double source(const struct truth *truth, int model, int64_t e)
{
    return element(checkpoint_find(truth->models[model], truth->name), e);
}

static inline double unit_in_last_place(enum dtype d, double x)
{
    int bits = d == DTYPE_BF16 ? 8 : d == DTYPE_F16 ? 11 : 24, least = d == DTYPE_F16 ? -24 : -149, exponent;
    if (d == DTYPE_BF16)
        least = -133;
    frexp(x, &exponent);
    return ldexp(1, exponent - bits < least || x == 0 ? least : exponent - bits);
}

/* 16-bit results within 0.51 units of f64, f32 results within 4 units of their largest term. */
static inline void check_tensor(const struct truth *truth, const tensor *got)
{
    int64_t left_out = 0;
    for (int64_t e = 0; e < truth->n; e++) {
        /* f64 is not exact either where terms cancel: a few of its own units of the largest term */
        double bound = got->dtype == DTYPE_F32 ? 4 * unit_in_last_place(DTYPE_F32, truth->largest[e])
                                               : 0.51 * unit_in_last_place(got->dtype, truth->out[e]) + 0x1p-48 * truth->largest[e];
        left_out += truth->close[e];
        if (!truth->close[e] && !(fabs(element(got, e) - truth->out[e]) <= bound))
            fail_msg("%s: '%s' [%lld] is %.12g, in f64 %.12g (within %g)", truth->r->method, truth->name, (long long)e, element(got, e), truth->out[e], bound);
    }
    if (left_out > 1 + truth->n / 10000)
        fail_msg("%s: '%s': %lld of %lld elements are too near to a decision", truth->r->method, truth->name, (long long)left_out, (long long)truth->n);
}

static inline void check_against_truth(const recipe *r, checkpoint *const *from, const checkpoint *merged, void (*compute)(struct truth *))
{
    for (size_t k = 0; k < merged->count; k++) {
        const tensor *got = &merged->items[k].tensor;
        size_t n = (size_t)tensor_count(got);
        const char *layer = strstr(merged->items[k].name, "layers.");
        struct truth truth = {.r = r, .models = from, .name = merged->items[k].name, .t = layer ? (layer[7] - '0') / (LAYERS - 1.0) : 0, .n = (int64_t)n,
                              .out = memory_new(n, sizeof(double)), .largest = memory_new(n, sizeof(double)), .close = memory_new(n, sizeof(bool))};
        truth.columns = got->rank > 1 ? got->shape[got->rank - 1] : (int64_t)n;
        truth.rows = n ? (int64_t)n / truth.columns : 0;
        compute(&truth);
        check_tensor(&truth, got);
        free(truth.out);
        free(truth.largest);
        free(truth.close);
    }
}

/* "0" ... "3" are the places of the models; the recipe's order is its own. */
static inline void choose(const recipe *r, checkpoint *const *all, checkpoint **chosen)
{
    for (size_t i = 0; i < r->n_models; i++)
        chosen[i] = all[atoi(r->models[i].path)];
}

#endif
