/* nearswap: out = w b + (1 - w) a, w = t / |a - b| clamped to [0, 1]: where the base a and the other model b are near, b; else towards a. */
#include "base/memory.h"
#include "merge/strip.h"

#define NEAREST 1e-6

struct nearswap {
    double t;
};

static int begin(merge_job *j, error *err)
{
    struct nearswap *p = memory_new(1, sizeof *p);
    j->state = p;
    if (kernel_parameter(j, -1, "t", &p->t, err) != 0)
        return -1;
    if (j->rounding)
        p->t = (float)p->t;
    return 0;
}

static void apply(const merge_job *j, const merge_strip *s, double *out)
{
    const struct nearswap *p = j->state;
    const double *a = s->x + j->base * s->stride, *b = s->x + kernel_other(j, 0) * s->stride;
    enum rounding r = j->rounding;
    double *w = s->scratch, *rest = w + s->stride, least = round_one(r, NEAREST);
    strip_subtract(r, a, b, s->n, w);
    for (int k = 0; k < s->n; k++) {
        double away = w[k] < 0 ? -w[k] : w[k];
        away = away > least ? away : least;
        w[k] = r ? 1 / away : p->t / away;
    }
    if (r) {
        strip_round(r, w, s->n);
        strip_scale(r, w, p->t, s->n);
    }
    for (int k = 0; k < s->n; k++) {
        w[k] = w[k] > 1 ? 1 : w[k] < 0 ? 0 : w[k];
        rest[k] = 1 - w[k];
        out[k] = w[k] * b[k];
    }
    strip_round(r, rest, s->n);
    strip_round(r, out, s->n);
    for (int k = 0; k < s->n; k++)
        rest[k] *= a[k];
    strip_round(r, rest, s->n);
    for (int k = 0; k < s->n; k++)
        out[k] += rest[k];
    strip_round(r, out, s->n);
}

const method_kernel kernel_nearswap = {.begin = begin, .apply = apply};
