/* Texts cut into words: what ROUGE and F1 count. */
#ifndef TASK_WORD_LIST_H
#define TASK_WORD_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct word_span { const char *text; size_t n; } word_span;

typedef struct word_list {
    word_span *items;     /* [count], owned; each borrowed from `text` or whatever the caller cut */
    size_t count;
    char *text;      /* owned, may be NULL */
} word_list;

void word_list_add(word_list *w, const char *text, size_t n);
void word_list_clear(word_list *w);
bool word_same(word_span a, word_span b);

#endif
