#include "tensor/tensor.h"

#include <stdatomic.h>
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

static bool in_file(const tensor *t, size_t *begin)
{
    if (!t->owner || !t->data || !buffer_is_mapped(t->owner))
        return false;
    *begin = (size_t)((const char *)t->data - (const char *)buffer_bytes(t->owner));
    return true;
}

void tensor_expect(const tensor *t)
{
    size_t begin;
    if (in_file(t, &begin))
        buffer_expect_pages(t->owner, begin, begin + tensor_bytes(t));
}

void tensor_release(const tensor *t)
{
    size_t begin;
    if (in_file(t, &begin))
        buffer_release_pages(t->owner, begin, begin + tensor_bytes(t));
}

#define MAKE_ELEMENTS (1 << 18)

struct making {
    const tensor *t;
    int64_t rows;          /* a piece */
    char *out;
    _Atomic bool failed;
    error err;             /* of the piece that failed first */
};

static void make_piece(void *context, size_t number)
{
    struct making *m = context;
    int64_t rows = tensor_rows(m->t), first = (int64_t)number * m->rows, count = first + m->rows < rows ? m->rows : rows - first;
    size_t row_bytes = (size_t)tensor_columns(m->t) * dtype_size(m->t->dtype);
    error err = {0};
    if (m->t->maker->make(m->t->maker, m->t, first, count, m->out + (size_t)first * row_bytes, &err) != 0 && !atomic_exchange(&m->failed, true))
        m->err = err;
}

int tensor_make(const tensor *t, threads *pool, void *out, error *err)
{
    int64_t columns = tensor_columns(t), rows = tensor_rows(t);
    struct making m = {.t = t, .rows = columns && MAKE_ELEMENTS > columns ? MAKE_ELEMENTS / columns : 1, .out = out};
    if (tensor_count(t) > 0)
        threads_run(pool, (size_t)((rows + m.rows - 1) / m.rows), make_piece, &m);
    if (m.failed && err)
        *err = m.err;
    return m.failed ? -1 : 0;
}
