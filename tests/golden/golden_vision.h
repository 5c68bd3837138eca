/* The pictures of a case of DIR/engine: read, made into pixels and features, compared on the way, and put into requests. */
#ifndef GOLDEN_VISION_H
#define GOLDEN_VISION_H

#include <jansson.h>

#include "engine/engine.h"
#include "tensor/checkpoint.h"

typedef struct golden_vision golden_vision;

/* Of all cases, and of `plain_llava` behind them, with these weights and family. Pixel values are compared exactly; with weights "f32" what
 * goes into the tower's layers and the features within 1e-4. Checks are added to *passed and *failed. */
golden_vision *golden_vision_new(const char *name, const char *folder, const json_t *golden, const checkpoint *expected, const checkpoint *weights,
                                     const char *which, const backend *family, int *passed, int *failed);
void golden_vision_free(golden_vision *p);

/* The pictures of prompt i into r, whose ids are there; of nothing where p is NULL. */
void golden_vision_give(const golden_vision *p, size_t i, request *r);

#endif
