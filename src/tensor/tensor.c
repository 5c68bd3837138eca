#include "tensor/tensor.h"

#include <stdio.h>

int64_t tensor_count(const tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

int64_t tensor_columns(const tensor *t)
{
    int64_t n = 1;
    for (int i = t->rank < 2 ? 0 : 1; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

size_t tensor_bytes(const tensor *t)
{
    return (size_t)tensor_count(t) * dtype_size(t->dtype);
}

bool tensor_same_shape(const tensor *a, const tensor *b)
{
    return a->rank == b->rank && memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0;
}

const char *tensor_shape_text(const tensor *t, char out[128])
{
    /* Eight dimensions of up to 19 digits do not fit: then the end is cut, and says so. */
    size_t n = (size_t)snprintf(out, 128, "[");
    for (int i = 0; i < t->rank && n < 100; i++)
        n += (size_t)snprintf(out + n, 128 - n, "%s%lld", i ? ", " : "", (long long)t->shape[i]);
    snprintf(out + n, 128 - n, n < 100 ? "]" : ", ...]");
    return out;
}
