/* Added tokens: matched in the text as a whole before anything else looks at it, the longest at the leftmost place. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "text/parts.h"
#include "text/utf8.h"

void added_free(added_tokens *a)
{
    vocabulary_free(&a->words);
    free(a->flags);
    free(a->raw.node);
    free(a->normalized.node);
    *a = (added_tokens){0};
}

bool added_is_special(const added_tokens *a, int32_t id)
{
    return id >= 0 && id < a->words.size && a->flags[id] & ADDED_SPECIAL;
}

static int32_t *trie_link(trie *t, int32_t parent, unsigned char byte)
{
    int32_t *link = parent < 0 ? &t->root[byte] : &t->node[parent].child;
    while (*link >= 0 && t->node[*link].byte != byte)
        link = &t->node[*link].sibling;
    return link;
}

/* Of equal texts the first stays. */
static void trie_put(trie *t, const char *text, size_t n, int32_t id)
{
    int32_t at = -1;
    for (size_t i = 0; i < n; i++) {
        if (t->count == t->capacity) {
            t->capacity = t->capacity ? 2 * t->capacity : 256;
            t->node = memory_grow(t->node, t->capacity, sizeof *t->node);
        }
        int32_t *link = trie_link(t, at, (unsigned char)text[i]);
        if (*link < 0) {
            t->node[t->count] = (trie_node){.child = -1, .sibling = -1, .id = -1, .byte = (unsigned char)text[i]};
            *link = (int32_t)t->count++;
        }
        at = *link;
    }
    if (at >= 0 && t->node[at].id < 0)
        t->node[at].id = id;
}

/* The longest token that text [n] starts with, -1 for none. */
static int32_t trie_match(const trie *t, const char *text, size_t n, size_t *length)
{
    int32_t id = -1, at = t->root[(unsigned char)text[0]];
    for (size_t i = 0; i < n; at = t->node[at].child, i++) {
        while (at >= 0 && t->node[at].byte != (unsigned char)text[i])
            at = t->node[at].sibling;
        if (at < 0)
            break;
        if (t->node[at].id >= 0) {
            id = t->node[at].id;
            *length = i + 1;
        }
    }
    return id;
}

static int read_flags(const json_t *value, const char *where, uint8_t *flags, error *err)
{
    static const struct { const char *key; uint8_t flag; } keys[] = {
        {"special", ADDED_SPECIAL}, {"single_word", ADDED_SINGLE_WORD}, {"lstrip", ADDED_LSTRIP},
        {"rstrip", ADDED_RSTRIP}, {"normalized", ADDED_NORMALIZED},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        bool set = false;
        if (json_want_bool(value, keys[i].key, where, &set, err) != 0)
            return -1;
        *flags |= set ? keys[i].flag : 0;
    }
    return 0;
}

/* The file says which id a token has; where the vocabulary has the token or the id too, they must say the same. */
static int read_one(added_tokens *a, const json_t *value, const bpe *b, const char *where, const char *file, error *err)
{
    const char *content = NULL;
    int64_t id = -1;
    uint8_t flags = 0;
    if (!json_is_object(value))
        return fail(err, ERROR_FORMAT, "%s: should be an object", where);
    if (json_want_text(value, "content", where, &content, err) != 0
        || json_want_int(value, "id", where, 0, VOCABULARY_LIMIT - 1, &id, err) != 0
        || read_flags(value, where, &flags, err) != 0)
        return -1;
    if (!content || id < 0)
        return fail(err, ERROR_FORMAT, "%s: '%s' is missing", where, content ? "id" : "content");
    size_t n = strlen(content);
    if (n == 0)
        return 0;   /* the library skips it */
    int32_t known = vocabulary_find(&b->vocabulary, content, n);
    if (known >= 0 && known != id)
        return fail(err, ERROR_FORMAT, "%s: '%.100s' has id %lld, but %d in the vocabulary", where, content, (long long)id,
                    known);
    const char *other = vocabulary_text(&b->vocabulary, (int32_t)id, NULL);
    if (other && known < 0)
        return fail(err, ERROR_FORMAT, "%s: '%.100s' has id %lld, which is '%.100s' in the vocabulary", where, content,
                    (long long)id, other);
    int32_t size = a->words.size;
    if (vocabulary_find(&a->words, content, n) != id && vocabulary_add(&a->words, content, n, id, file, err) != 0)
        return -1;
    if (a->words.size > size) {
        a->flags = memory_grow(a->flags, (size_t)a->words.size, 1);
        memset(a->flags + size, 0, (size_t)(a->words.size - size));
    }
    a->flags[id] = flags;
    return 0;
}

static int index_token(added_tokens *a, int32_t id, const normalizer *n, error *err)
{
    size_t length;
    const char *content = vocabulary_text(&a->words, id, &length);
    if (!(a->flags[id] & ADDED_NORMALIZED)) {
        trie_put(&a->raw, content, length, id);
        return 0;
    }
    string text = {0};
    bool first = true;
    string_add(&text, content, length);
    int status = normalizer_run(n, &text, &first, err);
    if (status == 0 && text.length)
        trie_put(&a->normalized, text.text, text.length, id);
    free(text.text);
    return status;
}

int added_read(added_tokens *a, const json_t *list, const bpe *b, const normalizer *n, const char *file, error *err)
{
    for (int i = 0; i < 256; i++)
        a->raw.root[i] = a->normalized.root[i] = -1;
    if (list && !json_is_null(list) && !json_is_array(list))
        return fail(err, ERROR_FORMAT, "%s: 'added_tokens' should be a list", file);
    for (size_t i = 0; i < json_array_size(list); i++) {
        char *where = memory_print("%s: added token %zu", file, i);
        int status = read_one(a, json_array_get(list, i), b, where, file, err);
        free(where);
        if (status != 0)
            return -1;
    }
    /* Two that are normalised to one text: the special one is found, else the first of the list. */
    for (int special = 1; special >= 0; special--)
        for (size_t i = 0; i < json_array_size(list); i++) {
            const char *content = json_string_value(json_object_get(json_array_get(list, i), "content"));
            int32_t id = vocabulary_find(&a->words, content, strlen(content));
            if (id >= 0 && added_is_special(a, id) == special && index_token(a, id, n, err) != 0)
                return -1;
        }
    return 0;
}

void added_describe(const added_tokens *a, string *out)
{
    string_puts(out, "added\n");
    for (int32_t id = 0; id < a->words.size; id++) {
        size_t n;
        const char *text = vocabulary_text(&a->words, id, &n);
        if (text) {
            string_print(out, "%d %d %zu ", id, a->flags[id], n);
            string_add(out, text, n);
        }
    }
}

/* The match [*start, *stop) may stretch over white space; false where it must stand alone and does not. */
static bool shape_match(uint8_t flags, const char *text, size_t n, size_t done, size_t *start, size_t *stop)
{
    uint32_t c;
    if (flags & ADDED_SINGLE_WORD) {
        if (*start > 0 && (utf8_last(text, *start, &c), char_is_word(c)))
            return false;
        if (*stop < n && (utf8_get(text + *stop, &c), char_is_word(c)))
            return false;
    }
    if (flags & ADDED_LSTRIP)
        while (*start > done) {
            int length = utf8_last(text, *start, &c);
            if (!char_is_space(c))
                break;
            *start -= (size_t)length;
        }
    if (flags & ADDED_RSTRIP)
        while (*stop < n) {
            int length = utf8_get(text + *stop, &c);
            if (!char_is_space(c))
                break;
            *stop += (size_t)length;
        }
    return true;
}

int added_split(const added_tokens *a, const trie *t, const char *text, size_t n, bool first, const added_visitor *v, error *err)
{
    size_t done = 0, length = 0;
    for (size_t at = 0; t->count && at < n;) {
        int32_t id = t->root[(unsigned char)text[at]] < 0 ? -1 : trie_match(t, text + at, n - at, &length);
        if (id < 0) {
            at++;
            continue;
        }
        size_t start = at, stop = at + length;
        at = stop;
        if (!shape_match(a->flags[id], text, n, done, &start, &stop))
            continue;
        if (start > done && v->stretch(v->context, text + done, start - done, first && done == 0, err) != 0)
            return -1;
        v->token(v->context, id);
        done = stop;
    }
    return done < n ? v->stretch(v->context, text + done, n - done, first && done == 0, err) : 0;
}
