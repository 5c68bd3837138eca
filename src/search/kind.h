/* What an optimiser is made of: for optimizer.c, which owns ranking and framing, and the files of its table. */
#ifndef SEARCH_KIND_H
#define SEARCH_KIND_H

#include "base/memory.h"
#include "search/optimizer.h"

typedef struct optimizer_kind optimizer_kind;

struct optimizer {
    const optimizer_kind *kind;
    size_t n;
    int population;
    bool active;
    uint32_t generation;
    uint64_t seed;
    double sigma0;
    enum variable *kinds;           /* [n], owned */
    int *needs;                     /* [n] a binary that a real one needs, -1: none; owned */
    double *low, *high, *spread;    /* [n], owned */
    double *x;                      /* [population][n] this generation's candidates, inside the bounds; owned */
    double *mean;                   /* [n] inside the bounds; NULL for kinds without one; owned */
    void *state;                    /* the kind's own */
    optimizer_move *move;           /* NULL: none */
    const void *move_context;       /* borrowed */
};

/* The candidates from best to worst. */
typedef struct ranking {
    const size_t *order;            /* [population] */
    const bool *invalid;            /* [population] by candidate */
    const bool *complete;           /* [population] by candidate: neither pruned nor invalid */
    const double *value;            /* [population] by candidate: what it scored, a pruned one so far; of an invalid one 0 */
    bool flat;                      /* no two candidates differ: nothing to learn */
} ranking;

static inline bool is_binary(const optimizer *o, size_t i)
{
    return o->kinds[i] == VARIABLE_BINARY;
}

/* Whether a real one means something in candidate x. */
static inline bool is_active(const optimizer *o, const double *x, size_t i)
{
    return o->needs[i] < 0 || x[o->needs[i]] == 1;
}

static inline double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* Bytes of a saved state, read back with distrust: `bad` once something was missing. */
typedef struct reader {
    const unsigned char *at;
    size_t left;
    bool bad;
} reader;

void write_u32(string *s, uint32_t v);
void write_u64(string *s, uint64_t v);
void write_reals(string *s, const double *v, size_t n);
uint32_t read_u32(reader *r);
uint64_t read_u64(reader *r);
double *read_reals(reader *r, size_t n);    /* free() them; NULL and bad when there are not that many left */

/* The first of v [n] that is not finite is an error that names `what`. */
int check_finite(const double *v, size_t n, const char *what, error *err);

struct optimizer_kind {
    const char *name;
    int min_population;
    int usual_population;               /* where none is given: at least this many */
    size_t max_n;
    int (*begin)(optimizer *o, const double *start, error *err);    /* makes state (and mean) from the options in *o */
    int (*update)(optimizer *o, const ranking *ranked, error *err); /* o->generation still counts the updates before this one */
    int (*sample)(optimizer *o, error *err);                        /* fills o->x for o->generation */
    double (*sigma)(const optimizer *o);
    void (*write)(const optimizer *o, string *out);
    int (*read)(optimizer *o, reader *r, error *err);
    void (*clear)(optimizer *o);                                    /* frees what state owns */
};

extern const optimizer_kind optimizer_cma_es, optimizer_sep_cma_es, optimizer_cma_es_margin, optimizer_sep_cma_es_margin;
extern const optimizer_kind optimizer_bernoulli_cma, optimizer_genetic, optimizer_random;

#endif
