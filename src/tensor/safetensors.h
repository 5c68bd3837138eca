/* The safetensors format (https://github.com/huggingface/safetensors): 8 bytes little-endian header
 * length N, N bytes of JSON {name: {dtype, shape, data_offsets}}, then the data. */
#ifndef TENSOR_SAFETENSORS_H
#define TENSOR_SAFETENSORS_H

#include "base/error.h"
#include "tensor/checkpoint.h"

/* Appends the tensors of one mapped file to *items [*count]; names are newly allocated, tensors view `file`.
 * `path` is what errors call it. */
int safetensors_parse(buffer *file, const char *path, checkpoint_item **items, size_t *count, error *err);

/* Writes items [count] to `path`, data in the order given, metadata {"format": "pt"}. Not atomic: callers write into a partial folder. */
int safetensors_write(const char *path, const checkpoint_item *items, size_t count, error *err);

#endif
