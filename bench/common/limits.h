/* The limits that a kernel can meet on this machine, measured: fused multiply-adds and DRAM reads. */
#ifndef BENCH_COMMON_LIMITS_H
#define BENCH_COMMON_LIMITS_H

#include "base/threads.h"

double limit_gflops(threads *pool);            /* f32 FMA over all threads of the pool, best of several runs */
double limit_bf16_gflops(threads *pool);       /* dot products of bf16 pairs, which round activations: peers' limit, not ours; 0: none here */
double limit_gbytes(threads *pool);            /* GB/s read from memory far larger than the caches */

void limits_print(threads *pool);              /* all three, as a line of JSON */

#endif
