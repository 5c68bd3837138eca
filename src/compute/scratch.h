/* Working memory of kernels: one buffer a thread, kept between calls and freed when the thread ends.
 * A kernel takes it, uses it until it returns, and lets nothing point into it afterwards; what it
 * calls meanwhile takes no other. Work that threads_run spreads may read the caller's buffer: so a caller
 * that takes one for all pieces gives pieces of its own thread another slot. */
#ifndef COMPUTE_SCRATCH_H
#define COMPUTE_SCRATCH_H

#include <stddef.h>

enum scratch_slot { SCRATCH_CALL, SCRATCH_PIECE, SCRATCH_SLOTS };

/* `count` floats, 64-byte aligned, of any content. */
float *scratch_get(enum scratch_slot slot, size_t count);

#endif
