#include "tensor/strided.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct strided {
    tensor_maker maker;
    const unsigned char *first;
    int64_t stride[TENSOR_MAX_RANK];
};

bool strided_is_contiguous(const tensor *t, const int64_t *stride)
{
    int64_t wanted = 1;
    if (tensor_count(t) == 0)
        return true;
    for (int i = t->rank - 1; i >= 0; i--) {
        if (t->shape[i] != 1 && stride[i] != wanted)
            return false;
        wanted *= t->shape[i];
    }
    return true;
}

static void copy_elements(unsigned char *out, const unsigned char *from, int64_t n, int64_t step, size_t size)
{
    for (int64_t i = 0; i < n; i++, out += size)
        switch (size) {
        case 1: *out = from[i * step]; break;
        case 2: memcpy(out, from + i * step, 2); break;
        case 4: memcpy(out, from + i * step, 4); break;
        default: memcpy(out, from + i * step, 8);
        }
}

/* Runs along the last dimension; the others count up like the digits of a number. */
static int gather(const tensor_maker *self, const tensor *t, int64_t first, int64_t count, void *out, error *err)
{
    (void)err;
    const struct strided *s = (const struct strided *)self;
    size_t size = dtype_size(t->dtype);
    int last = t->rank - 1;
    int64_t run = t->shape[last], at[TENSOR_MAX_RANK] = {0};
    int64_t runs = count * tensor_columns(t) / run, begin = first * tensor_columns(t) / run;
    for (int i = last - 1; i >= 0; begin /= t->shape[i--])
        at[i] = begin % t->shape[i];
    for (int64_t n = 0; n < runs; n++) {
        int64_t from = 0;
        for (int i = 0; i < last; i++)
            from += at[i] * s->stride[i];
        copy_elements((unsigned char *)out + (size_t)(n * run) * size, s->first + (size_t)from * size, run, s->stride[last] * (int64_t)size, size);
        for (int i = last - 1; i >= 0 && ++at[i] == t->shape[i]; i--)
            at[i] = 0;
    }
    return 0;
}

static void free_strided(tensor_maker *self)
{
    free(self);
}

tensor_maker *strided_new(tensor *t, const void *first, const int64_t *stride)
{
    struct strided *s = memory_new(1, sizeof *s);
    s->maker = (tensor_maker){gather, free_strided};
    s->first = first;
    for (int i = 0; i < t->rank; i++)
        s->stride[i] = t->shape[i] == 1 ? 0 : stride[i];   /* of one element it says nothing, and may be any number */
    t->maker = &s->maker;
    return &s->maker;
}
