/* The order of a row's elements by size. */
#ifndef MERGE_RANK_H
#define MERGE_RANK_H

#include <stdint.h>

/* order [n]: the places of the elements from the smallest |x| to the largest, of equal ones the lowest place first.
 * memory [2 * n] is working space. */
void rank_row(int n, const double *x, uint32_t *order, uint32_t *memory);

#endif
