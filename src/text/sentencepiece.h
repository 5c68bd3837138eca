/* SentencePiece models (tokenizer.model): private to this folder. sentencepiece_file.c reads the format (a protocol buffer,
 * sentencepiece_model.proto) and distrusts it, before sentencepiece.cc hands it to the library, which encodes with it. */
#ifndef TEXT_SENTENCEPIECE_H
#define TEXT_SENTENCEPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "text/vocabulary.h"

#define PIECE_SPACE "\xE2\x96\x81"   /* U+2581 stands for a space */

enum piece_kind { PIECE_NORMAL = 1, PIECE_UNKNOWN, PIECE_CONTROL, PIECE_USER_DEFINED, PIECE_UNUSED, PIECE_BYTE };   /* the format's numbers */

/* What decoding needs of a model besides the texts of its pieces. */
typedef struct piece_file {
    uint8_t *kind;          /* [count] of enum piece_kind; owned */
    int32_t count;
    char *unknown;          /* what the unknown piece is decoded to; owned */
    bool dummy_prefix;      /* a space is put before a text */
    bool trims;             /* spaces at the edges are dropped, several become one */
    char digest[65];        /* SHA-256 of the model */
} piece_file;

/* Fills a zeroed piece_file, and an empty vocabulary with the pieces. Models that the library would crash on, or that normalise characters by a
 * compiled map, are refused. */
int piece_file_parse(piece_file *f, vocabulary *words, const char *bytes, size_t n, const char *name, error *err);
void piece_file_free(piece_file *f);

/* The library's reader of the same bytes. prefix: whether it puts a space before each text where the model says so. */
typedef struct piece_library piece_library;
piece_library *piece_library_open(const char *bytes, size_t n, bool prefix, const char *name, error *err);
void piece_library_free(piece_library *l);
/* add: called with each id. */
int piece_library_encode(const piece_library *l, const char *text, size_t n, const char *name, void (*add)(void *context, int32_t id), void *context, error *err);
int32_t piece_library_bos(const piece_library *l);   /* -1: none */
int32_t piece_library_eos(const piece_library *l);

#endif
