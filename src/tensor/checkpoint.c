#include "tensor/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define ALIGNMENT 64u

void checkpoint_free(checkpoint *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        free(c->items[i].name);
    for (size_t i = 0; i < c->n_buffers; i++)
        buffer_free(c->buffers[i]);
    for (size_t i = 0; i < c->n_makers; i++)
        c->makers[i]->free(c->makers[i]);
    for (size_t i = 0; i < c->n_files; i++) {
        free((char *)c->files[i].name);
        free((char *)c->files[i].text);
    }
    free(c->files);
    free(c->items);
    free(c->buffers);
    free(c->makers);
    json_decref(c->config);
    free(c->folder);
    free(c->name);
    free(c);
}

const struct checkpoint_file *checkpoint_file(const checkpoint *c, const char *name)
{
    for (size_t i = 0; i < c->n_files; i++)
        if (strcmp(c->files[i].name, name) == 0)
            return &c->files[i];
    return NULL;
}

void checkpoint_put_file(checkpoint *c, const char *name, const char *text)
{
    struct checkpoint_file *f = (struct checkpoint_file *)checkpoint_file(c, name);
    if (!f) {
        c->files = memory_grow(c->files, c->n_files + 1, sizeof *c->files);
        f = &c->files[c->n_files++];
        *f = (struct checkpoint_file){.name = memory_text(name)};
    }
    free((char *)f->text);
    f->text = memory_text(text);
}

const checkpoint_item *checkpoint_find_item(const checkpoint *c, const char *name)
{
    size_t low = 0, high = c->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, c->items[middle].name);
        if (order == 0)
            return &c->items[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const tensor *checkpoint_find(const checkpoint *c, const char *name)
{
    const checkpoint_item *item = checkpoint_find_item(c, name);
    return item ? &item->tensor : NULL;
}

void checkpoint_add_maker(checkpoint *c, tensor_maker *m)
{
    c->makers = memory_grow(c->makers, c->n_makers + 1, sizeof *c->makers);
    c->makers[c->n_makers++] = m;
}

int checkpoint_make(checkpoint *c, threads *pool, error *err)
{
    for (size_t i = 0; i < c->count; i++) {
        tensor *t = &c->items[i].tensor;
        if (!t->maker || t->data)
            continue;
        buffer *b = buffer_new(tensor_bytes(t), c->items[i].name, err);
        if (!b)
            return -1;
        c->buffers = memory_grow(c->buffers, c->n_buffers + 1, sizeof *c->buffers);
        c->buffers[c->n_buffers++] = b;
        if (tensor_make(t, pool, buffer_bytes(b), err) != 0)
            return -1;
        t->owner = b;
        t->data = buffer_bytes(b);
    }
    return 0;
}

int checkpoint_check(const checkpoint *c, error *err)
{
    for (size_t i = 0; i < c->n_buffers; i++)
        if (buffer_check(c->buffers[i], err) != 0)
            return -1;
    return 0;
}

uint64_t checkpoint_bytes(const checkpoint *c)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->count; i++)
        n += tensor_bytes(&c->items[i].tensor);
    return n;
}

static int by_name(const void *a, const void *b)
{
    const checkpoint_item *x = a, *y = b;
    return strcmp(x->name, y->name);
}

int checkpoint_sort(checkpoint *c, error *err)
{
    if (c->count)
        qsort(c->items, c->count, sizeof *c->items, by_name);
    for (size_t i = 1; i < c->count; i++)
        if (strcmp(c->items[i - 1].name, c->items[i].name) == 0)
            return fail(err, ERROR_FORMAT, "%s: the tensor '%s' is there twice", c->name, c->items[i].name);
    return 0;
}

/* Bytes of a tensor from a caller's shape, or -1 where it cannot be. */
static int wanted_bytes(const checkpoint_item *item, size_t *bytes)
{
    const tensor *t = &item->tensor;
    size_t n = dtype_size(t->dtype);
    if (t->rank < 0 || t->rank > TENSOR_MAX_RANK)
        return -1;
    for (int i = 0; i < t->rank; i++)
        if (t->shape[i] < 0 || __builtin_mul_overflow(n, (size_t)t->shape[i], &n))
            return -1;
    *bytes = n;
    return 0;
}

checkpoint *checkpoint_new(const char *name, const char *folder, json_t *config, const checkpoint_item *items, size_t count, error *err)
{
    checkpoint *c = memory_new(1, sizeof *c);
    size_t total = 0;
    c->name = memory_text(name);
    c->folder = memory_text(folder);
    c->config = json_incref(config);
    c->items = memory_new(count, sizeof *c->items);
    for (size_t i = 0; i < count; i++) {
        size_t bytes;
        if (wanted_bytes(&items[i], &bytes) != 0 || __builtin_add_overflow(total, bytes, &total) ||
            __builtin_add_overflow(total, -total % ALIGNMENT, &total)) {
            fail(err, ERROR_LIMIT, "%s: '%s' has a shape whose size overflows", name, items[i].name);
            goto failed;
        }
        c->items[i] = (checkpoint_item){.name = memory_text(items[i].name), .tensor = items[i].tensor};
        c->count = i + 1;
    }
    if (checkpoint_sort(c, err) != 0)
        goto failed;
    buffer *b = buffer_new(total, name, err);
    if (!b)
        goto failed;
    c->buffers = memory_new(1, sizeof *c->buffers);
    c->buffers[0] = b;
    c->n_buffers = 1;
    char *at = buffer_bytes(b);
    for (size_t i = 0; i < count; i++) {
        tensor *t = &c->items[i].tensor;
        t->owner = b;
        t->data = at;
        size_t bytes = tensor_bytes(t);
        at += bytes + -bytes % ALIGNMENT;
    }
    return c;
failed:
    checkpoint_free(c);
    return NULL;
}
