/* The families that backend.c chooses among. avx2 and avx512 exist on x86-64 only. */
#ifndef COMPUTE_FAMILIES_H
#define COMPUTE_FAMILIES_H

#include "compute/backend.h"

extern const backend backend_reference;
#if defined(__x86_64__)
extern const backend backend_avx2;
extern const backend backend_avx512;
#endif

#endif
