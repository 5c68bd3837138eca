/* The pickle that torch.save puts into its zip archive, read by a machine that can rebuild a dictionary of tensors and nothing else.
 *
 * A pickle is a program for a stack machine that may import and call anything. This machine imports nothing: it knows the few names that
 * a state dict is written with, as constants, and REDUCE, BUILD and persistent ids only where they make a tensor, its storage or an
 * OrderedDict of these. Every other opcode and name is an error that tells where it stands. */
#ifndef TENSOR_PICKLE_H
#define TENSOR_PICKLE_H

#include "base/error.h"
#include "tensor/tensor.h"

/* A tensor as a view of a storage that lies elsewhere: element [i, j] is storage[offset + i * stride[0] + j * stride[1]]. Nothing of it
 * was held against the storage yet, except that no number is negative and that the product of the dimensions fits. */
typedef struct pickle_tensor {
    const char *key;             /* [key_bytes] which storage; in the pickle, no NUL behind it */
    size_t key_bytes;
    uint64_t storage_bytes;
    enum dtype dtype;
    uint64_t offset;             /* in elements */
    int rank;
    int64_t shape[TENSOR_MAX_RANK], stride[TENSOR_MAX_RANK];
} pickle_tensor;

typedef struct pickle_item {
    char *name;                  /* owned */
    pickle_tensor tensor;
} pickle_item;

/* The tensors of a state dict, or of the one that stands under "state_dict" (as trainers write it). */
int pickle_read(const unsigned char *bytes, size_t n, const char *path, pickle_item **items, size_t *count, error *err);
void pickle_free(pickle_item *items, size_t count);

#endif
