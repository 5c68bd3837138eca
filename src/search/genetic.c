/* "genetic": a population that is bred, for spaces where what helps are changes of many binaries at once: a block of layers for another on
 * a path. A distribution over each binary alone forgets which of them belong together; a population remembers.
 *
 * Half of a generation's candidates are the parents, asked again: scores are noisy, and what was lucky once should not stay for it. A
 * parent's value is a running mean of its scores, which the newest enters with NEWEST. The other half are children of two parents or of
 * one, changed by the caller's moves (or by flips where there are none), and in some of their reals by a normal step. The best half of
 * all live on. The first generation is drawn around the start. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "search/kind.h"
#include "search/normal.h"

#define NEWEST 0.3
#define CROSSED 0.8         /* share of children with two parents */
#define MOVED 0.8           /* of children that are moved; each further move has half the chance */
#define STEPPED 0.5         /* of moved children whose reals take a step, as all others' do ... */
#define STEPPED_REALS 0.3   /* ... and of those reals; one at least */

typedef struct genetic {
    int parents;
    size_t binaries;
    double *value;          /* [parents] running means, best first; owned */
    uint32_t bred;          /* 0: no generation has told anything yet, all were drawn around the start */
} genetic;

static double draw_real(const optimizer *o, double around, size_t i, random_stream *s)
{
    return clamp(around + o->sigma0 * o->spread[i] * random_normal(s), o->low[i], o->high[i]);
}

static int begin(optimizer *o, const double *start, error *err)
{
    (void)err;
    genetic *e = memory_new(1, sizeof *e);
    o->state = e;
    e->parents = o->population / 2;
    for (size_t i = 0; i < o->n; i++)
        e->binaries += is_binary(o, i);
    e->value = memory_new((size_t)e->parents, sizeof *e->value);
    o->mean = memory_new(o->n, sizeof *o->mean);
    memcpy(o->mean, start, o->n * sizeof *start);
    return 0;
}

/* Where a random one of the binaries stands; there is at least one. */
static size_t any_binary(const optimizer *o, random_stream *s)
{
    const genetic *e = o->state;
    size_t left = random_below(s, e->binaries), i = 0;
    while (!is_binary(o, i) || left-- > 0)
        i++;
    return i;
}

/* Whether anything was moved. */
static bool move(const optimizer *o, double *x, random_stream *s)
{
    const genetic *e = o->state;
    bool moved = false;
    double chance = e->binaries == o->n ? 1 : MOVED;
    while (e->binaries && random_uniform(s) < chance) {
        size_t flip = any_binary(o, s);
        moved = true;
        chance /= 2;
        if (o->move)
            o->move(o->move_context, x, s);
        else
            x[flip] = 1 - x[flip];
    }
    return moved;
}

static void step_reals(const optimizer *o, double *x, random_stream *s)
{
    size_t active = 0;
    for (size_t i = 0; i < o->n; i++)
        active += !is_binary(o, i) && is_active(o, x, i);
    size_t one = active ? random_below(s, active) : 0;
    for (size_t i = 0; i < o->n; i++) {
        if (is_binary(o, i) || !is_active(o, x, i))
            continue;
        if (random_uniform(s) < STEPPED_REALS || one == 0)
            x[i] = draw_real(o, x[i], i, s);
        one--;
    }
}

/* The binaries before a cut come from one parent, those behind it from the other, each with the reals that need it; other reals from
 * either, the more from the first the further behind the cut lies. */
static void cross(const optimizer *o, const double *a, const double *b, double *x, random_stream *s)
{
    const genetic *e = o->state;
    size_t cut = e->binaries ? any_binary(o, s) : random_below(s, o->n);
    for (size_t i = 0; i < o->n; i++) {
        size_t place = is_binary(o, i) ? i : o->needs[i] >= 0 ? (size_t)o->needs[i] : random_below(s, o->n);
        x[i] = place < cut ? a[i] : b[i];
    }
}

/* Better parents more often: the best of two drawn. */
static const double *choose(const optimizer *o, const double *parents, random_stream *s)
{
    const genetic *e = o->state;
    size_t a = random_below(s, (size_t)e->parents), b = random_below(s, (size_t)e->parents);
    return parents + (a < b ? a : b) * o->n;
}

static void draw_first(optimizer *o)
{
    for (int c = 0; c < o->population; c++) {
        random_stream s = random_stream_for(o->seed, "genetic", o->generation, (uint32_t)c);
        double *x = o->x + (size_t)c * o->n;
        for (size_t i = 0; i < o->n; i++)
            if (is_binary(o, i))
                x[i] = random_uniform(&s) < o->mean[i];
        if (o->move)
            o->move(o->move_context, x, &s);
        for (size_t i = 0; i < o->n; i++)
            if (!is_binary(o, i))
                x[i] = is_active(o, x, i) ? draw_real(o, o->mean[i], i, &s) : o->mean[i];
    }
}

/* The parents stand first in o->x. */
static int sample(optimizer *o, error *err)
{
    (void)err;
    const genetic *e = o->state;
    if (!e->bred) {
        draw_first(o);
        return 0;
    }
    for (int c = e->parents; c < o->population; c++) {
        random_stream s = random_stream_for(o->seed, "genetic", o->generation, (uint32_t)c);
        double *x = o->x + (size_t)c * o->n;
        const double *a = choose(o, o->x, &s);
        if (random_uniform(&s) < CROSSED)
            cross(o, a, choose(o, o->x, &s), x, &s);
        else
            memcpy(x, a, o->n * sizeof *x);
        bool moved = move(o, x, &s);
        if (!moved || random_uniform(&s) < STEPPED)
            step_reals(o, x, &s);
    }
    return 0;
}

typedef struct living { double value; int candidate; } living;

static int better(const void *a, const void *b)
{
    const living *p = a, *q = b;
    return p->value != q->value ? (p->value > q->value ? -1 : 1) : p->candidate < q->candidate ? -1 : 1;
}

static int update(optimizer *o, const ranking *ranked, error *err)
{
    (void)err;
    genetic *e = o->state;
    if (ranked->flat)
        return 0;
    living *all = memory_new((size_t)o->population, sizeof *all);
    double *x = memory_new((size_t)o->population * o->n, sizeof *x), worst = HUGE_VAL;
    for (int c = 0; c < o->population; c++)     /* pruned ones rank below it */
        worst = ranked->complete[c] ? fmin(worst, ranked->value[c]) : worst;
    for (int r = 0; r < o->population; r++) {
        int c = (int)ranked->order[r];
        bool known = e->bred && c < e->parents;
        double now = ranked->invalid[c] ? -HUGE_VAL : ranked->complete[c] ? ranked->value[c] : fmin(ranked->value[c], worst);
        all[c] = (living){.value = known ? (1 - NEWEST) * e->value[c] + NEWEST * now : now, .candidate = c};
    }
    qsort(all, (size_t)o->population, sizeof *all, better);
    for (int k = 0; k < e->parents; k++) {
        memcpy(x + (size_t)k * o->n, o->x + (size_t)all[k].candidate * o->n, o->n * sizeof *x);
        e->value[k] = all[k].value;
    }
    memcpy(o->x, x, (size_t)e->parents * o->n * sizeof *x);
    memcpy(o->mean, x, o->n * sizeof *x);
    e->bred = 1;
    free(all);
    free(x);
    return 0;
}

static double sigma(const optimizer *o)
{
    return o->sigma0;
}

static void write(const optimizer *o, string *out)
{
    const genetic *e = o->state;
    write_u32(out, e->bred);
    write_reals(out, e->value, (size_t)e->parents);
    write_reals(out, o->mean, o->n);
}

static int read(optimizer *o, reader *r, error *err)
{
    genetic *e = memory_new(1, sizeof *e);
    o->state = e;
    e->parents = o->population / 2;
    for (size_t i = 0; i < o->n; i++)
        e->binaries += is_binary(o, i);
    e->bred = read_u32(r);
    e->value = read_reals(r, (size_t)e->parents);
    o->mean = read_reals(r, o->n);
    if (r->bad || e->bred > 1)
        return fail(err, ERROR_FORMAT, "optimizer state: ends before its %d parents", e->parents);
    for (int k = 0; k < e->parents; k++)
        if (isnan(e->value[k]))
            return fail(err, ERROR_FORMAT, "optimizer state: the value of parent %d is not a number", k);
    return check_finite(o->mean, o->n, "the best", err);
}

static void clear(optimizer *o)
{
    genetic *e = o->state;
    free(e->value);
}

const optimizer_kind optimizer_genetic = {
    .name = "genetic", .min_population = 4, .usual_population = 32, .max_n = (size_t)1 << 24,
    .begin = begin, .update = update, .sample = sample, .sigma = sigma, .write = write, .read = read, .clear = clear,
};
