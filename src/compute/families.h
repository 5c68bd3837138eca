/* The families that backend.c chooses among. */
#ifndef COMPUTE_FAMILIES_H
#define COMPUTE_FAMILIES_H

#include "compute/backend.h"

extern const backend backend_reference;

#endif
