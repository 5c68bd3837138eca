/* Random search: every candidate anew, uniform in the bounds where both are finite, else normal around the start (with the
 * start's spread times sigma), clamped to the bound there is; a binary is 1 with the probability it starts with. Nothing is
 * learned from what is told. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "search/kind.h"

static int begin(optimizer *o, const double *start, error *err)
{
    (void)err;
    double *center = memory_new(o->n, sizeof *center);
    memcpy(center, start, o->n * sizeof *center);
    o->state = center;
    return 0;
}

static int update(optimizer *o, const ranking *ranked, error *err)
{
    (void)o;
    (void)ranked;
    (void)err;
    return 0;
}

static int sample(optimizer *o, error *err)
{
    (void)err;
    const double *center = o->state;
    for (int c = 0; c < o->population; c++) {
        random_stream s = random_stream_for(o->seed, "random search", o->generation, (uint32_t)c);
        double *x = o->x + (size_t)c * o->n;
        for (size_t i = 0; i < o->n; i++) {
            double low = o->low[i], high = o->high[i], width = high - low;
            if (is_binary(o, i)) {
                x[i] = random_uniform(&s) < center[i];
                continue;
            }
            double value = isfinite(width) ? low + width * random_uniform(&s) : center[i] + o->sigma0 * o->spread[i] * random_normal(&s);
            x[i] = value < low ? low : value > high ? high : value;
        }
    }
    return 0;
}

static double sigma(const optimizer *o)
{
    return o->sigma0;
}

static void write(const optimizer *o, string *out)
{
    write_reals(out, o->state, o->n);
}

static int read(optimizer *o, reader *r, error *err)
{
    o->state = read_reals(r, o->n);
    if (!o->state)
        return fail(err, ERROR_FORMAT, "optimizer state: ends before its start");
    return check_finite(o->state, o->n, "the start", err);
}

static void clear(optimizer *o)
{
    (void)o;
}

const optimizer_kind optimizer_random = {
    .name = "random", .min_population = 1, .max_n = (size_t)1 << 24,
    .begin = begin, .update = update, .sample = sample, .sigma = sigma, .write = write, .read = read, .clear = clear,
};
