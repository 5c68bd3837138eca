/* Tokens by text and by id. Ids may have holes. The hash is keyed by a random number of the process, so that
 * no file can be written to make every look-up collide; what it finds does not depend on it. */
#ifndef TEXT_VOCABULARY_H
#define TEXT_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"

#define VOCABULARY_LIMIT (1 << 22)  /* ids are below this */

typedef struct vocabulary {
    string text;        /* every token with a NUL behind it */
    uint32_t *place;    /* [capacity] 1 + where id's text starts, 0 for a hole; owned */
    uint32_t *length;   /* [capacity] bytes; owned */
    int32_t size;       /* largest id + 1 */
    int32_t capacity;
    int32_t *slot;      /* [slots] ids, -1 for empty; open addressing; owned */
    size_t slots, count;
    uint64_t seed;
} vocabulary;

void vocabulary_free(vocabulary *v);
void vocabulary_reserve(vocabulary *v, size_t tokens);

/* text [n] needs no NUL behind it. An id or a text that is there already, or an id outside [0, VOCABULARY_LIMIT), is an error. */
int vocabulary_add(vocabulary *v, const char *text, size_t n, int64_t id, const char *name, error *err);

int32_t vocabulary_find(const vocabulary *v, const char *text, size_t n);  /* -1 when absent */

/* NULL for a hole or out of range; n may be NULL. */
const char *vocabulary_text(const vocabulary *v, int32_t id, size_t *n);

/* Which pairs of tokens merge: (left, right) -> (rank, id of the whole). */
typedef struct merge {
    uint64_t pair;   /* left << 32 | right; UINT64_MAX for an empty slot */
    uint32_t rank;
    int32_t id;
} merge;

typedef struct merges {
    merge *slot;     /* [slots], owned */
    size_t slots, count;
    uint64_t seed;
} merges;

void merges_free(merges *m);
void merges_reserve(merges *m, size_t pairs);
/* The last of two equal pairs wins, as in the library. */
void merges_put(merges *m, int32_t left, int32_t right, uint32_t rank, int32_t id);
const merge *merges_find(const merges *m, int32_t left, int32_t right);              /* NULL when absent */

#endif
