/* Cosines and sines of the positions in use: a table per RoPE setting that grows as sequences do. Under dynamic
 * scaling angles depend on the sequence's length too, so they are computed for every row of a step. */
#ifndef ENGINE_ANGLES_H
#define ENGINE_ANGLES_H

#include <stdbool.h>
#include <stdint.h>

#include "model/plan.h"

typedef struct angles {
    const rope_config *rope;      /* borrowed */
    int64_t half;                 /* dims / 2 */
    int64_t positions;            /* in the table */
    double *frequency;            /* [half], owned */
    double factor;
    float *cosine, *sine;         /* [positions][half], owned; under dynamic scaling [rows][half] of the current step */
} angles;

void angles_open(angles *a, const rope_config *rope);
void angles_close(angles *a);
bool angles_are_dynamic(const angles *a);

/* Fills the table up to position `positions` - 1. */
void angles_grow(angles *a, int64_t positions);

/* Under dynamic scaling: angles of the step's rows, row i at position[i] of a sequence of length[i] tokens. */
void angles_of_rows(angles *a, const int64_t *position, const int64_t *length, int64_t rows);

#endif
