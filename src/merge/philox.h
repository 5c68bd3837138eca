/* Sixteen Philox4x32-10 blocks at once, and what they say of 64 elements: u < limit stays, the rest becomes 0.
 * Element i of the 64 is word i / 16 of block 16 * number + i % 16, counter {block low, block high, model, 0}. */
#ifndef MERGE_PHILOX_H
#define MERGE_PHILOX_H

#include <stdint.h>

void philox_mask(uint64_t key, uint32_t model, uint64_t number, uint32_t limit, double x[64]);

/* The families behind it, all of the same bits; here for their test. NULL where the CPU or the compiler has it not. */
typedef void philox_function(uint64_t key, uint32_t model, uint64_t number, uint32_t limit, double x[64]);
philox_function *philox_family(int which);   /* 0: plain C, 1: AVX2, 2: AVX-512 */

#endif
