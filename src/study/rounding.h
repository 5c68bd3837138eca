/* What rounding a path's scaled weights to 16 bits costs: the logits of the path as it runs, its scales in f32, beside those of the folded model. */
#ifndef STUDY_ROUNDING_H
#define STUDY_ROUNDING_H

#include "base/threads.h"
#include "compute/backend.h"
#include "model/path.h"
#include "tensor/checkpoint.h"

/* Says the difference over 64 random tokens on stderr; nothing where no scale was rounded. sources [p->n_sources]. */
int rounding_say(checkpoint *const *sources, const layer_path *p, const checkpoint *folded, const backend *family, threads *pool, error *err);

#endif
