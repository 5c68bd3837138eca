/* passthrough: one model as it is, or scaled. */
#include "base/memory.h"
#include "merge/strip.h"

struct passthrough {
    double scale;
};

static int begin(merge_job *j, error *err)
{
    struct passthrough *p = memory_new(1, sizeof *p);
    j->state = p;
    if (kernel_parameter(j, 0, "scale", &p->scale, err) != 0)
        return -1;
    if (j->rounding)
        p->scale = (float)p->scale;
    return 0;
}

static void apply(const merge_job *j, const merge_strip *s, double *out)
{
    const struct passthrough *p = j->state;
    for (int k = 0; k < s->n; k++)
        out[k] = s->x[k] * p->scale;
    strip_round(j->rounding, out, s->n);
}

const method_kernel kernel_passthrough = {.begin = begin, .apply = apply};
