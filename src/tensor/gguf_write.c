/* A model that is there, as a GGUF file: tensor by tensor, those that have to be made block by block. */
#include <stdlib.h>

#include "base/memory.h"
#include "base/progress.h"
#include "tensor/gguf_writer.h"

#define BLOCK ((int64_t)1 << 20)   /* elements */

/* Rows that are made when they are read. */
static int put_made(gguf_writer *w, size_t item, const tensor *t, error *err)
{
    int64_t columns = tensor_columns(t), rows = tensor_rows(t), step = columns < BLOCK ? BLOCK / columns : 1;
    char *made = memory_try((size_t)((step < rows ? step : rows) * columns) * dtype_size(t->dtype), "rows that are made", err);
    int status = made ? 0 : -1;
    for (int64_t first = 0; first < rows && status == 0; first += step) {
        int64_t count = rows - first < step ? rows - first : step;
        status = t->maker->make(t->maker, t, first, count, made, err);
        if (status == 0)
            gguf_put(w, item, first * columns, made, count * columns);
    }
    free(made);
    return status;
}

/* What is written is not read again. */
static int leave(const tensor *t, error *err)
{
    tensor_release(t);
    return t->owner ? buffer_check(t->owner, err) : 0;
}

static int put_item(gguf_writer *w, const checkpoint *c, size_t item, error *err)
{
    const tensor *t = &c->items[item].tensor;
    if (!gguf_holds(w, item) || tensor_count(t) == 0)
        return 0;
    if (!t->data)
        return put_made(w, item, t, err);
    gguf_put(w, item, 0, t->data, tensor_count(t));
    return leave(t, err);
}

static int put_all(gguf_writer *w, const checkpoint *c, error *err)
{
    uint64_t done = 0, total = checkpoint_bytes(c);
    char text[32];
    int status = 0;
    for (size_t i = 0; i < c->count && status == 0; i++) {
        status = progress_interrupted() ? fail(err, ERROR_INTERRUPTED, "interrupted") : put_item(w, c, i, err);
        if (status == 0)
            status = gguf_check(w, err);
        done += tensor_bytes(&c->items[i].tensor);
        progress_bar("write", done, total, progress_bytes(text, (double)done));
    }
    progress_clear();
    return status;
}

int gguf_write(const checkpoint *c, const char *out, const gguf_options *options, error *err)
{
    gguf_writer *w = gguf_begin(c, out, options, err);
    int status = w && put_all(w, c, err) == 0 ? gguf_finish(w, err) : -1;
    gguf_writer_free(w);
    return status;
}
