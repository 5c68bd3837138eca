/* The safetensors format (https://github.com/huggingface/safetensors): 8 bytes little-endian header
 * length N, N bytes of JSON {name: {dtype, shape, data_offsets}}, then the data. */
#ifndef TENSOR_SAFETENSORS_H
#define TENSOR_SAFETENSORS_H

#include "base/error.h"
#include "tensor/checkpoint.h"

/* Appends the tensors of one file (mapped, or its bytes in host memory) to *items [*count]; names are newly allocated,
 * tensors view `file`. `path` is what errors call it. On failure *items may have moved, *count has not changed.
 *
 * Stricter than the format's own reader: duplicate keys, unknown keys, overlaps, gaps and bytes that belong to no tensor are
 * refused, and so are more than 1,000,000 tensors, 8 dimensions, 1024 bytes of name, and names that are paths. Scalars, zero
 * dimensions and unaligned data are legal. */
int safetensors_parse(buffer *file, const char *path, checkpoint_item **items, size_t *count, error *err);

/* What safetensors_parse asks of a tensor's name. */
int safetensors_check_name(const char *name, const char *path, error *err);

/* Bytes of the length and the header together, at most the file's size. */
size_t safetensors_header_bytes(const buffer *file);

/* What stands before the data of a file that holds items [count] in this order, metadata {"format": "pt"}; *n bytes, free() it. `path` is what
 * errors call the file. */
char *safetensors_header(const char *path, const checkpoint_item *items, size_t count, size_t *n, error *err);

#endif
