/* The text of an answer as its tokens come: decoded without special tokens, searched for stop strings. */
#ifndef ENGINE_TRANSCRIPT_H
#define ENGINE_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"
#include "text/tokenizer.h"

typedef struct transcript {
    token_stream *stream;                 /* owned; NULL without tokenizer */
    const char *const *stops; int n_stops;   /* borrowed */
    size_t longest;                       /* bytes of the longest stop string */
    string text;                          /* so far, cut before a stop string; owned */
    size_t told;                          /* bytes that transcript_news has given out */
    bool stopped;
} transcript;

void transcript_open(transcript *t, const tokenizer *words, const char *const *stops, int n_stops);
void transcript_close(transcript *t);

/* Takes one more token; true once a stop string has been met: text ends before it. */
bool transcript_add(transcript *t, int32_t token);
bool transcript_finish(transcript *t);    /* the rest of an unfinished character */

/* The text of an ended answer: all tokens decoded at once, as transformers has it, and cut before the first stop string.
 * It differs from what was shown only in bytes that make no character. free() it; NULL without tokenizer. `found`: a stop string was. */
char *transcript_text(const transcript *t, const tokenizer *words, const int32_t *tokens, size_t n, bool *found);

/* What can be shown and was not yet: holds back what may be the beginning of a stop string, unless `final`. NULL: nothing.
 * The text is borrowed and valid until the next call. */
const char *transcript_news(transcript *t, bool final, string *scratch);

#endif
