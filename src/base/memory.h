/* Allocation that cannot fail, for the small things (names, lists, trees), and string building.
 * What can be large (weights, KV, file contents) uses memory_try and reports ERROR_MEMORY. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Zeroed memory for n things of size bytes; exits with a message when there is none. free() it. */
void *memory_new(size_t n, size_t size);
void *memory_grow(void *p, size_t n, size_t size);
char *memory_text(const char *text);                 /* strdup; NULL stays NULL */
char *memory_text_n(const char *text, size_t n);     /* strndup */
bool text_ends_with(const char *text, const char *end);
char *memory_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* 64-byte aligned, uninitialised; NULL and *err set when there is none. `what` names it. free() it. */
void *memory_try(size_t bytes, const char *what, error *err);

/* A growing string, always NUL-terminated once something was added. Zero-initialise; free(s.text). */
typedef struct string {
    char *text;  /* owned, NULL while empty */
    size_t length, capacity;
} string;

void string_add(string *s, const char *text, size_t n);
void string_puts(string *s, const char *text);
void string_print(string *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
