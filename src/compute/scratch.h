/* Working memory of kernels: one buffer a thread, kept between calls and freed when the thread ends. A kernel takes it, uses it
 * until it returns, and lets nothing point into it afterwards. */
#ifndef COMPUTE_SCRATCH_H
#define COMPUTE_SCRATCH_H

#include <stddef.h>

/* `count` floats, 64-byte aligned, of any content; what an earlier call gave is gone. */
float *scratch_get(size_t count);

#endif
