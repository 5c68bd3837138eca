#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Names come from strangers' files: what a terminal would obey becomes '?' (U+0080 to U+009F are controls too). A text that is
 * too long is cut between two characters and ends with "...". */
static void store(error *err, enum error_code code, const char *text, int wanted)
{
    size_t n = strlen(text), room = sizeof err->text - 1;
    bool cut = wanted > (int)n || n > room;
    if (n > room - 3 && cut)
        n = room - 3;
    while (cut && n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80)
        n--;
    err->code = code;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        bool c1 = (c == 0xC2 && ((unsigned char)text[i + 1] & 0xE0) == 0x80) || ((c & 0xE0) == 0x80 && i > 0 && text[i - 1] == '\xC2');
        err->text[i] = c < 0x20 || c == 0x7f || c1 ? '?' : (char)c;
    }
    strcpy(err->text + n, cut ? "..." : "");
}

int fail(error *err, enum error_code code, const char *format, ...)
{
    if (!err)
        return -1;
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    store(err, code, text, wanted);
    return -1;
}

int fail_errno(error *err, const char *format, ...)
{
    int saved = errno;
    if (!err)
        return -1;
    char text[sizeof err->text], what[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    int wanted = snprintf(text, sizeof text, "%.900s: %s", what, strerror(saved));
    store(err, ERROR_IO, text, wanted);
    return -1;
}

int fail_in(error *err, const char *format, ...)
{
    if (!err)
        return -1;
    char text[2 * sizeof err->text], context[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
    int wanted = snprintf(text, sizeof text, "%s: %s", context, err->text);
    store(err, err->code, text, wanted);
    return -1;
}
