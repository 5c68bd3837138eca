/* Tensors whose elements do not lie side by side in memory: gathered by their strides when they are read. */
#ifndef TENSOR_STRIDED_H
#define TENSOR_STRIDED_H

#include "tensor/tensor.h"

bool strided_is_contiguous(const tensor *t, const int64_t *stride);

/* Gives t (dtype and shape filled in, data NULL) a maker; `first` is where its first element lies, strides [t->rank] count elements and stay inside
 * what can be read. Hand it to checkpoint_add_maker. */
tensor_maker *strided_new(tensor *t, const void *first, const int64_t *stride);

#endif
