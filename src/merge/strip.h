/* Loops over strips of f64 values: loading, rounding, storing, summing. */
#ifndef MERGE_STRIP_H
#define MERGE_STRIP_H

#include "merge/kernel.h"

/* n elements of a float tensor from element `begin` on. */
void strip_load(const tensor *t, int64_t begin, int n, double *x);

/* What will be loaded soon; past the tensor's end nothing happens. */
void strip_expect(const tensor *t, int64_t begin, int n);

/* Rounds to f32 and then to the dtype; bytes are those of element 0. */
void strip_store(const double *x, int n, enum dtype d, void *bytes, int64_t begin);

/* Whether elements as they are stored are numbers; bytes are those of element 0. */
bool strip_is_finite(enum dtype d, const void *bytes, int64_t begin, int n);

/* The first element that is NaN or infinite, or that strip_store makes so; n where there is none. */
int strip_first_not_finite(const double *x, int n);
int strip_first_overflow(const double *x, int n, enum dtype d);

/* To f32, and from there to the type: as torch rounds what it computes in f32. In place. */
void strip_round(enum rounding r, double *x, int n);
double round_one(enum rounding r, double x);

/* out = x - y and x *= c, then rounded. `out` may be x. */
void strip_subtract(enum rounding r, const double *x, const double *y, int n, double *out);
void strip_scale(enum rounding r, double *x, double c, int n);

/* Sums over a strip in eight lanes, folded in a fixed order. */
double strip_sum_abs(const double *x, int n);
double strip_dot(const double *x, const double *y, int n);
double strip_dot_rounded(enum rounding r, const double *x, const double *y, int n);   /* each product rounded */

/* out += c x, the product rounded and the sum (to f32 where a mode rounds at all: mergekit's sums over models). */
void strip_add_scaled(enum rounding r, const double *x, double c, int n, double *out);

#endif
