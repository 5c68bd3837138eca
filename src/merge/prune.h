/* MAGPRUNE (DELLA, Deep et al., 2024): which elements of a row stay. The chance of an element to stay grows evenly with its rank by |x| in
 * the row; it stays iff its random number is below the limit of its rank. */
#ifndef MERGE_PRUNE_H
#define MERGE_PRUNE_H

#include <stdint.h>

#include "merge/kernel.h"

/* by_rank [n]: the limits of a row, from the smallest |x| to the largest, for numbers from 0 to unit. `work` is the type that mergekit
 * computes the chances in. 0 < density - |epsilon|, density + |epsilon| < 1. */
void prune_limits(enum rounding work, double density, double epsilon, double unit, int n, uint32_t *by_rank);

/* bits [mask_words(n)] of a row x [n]; of equal |x| the first has the lower rank. memory [4 * n + 128] is working space. */
void prune_row(int n, const double *x, const uint32_t *by_rank, const uint32_t *numbers, uint32_t *memory, uint64_t *bits);

#endif
