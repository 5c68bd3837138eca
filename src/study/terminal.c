#include "study/terminal.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

#define USUAL_WIDTH 80
#define LEAST_WIDTH 40

int terminal_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return USUAL_WIDTH;
    return size.ws_col < LEAST_WIDTH ? LEAST_WIDTH : size.ws_col;
}

/* One character: its bytes, and its columns; -1: a terminal might obey it, or it is no UTF-8. */
static int character(const char *text, size_t *bytes)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text, -1, &c);
    *bytes = n > 0 ? (size_t)n : 1;
    if (n <= 0)
        return -1;
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return -1;
    default:
        return utf8proc_charwidth(c);
    }
}

/* The bytes of the text that fit into `width` columns. */
static size_t fitting(const char *text, int width, int *columns)
{
    size_t at = 0, bytes;
    *columns = 0;
    while (text[at]) {
        int wide = character(text + at, &bytes);
        wide = wide < 0 ? 1 : wide;
        if (*columns + wide > width)
            break;
        *columns += wide;
        at += bytes;
    }
    return at;
}

int terminal_columns(const char *text)
{
    int columns;
    fitting(text, 1 << 30, &columns);
    return columns;
}

static void add_clean(string *s, const char *text, size_t n)
{
    string_puts(s, "");
    for (size_t at = 0, bytes; at < n; at += bytes) {
        if (character(text + at, &bytes) < 0)
            string_puts(s, text[at] == '\n' || text[at] == '\t' ? " " : "?");
        else
            string_add(s, text + at, bytes);
    }
}

void terminal_add(string *s, const char *text, int width, int most)
{
    int columns;
    size_t n = fitting(text, most ? most : 1 << 30, &columns);
    bool cut = text[n] != '\0';
    if (cut)
        n = fitting(text, most > 3 ? most - 3 : 0, &columns);
    add_clean(s, text, n);
    if (cut) {
        string_puts(s, "...");
        columns += 3;
    }
    string_print(s, "%*s", columns < width ? width - columns : 0, "");
}

char *terminal_take(const char **text, int width)
{
    string s = {0};
    int columns;
    size_t n = fitting(*text, width, &columns), end = n, bytes;
    if ((*text)[n]) {
        while (end > 0 && (*text)[end] != ' ')
            end--;
        if (end == 0 && n == 0) {       /* not even one character: on with it */
            character(*text, &bytes);
            n = bytes;
        }
        end = end ? end : n;
    }
    add_clean(&s, *text, end);
    *text += end;
    while (**text == ' ')
        (*text)++;
    return s.text;
}
