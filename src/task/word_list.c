#include "task/word_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void word_list_add(word_list *w, const char *text, size_t n)
{
    if ((w->count & (w->count - 1)) == 0)   /* full: the capacity is the power of two that count has reached */
        w->items = memory_grow(w->items, w->count ? 2 * w->count : 1, sizeof *w->items);
    w->items[w->count++] = (word_span){text, n};
}

void word_list_clear(word_list *w)
{
    free(w->items);
    free(w->text);
    *w = (word_list){0};
}

bool word_same(word_span a, word_span b)
{
    return a.n == b.n && memcmp(a.text, b.text, a.n) == 0;
}
