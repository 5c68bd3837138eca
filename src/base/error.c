#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Names come from strangers' files: what a terminal would obey becomes '?'. Cuts with "..." where it must. */
static void store(error *err, enum error_code code, const char *text, int wanted)
{
    size_t n = strlen(text);
    if (n >= sizeof err->text)
        n = sizeof err->text - 1;
    err->code = code;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        err->text[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    err->text[n] = '\0';
    if (wanted > (int)n && n >= 3)
        memcpy(err->text + n - 3, "...", 3);
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
