/* How long a study would take that is too large to be tried before it begins: from the speed of this machine's kernels, counted, not run. */
#ifndef STUDY_SPEED_H
#define STUDY_SPEED_H

#include "base/threads.h"
#include "compute/backend.h"
#include "model/plan.h"

/* Seconds that one weight costs a pass of `rows` tokens through it: fixed + rows x row. Weights are read once a pass, whatever the number of tokens. */
typedef struct speed { double fixed, row; } speed;

/* Of bf16 matrices as large as those of a model, a few of them so that no cache holds all. Some tenths of a second; zeros without memory for it. */
speed speed_measure(const backend *b, threads *pool);

/* Weights that a token goes through: of all layers, and of the head. */
double speed_layer_weights(const plan *p);
double speed_head_weights(const plan *p);

#endif
