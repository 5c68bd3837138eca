/* Rotary position embeddings: the five kinds of scaling that checkpoints use, as
 * transformers computes them, in f64 with this project's own functions. */
#ifndef MODEL_ROPE_H
#define MODEL_ROPE_H

#include "model/config.h"

/* Inverse frequencies [dims / 2] for a sequence of `length` tokens (only dynamic scaling depends on it).
 * Returns what cos and sin are multiplied with (1 but for yarn). */
double rope_frequencies(const rope_config *rope, int64_t length, double *frequency);

/* Cosine and sine [dims / 2] at one position of a sequence of `length` tokens. */
void rope_angles(const rope_config *rope, int64_t position, int64_t length, float *cosine, float *sine);

/* The same from frequencies already computed, n = dims / 2. */
void rope_rotate(const double *frequency, double factor, int64_t n, int64_t position, float *cosine, float *sine);

#endif
