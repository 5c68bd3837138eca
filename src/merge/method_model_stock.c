/* model_stock (Jang et al., 2024): between the base and the models' average, by the mean cosine c of the angles between their offsets:
 * t = N c / (1 + (N - 1) c);  out = t average + (1 - t) base. */
#include <math.h>

#include "base/memory.h"
#include "merge/strip.h"

#define NORMS_FLOOR 1e-6
#define SINGULAR 1e-6

struct model_stock {
    int n;           /* models that are not the base */
    bool by_row;
    double t;        /* of the tensor; else each row's stands first among its sums */
};

static int begin(merge_job *j, error *err)
{
    struct model_stock *p = memory_new(1, sizeof *p);
    const tensor *shape = &j->tensor->shape;
    double filter_wise = 0;
    j->state = p;
    p->n = j->n_models - 1;
    if (kernel_parameter(j, -1, "filter_wise", &filter_wise, err) != 0)
        return -1;
    p->by_row = j->by_row = filter_wise != 0 && shape->rank > 1;
    if (p->by_row && j->tensor->count > 0) {
        j->columns = shape->shape[shape->rank - 1];
        j->rows = j->tensor->count / j->columns;
    }
    j->n_sums = p->n * (p->n + 1) / 2;
    j->pass = 1;
    return 0;
}

/* sums: of model 0 with itself, of 1 with 0, of 1 with 1, of 2 with 0, ... */
static void reduce(const merge_job *j, const merge_strip *s, double *sums)
{
    const struct model_stock *p = j->state;
    int which = 0;
    for (int i = 0; i < p->n; i++)
        strip_subtract(j->rounding, s->x + kernel_other(j, i) * s->stride, s->x + j->base * s->stride, s->n, s->scratch + i * s->stride);
    for (int i = 0; i < p->n; i++) {
        const double *a = s->scratch + i * s->stride;
        for (int k = 0; k < i; k++)
            sums[which++] += strip_dot_rounded(j->rounding, a, s->scratch + k * s->stride, s->n);
        sums[which++] += strip_dot(a, a, s->n);
    }
}

static double norm_of(enum rounding r, const double *sums, int i)
{
    return round_one(r, sqrt(sums[i * (i + 1) / 2 + i]));
}

static double ratio(const struct model_stock *p, enum rounding r, const double *sums)
{
    double total = 0, least = round_one(r, NORMS_FLOOR);
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k < i; k++) {
            double norms = round_one(r, norm_of(r, sums, i) * norm_of(r, sums, k)), dot = round_one(r, sums[i * (i + 1) / 2 + k]);
            double cosine = fmin(fmax(round_one(r, dot / fmax(norms, least)), -1), 1);
            total = r ? (float)(total + cosine) : total + cosine;
        }
    double c = round_one(r, total / (p->n * (p->n - 1) / 2.0)), divisor = round_one(r, 1 + round_one(r, (p->n - 1) * c));
    return fabs(divisor) < round_one(r, SINGULAR) ? 0 : round_one(r, round_one(r, p->n * c) / divisor);
}

static int combine(merge_job *j, error *err)
{
    struct model_stock *p = j->state;
    (void)err;
    for (int k = 0; k < j->n_sums && !p->by_row; k++)
        j->sums[k] = kernel_total(j, k);
    for (int64_t row = 0; row < (p->by_row ? j->rows : 1); row++)
        j->sums[row * j->n_sums] = ratio(p, j->rounding, j->sums + row * j->n_sums);
    p->t = j->sums[0];
    j->pass = 0;
    return 0;
}

static void apply(const merge_job *j, const merge_strip *s, double *out)
{
    const struct model_stock *p = j->state;
    enum rounding r = j->rounding;
    double t = p->by_row ? j->sums[s->row * j->n_sums] : p->t, rest = round_one(r, 1 - t), *base = s->scratch;
    for (int k = 0; k < s->n; k++) {
        out[k] = 0;
        base[k] = rest * s->x[j->base * s->stride + k];
    }
    strip_round(r, base, s->n);
    for (int i = 0; i < p->n; i++) {
        strip_add_scaled(ROUND_NONE, s->x + kernel_other(j, i) * s->stride, 1, s->n, out);
        strip_round(r, out, s->n);
    }
    for (int k = 0; k < s->n; k++)
        out[k] /= p->n;
    strip_round(r, out, s->n);
    strip_scale(r, out, t, s->n);
    strip_add_scaled(ROUND_NONE, base, 1, s->n, out);
    strip_round(r, out, s->n);
}

const method_kernel kernel_model_stock = {.begin = begin, .reduce = reduce, .combine = combine, .apply = apply};
