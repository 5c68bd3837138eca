/* Byte-pair encoding: characters become symbols, then the adjacent pair of the lowest rank (the leftmost of equals) merges
 * until no pair is left that merges. Ids equal the library's, its habits with unknown characters included. */
#include <stdlib.h>
#include <string.h>

#include "text/parts.h"
#include "text/utf8.h"

#define SHORT 48   /* symbols up to which looking at every pair is faster than a heap */

typedef struct symbol { int32_t id, previous, next; } symbol;      /* id -1: merged into its left neighbour */
typedef struct entry { uint32_t rank; int32_t at, id; } entry;      /* a pair that may merge, by its left symbol */

struct bpe_scratch {
    token_list ids;
    symbol *symbol;
    size_t symbols;
    entry *heap;
    size_t heaped, heaps;
    string text;
};

bpe_scratch *bpe_scratch_new(void)
{
    return memory_new(1, sizeof(bpe_scratch));
}

void bpe_scratch_free(bpe_scratch *s)
{
    if (!s)
        return;
    token_list_free(&s->ids);
    free(s->symbol);
    free(s->heap);
    free(s->text.text);
    free(s);
}

/* One character with the prefix or suffix that its place asks for. */
static int32_t find_character(const bpe *b, const char *text, size_t n, uint32_t c, bool first, bool last, bpe_scratch *s)
{
    bool prefix = b->prefix && !first, suffix = b->suffix && last;
    s->text.length = 0;
    if (!prefix && !suffix)
        return c < 0x10000 ? b->of_char[c] : vocabulary_find(&b->vocabulary, text, n);
    if (prefix)
        string_puts(&s->text, b->prefix);
    string_add(&s->text, text, n);
    if (suffix)
        string_puts(&s->text, b->suffix);
    return vocabulary_find(&b->vocabulary, s->text.text, s->text.length);
}

static bool add_bytes(const bpe *b, const char *text, size_t n, token_list *out)
{
    for (size_t i = 0; i < n; i++)
        if (b->of_byte[(unsigned char)text[i]] < 0)
            return false;
    for (size_t i = 0; i < n; i++)
        token_list_add(out, b->of_byte[(unsigned char)text[i]]);
    return true;
}

/* An unknown character waits for the next known one: bytes that fall back in between come before it, as in the library. */
static int start_symbols(const bpe *b, const char *text, size_t n, bpe_scratch *s, const char *file, error *err)
{
    bool waiting = false;
    for (size_t at = 0; at < n;) {
        uint32_t c;
        size_t length = (size_t)utf8_get(text + at, &c);
        int32_t id = find_character(b, text + at, length, c, at == 0, at + length == n, s);
        const char *whole = s->text.length ? s->text.text : text + at;
        size_t bytes = s->text.length ? s->text.length : length;
        if (id >= 0) {
            if (waiting)
                token_list_add(&s->ids, b->unk);
            waiting = false;
            token_list_add(&s->ids, id);
        } else if (!(b->byte_fallback && add_bytes(b, whole, bytes, &s->ids)) && b->unk_text) {
            if (b->unk < 0)
                return fail(err, ERROR_FORMAT, "%s: '%.*s' is not in the vocabulary, nor is unk_token '%.100s'", file,
                            (int)length, text + at, b->unk_text);
            if (waiting && !b->fuse_unk)
                token_list_add(&s->ids, b->unk);
            waiting = true;
        }
        at += length;
    }
    if (waiting)
        token_list_add(&s->ids, b->unk);
    return 0;
}

static void merge_short(const bpe *b, token_list *ids)
{
    const merge *next[SHORT];   /* [i]: of the pair i, i + 1 */
    int32_t *id = ids->id;
    size_t n = ids->count;
    for (size_t i = 0; i + 1 < n; i++)
        next[i] = merges_find(&b->merges, id[i], id[i + 1]);
    for (;;) {
        size_t best = n;
        for (size_t i = 0; i + 1 < n; i++)
            if (next[i] && (best == n || next[i]->rank < next[best]->rank))
                best = i;
        if (best == n)
            break;
        id[best] = next[best]->id;
        n--;
        for (size_t i = best + 1; i < n; i++) {
            id[i] = id[i + 1];
            next[i - 1] = next[i];
        }
        if (best + 1 < n)
            next[best] = merges_find(&b->merges, id[best], id[best + 1]);
        if (best > 0)
            next[best - 1] = merges_find(&b->merges, id[best - 1], id[best]);
    }
    ids->count = n;
}

static bool before(entry a, entry b)
{
    return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static void heap_push(bpe_scratch *s, entry e)
{
    if (s->heaped == s->heaps) {
        s->heaps = s->heaps ? 2 * s->heaps : 1024;
        s->heap = memory_grow(s->heap, s->heaps, sizeof *s->heap);
    }
    size_t at = s->heaped++;
    while (at > 0 && before(e, s->heap[(at - 1) / 2])) {
        s->heap[at] = s->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    s->heap[at] = e;
}

static entry heap_pop(bpe_scratch *s)
{
    entry top = s->heap[0], last = s->heap[--s->heaped];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < s->heaped; at = child) {
        if (child + 1 < s->heaped && before(s->heap[child + 1], s->heap[child]))
            child++;
        if (!before(s->heap[child], last))
            break;
        s->heap[at] = s->heap[child];
    }
    s->heap[at] = last;
    return top;
}

static void push_pair(const bpe *b, bpe_scratch *s, int32_t at)
{
    int32_t next = at < 0 ? -1 : s->symbol[at].next;
    const merge *m = next < 0 ? NULL : merges_find(&b->merges, s->symbol[at].id, s->symbol[next].id);
    if (m)
        heap_push(s, (entry){m->rank, at, m->id});
}

/* A heap over a linked list. An entry whose pair has changed since is recognised by what the pair would become now. */
static void merge_long(const bpe *b, bpe_scratch *s)
{
    token_list *ids = &s->ids;
    if (ids->count > s->symbols) {
        s->symbols = ids->count;
        s->symbol = memory_grow(s->symbol, s->symbols, sizeof *s->symbol);
    }
    int32_t n = (int32_t)ids->count;
    for (int32_t i = 0; i < n; i++)
        s->symbol[i] = (symbol){.id = ids->id[i], .previous = i - 1, .next = i + 1 < n ? i + 1 : -1};
    s->heaped = 0;
    for (int32_t i = 0; i < n; i++)
        push_pair(b, s, i);
    while (s->heaped) {
        entry e = heap_pop(s);
        symbol *left = &s->symbol[e.at];
        if (left->id < 0 || left->next < 0)
            continue;
        symbol *right = &s->symbol[left->next];
        const merge *m = merges_find(&b->merges, left->id, right->id);
        if (!m || m->id != e.id)
            continue;
        left->id = e.id;
        right->id = -1;
        left->next = right->next;
        if (left->next >= 0)
            s->symbol[left->next].previous = e.at;
        push_pair(b, s, left->previous);
        push_pair(b, s, e.at);
    }
    ids->count = 0;
    for (int32_t i = 0; i < n; i++)
        if (s->symbol[i].id >= 0)
            ids->id[ids->count++] = s->symbol[i].id;
}

static int encode_word(const bpe *b, const char *text, size_t n, bpe_scratch *s, const char *file, token_list *out, error *err)
{
    s->ids.count = 0;
    if (start_symbols(b, text, n, s, file, err) != 0)
        return -1;
    if (s->ids.count > SHORT || b->prefix)
        merge_long(b, s);
    else
        merge_short(b, &s->ids);
    for (size_t i = 0; i < s->ids.count; i++)
        token_list_add(out, s->ids.id[i]);
    return 0;
}

int bpe_encode(const bpe *b, const char *text, size_t n, bpe_scratch *s, const char *file, token_list *out, error *err)
{
    static const char mark[] = "\xE2\x96\x81";
    if (n >= INT32_MAX / 4)
        return fail(err, ERROR_LIMIT, "%s: a text of %zu bytes is too long to tokenize; %d are possible", file, n, INT32_MAX / 4);
    if (b->ignore_merges) {
        int32_t id = vocabulary_find(&b->vocabulary, text, n);
        if (id >= 0) {
            token_list_add(out, id);
            return 0;
        }
    }
    if (!b->words)
        return n ? encode_word(b, text, n, s, file, out, err) : 0;
    for (size_t start = 0; start < n;) {
        size_t end = start;
        while (n - end >= 3 && memcmp(text + end, mark, 3) == 0)
            end += 3;
        const char *next = end < n ? memmem(text + end, n - end, mark, 3) : NULL;
        end = next ? (size_t)(next - text) : n;
        if (encode_word(b, text + start, end - start, s, file, out, err) != 0)
            return -1;
        start = end;
    }
    return 0;
}
