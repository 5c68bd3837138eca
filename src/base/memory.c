#include "base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
    if (!p) {
        fputs("merganser: out of memory\n", stderr);
        _Exit(1);
    }
    return p;
}

void *memory_new(size_t n, size_t size)
{
    return must(calloc(n ? n : 1, size ? size : 1));
}

void *memory_grow(void *p, size_t n, size_t size)
{
    return must(reallocarray(p, n ? n : 1, size ? size : 1));
}

char *memory_text(const char *text)
{
    return text ? must(strdup(text)) : NULL;
}

char *memory_text_n(const char *text, size_t n)
{
    char *copy = memory_new(n + 1, 1);
    memcpy(copy, text, n);
    return copy;
}

char *memory_print(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    return must(n < 0 ? NULL : text);
}

bool text_ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

void *memory_try(size_t bytes, const char *what, error *err)
{
    void *p = NULL;
    if (bytes > SIZE_MAX - 64 || posix_memalign(&p, 64, bytes ? bytes : 64) != 0) {
        fail(err, ERROR_MEMORY, "no memory for %s (%zu bytes)", what, bytes);
        return NULL;
    }
    return p;
}

static void reserve(string *s, size_t more)
{
    if (s->length + more + 1 <= s->capacity)
        return;
    size_t capacity = s->capacity ? 2 * s->capacity : 64;
    while (capacity < s->length + more + 1)
        capacity *= 2;
    s->text = memory_grow(s->text, capacity, 1);
    s->capacity = capacity;
}

void string_add(string *s, const char *text, size_t n)
{
    reserve(s, n);
    if (n)
        memcpy(s->text + s->length, text, n);
    s->length += n;
    s->text[s->length] = '\0';
}

void string_puts(string *s, const char *text)
{
    string_add(s, text, strlen(text));
}

void string_print(string *s, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n > 0) {
        reserve(s, (size_t)n);
        vsnprintf(s->text + s->length, (size_t)n + 1, format, again);
        s->length += (size_t)n;
    }
    va_end(again);
}
