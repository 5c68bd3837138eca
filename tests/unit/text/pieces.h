/* SentencePiece models by hand, for the tests of text. */
#ifndef TESTS_UNIT_TEXT_PIECES_H
#define TESTS_UNIT_TEXT_PIECES_H

#include "text/sentencepiece.h"

static inline void put_part(string *out, int field, const string *part)
{
    string_add(out, &(char){(char)(field << 3 | 2)}, 1);
    for (size_t n = part->length; ; n >>= 7) {
        string_add(out, &(char){(char)((n & 0x7F) | (n > 0x7F ? 0x80 : 0))}, 1);
        if (n <= 0x7F)
            break;
    }
    string_add(out, part->text, part->length);
}

static inline void put_number(string *out, int field, int value)
{
    string_add(out, (const char[]){(char)(field << 3), (char)value}, 2);
}

static inline void put_piece(string *model, const char *text, float score, enum piece_kind kind)
{
    string part = {0}, content = {0};
    string_puts(&content, text);
    put_part(&part, 1, &content);
    string_add(&part, "\x15", 1);
    string_add(&part, (const char *)&score, sizeof score);
    put_number(&part, 3, (int)kind);
    put_part(model, 1, &part);
    free(part.text);
    free(content.text);
}

/* trainer_spec or normalizer_spec with one number. */
static inline void put_spec(string *model, int part_field, int field, int value)
{
    string part = {0};
    if (field > 15)   /* keys of two bytes */
        string_add(&part, (const char[]){(char)((field << 3 & 0x7F) | 0x80), (char)(field >> 4), (char)value}, 3);
    else
        put_number(&part, field, value);
    put_part(model, part_field, &part);
    free(part.text);
}

/* BPE over a few letters, with bytes: <unk> 0, <s> 1, </s> 2, bytes 3 to 258, then the pieces. */
static inline string make_pieces(void)
{
    static const char *const merged[] = {"ab", PIECE_SPACE "a", PIECE_SPACE "ab", "cd", PIECE_SPACE, "a", "b", "c", "d", "s", "<", ">", "/", NULL};
    string model = {0};
    put_piece(&model, "<unk>", 0, PIECE_UNKNOWN);
    put_piece(&model, "<s>", 0, PIECE_CONTROL);
    put_piece(&model, "</s>", 0, PIECE_CONTROL);
    for (int b = 0; b < 256; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", b);
        put_piece(&model, name, 0, PIECE_BYTE);
    }
    for (int i = 0; merged[i]; i++)
        put_piece(&model, merged[i], (float)-i, PIECE_NORMAL);
    put_spec(&model, 2, 3, 2);    /* model_type BPE */
    put_spec(&model, 2, 35, 1);   /* byte_fallback */
    put_spec(&model, 3, 4, 0);    /* remove_extra_whitespaces */
    return model;
}

#endif
