/* Random masks of a tensor. Native: the number u of an element depends on (key of seed and tensor name, model,
 * element) alone: element e is word (e % 64) / 16 of the Philox block 16 * (e / 64) + e % 16 with counter
 * {block low, block high, model, 0}; it stays iff u < density, u = word * 2^-32. So masks are nested in density,
 * and the odd order within 64 elements is that of vectors of any width.
 * mergekit's: one MT19937 stream for the whole merge. */
#ifndef MERGE_MASK_H
#define MERGE_MASK_H

#include <stdint.h>

#include "base/mersenne.h"

/* A mask is one bit an element, set where it stays; of a tensor, in mask_words(count) words. */
static inline int64_t mask_words(int64_t n) { return (n + 63) / 64; }

/* bits [mask_words(n)], of the elements from `begin` on. 0 <= density. */
void mask_random(uint64_t key, uint32_t model, double density, int64_t begin, int n, uint64_t *bits);

/* The numbers themselves, u = words[i] * 2^-32. */
void mask_numbers(uint64_t key, uint32_t model, int64_t begin, int n, uint32_t *words);

/* Sets bits begin + i of a tensor's mask where bit i of `bits` [mask_words(n)] is set, from any thread. */
void mask_put(uint64_t *mask, int64_t begin, int n, const uint64_t *bits);

/* Zeroes x [n] where bit begin + i is 0. */
void mask_apply(const uint64_t *mask, int64_t begin, int n, double *x);

/* The next n draws as bits [mask_words(n)]: kept iff (24 low bits) * 2^-24 < density. */
void mask_draw(mersenne *s, double density, int64_t n, uint64_t *bits);

#endif
