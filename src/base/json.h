/* Reading JSON from strangers, over jansson: duplicate keys, NUL in strings, invalid UTF-8 and
 * nesting deeper than jansson's 2048 are errors; numbers are told apart (integers stay integers). */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The value in `text` [n bytes]; `name` is what errors call it. json_decref it. NULL and *err on failure. */
json_t *json_parse(const char *text, size_t n, const char *name, error *err);

/* The value in a file of at most `limit` bytes (0: 256 MiB). */
json_t *json_read(const char *path, size_t limit, error *err);

/* Typed members of an object. A missing or null member leaves *out as it is and returns 0;
 * a member of another type is an error naming `name` and the key. Strings are borrowed. */
int json_want_text(const json_t *object, const char *key, const char *name, const char **out, error *err);
int json_want_int(const json_t *object, const char *key, const char *name, int64_t low, int64_t high, int64_t *out, error *err);
int json_want_real(const json_t *object, const char *key, const char *name, double *out, error *err);
int json_want_bool(const json_t *object, const char *key, const char *name, bool *out, error *err);

/* The value as text, keys in their order, numbers in the fewest digits that read back as the same; indent < 0: on one line.
 * Takes over the reference to `value`. free() it. */
char *json_print(json_t *value, int indent);

/* Calls `each` for every line of a JSONL file that is not blank; stops at the first -1 it returns.
 * `line` counts from 1; errors name file and line. */
int json_lines(const char *path, int (*each)(void *context, const json_t *value, size_t line, error *err), void *context, error *err);

#endif
