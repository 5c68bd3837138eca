/* Values as Python has them, for the Jinja interpreter. They lie in an arena that is freed as a whole; texts, lists and dicts do not
 * change once they are made, so values are copied freely. */
#ifndef TEXT_JINJA_VALUE_H
#define TEXT_JINJA_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef __int128 jwhole;

enum jtype {
    J_ABSENT,        /* no value: an argument that was not given */
    J_UNDEFINED, J_NONE, J_BOOL, J_INT, J_FLOAT, J_TEXT, J_LIST, J_TUPLE, J_DICT,
    J_VIEW,          /* range, a dict's keys, values, items */
    J_GENERATOR,     /* what map and the like give: true, without a length, and gone once it was walked */
    J_NAMESPACE, J_LOOP, J_MACRO, J_METHOD, J_FUNCTION,
};

typedef struct jlist jlist;
typedef struct jdict jdict;

typedef struct jvalue {
    enum jtype type;
    union {
        bool truth;
        jwhole whole;
        double real;
        struct { const char *s; size_t n; } text;      /* UTF-8 without NUL at the end */
        jlist *list;                                   /* LIST, TUPLE, VIEW, GENERATOR */
        jdict *dict;                                   /* DICT, NAMESPACE */
        struct jloop *loop;
        const struct jmacro *macro;
        const struct jmethod *method;
        const struct jrow *function;
        const char *why;                               /* UNDEFINED: what an error says of it */
    } as;
} jvalue;

struct jlist {
    jvalue *items;               /* [count] */
    size_t count;
    size_t taken;                /* of a generator: items that were walked */
    const char *label;           /* of a view: "range(0, 3)", or "dict_keys" to be followed by its items */
    bool grouped;                /* a tuple of groupby: has the attributes grouper and list */
};

struct jdict {
    jvalue *keys, *values;       /* [count], in the order they came */
    size_t count, capacity;
    uint32_t *slots;             /* [n_slots] index + 1 by hash, 0: free; NULL while it is small */
    size_t n_slots;
};

/* An arena: all of it is freed at once. */
typedef struct jarena {
    struct jblock *block;        /* the one that is being filled */
    size_t total, limit;         /* bytes of all blocks */
} jarena;

void *jarena_new(jarena *a, size_t n);                 /* zeroed, aligned for any type; NULL where the limit is reached */
char *jarena_bytes(jarena *a, size_t n);               /* for text: neither zeroed nor aligned */
/* Room for `more` bytes behind a text that ends at `end`, in its place; NULL where something lies behind it. */
char *jarena_extend(jarena *a, const char *end, size_t more);
char *jarena_bytes_growing(jarena *a, size_t n);       /* as jarena_bytes, with as much room behind it */
void jarena_free(jarena *a);

jvalue jvalue_none(void);
jvalue jvalue_bool(bool truth);
jvalue jvalue_int(jwhole whole);
jvalue jvalue_float(double real);
jvalue jvalue_text(const char *s, size_t n);           /* borrowed */
jvalue jvalue_word(const char *s);                     /* the same of a literal */
bool jvalue_is_text(jvalue v, const char *s);
bool jvalue_is_number(jvalue v);                       /* bool, int, float */
bool jvalue_is_list(jvalue v);                         /* LIST, TUPLE, VIEW, GENERATOR */
bool jvalue_is_key(jvalue v);                          /* may be a dict's key here */
const char *jvalue_type_name(jvalue v);                /* "str" */

/* Of keys: numbers that are equal are one key, whatever their type. */
bool jkey_equal(jvalue a, jvalue b);
const jvalue *jdict_find(const jdict *d, jvalue key);  /* NULL: not there */
const jvalue *jdict_find_word(const jdict *d, const char *key);
int jdict_set(jarena *a, jdict *d, jvalue key, jvalue v);   /* -1 where the arena's limit is reached */

#endif
