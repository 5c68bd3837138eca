#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "text/parts.h"
#include "text/utf8.h"

void bpe_free(bpe *b)
{
    vocabulary_free(&b->vocabulary);
    merges_free(&b->merges);
    free(b->of_char);
    free(b->unk_text);
    free(b->prefix);
    free(b->suffix);
    *b = (bpe){0};
}

static int read_vocabulary(bpe *b, const json_t *vocab, const char *file, error *err)
{
    if (!json_is_object(vocab))
        return fail(err, ERROR_FORMAT, "%s: 'model.vocab' should be an object of tokens and ids", file);
    vocabulary_reserve(&b->vocabulary, json_object_size(vocab));
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)vocab, key, value) {
        if (!json_is_integer(value))
            return fail(err, ERROR_FORMAT, "%s: the id of token '%.100s' should be a whole number", file, key);
        if (vocabulary_add(&b->vocabulary, key, strlen(key), json_integer_value(value), file, err) != 0)
            return -1;
    }
    return 0;
}

/* "a b" or ["a", "b"]. */
static int split_merge(const json_t *value, const char **left, size_t *n_left, const char **right, size_t *n_right)
{
    if (json_is_string(value)) {
        *left = json_string_value(value);
        size_t n = json_string_length(value);
        const char *space = memchr(*left, ' ', n);
        if (!space || memchr(space + 1, ' ', n - (size_t)(space + 1 - *left)))
            return -1;
        *n_left = (size_t)(space - *left);
        *right = space + 1;
        *n_right = n - *n_left - 1;
        return 0;
    }
    const json_t *a = json_array_get(value, 0), *b = json_array_get(value, 1);
    if (json_array_size(value) != 2 || !json_is_string(a) || !json_is_string(b))
        return -1;
    *left = json_string_value(a);
    *n_left = json_string_length(a);
    *right = json_string_value(b);
    *n_right = json_string_length(b);
    return 0;
}

static int read_merge(bpe *b, const json_t *value, uint32_t rank, string *whole, const char *file, error *err)
{
    const char *left, *right;
    size_t n_left, n_right, prefix = b->prefix ? strlen(b->prefix) : 0;
    if (split_merge(value, &left, &n_left, &right, &n_right) != 0)
        return fail(err, ERROR_FORMAT, "%s: merge %u should be two tokens, as \"a b\" or [\"a\", \"b\"]", file, rank);
    if (n_right < prefix)
        return fail(err, ERROR_FORMAT, "%s: merge %u: '%.100s' is shorter than continuing_subword_prefix", file, rank, right);
    whole->length = 0;
    string_add(whole, left, n_left);
    string_add(whole, right + prefix, n_right - prefix);
    int32_t a = vocabulary_find(&b->vocabulary, left, n_left), c = vocabulary_find(&b->vocabulary, right, n_right);
    int32_t id = vocabulary_find(&b->vocabulary, whole->text, whole->length);
    const char *absent = id < 0 ? whole->text : a < 0 ? left : right;
    if (a < 0 || c < 0 || id < 0)
        return fail(err, ERROR_FORMAT, "%s: merge %u of '%.*s' and '%.*s': '%.100s' is not in the vocabulary", file, rank,
                    (int)(n_left < 100 ? n_left : 100), left, (int)(n_right < 100 ? n_right : 100), right,
                    absent);
    merges_put(&b->merges, a, c, rank, id);
    return 0;
}

static int read_merges(bpe *b, const json_t *list, const char *file, error *err)
{
    if (!json_is_array(list))
        return fail(err, ERROR_FORMAT, "%s: 'model.merges' should be a list", file);
    if (json_array_size(list) > UINT32_MAX)
        return fail(err, ERROR_LIMIT, "%s: more than 2^32 merges", file);
    merges_reserve(&b->merges, json_array_size(list));
    string whole = {0};
    uint32_t rank = 0;
    int status = 0;
    for (size_t i = 0; i < json_array_size(list) && status == 0; i++) {
        const json_t *value = json_array_get(list, i);
        if (json_is_string(value) && strncmp(json_string_value(value), "#version", 8) == 0)
            continue;
        status = read_merge(b, value, rank++, &whole, file, err);
    }
    free(whole.text);
    return status;
}

/* Whether cutting before a U+2581 that follows another character changes nothing: no merge may make such a token. */
static bool words_are_apart(const bpe *b)
{
    static const char mark[] = "\xE2\x96\x81";
    if (b->ignore_merges || b->prefix || b->suffix || b->of_char[0x2581] < 0)
        return false;
    for (size_t i = 0; i < b->merges.slots; i++) {
        const merge *m = &b->merges.slot[i];
        if (m->pair == UINT64_MAX)
            continue;
        size_t n, at = 0;
        const char *text = vocabulary_text(&b->vocabulary, m->id, &n);
        while (n - at >= 3 && memcmp(text + at, mark, 3) == 0)
            at += 3;
        if (memmem(text + at, n - at, mark, 3))
            return false;
    }
    return true;
}

static void index_characters(bpe *b)
{
    b->of_char = memory_new(0x10000, sizeof *b->of_char);
    memset(b->of_char, 0xFF, 0x10000 * sizeof *b->of_char);
    for (int32_t id = 0; id < b->vocabulary.size; id++) {
        size_t n;
        uint32_t c;
        const char *text = vocabulary_text(&b->vocabulary, id, &n);
        if (text && n >= 1 && n <= 3 && (size_t)utf8_get(text, &c) == n)
            b->of_char[c] = id;
    }
    for (int i = 0; i < 256; i++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)i);
        b->of_byte[i] = vocabulary_find(&b->vocabulary, text, 6);
    }
}

static int read_options(bpe *b, const json_t *model, const char *file, error *err)
{
    const char *unk = NULL, *prefix = NULL, *suffix = NULL;
    double dropout = 0;
    char *where = memory_print("%s: model", file);
    int status = json_want_text(model, "unk_token", where, &unk, err) != 0
              || json_want_text(model, "continuing_subword_prefix", where, &prefix, err) != 0
              || json_want_text(model, "end_of_word_suffix", where, &suffix, err) != 0
              || json_want_bool(model, "fuse_unk", where, &b->fuse_unk, err) != 0
              || json_want_bool(model, "byte_fallback", where, &b->byte_fallback, err) != 0
              || json_want_bool(model, "ignore_merges", where, &b->ignore_merges, err) != 0
              || json_want_real(model, "dropout", where, &dropout, err) != 0 ? -1 : 0;
    if (status == 0 && dropout != 0)
        status = fail(err, ERROR_UNSUPPORTED, "%s: dropout %g makes ids random; set it to null", where, dropout);
    b->unk_text = memory_text(unk);
    b->prefix = prefix && *prefix ? memory_text(prefix) : NULL;
    b->suffix = suffix && *suffix ? memory_text(suffix) : NULL;
    free(where);
    return status;
}

int bpe_read(bpe *b, const json_t *model, const char *file, error *err)
{
    const char *type = "BPE";   /* files of old versions leave it out */
    if (!json_is_object(model))
        return fail(err, ERROR_FORMAT, "%s: 'model' should be an object", file);
    if (json_want_text(model, "type", file, &type, err) != 0)
        return -1;
    if (strcmp(type, "BPE") != 0)
        return fail(err, ERROR_UNSUPPORTED, "%s: the model is of type '%.100s'; this program knows BPE", file, type);
    if (read_options(b, model, file, err) != 0 || read_vocabulary(b, json_object_get(model, "vocab"), file, err) != 0
        || read_merges(b, json_object_get(model, "merges"), file, err) != 0)
        return -1;
    b->unk = b->unk_text ? vocabulary_find(&b->vocabulary, b->unk_text, strlen(b->unk_text)) : -1;
    index_characters(b);
    b->words = words_are_apart(b);
    return 0;
}

void bpe_describe(const bpe *b, string *out)
{
    string_print(out, "BPE unk %s prefix %s suffix %s %d %d %d\n", b->unk_text ? b->unk_text : "", b->prefix ? b->prefix : "",
                 b->suffix ? b->suffix : "", b->fuse_unk, b->byte_fallback, b->ignore_merges);
    for (int32_t id = 0; id < b->vocabulary.size; id++) {
        size_t n;
        const char *text = vocabulary_text(&b->vocabulary, id, &n);
        if (text) {
            uint32_t head[2] = {(uint32_t)id, (uint32_t)n};
            string_add(out, (const char *)head, sizeof head);
            string_add(out, text, n);
        }
    }
    uint32_t ranks = 0;
    for (size_t i = 0; i < b->merges.slots; i++)
        if (b->merges.slot[i].pair != UINT64_MAX && b->merges.slot[i].rank >= ranks)
            ranks = b->merges.slot[i].rank + 1;
    const merge **by_rank = memory_new(ranks, sizeof *by_rank);
    for (size_t i = 0; i < b->merges.slots; i++)
        if (b->merges.slot[i].pair != UINT64_MAX)
            by_rank[b->merges.slot[i].rank] = &b->merges.slot[i];
    for (uint32_t i = 0; i < ranks; i++)   /* ranks that a later equal pair took over are holes: only the order counts */
        if (by_rank[i])
            string_add(out, (const char *)&by_rank[i]->pair, sizeof by_rank[i]->pair);
    free(by_rank);
}
