/* Files made by hand: what a stranger might send. */
#ifndef TESTS_UNIT_TENSOR_CRAFT_H
#define TESTS_UNIT_TENSOR_CRAFT_H

#include "../base/check.h"
#include "tensor/checkpoint.h"
#include "tensor/safetensors.h"

/* A file's bytes: the length, the header, `data` bytes 0, 1, 2, ... */
static inline string craft(const char *header, size_t header_bytes, uint64_t length, size_t data)
{
    string s = {0};
    for (int i = 0; i < 8; i++) {
        char c = (char)(length >> 8 * i);
        string_add(&s, &c, 1);
    }
    string_add(&s, header, header_bytes);
    for (size_t i = 0; i < data; i++) {
        char c = (char)i;
        string_add(&s, &c, 1);
    }
    return s;
}

static inline string craft_header(const char *header, size_t data)
{
    return craft(header, strlen(header), strlen(header), data);
}

static inline void put_bytes(const char *folder, const char *name, const void *bytes, size_t n)
{
    error err;
    char *path = file_join(folder, name);
    if (file_write(path, bytes, n, &err) != 0)
        fail_msg("%s", err.text);
    free(path);
}

static inline void put_text(const char *folder, const char *name, const char *text)
{
    put_bytes(folder, name, text, strlen(text));
}

static inline void put_tensors(const char *folder, const char *name, const char *header, size_t data)
{
    string s = craft_header(header, data);
    put_bytes(folder, name, s.text, s.length);
    free(s.text);
}

#endif
