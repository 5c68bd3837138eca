/* The table of merge methods. A method is its parameters (declared once: validation, search space and
 * help come from it) and what it does with one block of elements, given reductions over whole tensors. */
#ifndef MERGE_METHOD_H
#define MERGE_METHOD_H

#include <stdbool.h>
#include <stddef.h>

typedef struct method_parameter {
    const char *name;
    bool per_model;            /* else global */
    bool is_bool, required;
    double standard;           /* default */
    double low, high;          /* legal range in exact mode */
    double search_low, search_high;  /* a study's default bounds; equal: not searched by default */
    const char *help;
} method_parameter;

enum method_base {
    BASE_AS_MODEL,     /* a base is one more model, with a weight like the others */
    BASE_OPTIONAL,     /* a base, where there is one, is what the others are taken relative to */
    BASE_NEEDED,
};

typedef struct method method;
struct method {
    const char *name, *help;
    enum method_base base;
    int min_models, max_models;        /* the base not counted unless it is one more model; 0: no maximum */
    const method_parameter *parameters;
    size_t n_parameters;
    const struct method_kernel *kernel;  /* merge.c and the method files know it */
    bool wide;                         /* without out_dtype the result is stored as f32, whatever it is computed in */
};

/* Whether the base, where there is one, is no model like the others: it takes no parameters of models and is not counted. */
static inline bool method_sets_base_apart(const method *m) { return m->base != BASE_AS_MODEL; }

const method *method_find(const char *name);             /* NULL when unknown */
const char *const *method_names(void);                   /* NULL-terminated */
const method_parameter *method_parameter_find(const method *m, const char *name);

#endif
