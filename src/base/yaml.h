/* Reading YAML from strangers, over libyaml, into a tree that remembers where everything stood.
 *
 * Refused, with file, line and column: duplicate keys, language tags (!!python/...), a cycle of
 * anchors, more than 100 levels, more than 200,000 values or 16 MiB of text after aliases are
 * followed, more than 1000 anchors, several documents, files over 4 MiB. Scalars keep their text; yaml_real and friends read them.
 *
 *     yaml_value *root = yaml_read("study.yml", err);
 *     const yaml_value *models = yaml_get(root, "models");
 *     yaml_free(root);
 */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"

enum yaml_kind { YAML_NULL, YAML_TEXT, YAML_LIST, YAML_MAP, YAML_FUNCTION };   /* the last: lm-eval's `!function FILE.NAME`, a name and no more */

typedef struct yaml_value yaml_value;
struct yaml_value {
    enum yaml_kind kind;
    const char *file;      /* borrowed from the root */
    int line, column;      /* from 1 */
    char *text;            /* YAML_TEXT, YAML_FUNCTION and keys of a map's items: the scalar; owned */
    bool quoted;           /* YAML_TEXT: written in quotes or as a block, so never a number, boolean or null */
    size_t count;          /* items of a list or map */
    yaml_value **items;    /* [count] values; owned */
    char **keys;           /* [count] for a map; owned */
    int *key_lines;        /* [count] for a map; owned */
};

/* The document in a file, or in `text` (errors call it `name`). NULL and *err on failure. yaml_free the root. */
yaml_value *yaml_read(const char *path, error *err);
yaml_value *yaml_parse(const char *text, size_t n, const char *name, error *err);
void yaml_free(yaml_value *root) __asm__("merganser_yaml_free");    /* libyaml has a yaml_free of its own, which it would find here */

/* The value of a key, NULL where `map` is NULL, not a map, or has no such key. */
const yaml_value *yaml_get(const yaml_value *map, const char *key);

/* Fails at the value's place: "FILE:LINE:COLUMN: ...". */
int yaml_fail(error *err, const yaml_value *at, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Scalars. NULL or null values leave *out alone and return 0. Text is borrowed. */
int yaml_text(const yaml_value *v, const char **out, error *err);
int yaml_real(const yaml_value *v, double *out, error *err);          /* finite numbers only; 1/3 is not a number */
int yaml_int(const yaml_value *v, int64_t low, int64_t high, int64_t *out, error *err);
int yaml_bool(const yaml_value *v, bool *out, error *err);            /* true false yes no on off */

/* Whether the text reads as a number (for values that may be a number or a word). */
bool yaml_is_real(const yaml_value *v, double *out);

/* `map` is a map or null, and every key of it is in `known` (NULL-terminated); else an error names the key, the line, and the nearest known name. */
int yaml_known_keys(const yaml_value *map, const char *const *known, error *err);

/* Appends a scalar that every YAML reader takes for what it is: the shortest decimal that reads back as x; text, quoted where it must be. */
void yaml_put_real(string *s, double x);
void yaml_put_text(string *s, const char *text);

/* The entry of `known` nearest to `word` by edit distance, NULL when none is near. */
const char *text_nearest(const char *word, const char *const *known);

#endif
