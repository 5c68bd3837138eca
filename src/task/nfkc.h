/* Text in lower case, and bare of what an answer may have too much. */
#ifndef TASK_NFKC_H
#define TASK_NFKC_H

#include <stdbool.h>
#include <stddef.h>

/* Python's str.lower, but for the Greek final sigma. free() it. */
char *nfkc_lower(const char *text);

/* NFKC, lower case, without punctuation (Unicode's categories P) and white space. free() it. */
char *nfkc_bare(const char *text);

/* Whether text [n bytes] is made of punctuation and symbols (categories P and S) alone. */
bool nfkc_is_punctuation(const char *text, size_t n);

#endif
