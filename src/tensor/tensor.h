/* Buffers and tensors.
 *
 * A buffer is bytes with an owner: host memory or a mapped file (later: a device). It is
 * reference-counted; tensors that view it hold a reference through the checkpoint they stand in.
 * A tensor is a view: {buffer, dtype, shape of any rank}; its rows are shape[0], each of
 * `columns` = product of the rest (a scalar and a vector are one row).
 *
 * A mapped file that is cut short while it is mapped does not kill the process: a SIGBUS handler
 * maps zero pages over the hole and sets a flag. After reading from a mapping, ask
 * buffer_check: it is the only place where the flag becomes an error. */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/threads.h"
#include "tensor/dtype.h"

typedef struct buffer buffer;

buffer *buffer_new(size_t bytes, const char *what, error *err);   /* host memory, 64-byte aligned, zero pages until touched */
buffer *buffer_map(const char *path, error *err);                 /* a regular file, read-only; NULL and *err on failure */
buffer *buffer_share(buffer *b);                                  /* one more reference */
void buffer_free(buffer *b);                                      /* one reference fewer; NULL is fine */
void *buffer_bytes(const buffer *b);
size_t buffer_size(const buffer *b);
bool buffer_is_mapped(const buffer *b);
const char *buffer_path(const buffer *b);                         /* the mapped file's path, borrowed; NULL for host memory */
int buffer_check(const buffer *b, error *err);                    /* -1 where a read met a hole in the file */
void buffer_expect_pages(const buffer *b, size_t begin, size_t end);   /* tells the kernel to begin reading these pages of a mapping */
void buffer_release_pages(const buffer *b, size_t begin, size_t end);  /* tells the kernel that these pages of a mapping are not needed soon */

#define TENSOR_MAX_RANK 8

typedef struct tensor tensor;

/* What computes a tensor that no file holds as it is: an adapter folded into its weight, quantised blocks, reordered rows.
 * make fills `out` with rows [first, first + count) of t, from any thread, and may be called again; it reads what its checkpoint holds. */
typedef struct tensor_maker tensor_maker;
struct tensor_maker {
    int (*make)(const tensor_maker *self, const tensor *t, int64_t first, int64_t count, void *out, error *err);
    void (*free)(tensor_maker *self);
};

struct tensor {
    buffer *owner;          /* borrowed: whoever holds the checkpoint holds the buffer */
    void *data;             /* may be unaligned; NULL until it is made where there is a maker */
    const tensor_maker *maker;   /* borrowed from the checkpoint; NULL: data is all there is */
    enum dtype dtype;
    int rank;
    int64_t shape[TENSOR_MAX_RANK];
};

/* The same for the bytes of a tensor in a mapped file; of no effect elsewhere. */
void tensor_expect(const tensor *t);
void tensor_release(const tensor *t);

/* All rows of a tensor with a maker into out [tensor_bytes], by all threads of the pool (NULL: this one). */
int tensor_make(const tensor *t, threads *pool, void *out, error *err);

static inline int64_t tensor_rows(const tensor *t) { return t->rank < 2 ? 1 : t->shape[0]; }
int64_t tensor_count(const tensor *t);      /* elements; 1 for a scalar, 0 with a zero dimension */
int64_t tensor_columns(const tensor *t);    /* elements a row */
size_t tensor_bytes(const tensor *t);
bool tensor_same_shape(const tensor *a, const tensor *b);
const char *tensor_shape_text(const tensor *t, char out[128]);  /* "[32000, 4096]" */

#endif
