/* UTF-8 and the character classes that the `tokenizers` library uses (those of Rust's char and regex). */
#ifndef TEXT_UTF8_H
#define TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

/* The character at s [n >= 1 bytes]: its length in bytes; 0 where it is ill-formed, then *bad (may be NULL) is the length of the
 * maximal ill-formed part (>= 1); -1 where n ends inside what may still become a character. */
int utf8_next(const char *s, size_t n, uint32_t *c, int *bad);

/* The character at s, which lies in valid text. Returns its length. */
int utf8_get(const char *s, uint32_t *c);

/* The length of the last character of valid text s [n >= 1 bytes]. */
int utf8_last(const char *s, size_t n, uint32_t *c);

int utf8_put(uint32_t c, char out[4]);
void utf8_add(string *s, uint32_t c);
bool utf8_valid(const char *s, size_t n);

/* Appends s with one U+FFFD for every byte that is not part of a well-formed character. */
void utf8_repair(string *out, const char *s, size_t n);

bool char_is_space(uint32_t c);        /* White_Space */
bool char_is_word(uint32_t c);         /* \w */
bool char_is_numeric(uint32_t c);      /* Nd, Nl, No */
bool char_is_punctuation(uint32_t c);  /* ASCII punctuation and P* */
bool char_is_mark(uint32_t c);         /* M* */
uint32_t char_lower(uint32_t c);       /* U+0130, which becomes two characters, is the caller's */

#define CHAR_REPLACEMENT 0xFFFDu

/* GPT-2's alphabet for bytes: printable Latin-1 stands for itself, the other 68 are moved to U+0100 and up. */
uint32_t byte_to_char(unsigned char b);
int char_to_byte(uint32_t c);          /* -1 for what is not in the alphabet */

#endif
