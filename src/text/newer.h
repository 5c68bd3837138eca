/* Characters that are newer than the Unicode tables of the libraries underneath, or than the reference library's. */
#ifndef TEXT_NEWER_H
#define TEXT_NEWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

/* "Lo" and the like; NULL for a character that the libraries know. */
const char *newer_category(uint32_t c);

/* Appends ranges of a regular expression's set: the newer characters of a category ("Lo") or of a group of them ("L"). */
void newer_ranges(string *out, const char *category, size_t n);

/* Whether NFC, NFD, NFKC and NFKD treat c as a character that nothing happens to. */
bool newer_than_normal_forms(uint32_t c);

#endif
