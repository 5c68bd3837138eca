#include "text/vocabulary.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xD6E8FEB86659FD93u;
    x ^= x >> 32;
    x *= 0xD6E8FEB86659FD93u;
    return x ^ x >> 32;
}

static uint64_t hash_text(const char *text, size_t n, uint64_t seed)
{
    uint64_t h = seed ^ n * 0x9E3779B97F4A7C15u, word;
    for (; n >= 8; n -= 8, text += 8) {
        memcpy(&word, text, 8);
        h = mix(h ^ word);
    }
    word = 0;
    for (size_t i = 0; i < n; i++)
        word = word << 8 | (unsigned char)text[i];
    return mix(h ^ word);
}

static uint64_t new_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = 0x243F6A8885A308D3u;
    return seed;
}

/* Twice as many slots as things, at least. */
static size_t slots_for(size_t things)
{
    size_t slots = 64;
    while (slots < 2 * things)
        slots *= 2;
    return slots;
}

void vocabulary_free(vocabulary *v)
{
    free(v->text.text);
    free(v->place);
    free(v->length);
    free(v->slot);
    *v = (vocabulary){0};
}

static void place_id(vocabulary *v, int32_t id)
{
    size_t at = hash_text(v->text.text + v->place[id] - 1, v->length[id], v->seed) & (v->slots - 1);
    while (v->slot[at] >= 0)
        at = (at + 1) & (v->slots - 1);
    v->slot[at] = id;
}

void vocabulary_reserve(vocabulary *v, size_t tokens)
{
    size_t slots = slots_for(tokens);
    if (slots <= v->slots)
        return;
    if (!v->slots)
        v->seed = new_seed();
    v->slots = slots;
    v->slot = memory_grow(v->slot, slots, sizeof *v->slot);
    for (size_t i = 0; i < slots; i++)
        v->slot[i] = -1;
    for (int32_t id = 0; id < v->size; id++)
        if (v->place[id])
            place_id(v, id);
}

int32_t vocabulary_find(const vocabulary *v, const char *text, size_t n)
{
    if (!v->slots)
        return -1;
    for (size_t at = hash_text(text, n, v->seed) & (v->slots - 1); v->slot[at] >= 0; at = (at + 1) & (v->slots - 1)) {
        int32_t id = v->slot[at];
        if (v->length[id] == n && memcmp(v->text.text + v->place[id] - 1, text, n) == 0)
            return id;
    }
    return -1;
}

const char *vocabulary_text(const vocabulary *v, int32_t id, size_t *n)
{
    if (id < 0 || id >= v->size || !v->place[id])
        return NULL;
    if (n)
        *n = v->length[id];
    return v->text.text + v->place[id] - 1;
}

static void grow_ids(vocabulary *v, int32_t id)
{
    if (id < v->capacity)
        return;
    int32_t capacity = v->capacity ? v->capacity : 256;
    while (capacity <= id)
        capacity *= 2;
    v->place = memory_grow(v->place, (size_t)capacity, sizeof *v->place);
    v->length = memory_grow(v->length, (size_t)capacity, sizeof *v->length);
    size_t more = (size_t)(capacity - v->capacity);
    memset(v->place + v->capacity, 0, more * sizeof *v->place);
    memset(v->length + v->capacity, 0, more * sizeof *v->length);
    v->capacity = capacity;
}

int vocabulary_add(vocabulary *v, const char *text, size_t n, int64_t id, const char *name, error *err)
{
    int shown = n < 100 ? (int)n : 100;   /* of a text that need not end with a NUL */
    if (id < 0 || id >= VOCABULARY_LIMIT)
        return fail(err, ERROR_FORMAT, "%s: token '%.*s' has id %lld, outside [0, %d)", name, shown, text, (long long)id,
                    VOCABULARY_LIMIT);
    const char *other = vocabulary_text(v, (int32_t)id, NULL);
    if (other)
        return fail(err, ERROR_FORMAT, "%s: tokens '%.100s' and '%.*s' both have id %lld", name, other, shown, text, (long long)id);
    if (v->text.length + n + 1 >= UINT32_MAX)
        return fail(err, ERROR_LIMIT, "%s: more than 4 GiB of token text", name);
    vocabulary_reserve(v, v->count + 1);
    int32_t same = vocabulary_find(v, text, n);
    if (same >= 0)
        return fail(err, ERROR_FORMAT, "%s: token '%.*s' has two ids, %d and %lld", name, shown, text, same, (long long)id);
    grow_ids(v, (int32_t)id);
    v->place[id] = (uint32_t)v->text.length + 1;
    v->length[id] = (uint32_t)n;
    string_add(&v->text, text, n);
    string_add(&v->text, "", 1);
    if (id >= v->size)
        v->size = (int32_t)id + 1;
    place_id(v, (int32_t)id);
    v->count++;
    return 0;
}

void merges_free(merges *m)
{
    free(m->slot);
    *m = (merges){0};
}

static uint64_t pair_of(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static merge *merge_slot(const merges *m, uint64_t pair)
{
    size_t at = mix(pair ^ m->seed) & (m->slots - 1);
    while (m->slot[at].pair != UINT64_MAX && m->slot[at].pair != pair)
        at = (at + 1) & (m->slots - 1);
    return &m->slot[at];
}

void merges_reserve(merges *m, size_t pairs)
{
    size_t slots = slots_for(pairs), old_slots = m->slots;
    if (slots <= old_slots)
        return;
    merge *old = m->slot;
    if (!old)
        m->seed = new_seed();
    m->slots = slots;
    m->slot = memory_new(slots, sizeof *m->slot);
    for (size_t i = 0; i < slots; i++)
        m->slot[i].pair = UINT64_MAX;
    for (size_t i = 0; i < old_slots; i++)
        if (old[i].pair != UINT64_MAX)
            *merge_slot(m, old[i].pair) = old[i];
    free(old);
}

void merges_put(merges *m, int32_t left, int32_t right, uint32_t rank, int32_t id)
{
    merges_reserve(m, m->count + 1);
    merge *slot = merge_slot(m, pair_of(left, right));
    m->count += slot->pair == UINT64_MAX;
    *slot = (merge){.pair = pair_of(left, right), .rank = rank, .id = id};
}

const merge *merges_find(const merges *m, int32_t left, int32_t right)
{
    if (!m->slots)
        return NULL;
    const merge *slot = merge_slot(m, pair_of(left, right));
    return slot->pair == UINT64_MAX ? NULL : slot;
}
