/* A model's config: config.json's words made from a GGUF's metadata, and the metadata made from config.json's words. */
#ifndef TENSOR_GGUF_CONFIG_H
#define TENSOR_GGUF_CONFIG_H

#include <jansson.h>

#include "tensor/gguf.h"
#include "tensor/gguf_names.h"

/* What config.json would say. json_decref it; NULL and *err where the metadata lacks or contradicts something. */
json_t *gguf_config_read(const gguf *g, const gguf_architecture *a, error *err);

/* The sizes that the names and rows of tensors depend on, from a config.json. */
typedef struct gguf_sizes {
    int64_t layers, hidden, intermediate, heads, kv_heads, head_dim;   /* head_dim: hidden / heads where the config leaves it out */
    int64_t positions, vocabulary;
    bool says_head_dim;
} gguf_sizes;

int gguf_sizes_read(const json_t *config, const char *name, gguf_sizes *out, error *err);

/* The architecture's entries in the converter's order, file_type among them; *n grows by their number. */
int gguf_config_write(const json_t *config, const char *name, const gguf_architecture *a, uint32_t file_type, string *out, uint64_t *n, error *err);

/* Llama 3's factors of the rotation, [head_dim / 2], which GGUF holds as a tensor; NULL where the config asks for none. free() it. */
float *gguf_rope_factors(const json_t *config, const gguf_sizes *sizes);

#endif
