/* A genome: named dimensions, and what a vector of them means as a recipe (here) or as a path (search/flow.h).
 *
 * For parameter space: one dimension for every searched parameter x source x layer group (x part of a layer).
 * Layers are cut into groups; embeddings go with the first, head and final norm with the last.
 *
 *     genome *g = genome_new(r, &(genome_options){.method = method_find("ties"), .names = names, .layers = 32, .n_groups = 4}, err);
 *     double x[g->count];                  // in the order of g->dimensions: start, bounds and spread are there
 *     genome_decode(g, x, r);              // r is now the recipe that x means
 *     genome_free(g);
 *
 * Parts: with split_attention_mlp a group has a value for attention (self_attn, input_layernorm) and one for all else in the
 * layer; with split_embeddings the embeddings, head and final norm have one of their own. With filters, as mergekit-evolve has them, a
 * group has a value for every filter (what its name holds; the first match wins) and one for the rest; smooth makes of the groups' values
 * a gradient over the layers.
 *
 * A switch is a binary dimension. */
#ifndef SEARCH_GENOME_H
#define SEARCH_GENOME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "merge/method.h"
#include "merge/recipe.h"

enum genome_part { PART_ATTENTION, PART_MLP, PART_EMBEDDINGS };

typedef struct dimension {
    char *name;                 /* "ja.weight.g0" ; owned; unique */
    double low, high, start, spread;
    bool binary;                /* 0 or 1, start being the probability of 1 */
    int needs;                  /* index of the binary dimension without which it means nothing; -1: none */
    int model;                  /* index into the recipe's models; -1: a global parameter */
    const char *parameter;      /* "weight"; borrowed from the method */
    int group, part;            /* layer group; part of a layer (enum genome_part, or the filter's index, n_filters: the rest), -1: all */
} dimension;

typedef struct genome {
    dimension *dimensions;      /* [count], owned */
    size_t count;
    /* of a recipe's */
    int layers;                 /* of the models */
    int (*ranges)[2];           /* [n_groups] first layer, one past the last; owned */
    int n_groups;
    bool split_attention_mlp, split_embeddings, smooth;
    const char *const *filters; size_t n_filters;   /* borrowed from the options */
    struct flow *flow;          /* of a path's genome; owned; NULL: a recipe's */
} genome;

typedef struct genome_options {
    const method *method;
    const char *const *names;   /* [n_models] short names for dimensions ("ja"); borrowed */
    int layers;
    int n_groups;               /* equal groups ... */
    const int (*ranges)[2]; int n_ranges;   /* ... or these, which must cover all layers in order */
    bool split_attention_mlp, split_embeddings;
    const char *const *filters; size_t n_filters;   /* without splits; borrowed as long as the genome lives */
    bool smooth;
    const char *const *fixed; size_t n_fixed;       /* parameters that are not searched: the recipe has their values */
    double sigma;               /* initial standard deviation as a share of each dimension's range; 0: a sixth, at most 0.25 */
    /* parameters that are searched though the method's are not by default, and overrides of its search bounds; NaN: not given; a
     * spread here goes before sigma; of a switch only the start may be given, its probability of being true */
    const struct genome_bound { const char *parameter; double low, high, start, spread; } *bounds;
    size_t n_bounds;
} genome_options;

/* `r` has the method and models; parameters already set in it stay as they are unless they are searched. */
genome *genome_new(const recipe *r, const genome_options *options, error *err);
void genome_free(genome *g);

/* Writes the vector's values into r's parameters, as filtered values ("layers.3.") that mergekit reads the same way. */
void genome_decode(const genome *g, const double *x, recipe *r);

/* The vector nearest to an existing recipe of the same method and models, for `start:`: the mean over the layers of a group, inside
 * the bounds (of a switch the share of them where it is true). A parameter that the recipe leaves out has its default; a required one is
 * an error. Not for a genome with filters or smooth. */
int genome_encode(const genome *g, const recipe *r, double *x, error *err);

#endif
