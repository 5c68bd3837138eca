/* A safetensors file from a stranger: where it is accepted, every byte of every tensor can be read, and the tensors tile the data. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    error err = {0};
    buffer *file = buffer_new(size, "input", &err);
    checkpoint_item *items = NULL;
    size_t count = 0, bytes = 0, bad = 0;
    if (!file)
        return 0;
    if (size)
        memcpy(buffer_bytes(file), data, size);
    if (safetensors_parse(file, "input", &items, &count, &err) == 0) {
        for (size_t i = 0; i < count; i++) {
            const tensor *t = &items[i].tensor;
            const uint8_t *begin = t->data;
            must(begin >= (uint8_t *)buffer_bytes(file) && begin + tensor_bytes(t) <= (uint8_t *)buffer_bytes(file) + size);
            must(tensor_rows(t) * tensor_columns(t) == tensor_count(t));
            if (dtype_is_float(t->dtype))
                bad += dtype_first_not_finite(t->dtype, t->data, (size_t)tensor_count(t));
            bytes += tensor_bytes(t);
            free(items[i].name);
        }
        must(bytes == size - safetensors_header_bytes(file) && bad <= size);
    } else {
        must(count == 0 && err.code != ERROR_NONE && err.text[0] && !strchr(err.text, '\n'));
    }
    free(items);
    buffer_free(file);
    return 0;
}
