/* The usual objectives of optimisers' tests, to be minimised; all are 0 at their best. And qsort's order for medians of runs. */
#ifndef TESTS_UNIT_SEARCH_FUNCTIONS_H
#define TESTS_UNIT_SEARCH_FUNCTIONS_H

#include <math.h>
#include <stddef.h>

typedef double function(const double *x, size_t n);

static inline double sphere(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sum;
}

static inline double ellipsoid(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += pow(10, 6.0 * (double)i / (double)(n > 1 ? n - 1 : 1)) * x[i] * x[i];
    return sum;
}

static inline double rosenbrock(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i + 1 < n; i++)
        sum += 100 * (x[i + 1] - x[i] * x[i]) * (x[i + 1] - x[i] * x[i]) + (1 - x[i]) * (1 - x[i]);
    return sum;
}

static inline int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

#endif
