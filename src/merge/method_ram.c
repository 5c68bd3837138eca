/* ram and ramplus_tl ("Reinforced Agent Merging", 2026): a model is active at an element that it changed by more than epsilon. Where one
 * is, its change is kept; where several are, theirs are averaged. ramplus_tl scales the former by 1 + r min(shared / unique, alpha), the
 * counts being the model's in this tensor. */
#include <math.h>

#include "base/memory.h"
#include "merge/strip.h"

struct ram {
    int n;                 /* models that are not the base */
    double epsilon, r, alpha;
    double scale[];        /* [n] of unique changes */
};

static int begin_any(merge_job *j, bool plus, error *err)
{
    int n = j->n_models - 1;
    struct ram *p = memory_new(1, sizeof *p + (size_t)n * sizeof *p->scale);
    j->state = p;
    p->n = n;
    for (int i = 0; i < n; i++)
        p->scale[i] = 1;
    if (kernel_parameter(j, -1, "epsilon", &p->epsilon, err) != 0)
        return -1;
    if (plus && (kernel_parameter(j, -1, "r", &p->r, err) != 0 || kernel_parameter(j, -1, "alpha", &p->alpha, err) != 0))
        return -1;
    j->n_sums = plus ? 2 * n : 0;
    j->pass = plus;
    return 0;
}

static int begin_ram(merge_job *j, error *err)
{
    return begin_any(j, false, err);
}

static int begin_ramplus(merge_job *j, error *err)
{
    return begin_any(j, true, err);
}

/* The task vectors with 0 where a model is not active; returns how many are, element by element. */
static double *active(const merge_job *j, const merge_strip *s)
{
    const struct ram *p = j->state;
    double *count = s->scratch + p->n * s->stride, epsilon = round_one(j->rounding, p->epsilon);
    for (int k = 0; k < s->n; k++)
        count[k] = 0;
    for (int i = 0; i < p->n; i++) {
        double *d = s->scratch + i * s->stride;
        strip_subtract(j->rounding, s->x + kernel_other(j, i) * s->stride, s->x + j->base * s->stride, s->n, d);
        for (int k = 0; k < s->n; k++) {
            bool is = fabs(d[k]) > epsilon;
            d[k] = is ? d[k] : 0;
            count[k] += is;
        }
    }
    return count;
}

static void reduce(const merge_job *j, const merge_strip *s, double *sums)
{
    const struct ram *p = j->state;
    const double *count = active(j, s);
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k < s->n; k++)
            if (s->scratch[i * s->stride + k] != 0)
                sums[2 * i + (count[k] == 1)]++;
}

static int combine(merge_job *j, error *err)
{
    struct ram *p = j->state;
    enum rounding f32 = j->rounding ? ROUND_F32 : ROUND_NONE;
    (void)err;
    for (int i = 0; i < p->n; i++) {
        double shared = kernel_total(j, 2 * i), unique = fmax(kernel_total(j, 2 * i + 1), round_one(f32, p->epsilon));
        double ratio = fmin(fmax(round_one(f32, shared / unique), 0), round_one(f32, p->alpha));
        p->scale[i] = round_one(f32, 1 + round_one(f32, round_one(f32, p->r) * ratio));
    }
    j->pass = 0;
    return 0;
}

static void apply_any(const merge_job *j, const merge_strip *s, enum rounding result, double *out)
{
    const struct ram *p = j->state;
    const double *count = active(j, s), *base = s->x + j->base * s->stride;
    double *part = s->scratch + (p->n + 1) * s->stride;
    for (int k = 0; k < s->n; k++)
        out[k] = 0;
    for (int i = 0; i < p->n; i++) {
        const double *d = s->scratch + i * s->stride;
        for (int k = 0; k < s->n; k++)
            part[k] = count[k] > 1 ? d[k] / count[k] : 0;
        strip_round(j->rounding, part, s->n);
        for (int k = 0; k < s->n; k++)
            part[k] = count[k] == 1 ? d[k] * p->scale[i] : part[k];
        strip_add_scaled(result, part, 1, s->n, out);
    }
    strip_round(result, out, s->n);
    for (int k = 0; k < s->n; k++)
        out[k] += base[k];
    strip_round(result, out, s->n);
}

static void apply_ram(const merge_job *j, const merge_strip *s, double *out)
{
    apply_any(j, s, j->rounding, out);
}

static void apply_ramplus(const merge_job *j, const merge_strip *s, double *out)
{
    apply_any(j, s, j->rounding ? ROUND_F32 : ROUND_NONE, out);
}

const method_kernel kernel_ram = {.begin = begin_ram, .apply = apply_ram};
const method_kernel kernel_ramplus_tl = {.begin = begin_ramplus, .reduce = reduce, .combine = combine, .apply = apply_ramplus};
