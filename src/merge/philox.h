/* Sixteen Philox4x32-10 blocks at once: 64 random words. Word i is word i / 16 of block 16 * number + i % 16, counter
 * {block low, block high, model, 0}: an odd order, which is that of vectors of any width. */
#ifndef MERGE_PHILOX_H
#define MERGE_PHILOX_H

#include <stdint.h>

typedef struct philox {
    void (*draw)(uint64_t key, uint32_t model, uint64_t number, uint32_t words[64]);
    uint64_t (*below)(const uint32_t words[64], uint32_t limit);   /* bit i: words[i] < limit */
} philox;

const philox *philox_best(void);

/* The families behind it, all of the same bits; here for their test. NULL where the CPU or the compiler has it not. */
const philox *philox_family(int which);   /* 0: plain C, 1: AVX2, 2: AVX-512 */

#endif
