/* Zip archives and pickles made by hand: what a stranger might send as a .bin. */
#ifndef TESTS_UNIT_TENSOR_CRAFT_ZIP_H
#define TESTS_UNIT_TENSOR_CRAFT_ZIP_H

#include "craft.h"

static inline void add_number(string *s, int bytes, uint64_t x)
{
    for (int i = 0; i < bytes; i++) {
        char c = (char)(x >> 8 * i);
        string_add(s, &c, 1);
    }
}

static inline void set_number(string *s, size_t at, int bytes, uint64_t x)
{
    for (int i = 0; i < bytes; i++)
        s->text[at + (size_t)i] = (char)(x >> 8 * i);
}

typedef struct zip_part { const char *name; string bytes; } zip_part;

/* Local headers have 30 bytes and the name, records of the directory 46 and the name, the end record 22. */
static inline string craft_zip(const zip_part *parts, size_t n)
{
    string s = {0}, directory = {0};
    for (size_t i = 0; i < n; i++) {
        size_t name = strlen(parts[i].name), size = parts[i].bytes.length, at = s.length;
        string_add(&s, "PK\3\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 18);
        add_number(&s, 4, size), add_number(&s, 4, size), add_number(&s, 2, name), add_number(&s, 2, 0);
        string_puts(&s, parts[i].name);
        if (size)
            string_add(&s, parts[i].bytes.text, size);
        string_add(&directory, "PK\1\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
        add_number(&directory, 4, size), add_number(&directory, 4, size), add_number(&directory, 2, name);
        string_add(&directory, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
        add_number(&directory, 4, at);
        string_puts(&directory, parts[i].name);
    }
    size_t begin = s.length;
    string_add(&s, directory.text, directory.length);
    string_add(&s, "PK\5\6\0\0\0\0", 8);
    add_number(&s, 2, n), add_number(&s, 2, n), add_number(&s, 4, directory.length), add_number(&s, 4, begin), add_number(&s, 2, 0);
    free(directory.text);
    return s;
}

static inline void add_text(string *s, const char *text)
{
    string_puts(s, "X");
    add_number(s, 4, strlen(text));
    string_puts(s, text);
}

static inline void add_int(string *s, int64_t x)
{
    string_puts(s, "\x8a\x08");
    add_number(s, 8, (uint64_t)x);
}

typedef struct crafted_tensor {
    const char *type;                 /* "FloatStorage" */
    int64_t elements, offset;
    int n_shape, n_stride;
    int64_t shape[12], stride[12];
} crafted_tensor;

static inline void add_numbers(string *s, const int64_t *x, int n)
{
    string_puts(s, "(");
    for (int i = 0; i < n; i++)
        add_int(s, x[i]);
    string_puts(s, "t");
}

/* The call that rebuilds a tensor in storage "0". */
static inline void add_tensor(string *s, const crafted_tensor *t)
{
    string_puts(s, "ctorch._utils\n_rebuild_tensor_v2\n((");
    add_text(s, "storage");
    string_print(s, "ctorch\n%s\n", t->type);
    add_text(s, "0");
    add_text(s, "cpu");
    add_int(s, t->elements);
    string_puts(s, "tQ");
    add_int(s, t->offset);
    add_numbers(s, t->shape, t->n_shape);
    add_numbers(s, t->stride, t->n_stride);
    string_puts(s, "\x89NtR");
}

/* {"w": t} */
static inline string craft_pickle(const crafted_tensor *t)
{
    string s = {0};
    string_puts(&s, "\x80\x02}");
    add_text(&s, "w");
    add_tensor(&s, t);
    string_puts(&s, "s.");
    return s;
}

/* A checkpoint of this pickle with one storage of `storage` bytes 0, 1, 2, ... */
static inline string craft_torch(string pickle, size_t storage)
{
    zip_part parts[] = {{"x/data.pkl", pickle}, {"x/byteorder", {0}}, {"x/data/0", {0}}};
    string_puts(&parts[1].bytes, "little");
    for (size_t i = 0; i < storage; i++)
        add_number(&parts[2].bytes, 1, i);
    string s = craft_zip(parts, 3);
    free(parts[1].bytes.text);
    free(parts[2].bytes.text);
    return s;
}

static inline buffer *to_buffer(const string *s)
{
    error err = {0};
    buffer *b = buffer_new(s->length, "crafted", &err);
    if (!b)
        fail_msg("%s", err.text);
    if (s->length)
        memcpy(buffer_bytes(b), s->text, s->length);
    return b;
}

#endif
