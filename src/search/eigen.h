/* Eigenvalues and eigenvectors of a symmetric matrix, by LAPACK on one thread. */
#ifndef SEARCH_EIGEN_H
#define SEARCH_EIGEN_H

#include <stddef.h>

#include "base/error.h"

/* a [n][n] symmetric, read only; values [n] ascending; vectors [n][n], row k belongs to values[k], its largest component
 * positive. vectors and values hold anything after a failure. */
int eigen_symmetric(size_t n, const double *a, double *vectors, double *values, error *err);

#endif
