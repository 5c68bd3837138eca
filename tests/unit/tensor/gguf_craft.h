/* GGUF files made by hand. */
#ifndef TESTS_UNIT_TENSOR_GGUF_CRAFT_H
#define TESTS_UNIT_TENSOR_GGUF_CRAFT_H

#include "craft.h"
#include "tensor/gguf.h"
#include "tensor/gguf_model.h"

#define GOLDENS SOURCE_DIR "/tests/goldens/gguf/"

static inline void put_le(string *s, uint64_t x, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        char c = (char)(x >> 8 * i);
        string_add(s, &c, 1);
    }
}

static inline string gguf_head(uint64_t tensors, uint64_t entries)
{
    string s = {0};
    string_puts(&s, "GGUF");
    put_le(&s, 3, 4);
    put_le(&s, tensors, 8);
    put_le(&s, entries, 8);
    return s;
}

static inline void put_info(string *s, const char *name, uint32_t rank, const uint64_t *dims, uint32_t type, uint64_t offset)
{
    gguf_add_text(s, name, strlen(name));
    put_le(s, rank, 4);
    for (uint32_t i = 0; i < rank; i++)
        put_le(s, dims[i], 8);
    put_le(s, type, 4);
    put_le(s, offset, 8);
}

/* Zeros up to the alignment, then as many. */
static inline void put_data(string *s, size_t bytes)
{
    while (s->length % GGUF_ALIGNMENT)
        put_le(s, 0, 1);
    for (size_t i = 0; i < bytes; i++)
        put_le(s, 0, 1);
}

static inline buffer *gguf_buffer(const string *s)
{
    buffer *b = buffer_new(s->length, "crafted", NULL);
    memcpy(buffer_bytes(b), s->text, s->length);
    return b;
}

#endif
