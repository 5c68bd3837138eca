/* linear: out = sum w_i x_i / sum w_i (Wortsman et al., "Model soups", 2022). */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "merge/strip.h"

struct linear {
    double divisor;
    double weight[];   /* [n_models] */
};

static int begin(merge_job *j, error *err)
{
    struct linear *p = memory_new(1, sizeof *p + (size_t)j->n_models * sizeof *p->weight);
    j->state = p;
    double normalize = 0;
    if (kernel_parameter(j, -1, "normalize", &normalize, err) != 0)
        return -1;
    for (int i = 0; i < j->n_models; i++) {
        if (kernel_parameter(j, i, "weight", &p->weight[i], err) != 0)
            return -1;
        if (j->rounding)
            p->weight[i] = (float)p->weight[i];
        p->divisor = j->rounding ? (float)(p->divisor + p->weight[i]) : p->divisor + p->weight[i];
    }
    if (normalize == 0)
        p->divisor = 1;
    if (p->divisor == 0 && !j->rounding)
        return fail(err, ERROR_FORMAT, "linear: the weights of '%s' sum to 0 and cannot be normalized", j->tensor->name);
    return 0;
}

CPU_CLONES static void add_weighed(const double *restrict x, double weight, int n, double *restrict out)
{
    for (int k = 0; k < n; k++)
        out[k] += weight * x[k];
}

CPU_CLONES static void add_two(const double *restrict x, double wx, const double *restrict y, double wy, int n, double *restrict out)
{
    for (int k = 0; k < n; k++)
        out[k] += wx * x[k] + wy * y[k];
}

static void weigh(const struct linear *p, const merge_strip *s, int n_models, double *out)
{
    int i = 0;
    memset(out, 0, (size_t)s->n * sizeof *out);
    for (; i + 1 < n_models; i += 2)
        add_two(s->x + i * s->stride, p->weight[i] / p->divisor, s->x + (i + 1) * s->stride, p->weight[i + 1] / p->divisor, s->n, out);
    if (i < n_models)
        add_weighed(s->x + i * s->stride, p->weight[i] / p->divisor, s->n, out);
}

/* mergekit adds with one rounding: addcmul in f32 is an fma. */
CPU_CLONES static void weigh_f32(const struct linear *p, const merge_strip *s, int n_models, double *out)
{
    float sum[STRIP] = {0};
    for (int i = 0; i < n_models; i++) {
        const double *x = s->x + i * s->stride;
        float w = (float)p->weight[i];
        for (int k = 0; k < s->n; k++)
            sum[k] = fmaf(w, (float)x[k], sum[k]);
    }
    for (int k = 0; k < s->n; k++)
        out[k] = (float)(sum[k] / p->divisor);
}

static void apply(const merge_job *j, const merge_strip *s, double *out)
{
    (j->rounding ? weigh_f32 : weigh)(j->state, s, j->n_models, out);
    strip_round(j->rounding, out, s->n);
}

const method_kernel kernel_linear = {.begin = begin, .apply = apply};
