/* Text as Python sees it: characters, white space, upper and lower case. Lengths are bytes unless they say characters. */
#ifndef TEXT_JINJA_TEXT_H
#define TEXT_JINJA_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

bool jchar_is_space(uint32_t c);                            /* str.isspace */
size_t jtext_space(const char *s, size_t n);                /* of the white space that s begins with */
size_t jtext_strip_right(const char *s, size_t n);          /* without the white space at its end */

size_t jtext_count(const char *s, size_t n);                /* characters */
size_t jtext_offset(const char *s, size_t n, size_t chars); /* of the character of that number; n where there are fewer */

/* Where `what` [m] begins in s [n] at `from` or later; n + 1: nowhere. */
size_t jtext_find(const char *s, size_t n, const char *what, size_t m, size_t from);

/* Full mappings, which may give several characters. */
enum jcase { CASE_LOWER, CASE_UPPER, CASE_TITLE, CASE_FOLD };
void jtext_put_case(string *out, const char *s, size_t n, enum jcase to);
size_t jchar_case(uint32_t c, enum jcase to, uint32_t out[3]);   /* returns how many; lower knows nothing of a final sigma */

bool jchar_is_cased(uint32_t c);
bool jchar_is_upper(uint32_t c);
bool jchar_is_lower(uint32_t c);
bool jchar_is_title(uint32_t c);
bool jchar_is_alpha(uint32_t c);
bool jchar_is_decimal(uint32_t c);
bool jchar_is_digit(uint32_t c);
bool jchar_is_numeric(uint32_t c);
bool jchar_is_printable(uint32_t c);
int jchar_decimal(uint32_t c);                              /* 0 to 9; -1: no decimal digit */

#endif
