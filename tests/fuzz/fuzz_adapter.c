/* An adapter from a stranger, one file: adapter_config.json, a NUL, adapter_model.safetensors. Merged into a base whose names it may meet:
 * where it is accepted, every tensor can be made. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "tensor/adapter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static checkpoint *make_base(void)
{
    static const checkpoint_item items[] = {
        {"q.weight", {.dtype = DTYPE_F32, .rank = 2, .shape = {3, 4}}},     {"q.bias", {.dtype = DTYPE_F32, .rank = 1, .shape = {3}}},
        {"wte.weight", {.dtype = DTYPE_BF16, .rank = 2, .shape = {6, 4}}},  {"conv.weight", {.dtype = DTYPE_F16, .rank = 4, .shape = {3, 2, 2, 2}}},
        {"model.embed_tokens.weight", {.dtype = DTYPE_BF16, .rank = 2, .shape = {6, 4}}}, {"n.weight", {.dtype = DTYPE_I64, .rank = 2, .shape = {3, 4}}}};
    error err = {0};
    checkpoint *c = checkpoint_new("base", NULL, NULL, items, sizeof items / sizeof *items, &err);
    must(c != NULL);
    return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    error err = {0};
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    size_t config = end ? (size_t)(end - data) : size;
    if (!folder)
        begin();
    put("adapter_config.json", data, config);
    put("adapter_model.safetensors", end ? end + 1 : data, end ? size - config - 1 : 0);
    checkpoint *c = make_base();
    if (adapter_apply(c, folder, &err) == 0)
        must(checkpoint_make(c, NULL, &err) == 0);
    else
        must(err.code != ERROR_NONE && err.text[0] && !strchr(err.text, '\n'));
    checkpoint_free(c);
    return 0;
}
