#include "text/jinja_value.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define FIRST_BLOCK ((size_t)32 << 10)
#define LARGEST_BLOCK ((size_t)4 << 20)
#define SMALL_DICT 8

struct jblock {
    struct jblock *before;
    size_t used, capacity;
    max_align_t data[];
};

/* ---- the arena */

static bool add_block(jarena *a, size_t n)
{
    size_t capacity = a->block ? 2 * a->block->capacity : FIRST_BLOCK;
    if (capacity > LARGEST_BLOCK)
        capacity = LARGEST_BLOCK;
    if (capacity < n)
        capacity = n;
    if (capacity > a->limit - a->total)
        capacity = n;
    if (capacity > a->limit - a->total)
        return false;
    struct jblock *block = malloc(sizeof *block + capacity);
    if (!block)
        return false;
    *block = (struct jblock){.before = a->block, .capacity = capacity};
    a->block = block;
    a->total += capacity;
    return true;
}

static char *take(jarena *a, size_t n, size_t align, size_t spare)
{
    struct jblock *b = a->block;
    size_t begin = b ? (b->used + align - 1) / align * align : 0;
    if (!b || begin > b->capacity || n > b->capacity - begin) {
        if (n > a->limit || (!add_block(a, n + spare) && !add_block(a, n)))
            return NULL;
        b = a->block;
        begin = 0;
    }
    b->used = begin + n;
    return (char *)b->data + begin;
}

void *jarena_new(jarena *a, size_t n)
{
    void *p = take(a, n, sizeof(max_align_t), 0);
    return p ? memset(p, 0, n) : NULL;
}

char *jarena_bytes(jarena *a, size_t n)
{
    return take(a, n, 1, 0);
}

char *jarena_bytes_growing(jarena *a, size_t n)
{
    return take(a, n, 1, n);
}

char *jarena_extend(jarena *a, const char *end, size_t more)
{
    struct jblock *b = a->block;
    char *begin = b ? (char *)b->data + b->used : NULL;
    if (!b || begin != end || more > b->capacity - b->used)
        return NULL;
    b->used += more;
    return begin;
}

void jarena_free(jarena *a)
{
    for (struct jblock *b = a->block, *before; b; b = before) {
        before = b->before;
        free(b);
    }
    *a = (jarena){0};
}

/* ---- values */

jvalue jvalue_none(void)
{
    return (jvalue){.type = J_NONE};
}

jvalue jvalue_bool(bool truth)
{
    return (jvalue){.type = J_BOOL, .as.truth = truth};
}

jvalue jvalue_int(jwhole whole)
{
    return (jvalue){.type = J_INT, .as.whole = whole};
}

jvalue jvalue_float(double real)
{
    return (jvalue){.type = J_FLOAT, .as.real = real};
}

jvalue jvalue_text(const char *s, size_t n)
{
    return (jvalue){.type = J_TEXT, .as.text = {s, n}};
}

jvalue jvalue_word(const char *s)
{
    return jvalue_text(s, strlen(s));
}

bool jvalue_is_text(jvalue v, const char *s)
{
    return v.type == J_TEXT && v.as.text.n == strlen(s) && memcmp(v.as.text.s, s, v.as.text.n) == 0;
}

bool jvalue_is_number(jvalue v)
{
    return v.type == J_BOOL || v.type == J_INT || v.type == J_FLOAT;
}

bool jvalue_is_list(jvalue v)
{
    return v.type == J_LIST || v.type == J_TUPLE || v.type == J_VIEW || v.type == J_GENERATOR;
}

bool jvalue_is_key(jvalue v)
{
    return v.type == J_NONE || v.type == J_TEXT || jvalue_is_number(v);
}

const char *jvalue_type_name(jvalue v)
{
    static const char *const names[] = {
        [J_ABSENT] = "nothing", [J_UNDEFINED] = "Undefined", [J_NONE] = "NoneType", [J_BOOL] = "bool", [J_INT] = "int", [J_FLOAT] = "float",
        [J_TEXT] = "str", [J_LIST] = "list", [J_TUPLE] = "tuple", [J_DICT] = "dict", [J_VIEW] = "view", [J_GENERATOR] = "generator",
        [J_NAMESPACE] = "Namespace", [J_LOOP] = "LoopContext", [J_MACRO] = "Macro", [J_METHOD] = "method", [J_FUNCTION] = "function",
    };
    return names[v.type];
}

/* ---- dicts */

/* A number as a whole one where it is: 1, 1.0 and true are one key. */
static jvalue plain_key(jvalue key)
{
    if (key.type == J_BOOL)
        return jvalue_int(key.as.truth);
    if (key.type == J_FLOAT && key.as.real > -0x1p100 && key.as.real < 0x1p100 && (double)(jwhole)key.as.real == key.as.real)
        return jvalue_int((jwhole)key.as.real);
    return key;
}

bool jkey_equal(jvalue a, jvalue b)
{
    a = plain_key(a);
    b = plain_key(b);
    if (a.type != b.type)
        return false;
    if (a.type == J_INT)
        return a.as.whole == b.as.whole;
    if (a.type == J_FLOAT)
        return a.as.real == b.as.real;
    return a.type == J_NONE || (a.as.text.n == b.as.text.n && memcmp(a.as.text.s, b.as.text.s, a.as.text.n) == 0);
}

/* Salted with an address, so that nobody can prepare keys of one hash. */
static uint64_t hash(const jdict *d, jvalue key)
{
    uint64_t h = (uint64_t)(uintptr_t)d * 0x9E3779B97F4A7C15;
    key = plain_key(key);
    if (key.type == J_TEXT)
        for (size_t i = 0; i < key.as.text.n; i++)
            h = (h ^ (h >> 29) ^ (unsigned char)key.as.text.s[i]) * 0xBF58476D1CE4E5B9;
    else if (key.type == J_INT)
        h ^= (uint64_t)key.as.whole ^ (uint64_t)(key.as.whole >> 64);
    else if (key.type == J_FLOAT)
        memcpy(&h, &key.as.real, sizeof h);
    h *= 0x94D049BB133111EB;
    return h ^ (h >> 31);
}

static uint32_t *slot_of(const jdict *d, jvalue key)
{
    for (size_t i = (size_t)hash(d, key) & (d->n_slots - 1);; i = (i + 1) & (d->n_slots - 1))
        if (!d->slots[i] || jkey_equal(d->keys[d->slots[i] - 1], key))
            return &d->slots[i];
}

const jvalue *jdict_find(const jdict *d, jvalue key)
{
    if (d->slots) {
        uint32_t found = *slot_of(d, key);
        return found ? &d->values[found - 1] : NULL;
    }
    for (size_t i = 0; i < d->count; i++)
        if (jkey_equal(d->keys[i], key))
            return &d->values[i];
    return NULL;
}

const jvalue *jdict_find_word(const jdict *d, const char *key)
{
    return jdict_find(d, jvalue_word(key));
}

static int grow(jarena *a, jdict *d)
{
    size_t capacity = d->capacity ? 2 * d->capacity : SMALL_DICT;
    jvalue *keys = jarena_new(a, capacity * sizeof *keys), *values = jarena_new(a, capacity * sizeof *values);
    if (!keys || !values)
        return -1;
    if (d->count) {
        memcpy(keys, d->keys, d->count * sizeof *keys);
        memcpy(values, d->values, d->count * sizeof *values);
    }
    d->keys = keys;
    d->values = values;
    d->capacity = capacity;
    if (capacity <= SMALL_DICT)
        return 0;
    d->n_slots = 4 * capacity;
    d->slots = jarena_new(a, d->n_slots * sizeof *d->slots);
    if (!d->slots)
        return -1;
    for (size_t i = 0; i < d->count; i++)
        *slot_of(d, keys[i]) = (uint32_t)i + 1;
    return 0;
}

int jdict_set(jarena *a, jdict *d, jvalue key, jvalue v)
{
    jvalue *old = (jvalue *)jdict_find(d, key);
    if (old) {
        *old = v;
        return 0;
    }
    if (d->count == d->capacity && grow(a, d) != 0)
        return -1;
    d->keys[d->count] = key;
    d->values[d->count++] = v;
    if (d->slots)
        *slot_of(d, key) = (uint32_t)d->count;
    return 0;
}
