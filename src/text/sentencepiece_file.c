/* The parts of sentencepiece_model.proto that decide anything here:
 *
 *     ModelProto        1 pieces (SentencePiece), 2 trainer_spec, 3 normalizer_spec, 5 denormalizer_spec
 *     SentencePiece     1 piece, 2 score, 3 type
 *     TrainerSpec       24 treat_whitespace_as_suffix, 44 unk_surface
 *     NormalizerSpec    1 name, 2 precompiled_charsmap, 3 add_dummy_prefix, 4 remove_extra_whitespaces
 *
 * Fields of other numbers are walked over. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "text/sentencepiece.h"
#include "text/utf8.h"

#define PIECE_LIMIT 65535   /* bytes of a piece */

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* A message that is being walked through, and the field at which the walk stands. */
typedef struct message {
    const uint8_t *start, *at, *end;
    const char *name;        /* the file */
    uint64_t field;
    enum wire_type type;
    uint64_t value;          /* of a number */
    const uint8_t *bytes;    /* of WIRE_BYTES: [size] */
    size_t size;
} message;

static int broken(const message *m, const char *what, error *err)
{
    return fail(err, ERROR_FORMAT, "%s: not a SentencePiece model: %s, %zu bytes before the end of a part of %zu", m->name, what, (size_t)(m->end - m->at),
                (size_t)(m->end - m->start));
}

static bool read_varint(message *m, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64 && m->at < m->end; shift += 7) {
        *out |= (uint64_t)(*m->at & 0x7F) << shift;
        if (!(*m->at++ & 0x80))
            return true;
    }
    return false;
}

static bool read_fixed(message *m, size_t bytes)
{
    m->value = 0;
    if ((size_t)(m->end - m->at) < bytes)
        return false;
    for (size_t i = 0; i < bytes; i++)
        m->value |= (uint64_t)m->at[i] << (8 * i);
    m->at += bytes;
    return true;
}

/* 1: a field stands there; 0: the message is over; -1 and *err. */
static int next_field(message *m, error *err)
{
    uint64_t key;
    if (m->at == m->end)
        return 0;
    if (!read_varint(m, &key) || key >> 3 == 0 || key >> 3 > (1 << 29))
        return broken(m, "no field", err);
    m->field = key >> 3;
    m->type = (enum wire_type)(key & 7);
    switch (m->type) {
    case WIRE_VARINT:
        return read_varint(m, &m->value) ? 1 : broken(m, "a number that does not end", err);
    case WIRE_64:
    case WIRE_32:
        return read_fixed(m, m->type == WIRE_64 ? 8 : 4) ? 1 : broken(m, "a number cut short", err);
    case WIRE_BYTES:
        if (!read_varint(m, &m->value) || m->value > (uint64_t)(m->end - m->at))
            return broken(m, "a string longer than the rest", err);
        m->bytes = m->at;
        m->size = (size_t)m->value;
        m->at += m->size;
        return 1;
    default:
        return broken(m, "a field of an unknown type", err);
    }
}

static message part_of(const message *m)
{
    return (message){.start = m->bytes, .at = m->bytes, .end = m->bytes + m->size, .name = m->name};
}

static int want_type(const message *m, enum wire_type type, const char *what, error *err)
{
    return m->type == type ? 0 : broken(m, what, err);
}

static int want_bool(const message *m, const char *what, bool *out, error *err)
{
    *out = m->value != 0;
    return want_type(m, WIRE_VARINT, what, err);
}

typedef struct piece { const char *text; size_t length; uint64_t kind; float score; } piece;

static int read_piece(message m, piece *p, error *err)
{
    int more;
    *p = (piece){.text = "", .kind = PIECE_NORMAL};
    while ((more = next_field(&m, err)) > 0) {
        if (m.field == 1) {
            p->text = (const char *)m.bytes;
            p->length = m.size;
        }
        if (m.field == 2)
            memcpy(&p->score, &(uint32_t){(uint32_t)m.value}, sizeof p->score);
        if (m.field == 3)
            p->kind = m.value;
        if (m.field <= 3 && want_type(&m, m.field == 1 ? WIRE_BYTES : m.field == 2 ? WIRE_32 : WIRE_VARINT, "a piece's field of another type", err) != 0)
            return -1;
    }
    return more;
}

static int check_piece(const piece *p, int32_t id, const char *name, error *err)
{
    if (p->length == 0 || p->length > PIECE_LIMIT)
        return fail(err, ERROR_FORMAT, "%s: piece %d has %zu bytes, outside [1, %d]", name, id, p->length, PIECE_LIMIT);
    if (!utf8_valid(p->text, p->length) || memchr(p->text, 0, p->length))
        return fail(err, ERROR_FORMAT, "%s: piece %d is not UTF-8 text", name, id);
    if (p->kind < PIECE_NORMAL || p->kind > PIECE_BYTE)
        return fail(err, ERROR_FORMAT, "%s: piece %d is of type %llu, outside [1, 6]", name, id, (unsigned long long)p->kind);
    if (!isfinite(p->score))
        return fail(err, ERROR_FORMAT, "%s: piece %d has a score that is not finite", name, id);
    return 0;
}

static int add_piece(piece_file *f, vocabulary *words, message m, error *err)
{
    piece p;
    int32_t id = f->count;
    if (read_piece(m, &p, err) != 0 || check_piece(&p, id, m.name, err) != 0 || vocabulary_add(words, p.text, p.length, id, m.name, err) != 0)
        return -1;
    if ((id & (id - 1)) == 0)
        f->kind = memory_grow(f->kind, id ? 2 * (size_t)id : 1, 1);
    f->kind[id] = (uint8_t)p.kind;
    f->count++;
    return 0;
}

static int read_trainer(piece_file *f, message m, error *err)
{
    int more;
    while ((more = next_field(&m, err)) > 0) {
        bool suffix = false;
        if (m.field == 24 && want_bool(&m, "treat_whitespace_as_suffix of another type", &suffix, err) != 0)
            return -1;
        if (suffix)
            return fail(err, ERROR_UNSUPPORTED, "%s: a SentencePiece model with spaces behind words (treat_whitespace_as_suffix) is not known here", m.name);
        if (m.field != 44)
            continue;
        if (want_type(&m, WIRE_BYTES, "unk_surface of another type", err) != 0)
            return -1;
        if (!utf8_valid((const char *)m.bytes, m.size) || m.size > PIECE_LIMIT || memchr(m.bytes, 0, m.size))
            return fail(err, ERROR_FORMAT, "%s: unk_surface is not UTF-8 text", m.name);
        free(f->unknown);
        f->unknown = memory_text_n((const char *)m.bytes, m.size);
    }
    return more;
}

/* The compiled map is a trie that the library walks without looking where it goes. No Llama, Mistral or Gemma has one. */
static int read_normalizer(piece_file *f, message m, bool de, error *err)
{
    int more;
    while ((more = next_field(&m, err)) > 0) {
        if (m.field == 2 && m.type == WIRE_BYTES && m.size)
            return fail(err, ERROR_UNSUPPORTED, "%s: a SentencePiece model that normalises characters by a compiled map is not known here; "
                        "write a tokenizer.json with transformers", m.name);
        bool ignored;
        if ((m.field == 3 && want_bool(&m, "add_dummy_prefix of another type", de ? &ignored : &f->dummy_prefix, err) != 0) ||
            (m.field == 4 && want_bool(&m, "remove_extra_whitespaces of another type", de ? &ignored : &f->trims, err) != 0))
            return -1;
    }
    return more;
}

static int read_model(piece_file *f, vocabulary *words, message m, error *err)
{
    int more;
    while ((more = next_field(&m, err)) > 0) {
        if (m.field != 1 && m.field != 2 && m.field != 3 && m.field != 5)
            continue;
        if (want_type(&m, WIRE_BYTES, "a part of another type", err) != 0)
            return -1;
        message part = part_of(&m);
        if (m.field == 1 ? add_piece(f, words, part, err) : m.field == 2 ? read_trainer(f, part, err) : read_normalizer(f, part, m.field == 5, err))
            return -1;
    }
    return more;
}

int piece_file_parse(piece_file *f, vocabulary *words, const char *bytes, size_t n, const char *name, error *err)
{
    const uint8_t *start = (const uint8_t *)bytes;
    size_t unknowns = 0;
    f->dummy_prefix = f->trims = true;   /* the format's defaults */
    f->unknown = memory_text(" \xE2\x81\x87 ");
    if (read_model(f, words, (message){.start = start, .at = start, .end = start + n, .name = name}, err) != 0)
        return -1;
    if (f->count == 0)
        return fail(err, ERROR_FORMAT, "%s: not a SentencePiece model: it has no pieces", name);
    for (int32_t id = 0; id < f->count; id++)
        unknowns += f->kind[id] == PIECE_UNKNOWN;
    if (unknowns != 1)
        return fail(err, ERROR_FORMAT, "%s: a SentencePiece model of %d pieces, %zu of them the unknown one; wanted is 1", name, f->count, unknowns);
    file_sha256(bytes, n, f->digest);
    return 0;
}

void piece_file_free(piece_file *f)
{
    free(f->kind);
    free(f->unknown);
    memset(f, 0, sizeof *f);
}
