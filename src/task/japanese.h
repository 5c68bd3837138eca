/* Japanese text made comparable, as the paper's authors and Stability's harness do before they compare or cut it into words:
 * emoji removed, neologdn's normalisation, white space folded. Bytes that are not UTF-8 stay. */
#ifndef TASK_JAPANESE_H
#define TASK_JAPANESE_H

#include "base/memory.h"

/* All three steps; white space is Python's. free() it. */
char *japanese_normalize(const char *text);

/* The first two, appended to *out. The emoji step knows single code points: flags and hands go, U+200D and U+FE0F stay. */
void japanese_no_emoji(string *out, const char *text, size_t n);

/* neologdn 0.5.6's normalize() with its defaults: half-width katakana and most of full-width ASCII are folded, runs of long
 * vowel marks and of hyphens shrink, tildes vanish, and so do spaces but between characters of ASCII. */
void japanese_neologdn(string *out, const char *text, size_t n);

#endif
