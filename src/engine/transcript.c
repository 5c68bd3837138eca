#include "engine/transcript.h"

#include <stdlib.h>
#include <string.h>

void transcript_open(transcript *t, const tokenizer *words, const char *const *stops, int n_stops)
{
    *t = (transcript){.stops = stops, .n_stops = n_stops};
    if (!words)
        return;
    t->stream = token_stream_new(words, true);
    string_puts(&t->text, "");
    for (int i = 0; i < n_stops; i++)
        if (strlen(stops[i]) > t->longest)
            t->longest = strlen(stops[i]);
}

void transcript_close(transcript *t)
{
    token_stream_free(t->stream);
    free(t->text.text);
    *t = (transcript){0};
}

/* The earliest of the stop strings in text, NULL where there is none. */
static char *find_stop(const transcript *t, char *text)
{
    char *first = NULL;
    for (int i = 0; i < t->n_stops; i++) {
        char *found = t->stops[i][0] ? strstr(text, t->stops[i]) : NULL;
        if (found && (!first || found < first))
            first = found;
    }
    return first;
}

/* Appends and looks for the earliest stop string that ends in what is new. */
static bool take(transcript *t, const char *news)
{
    size_t old = t->text.length, from = old + 1 > t->longest ? old + 1 - t->longest : 0;
    if (t->stopped || !news[0])
        return t->stopped;
    string_puts(&t->text, news);
    char *first = find_stop(t, t->text.text + from);
    if (first) {
        t->stopped = true;
        t->text.length = (size_t)(first - t->text.text);
        *first = '\0';
    }
    return t->stopped;
}

bool transcript_add(transcript *t, int32_t token)
{
    return t->stream && take(t, token_stream_add(t->stream, token));
}

bool transcript_finish(transcript *t)
{
    return t->stream && take(t, token_stream_finish(t->stream));
}

char *transcript_text(const transcript *t, const tokenizer *words, const int32_t *tokens, size_t n, bool *found)
{
    if (!t->stream)
        return NULL;
    char *text = tokenizer_decode(words, tokens, n, true, NULL), *first = find_stop(t, text);
    *found = first || t->stopped;
    if (first) {
        *first = '\0';
    } else if (t->stopped) {   /* it was there as tokens came, and later ones took it back */
        free(text);
        text = memory_text(t->text.text);
    }
    return text;
}

const char *transcript_news(transcript *t, bool final, string *scratch)
{
    size_t end = t->text.length;
    if (!final && t->longest > 1) {
        end = end > t->longest - 1 ? end - (t->longest - 1) : 0;
        while (end > 0 && ((unsigned char)t->text.text[end] & 0xc0) == 0x80)
            end--;
    }
    if (!t->stream || end <= t->told)
        return NULL;
    scratch->length = 0;
    string_add(scratch, t->text.text + t->told, end - t->told);
    t->told = end;
    return scratch->text;
}
