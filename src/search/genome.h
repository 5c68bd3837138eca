/* A genome: named dimensions, and what a vector of them means as a recipe.
 *
 * For parameter space: one dimension for every searched parameter x source x layer group (x part of a layer).
 * Layers are cut into groups; embeddings go with the first, head and final norm with the last. */
#ifndef SEARCH_GENOME_H
#define SEARCH_GENOME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "merge/method.h"
#include "merge/recipe.h"

typedef struct dimension {
    char *name;                 /* "ja.weight.g0" ; owned; unique */
    double low, high, start, spread;
    int model;                  /* index into the recipe's models; -1: a global parameter */
    const char *parameter;      /* "weight"; borrowed from the method */
    int group, part;            /* layer group; part of a layer (see genome.c), -1: all */
} dimension;

typedef struct genome {
    dimension *dimensions;      /* [count], owned */
    size_t count;
    int layers;                 /* of the models */
    int (*ranges)[2];           /* [n_groups] first layer, one past the last; owned */
    int n_groups;
    bool split_attention_mlp, split_embeddings;
} genome;

typedef struct genome_options {
    const method *method;
    const char *const *names;   /* [n_models] short names for dimensions ("ja"); borrowed */
    int layers;
    int n_groups;               /* equal groups ... */
    const int (*ranges)[2]; int n_ranges;   /* ... or these, which must cover all layers in order */
    bool split_attention_mlp, split_embeddings;
    /* overrides of the method's search bounds by parameter name */
    const struct genome_bound { const char *parameter; double low, high, start, spread; } *bounds;
    size_t n_bounds;
} genome_options;

/* `r` has the method and models; parameters already set in it stay as they are unless they are searched. */
genome *genome_new(const recipe *r, const genome_options *options, error *err);
void genome_free(genome *g);

/* Writes the vector's values into r's parameters, as filtered values ("layers.3.") that mergekit reads the same way. */
void genome_decode(const genome *g, const double *x, recipe *r);

/* The vector nearest to an existing recipe of the same method and models, for `start:`. */
int genome_encode(const genome *g, const recipe *r, double *x, error *err);

#endif
