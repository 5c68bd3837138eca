/* A GGUF file from a stranger: where it is accepted, every number of every tensor can be made, and the tokenizer in it is refused or encodes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tensor/gguf_model.h"
#include "tensor/gguf_tokenizer.h"
#include "text/tokenizer.h"

#define MOST_MADE ((uint64_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds)
        abort();
}

static void must_tell(const error *err)
{
    must(err->code != ERROR_NONE && err->text[0] && !strchr(err->text, '\n'));
}

static buffer *copy(const uint8_t *data, size_t size)
{
    buffer *b = buffer_new(size, "input", NULL);
    if (b && size)
        memcpy(buffer_bytes(b), data, size);
    return b;
}

static void try_tokenizer(json_t *json)
{
    error err = {0};
    char *text = json_print(json, -1);
    tokenizer *t = tokenizer_parse(text, strlen(text), "input", &err);
    token_list ids = {0};
    if (t)
        tokenizer_encode(t, "the cat\n 12 \xE6\x97\xA5", 14, true, &ids, &err);
    else
        must_tell(&err);
    token_list_free(&ids);
    tokenizer_free(t);
    free(text);
}

static void try_metadata(buffer *file)
{
    error err = {0};
    json_t *words, *config;
    gguf *g = gguf_parse(file, "input", &err);
    if (!g) {
        must_tell(&err);
        return;
    }
    for (size_t i = 0; i < g->n_tensors; i++)
        must(g->tensors[i].data >= (uint8_t *)buffer_bytes(file) && g->tensors[i].data + g->tensors[i].bytes <= (uint8_t *)buffer_bytes(file) + buffer_size(file));
    if (gguf_tokenizer_read(g, &words, &config, &err) != 0)
        must_tell(&err);
    else if (words)
        try_tokenizer(words);
    json_decref(config);
    gguf_free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    error err = {0};
    buffer *file = copy(data, size);
    if (!file)
        return 0;
    try_metadata(file);
    checkpoint *c = memory_new(1, sizeof *c);
    c->name = memory_text("input");
    if (gguf_open_buffer(c, file, "input", &err) != 0)
        must_tell(&err);
    else if (checkpoint_bytes(c) <= MOST_MADE && checkpoint_make(c, NULL, &err) != 0)
        must_tell(&err);
    checkpoint_free(c);
    return 0;
}
