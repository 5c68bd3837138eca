/* A weight with a product of two small matrices added to it, computed when it is read. */
#ifndef TENSOR_LORA_H
#define TENSOR_LORA_H

#include "tensor/tensor.h"

/* Row i, column j (all dimensions behind the first are columns): base + scale * sum over k of b[i, k] a[k, j]; transposed: of a[k, i] b[j, k].
 * Sums are exact to f64, in the order of k, and rounded once. */
typedef struct lora {
    tensor base;             /* what it is added to; of a float dtype, and its data (or its maker's) stay where they are */
    tensor a, b;             /* [rank, columns], [rows, rank], float dtypes, with data */
    int64_t rank;            /* 0: base as it is, rounded to the result's dtype */
    bool transposed;
    bool bias;               /* a is what is added, [columns]; rank is 1 and there is no b */
    double scale;
    bool dora;               /* then each row is brought to the length that `magnitude` [rows] gives it */
    tensor magnitude;
} lora;

/* Gives t (shape as of base, float dtype, data NULL) a maker. Hand it to checkpoint_add_maker. */
tensor_maker *lora_new(tensor *t, const lora *what);

#endif
