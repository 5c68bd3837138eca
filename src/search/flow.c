#include "search/flow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define HIDDEN 8
#define MOVE_TRIES 8             /* most changes fit into the slots; one that does not is drawn again */
#define MOST_MATRIX 1000         /* layers: a million scales */
#define INPUTS 4                 /* from, to, t and a constant */

typedef struct slot {
    int source, layer, repetition;
    int index;                   /* of the layer among the M */
    int binary, scale;           /* dimensions; -1: pinned, or no scale of its own */
} slot;

struct flow {
    slot *slots;                 /* [n_slots] in the order of the path; owned */
    int n_slots, n_layers;       /* T, M */
    int *layers;                 /* [n_sources] owned */
    int n_sources, longest;
    enum flow_scales scales;
    double scale_low, scale_high;
    int first_scale;             /* dimension of W[0][0], or of the network's first weight */
    int max_hops;
};

void flow_free(flow *f)
{
    if (f) {
        free(f->slots);
        free(f->layers);
    }
    free(f);
}

int flow_slots(const genome *g)
{
    return g->flow->n_slots;
}

/* Takes the name over. */
static int add_dimension(genome *g, char *name, double low, double high, double start, double spread)
{
    g->dimensions = memory_grow(g->dimensions, g->count + 1, sizeof *g->dimensions);
    g->dimensions[g->count] = (dimension){.name = name, .low = low, .high = high, .start = start, .spread = spread, .needs = -1, .model = -1};
    return (int)g->count++;
}

static void add_slots(flow *f, const flow_options *o)
{
    int last = o->layers[0] - 1;
    for (int r = 0; r < o->repetitions; r++)
        for (int s = 0, index = 0; s < (int)o->n_sources; s++)
            for (int layer = 0; layer < o->layers[s]; layer++, index++)
                if (!(o->pin_ends && r == 0 && s == 0 && layer == last))
                    f->slots[f->n_slots++] = (slot){.source = s, .layer = layer, .repetition = r, .index = index, .binary = -1, .scale = -1};
    if (o->pin_ends)
        f->slots[f->n_slots++] = (slot){.source = 0, .layer = last, .index = last, .binary = -1, .scale = -1};
}

static bool is_pinned(const flow *f, const flow_options *o, int i)
{
    return o->pin_ends && (i == 0 || i == f->n_slots - 1);
}

static char *slot_name(const flow_options *o, const slot *s, const char *what)
{
    return o->repetitions > 1 ? memory_print("%s.%d.r%d.%s", o->names[s->source], s->layer, s->repetition, what)
                              : memory_print("%s.%d.%s", o->names[s->source], s->layer, what);
}

static void add_binaries(genome *g, const flow_options *o)
{
    flow *f = g->flow;
    for (int i = 0; i < f->n_slots; i++) {
        slot *s = &f->slots[i];
        if (is_pinned(f, o, i))
            continue;
        bool own = s->source == 0 && s->repetition == 0;
        s->binary = add_dimension(g, slot_name(o, s, "on"), 0, 1, own ? o->start_on : o->start_off, 1);
        g->dimensions[s->binary].binary = true;
    }
}

static void add_matrix(genome *g, const flow_options *o)
{
    flow *f = g->flow;
    const slot **layers = memory_new((size_t)f->n_layers, sizeof *layers);
    for (int i = 0; i < f->n_slots; i++)
        layers[f->slots[i].index] = &f->slots[i];
    f->first_scale = (int)g->count;
    for (int from = 0; from < f->n_layers; from++)
        for (int to = 0; to < f->n_layers; to++)
            add_dimension(g, memory_print("%s.%d.%s.%d.scale", o->names[layers[from]->source], layers[from]->layer,
                                          o->names[layers[to]->source], layers[to]->layer),
                          o->scale_low, o->scale_high, 1, o->scale_spread);
    free(layers);
}

/* Weights of the hidden layer [HIDDEN][INPUTS] and of the output [HIDDEN]: the latter start at 0, so that every scale starts at 1. */
static void add_network(genome *g, const flow_options *o)
{
    g->flow->first_scale = (int)g->count;
    for (int h = 0; h < HIDDEN; h++)
        for (int k = 0; k < INPUTS; k++)    /* spread over the inputs, else all hidden units would stay alike */
            add_dimension(g, memory_print("hidden.%d.%d.scale", h, k), -8, 8, 2 * sin(1 + h * INPUTS + k), 0.5);
    for (int h = 0; h < HIDDEN; h++)
        add_dimension(g, memory_print("out.%d.scale", h), o->scale_low - 1, o->scale_high - 1, 0, o->scale_spread);
}

static void add_scales(genome *g, const flow_options *o)
{
    flow *f = g->flow;
    if (f->scales == FLOW_MATRIX)
        add_matrix(g, o);
    if (f->scales == FLOW_NETWORK)
        add_network(g, o);
    for (int i = 0; f->scales == FLOW_SLOTS && i < f->n_slots; i++) {
        slot *s = &f->slots[i];
        s->scale = add_dimension(g, slot_name(o, s, "scale"), o->scale_low, o->scale_high, 1, o->scale_spread);
        g->dimensions[s->scale].needs = s->binary;
    }
}

static int check(const flow_options *o, error *err)
{
    int64_t layers = 0;
    for (size_t i = 0; i < o->n_sources; i++)
        layers += o->layers[i];
    if (o->repetitions < 1 || layers * o->repetitions > PATH_MAX_HOPS)
        return fail(err, ERROR_LIMIT, "%d repetitions of %lld layers: 1 to %d slots are possible", o->repetitions, (long long)layers, PATH_MAX_HOPS);
    if (o->scales == FLOW_MATRIX && layers > MOST_MATRIX)
        return fail(err, ERROR_LIMIT, "a scale for each pair of %lld layers; up to %d layers are possible, or 'scales: slots'", (long long)layers, MOST_MATRIX);
    if (o->pin_ends && o->layers[0] < 2)
        return fail(err, ERROR_USAGE, "'%s' has %d layer: its first and last cannot be pinned to the ends", o->names[0], o->layers[0]);
    if (o->max_hops && o->max_hops < (o->pin_ends ? 2 : 1))
        return fail(err, ERROR_USAGE, "max_hops is %d: a path has at least %d", o->max_hops, o->pin_ends ? 2 : 1);
    if (o->scales != FLOW_NO_SCALES && !(o->scale_low < 1 && o->scale_low >= -PATH_MAX_SCALE && o->scale_high > 1 && o->scale_high <= PATH_MAX_SCALE && o->scale_spread > 0))
        return fail(err, ERROR_USAGE, "scales in [%g, %g] with spread %g: they start at 1, inside the bounds", o->scale_low, o->scale_high,
                    o->scale_spread);
    return 0;
}

genome *flow_genome(const flow_options *o, error *err)
{
    if (check(o, err) != 0)
        return NULL;
    genome *g = memory_new(1, sizeof *g);
    flow *f = g->flow = memory_new(1, sizeof *f);
    f->n_sources = (int)o->n_sources;
    f->layers = memory_new(o->n_sources, sizeof *f->layers);
    for (size_t i = 0; i < o->n_sources; i++) {
        f->layers[i] = o->layers[i];
        f->n_layers += o->layers[i];
        f->longest = o->layers[i] > f->longest ? o->layers[i] : f->longest;
    }
    f->slots = memory_new((size_t)f->n_layers * (size_t)o->repetitions, sizeof *f->slots);
    f->scales = o->scales;
    f->scale_low = o->scale_low;
    f->scale_high = o->scale_high;
    f->max_hops = o->max_hops;
    add_slots(f, o);
    add_binaries(g, o);
    add_scales(g, o);
    return g;
}

static double network(const flow *f, const double *w, int from, int to, int t)
{
    double in[INPUTS] = {2.0 * from / f->n_layers - 1, 2.0 * to / f->n_layers - 1, 2.0 * t / f->n_slots - 1, 1}, out = 1;
    for (int h = 0; h < HIDDEN; h++) {
        double sum = 0;
        for (int k = 0; k < INPUTS; k++)
            sum += w[h * INPUTS + k] * in[k];
        out += w[HIDDEN * INPUTS + h] * tanh(sum);
    }
    return out;
}

static double scale_of(const flow *f, const double *x, const slot *from, const slot *to, int t)
{
    switch (f->scales) {
    case FLOW_SLOTS:
        return x[to->scale];
    case FLOW_MATRIX:
        return from ? x[f->first_scale + from->index * f->n_layers + to->index] : 1;
    case FLOW_NETWORK:
        return fmin(fmax(network(f, x + f->first_scale, from ? from->index : -1, to->index, t), f->scale_low), f->scale_high);
    case FLOW_NO_SCALES:
        break;
    }
    return 1;
}

static bool is_on(const slot *s, const double *x)
{
    return s->binary < 0 || x[s->binary] > 0.5;
}

double flow_decode(const genome *g, const double *x, layer_path *p)
{
    const flow *f = g->flow;
    int hops = 0;
    p->n_hops = 0;
    for (int t = 0; t < f->n_slots; t++)
        hops += is_on(&f->slots[t], x);
    if (hops == 0)
        return 1;
    if (f->max_hops && hops > f->max_hops)
        return hops - f->max_hops;
    const slot *before = NULL;
    for (int t = 0; t < f->n_slots; t++) {
        const slot *s = &f->slots[t];
        if (!is_on(s, x))
            continue;
        path_add_hop(p, s->source, s->layer, scale_of(f, x, before, s, t));
        before = s;
    }
    return 0;
}

/* The first slots that hold the hops in order, into at [n]. Returns how many hops found theirs: the last hop is left to a pinned last slot. */
static size_t place(const flow *f, const path_hop *hops, size_t n, int *at)
{
    size_t k = 0;
    bool pinned = f->slots[f->n_slots - 1].binary < 0;
    for (int t = 0; t < f->n_slots && k < n; t++) {
        const slot *s = &f->slots[t];
        bool kept = pinned && k + 1 == n && t + 1 < f->n_slots;
        if (!kept && hops[k].source == s->source && hops[k].layer == s->layer)
            at[k++] = t;
        else if (s->binary < 0)
            break;
    }
    return k;
}

/* The binaries of a placed path. */
static void switch_on(const genome *g, const int *at, size_t n, double *x)
{
    const flow *f = g->flow;
    for (int t = 0; t < f->n_slots; t++)
        if (f->slots[t].binary >= 0)
            x[f->slots[t].binary] = 0;
    for (size_t k = 0; k < n; k++)
        if (f->slots[at[k]].binary >= 0)
            x[f->slots[at[k]].binary] = 1;
}

int flow_encode(const genome *g, const layer_path *p, double *x, error *err)
{
    const flow *f = g->flow;
    int *at = memory_new(p->n_hops, sizeof *at);
    size_t placed = place(f, p->hops, p->n_hops, at);
    if (placed == p->n_hops) {
        for (size_t i = 0; i < g->count; i++)
            x[i] = g->dimensions[i].start;
        switch_on(g, at, placed, x);
        for (size_t k = 0; k < placed; k++) {
            int scale = f->slots[at[k]].scale;
            if (scale >= 0)
                x[scale] = fmin(fmax(p->hops[k].scale, g->dimensions[scale].low), g->dimensions[scale].high);
        }
    }
    free(at);
    return placed == p->n_hops ? 0
                               : fail(err, ERROR_USAGE,
                                      "hop %zu of the path does not fit behind the others: the search needs more repetitions, or pins other "
                                      "ends", placed);
}

/* ---- moves */

typedef struct draft {           /* a path that is being changed */
    path_hop *hops;              /* [capacity] owned */
    size_t n, capacity;
} draft;

static void draft_remove(draft *d, size_t at, size_t n)
{
    memmove(d->hops + at, d->hops + at + n, (d->n - at - n) * sizeof *d->hops);
    d->n -= n;
}

static bool draft_insert(draft *d, size_t at, size_t n)
{
    if (d->n + n > d->capacity)
        return false;
    memmove(d->hops + at + n, d->hops + at, (d->n - at) * sizeof *d->hops);
    d->n += n;
    return true;
}

/* One of: a block of another source's layers of the same numbers, a block once more, a block from any source put in, a block left out. */
static bool change(const flow *f, draft *d, random_stream *s)
{
    size_t ends = f->slots[0].binary < 0 ? 1 : 0, inner = d->n - 2 * ends, most = (size_t)f->longest / 2;
    double u = random_uniform(s);
    size_t length = 1 + (size_t)((double)most * u * u), kind = random_below(s, 4), at = ends + random_below(s, inner + 1);
    int source = (int)random_below(s, (size_t)f->n_sources), layer = (int)random_below(s, (size_t)f->layers[source]);
    if (kind != 2 && length > d->n - ends - at)
        length = d->n - ends - at;
    if (length == 0)
        return false;
    if (kind == 0)
        for (size_t i = at; i < at + length; i++) {
            if (d->hops[i].layer >= f->layers[source])
                return false;
            d->hops[i].source = source;
        }
    else if (kind == 3)
        draft_remove(d, at, length);
    else if (!draft_insert(d, at, length))
        return false;
    if (kind == 2)
        for (size_t i = 0; i < length; i++)
            d->hops[at + i] = (path_hop){.source = source, .layer = (layer + (int)i) % f->layers[source]};
    return true;
}

void flow_move(const void *context, double *x, random_stream *s)
{
    const genome *g = context;
    const flow *f = g->flow;
    draft d = {.capacity = (size_t)(f->max_hops && f->max_hops < f->n_slots ? f->max_hops : f->n_slots)};
    d.hops = memory_new((size_t)f->n_slots, sizeof *d.hops);
    path_hop *before = memory_new((size_t)f->n_slots, sizeof *before);
    int *at = memory_new((size_t)f->n_slots, sizeof *at);
    size_t n = 0;
    for (int t = 0; t < f->n_slots; t++)
        if (is_on(&f->slots[t], x))
            before[n++] = (path_hop){.source = f->slots[t].source, .layer = f->slots[t].layer};
    for (int tries = 0; tries < MOVE_TRIES && n > 0; tries++) {
        memcpy(d.hops, before, n * sizeof *before);
        d.n = n;
        if (change(f, &d, s) && d.n > 0 && d.n <= d.capacity && place(f, d.hops, d.n, at) == d.n) {
            switch_on(g, at, d.n, x);
            break;
        }
    }
    free(d.hops);
    free(before);
    free(at);
}
