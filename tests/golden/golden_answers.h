/* What the engine's goldens have in common: comparing tokens and logits, weights rounded to bf16. */
#ifndef GOLDEN_ANSWERS_H
#define GOLDEN_ANSWERS_H

#include <jansson.h>

#include "engine/engine.h"
#include "golden.h"

/* Each names the first difference of case `name` on stderr. `expected`: a list of ids; logits [n][vocab] in f32, or of the last position alone. */
bool golden_same_tokens(const char *name, const char *what, const json_t *expected, const int32_t *got, size_t n);
bool golden_same_logits(const char *name, engine *e, const char *what, const request *r, int64_t vocab, const tensor *expected, error *err);

/* Numbers [n] against a tensor of f32: the worst difference is named where it is above `tolerance`. */
bool golden_same_numbers(const char *name, const char *what, const float *have, size_t n, const tensor *expected, double tolerance);

checkpoint *golden_rounded(const checkpoint *c, error *err);     /* a copy with every tensor rounded to bf16; checkpoint_free it */

/* A case of paths through the layers of several models: golden.json's `paths`. */
void golden_layer_path(const golden_context *c, const char *name, const char *folder, const json_t *golden);

#endif
