/* Stability's way with articles that are too long (its XLSum task): every article of a context, the examples' and the question's own, is cut
 * at its full stops to an equal share of the tokens there is room for. An article is what stands between `from` and `to`. */
#ifndef TASK_SHORTEN_H
#define TASK_SHORTEN_H

#include "text/tokenizer.h"

typedef struct shortening {
    char *from, *to, *at;      /* "ニュース記事:", "要約:", "。"; owned */
    char *end;                 /* what a cut article ends in, "\n"; owned */
} shortening;

void shortening_clear(shortening *s);

/* The context, cut where it has more tokens than `room`; free() it. NULL and *err on failure. */
char *shorten(const shortening *s, const tokenizer *t, const char *context, size_t room, error *err);

#endif
