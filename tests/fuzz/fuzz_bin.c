/* A PyTorch checkpoint from a stranger: where it is accepted, every byte of every tensor can be read, those that have to be gathered too. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tensor/torch_zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds)
        abort();
}

static size_t read_all(const tensor *t)
{
    size_t sum = 0;
    for (size_t i = 0; i < tensor_bytes(t); i++)
        sum += ((const unsigned char *)t->data)[i];
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    error err = {0};
    checkpoint *c = memory_new(1, sizeof *c);
    buffer *file = buffer_new(size, "input", &err);
    c->name = memory_text("input");
    c->buffers = memory_new(1, sizeof *c->buffers);
    c->buffers[c->n_buffers++] = file;
    if (size)
        memcpy(buffer_bytes(file), data, size);
    if (torch_zip_parse(c, file, "input", &err) == 0 && checkpoint_sort(c, &err) == 0) {
        size_t sum = 0;
        must(checkpoint_make(c, NULL, &err) == 0);
        for (size_t i = 0; i < c->count; i++)
            sum += read_all(&c->items[i].tensor);
        must(sum <= 255 * checkpoint_bytes(c));
    } else {
        must(err.code != ERROR_NONE && err.text[0] && !strchr(err.text, '\n'));
    }
    const void *directory;
    must(torch_zip_directory(file, &directory) <= size);
    checkpoint_free(c);
    return 0;
}
