#include "tensor/lora.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct lora_maker {
    tensor_maker maker;
    lora what;
};

/* What one call works with: the right factor as f32, one row of sums, one of numbers. */
struct scratch {
    float *right;    /* [rank][columns] */
    double *sums;    /* [columns] */
    float *row;      /* [columns] */
    char *rows;      /* rows of a base that is made; NULL where it has data */
};

static float element(const tensor *t, int64_t i)
{
    float x;
    dtype_to_f32(t->dtype, (const char *)t->data + (size_t)i * dtype_size(t->dtype), &x, 1);
    return x;
}

/* Not transposed, the right factor is a as it stands; else b with rows and columns exchanged. */
static void fill_right(const lora *w, int64_t columns, float *right)
{
    if (!w->transposed) {
        dtype_to_f32(w->a.dtype, w->a.data, right, (size_t)(w->rank * columns));
        return;
    }
    for (int64_t j = 0; j < columns; j++)
        for (int64_t k = 0; k < w->rank; k++)
            right[k * columns + j] = element(&w->b, j * w->rank + k);
}

static float left(const lora *w, int64_t rows, int64_t i, int64_t k)
{
    return w->bias ? 1 : w->transposed ? element(&w->a, k * rows + i) : element(&w->b, i * w->rank + k);
}

static void add_product(const lora *w, const struct scratch *s, int64_t rows, int64_t columns, int64_t i)
{
    memset(s->sums, 0, (size_t)columns * sizeof *s->sums);
    for (int64_t k = 0; k < w->rank; k++) {
        double factor = left(w, rows, i, k);
        const float *right = s->right + k * columns;
        for (int64_t j = 0; j < columns; j++)
            s->sums[j] += factor * right[j];
    }
    for (int64_t j = 0; j < columns; j++)
        s->sums[j] = s->row[j] + w->scale * s->sums[j];
}

static void bring_to_length(const lora *w, double *v, int64_t n, int64_t row)
{
    double squares = 0;
    for (int64_t j = 0; j < n; j++)
        squares += v[j] * v[j];
    double factor = element(&w->magnitude, row) / sqrt(squares);
    for (int64_t j = 0; j < n; j++)
        v[j] *= factor;
}

/* f64 to the dtype in one rounding: going by f32 rounds to odd there, which leaves the second rounding nothing to tie on. */
static float to_odd(double x)
{
    float f = (float)x;
    uint32_t bits;
    if (isinf(f) || (double)f == x || x != x)
        return f;
    if (fabs((double)f) > fabs(x))
        f = nextafterf(f, 0);
    memcpy(&bits, &f, 4);
    bits |= 1;
    memcpy(&f, &bits, 4);
    return f;
}

static void round_row(const tensor *t, const struct scratch *s, int64_t columns, char *out)
{
    for (int64_t j = 0; j < columns; j++)
        s->row[j] = t->dtype == DTYPE_F32 ? (float)s->sums[j] : to_odd(s->sums[j]);
    dtype_from_f32(t->dtype, s->row, out, (size_t)columns);
}

static int take_scratch(const lora *w, int64_t columns, int64_t count, struct scratch *s, error *err)
{
    *s = (struct scratch){0};
    s->right = memory_try((size_t)(w->rank * columns) * sizeof *s->right, "an adapter's factor", err);
    s->sums = memory_try((size_t)columns * sizeof *s->sums, "an adapter's sums", err);
    s->row = memory_try((size_t)columns * sizeof *s->row, "an adapter's row", err);
    if (!w->base.data)
        s->rows = memory_try((size_t)(count * columns) * dtype_size(w->base.dtype), "rows that an adapter changes", err);
    return s->right && s->sums && s->row && (s->rows || w->base.data) ? 0 : -1;
}

static void free_scratch(struct scratch *s)
{
    free(s->right);
    free(s->sums);
    free(s->row);
    free(s->rows);
}

static int make(const tensor_maker *self, const tensor *t, int64_t first, int64_t count, void *out, error *err)
{
    const lora *w = &((const struct lora_maker *)self)->what;
    int64_t rows = tensor_rows(t), columns = tensor_columns(t);
    size_t from = (size_t)columns * dtype_size(w->base.dtype), to = (size_t)columns * dtype_size(t->dtype);
    struct scratch s;
    int status = take_scratch(w, columns, count, &s, err);
    if (status == 0 && s.rows)
        status = w->base.maker->make(w->base.maker, &w->base, first, count, s.rows, err);
    const char *base = s.rows ? s.rows : (const char *)w->base.data + (size_t)first * from;
    if (status == 0)
        fill_right(w, columns, s.right);
    for (int64_t i = 0; i < count && status == 0; i++) {
        dtype_to_f32(w->base.dtype, base + (size_t)i * from, s.row, (size_t)columns);
        add_product(w, &s, rows, columns, first + i);
        if (w->dora)
            bring_to_length(w, s.sums, columns, first + i);
        round_row(t, &s, columns, (char *)out + (size_t)i * to);
    }
    free_scratch(&s);
    return status;
}

static void free_maker(tensor_maker *self)
{
    free(self);
}

tensor_maker *lora_new(tensor *t, const lora *what)
{
    struct lora_maker *m = memory_new(1, sizeof *m);
    m->maker = (tensor_maker){make, free_maker};
    m->what = *what;
    t->maker = &m->maker;
    return &m->maker;
}
