/* The pictures of a case of DIR/engine: read, made into pixels and features, compared on the way, and put into requests. */
#ifndef GOLDEN_PICTURES_H
#define GOLDEN_PICTURES_H

#include <jansson.h>

#include "engine/engine.h"
#include "tensor/checkpoint.h"

typedef struct golden_pictures golden_pictures;

/* Of all cases, and of `plain_llava` behind them, with these weights and family. Pixel values are compared exactly; with weights "f32" what
 * goes into the tower's layers and the features within 1e-4. Checks are added to *passed and *failed. */
golden_pictures *golden_pictures_new(const char *name, const char *folder, const json_t *golden, const checkpoint *expected, const checkpoint *weights,
                                     const char *which, const backend *family, int *passed, int *failed);
void golden_pictures_free(golden_pictures *p);

/* The pictures of prompt i into r, whose ids are there; of nothing where p is NULL. */
void golden_pictures_give(const golden_pictures *p, size_t i, request *r);

#endif
