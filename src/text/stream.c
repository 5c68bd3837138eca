/* Decoding token by token. Works on bytes, not on differences of tokenizer_decode, which takes back what it said where a
 * run of byte tokens turns out ill-formed.
 *
 * Invariants:
 * 1. `pending` is the start of a character that more bytes may complete, or empty.
 * 2. What was returned is never taken back, and is valid UTF-8.
 * 3. Chains that need the whole text (a Replace or a Strip of the end behind Fuse, BPEDecoder) give everything at finish:
 *    before, nothing of it is certain. */
#include <stdlib.h>
#include <string.h>

#include "text/parts.h"
#include "text/utf8.h"

struct token_stream {
    const tokenizer *tokenizer;
    bool skip_special;
    bool whole;             /* invariant 3 */
    bool byte_tokens;       /* <0xNN> stand for bytes: what is ill-formed becomes one U+FFFD a byte, else one a maximal part */
    token_list ids;         /* whole: all of them */
    size_t tokens;          /* so far */
    bool begun;             /* pieces: something came before the next token: its space stays */
    size_t *left;           /* [decoder.count] how many characters each Strip behind Fuse may still drop; owned */
    string pending, out, spare;
    char *last;             /* whole: what finish returned */
    size_t length;          /* of what was returned last */
};

/* Whether every step can work on one token at a time, or behind Fuse on one character at a time. */
static bool is_whole(const decoder *d)
{
    bool fused = false, bytes = false;
    for (size_t i = 0; i < d->count; i++) {
        const decode_step *s = &d->step[i];
        if (s->kind == DECODE_BPE || (fused && s->kind != DECODE_FUSE && !(s->kind == DECODE_STRIP && s->stop == 0)))
            return true;
        if (s->kind == DECODE_BYTE_LEVEL && bytes)
            return true;
        bytes = bytes || s->kind == DECODE_BYTE_FALLBACK;
        fused = fused || s->kind == DECODE_FUSE || s->kind == DECODE_BYTE_LEVEL;
    }
    return false;
}

token_stream *token_stream_new(const tokenizer *t, bool skip_special)
{
    token_stream *s = memory_new(1, sizeof *s);
    s->tokenizer = t;
    s->skip_special = skip_special;
    s->whole = is_whole(&t->decoder);
    s->left = memory_new(t->decoder.count, sizeof *s->left);
    for (size_t i = 0; i < t->decoder.count; i++) {
        s->left[i] = t->decoder.step[i].kind == DECODE_STRIP ? t->decoder.step[i].start : 0;
        s->byte_tokens = s->byte_tokens || t->decoder.step[i].kind == DECODE_BYTE_FALLBACK;
    }
    s->byte_tokens = s->byte_tokens || t->pieces;
    string_puts(&s->out, "");
    return s;
}

void token_stream_free(token_stream *s)
{
    if (!s)
        return;
    token_list_free(&s->ids);
    free(s->left);
    free(s->pending.text);
    free(s->out.text);
    free(s->spare.text);
    free(s->last);
    free(s);
}

/* One token through the steps before Fuse, appended to pending. */
static void add_token(token_stream *s, const char *token, size_t n)
{
    const decoder *d = &s->tokenizer->decoder;
    string now = {0}, next = s->spare;
    bool is_byte = false;
    string_add(&now, token, n);
    if (!d->present && s->tokens)
        string_puts(&s->pending, " ");
    for (size_t i = 0; i < d->count && !is_byte; i++) {
        const decode_step *step = &d->step[i];
        const char *text = now.text;
        size_t length = now.length;
        next.length = 0;
        string_puts(&next, "");
        if (step->kind == DECODE_FUSE)
            break;
        switch (step->kind) {
        case DECODE_REPLACE:
            decode_replace(step, text, length, &next);
            break;
        case DECODE_METASPACE:
            decode_metaspace(step, text, length, s->tokens == 0, &next);
            break;
        case DECODE_BYTE_LEVEL:
            decode_byte_level(text, length, &next);
            break;
        case DECODE_STRIP:
            decode_strip(step, &text, &length);
            string_add(&next, text, length);
            break;
        default: {
            int value = decoder_byte(text, length);
            char byte = (char)value;
            is_byte = value >= 0;
            string_add(&next, is_byte ? &byte : text, is_byte ? 1 : length);
        }
        }
        string spare = now;
        now = next;
        next = spare;
        if (step->kind == DECODE_BYTE_LEVEL)
            break;
    }
    string_add(&s->pending, now.text, now.length);
    free(now.text);
    s->spare = next;
}

/* The text of a normal piece: its spaces as spaces, the first of the whole text dropped. */
static void add_piece_text(token_stream *s, const char *token, size_t n)
{
    const piece_model *p = s->tokenizer->pieces;
    const size_t space = strlen(PIECE_SPACE);
    while (!s->begun && p->strips && n >= space && !memcmp(token, PIECE_SPACE, space)) {
        token += space, n -= space;
        s->begun = !p->file.trims;
    }
    for (const char *next; (next = memmem(token, n, PIECE_SPACE, space)); n -= (size_t)(next - token) + space, token = next + space) {
        string_add(&s->pending, token, (size_t)(next - token));
        string_puts(&s->pending, " ");
    }
    string_add(&s->pending, token, n);
}

/* One token of a SentencePiece model, as its Decode has it: control pieces are nothing. Added tokens stand as they are. */
static void add_piece(token_stream *s, int32_t id, const char *token, size_t n)
{
    const piece_file *f = &s->tokenizer->pieces->file;
    bool added = id >= f->count || vocabulary_text(&s->tokenizer->added.words, id, NULL);
    int byte = !added && f->kind[id] == PIECE_BYTE ? decoder_byte(token, n) : -1;
    if (added)
        string_add(&s->pending, token, n);
    else if (f->kind[id] == PIECE_UNKNOWN)
        string_puts(&s->pending, f->unknown);
    else if (byte >= 0)
        string_add(&s->pending, &(char){(char)byte}, 1);
    else if (f->kind[id] != PIECE_CONTROL)
        add_piece_text(s, token, n);
    s->begun = s->begun || s->pending.length;
}

/* A character through the Strips behind Fuse. */
static void emit(token_stream *s, uint32_t c)
{
    const decoder *d = &s->tokenizer->decoder;
    bool fused = false;
    for (size_t i = 0; i < d->count; i++) {
        const decode_step *step = &d->step[i];
        fused = fused || step->kind == DECODE_FUSE || step->kind == DECODE_BYTE_LEVEL;
        if (!fused || step->kind != DECODE_STRIP || s->left[i] == 0)
            continue;
        if (c == step->character) {
            s->left[i]--;
            return;
        }
        s->left[i] = 0;
    }
    utf8_add(&s->out, c);
}

static void emit_bad(token_stream *s, size_t bytes)
{
    for (size_t i = 0; i < (s->byte_tokens ? bytes : 1); i++)
        emit(s, CHAR_REPLACEMENT);
}

/* Every character of pending that is certain. */
static void drain(token_stream *s, bool finish)
{
    size_t at = 0;
    while (at < s->pending.length) {
        uint32_t c;
        int bad, length = utf8_next(s->pending.text + at, s->pending.length - at, &c, &bad);
        if (length > 0) {
            emit(s, c);
            at += (size_t)length;
        } else if (length == 0) {
            emit_bad(s, (size_t)bad);
            at += (size_t)bad;
        } else if (finish) {
            emit_bad(s, s->pending.length - at);
            at = s->pending.length;
        } else {
            break;
        }
    }
    if (at) {
        memmove(s->pending.text, s->pending.text + at, s->pending.length - at);
        s->pending.length -= at;
    }
}

static const char *take(token_stream *s)
{
    s->out.text[s->out.length] = '\0';
    s->length = s->out.length;
    return s->out.text;
}

const char *token_stream_add(token_stream *s, int32_t id)
{
    s->out.length = 0;
    const char *token = tokenizer_text(s->tokenizer, id);
    if (!token || (s->skip_special && tokenizer_is_special(s->tokenizer, id)))
        return take(s);
    if (s->whole) {
        token_list_add(&s->ids, id);
        return take(s);
    }
    if (s->tokenizer->pieces)
        add_piece(s, id, token, strlen(token));
    else
        add_token(s, token, strlen(token));
    s->tokens++;
    drain(s, false);
    return take(s);
}

const char *token_stream_finish(token_stream *s)
{
    s->out.length = 0;
    if (s->whole) {
        free(s->last);
        s->last = tokenizer_decode(s->tokenizer, s->ids.id, s->ids.count, s->skip_special, &s->length);
        s->ids.count = 0;
        return s->last;
    }
    drain(s, true);
    return take(s);
}

size_t token_stream_length(const token_stream *s)
{
    return s->length;
}
