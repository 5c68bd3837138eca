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

typedef struct method method;
struct method {
    const char *name, *help;
    bool needs_base;
    int min_models, max_models;        /* the base not counted for methods that need one; 0: no maximum */
    const method_parameter *parameters;
    size_t n_parameters;
    const struct method_kernel *kernel;  /* merge.c and the method files know it */
};

const method *method_find(const char *name);             /* NULL when unknown */
const char *const *method_names(void);                   /* NULL-terminated */
const method_parameter *method_parameter_find(const method *m, const char *name);

#endif
