/* From ids to text: a chain of steps over the list of token texts, as the library runs it. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "text/parts.h"
#include "text/utf8.h"

typedef struct texts {     /* a list of strings, one behind the other */
    string text;
    size_t *end;           /* [count], owned */
    size_t count, capacity;
} texts;

static void texts_end(texts *t)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity ? 2 * t->capacity : 64;
        t->end = memory_grow(t->end, t->capacity, sizeof *t->end);
    }
    t->end[t->count++] = t->text.length;
}

static const char *texts_get(const texts *t, size_t i, size_t *n)
{
    size_t start = i ? t->end[i - 1] : 0;
    *n = t->end[i] - start;
    return t->text.text + start;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int decoder_byte(const char *token, size_t n)
{
    if (n != 6 || memcmp(token, "<0x", 3) != 0 || token[5] != '>')
        return -1;
    int high = token[3] == '+' ? 0 : hex_digit(token[3]), low = hex_digit(token[4]);   /* Rust reads "+A" as a number */
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

void decode_byte_level(const char *token, size_t n, string *out)
{
    size_t before = out->length;
    for (size_t at = 0; at < n;) {
        uint32_t c;
        at += (size_t)utf8_get(token + at, &c);
        int b = char_to_byte(c);
        if (b < 0) {   /* not in the alphabet (an added token): the token stands for itself */
            out->length = before;
            string_add(out, token, n);
            return;
        }
        string_add(out, &(char){(char)b}, 1);
    }
}

/* What is not well-formed becomes one U+FFFD for each maximal part, as Rust's from_utf8_lossy does. */
static void add_lossy(string *out, const char *s, size_t n)
{
    for (size_t at = 0; at < n;) {
        uint32_t c;
        int bad, length = utf8_next(s + at, n - at, &c, &bad);
        if (length > 0) {
            string_add(out, s + at, (size_t)length);
            at += (size_t)length;
        } else {
            utf8_add(out, CHAR_REPLACEMENT);
            at = length < 0 ? n : at + (size_t)bad;
        }
    }
}

void decode_replace(const decode_step *s, const char *token, size_t n, string *out)
{
    pattern_search *search = pattern_search_new(s->pattern);
    pattern_search_begin(search, token, n);
    size_t start, end, done = 0;
    while (pattern_next(search, &start, &end, NULL) > 0) {   /* a search that gives up leaves the rest as it is */
        string_add(out, token + done, start - done);
        string_puts(out, s->text);
        done = end;
    }
    string_add(out, token + done, n - done);
    pattern_search_free(search);
}

void decode_metaspace(const decode_step *s, const char *token, size_t n, bool first, string *out)
{
    for (size_t at = 0; at < n;) {
        uint32_t c;
        at += (size_t)utf8_get(token + at, &c);
        if (c != s->character)
            utf8_add(out, c);
        else if (!(first && s->prepended))
            string_puts(out, " ");
    }
}

void decode_strip(const decode_step *s, const char **token, size_t *n)
{
    uint32_t c;
    for (size_t i = 0; i < s->start && *n; i++) {
        int length = utf8_get(*token, &c);
        if (c != s->character)
            break;
        *token += length;
        *n -= (size_t)length;
    }
    for (size_t i = 0; i < s->stop && *n; i++) {
        int length = utf8_last(*token, *n, &c);
        if (c != s->character)
            break;
        *n -= (size_t)length;
    }
}

/* A run of byte tokens is one text where its bytes are well-formed; else each byte of it is U+FFFD. */
static void end_run(string *run, texts *out)
{
    if (!run->length)
        return;
    if (utf8_valid(run->text, run->length)) {
        string_add(&out->text, run->text, run->length);
        texts_end(out);
    } else {
        for (size_t i = 0; i < run->length; i++) {
            utf8_add(&out->text, CHAR_REPLACEMENT);
            texts_end(out);
        }
    }
    run->length = 0;
}

static void byte_fallback(const texts *in, texts *out)
{
    string run = {0};
    for (size_t i = 0; i < in->count; i++) {
        size_t n;
        const char *token = texts_get(in, i, &n);
        int b = decoder_byte(token, n);
        if (b >= 0) {
            string_add(&run, &(char){(char)b}, 1);
            continue;
        }
        end_run(&run, out);
        string_add(&out->text, token, n);
        texts_end(out);
    }
    end_run(&run, out);
    free(run.text);
}

static void bpe_suffix(const decode_step *s, const texts *in, texts *out)
{
    size_t suffix = strlen(s->text);
    for (size_t i = 0; i < in->count; i++) {
        size_t n;
        const char *token = texts_get(in, i, &n), *found;
        while (suffix && (found = memmem(token, n, s->text, suffix))) {
            string_add(&out->text, token, (size_t)(found - token));
            string_puts(&out->text, i + 1 < in->count ? " " : "");
            n -= (size_t)(found - token) + suffix;
            token = found + suffix;
        }
        string_add(&out->text, token, n);
        texts_end(out);
    }
}

static void run_step(const decode_step *s, const texts *in, texts *out)
{
    string bytes = {0};
    if (s->kind == DECODE_BYTE_FALLBACK) {
        byte_fallback(in, out);
        return;
    }
    if (s->kind == DECODE_BPE) {
        bpe_suffix(s, in, out);
        return;
    }
    if (s->kind == DECODE_FUSE) {
        string_add(&out->text, in->text.text, in->text.length);
        texts_end(out);
        return;
    }
    for (size_t i = 0; i < in->count; i++) {
        size_t n;
        const char *token = texts_get(in, i, &n);
        switch (s->kind) {
        case DECODE_BYTE_LEVEL:
            decode_byte_level(token, n, &bytes);
            continue;
        case DECODE_REPLACE:
            decode_replace(s, token, n, &out->text);
            break;
        case DECODE_METASPACE:
            decode_metaspace(s, token, n, i == 0, &out->text);
            break;
        default:
            decode_strip(s, &token, &n);
            string_add(&out->text, token, n);
        }
        texts_end(out);
    }
    if (s->kind == DECODE_BYTE_LEVEL) {
        add_lossy(&out->text, bytes.text, bytes.length);
        texts_end(out);
    }
    free(bytes.text);
}

/* SentencePiece decodes as the stream does: it never takes back what it said. */
static char *decode_pieces(const tokenizer *t, const int32_t *ids, size_t n, bool skip_special, size_t *length)
{
    string all = {0};
    token_stream *s = token_stream_new(t, skip_special);
    string_puts(&all, "");
    for (size_t i = 0; i <= n; i++) {
        const char *text = i < n ? token_stream_add(s, ids[i]) : token_stream_finish(s);
        string_add(&all, text, token_stream_length(s));
    }
    token_stream_free(s);
    if (length)
        *length = all.length;
    return all.text;
}

char *tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t n, bool skip_special, size_t *length)
{
    if (t->pieces)
        return decode_pieces(t, ids, n, skip_special, length);
    texts now = {0}, next = {0};
    string_puts(&now.text, "");
    string_puts(&next.text, "");
    for (size_t i = 0; i < n; i++) {
        const char *text = tokenizer_text(t, ids[i]);
        if (!text || (skip_special && tokenizer_is_special(t, ids[i])))
            continue;
        if (!t->decoder.present && now.count)
            string_puts(&now.text, " ");
        string_puts(&now.text, text);
        texts_end(&now);
    }
    for (size_t i = 0; i < t->decoder.count; i++) {
        next.text.length = next.count = 0;
        run_step(&t->decoder.step[i], &now, &next);
        texts spare = now;
        now = next;
        next = spare;
    }
    free(next.text.text);
    free(next.end);
    free(now.end);
    now.text.text[now.text.length] = '\0';
    if (length)
        *length = now.text.length;
    return now.text.text;
}
