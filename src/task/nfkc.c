#include "task/nfkc.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/memory.h"
#include "task/space.h"
#include "text/utf8.h"

static bool is_category(uint32_t c, char first)
{
    return utf8proc_category_string((utf8proc_int32_t)c)[0] == first;
}

/* Bytes that are no character stay. */
char *nfkc_lower(const char *text)
{
    string out = {0};
    size_t n = strlen(text);
    string_puts(&out, "");
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int k = utf8_next(text + i, n - i, &c, NULL);
        if (k <= 0) {
            string_add(&out, text + i++, 1);
            continue;
        }
        i += (size_t)k;
        if (c == 0x130)
            string_puts(&out, "i\u0307");
        else
            utf8_add(&out, char_lower(c));
    }
    return out.text;
}

char *nfkc_bare(const char *text)
{
    string whole = {0}, out = {0};
    string_puts(&whole, "");
    string_puts(&out, "");
    utf8_repair(&whole, text, strlen(text));
    utf8proc_uint8_t *composed = utf8proc_NFKC((const utf8proc_uint8_t *)whole.text);
    char *lower = nfkc_lower(composed ? (char *)composed : whole.text);
    uint32_t c;
    for (size_t i = 0; lower[i];) {
        i += (size_t)utf8_get(lower + i, &c);
        if (!is_category(c, 'P') && !space_is(c))
            utf8_add(&out, c);
    }
    free(lower);
    free(composed);
    free(whole.text);
    return out.text;
}

bool nfkc_is_punctuation(const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int k = utf8_next(text + i, n - i, &c, NULL);
        if (k <= 0 || !(is_category(c, 'P') || is_category(c, 'S')))
            return false;
        i += (size_t)k;
    }
    return true;
}
