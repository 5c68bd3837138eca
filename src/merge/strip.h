/* Loops over strips of f64 values: loading, rounding, storing, summing. */
#ifndef MERGE_STRIP_H
#define MERGE_STRIP_H

#include "merge/kernel.h"

/* n elements of a float tensor from element `begin` on. */
void strip_load(const tensor *t, int64_t begin, int n, double *x);

/* Rounds to f32 and then to the dtype; bytes are those of element 0. */
void strip_store(const double *x, int n, enum dtype d, void *bytes, int64_t begin);

/* To f32, and from there to the type: as torch rounds what it computes in f32. In place. */
void strip_round(enum rounding r, double *x, int n);
double round_one(enum rounding r, double x);

/* Sums over a strip in eight lanes, folded in a fixed order. */
double strip_sum_abs(const double *x, int n);
double strip_dot(const double *x, const double *y, int n);

#endif
