/* The small files beside a model's tensors, of a folder or out of a GGUF file's metadata, over tensor/gguf_model.h's companion_read. */
#ifndef TEXT_COMPANION_H
#define TEXT_COMPANION_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "tensor/checkpoint.h"

/* A JSON object in one of a model, a folder or a .gguf file; whole numbers as integers where they can be (a model_max_length of 10^30 is a real). *out NULL where there is no such file. */
int companion_object(const char *model, const char *name, json_t **out, error *err);

/* The same of a checkpoint: what it holds in memory, else what its folder holds. */
int companion_object_of(const checkpoint *c, const char *name, json_t **out, error *err);

/* Whether the model has a tokenizer, or what could become one. */
bool companion_has_tokenizer(const char *model);

#endif
