/* The genome of data-flow space (Akiba et al., arXiv 2403.13187, section 3.2): which layers are on the path, and how much each
 * hands on.
 *
 * The layers of all sources stand end to end, M of them, and r times over: T = M r slots. A binary a slot says whether its layer
 * is on the path; the path runs through those that are, in the order of the slots. Embeddings, final norm and head come from the first
 * source. With `pin_ends` that source's first layer begins every path and its last layer ends it: their slots of the first repetition
 * are always on, have no binary, and the last one's stands behind all others.
 *
 * Scales of what comes into a layer (what a scale means: model/path.h):
 *     FLOW_SLOTS     one a slot, which means something only while the slot is on
 *     FLOW_MATRIX    the paper's W: one for each pair of layers (from, to); nothing scales the embeddings
 *     FLOW_NETWORK   a small network of (from, to, t): 1 + sum over its hidden units of out_h tanh(...), within the bounds
 *
 *     genome *g = flow_genome(&options, err);
 *     layer_path *p = ...;                             // with the sources, in their order
 *     double excess = flow_decode(g, x, p);            // p's hops are now those that x means
 */
#ifndef SEARCH_FLOW_H
#define SEARCH_FLOW_H

#include "base/random.h"
#include "model/path.h"
#include "search/genome.h"

enum flow_scales { FLOW_NO_SCALES, FLOW_SLOTS, FLOW_MATRIX, FLOW_NETWORK };

typedef struct flow_options {
    const char *const *names;   /* [n_sources] short names for dimensions; borrowed */
    const int *layers;          /* [n_sources] borrowed */
    size_t n_sources;
    int repetitions;
    bool pin_ends;
    enum flow_scales scales;
    double scale_low, scale_high, scale_spread;
    double start_on, start_off; /* probability of a slot of the first source's first repetition, and of any other */
    int max_hops;               /* 0: no limit but T */
} flow_options;

typedef struct flow flow;

genome *flow_genome(const flow_options *options, error *err);
void flow_free(flow *f);        /* genome_free calls it */

/* Replaces p's hops by those of the vector. Returns 0 for a path that may run, else by how many hops it is too long (or too short: an
 * empty path), for ranking; p then has no hops. */
double flow_decode(const genome *g, const double *x, layer_path *p);

/* The vector of a known path, for `start:`. Binaries are 1 where the path needs the slot, scales those of the path with FLOW_SLOTS, else
 * the start. An error where the slots do not hold that path (too few repetitions, other ends). */
int flow_encode(const genome *g, const layer_path *p, double *x, error *err);

/* Changes a vector's path as one would by hand: a block of layers by those of another source, once more, put in, left out. Independent flips of the
 * slots hardly find such changes, which are what helps. context: the genome. For optimizer_options. */
void flow_move(const void *context, double *x, random_stream *s);

int flow_slots(const genome *g);        /* T */

#endif
