#include "task/space.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/memory.h"

bool space_is(uint32_t c)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F) || c == 0x85 || category == UTF8PROC_CATEGORY_ZS ||
           category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

/* Bytes of the character at s; *space tells whether it is white space. Invalid bytes are characters of their own. */
static size_t step(const char *s, size_t n, bool *space)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t k = utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &c);
    *space = k > 0 && space_is((uint32_t)c);
    return k > 0 ? (size_t)k : 1;
}

bool space_begins(const char *text)
{
    bool space = false;
    if (*text)
        step(text, strlen(text), &space);
    return space;
}

size_t space_trimmed_length(const char *text)
{
    size_t n = strlen(text), end = 0;
    bool space;
    for (size_t i = 0, k; i < n; i += k) {
        k = step(text + i, n - i, &space);
        end = space ? end : i + k;
    }
    return end;
}

char *space_trim(const char *text)
{
    size_t n = strlen(text), begin = n, end = 0;
    for (size_t i = 0, k; i < n; i += k) {
        bool space;
        k = step(text + i, n - i, &space);
        if (space)
            continue;
        if (begin == n)
            begin = i;
        end = i + k;
    }
    return memory_text_n(text + begin, end > begin ? end - begin : 0);
}

char *space_fold(const char *text)
{
    size_t n = strlen(text), length = 0;
    char *out = memory_new(n + 1, 1);
    bool pending = false;
    for (size_t i = 0, k; i < n; i += k) {
        bool space;
        k = step(text + i, n - i, &space);
        if (space) {
            pending = length > 0;
            continue;
        }
        if (pending)
            out[length++] = ' ';
        pending = false;
        memcpy(out + length, text + i, k);
        length += k;
    }
    return out;
}
