#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/yaml.h"

/* The shortest decimal that reads back as x; with a point before an exponent, without which PyYAML sees text. */
void yaml_put_real(string *s, double x)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    char *exponent = strchr(text, 'e');
    if (exponent && !strchr(text, '.'))
        string_print(s, "%.*s.0%s", (int)(exponent - text), text, exponent);
    else
        string_puts(s, text);
}

/* U+0080 to U+009F, the line and paragraph separators, U+FEFF, U+FFFE and U+FFFF: a YAML reader breaks lines at them or refuses them. */
static bool unprintable(const char *c)
{
    unsigned char a = (unsigned char)c[0], b = (unsigned char)c[1], d = b ? (unsigned char)c[2] : 0;
    return (a == 0xc2 && b >= 0x80 && b < 0xa0) || (a == 0xe2 && b == 0x80 && (d == 0xa8 || d == 0xa9)) || (a == 0xef && b == 0xbb && d == 0xbf) ||
           (a == 0xef && b == 0xbf && d >= 0xbe);
}

/* As an escape; returns the character's last byte. */
static const char *put_escaped(string *s, const char *c)
{
    unsigned char a = (unsigned char)c[0], b = (unsigned char)c[1];
    if (a == 0xc2) {
        string_print(s, "\\x%02x", (unsigned)b);
        return c + 1;
    }
    string_print(s, "\\u%04x", (unsigned)((a & 15) << 12 | (b & 63) << 6 | ((unsigned char)c[2] & 63)));
    return c + 2;
}

/* Whether no YAML reader could take it for anything but text. */
static bool is_plain(const char *text)
{
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-";
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "inf", "nan"};
    if (!text[0] || strspn(text, safe) != strlen(text))
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(text, words[i]) == 0)
            return false;
    bool letter = (text[0] | 32) >= 'a' && (text[0] | 32) <= 'z';
    return letter || ((text[0] == '/' || text[0] == '.') && strchr(text, '/'));
}

void yaml_put_text(string *s, const char *text)
{
    if (is_plain(text)) {
        string_puts(s, text);
        return;
    }
    string_puts(s, "\"");
    for (const char *c = text; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte == '"' || byte == '\\')
            string_print(s, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7f)
            string_print(s, "\\x%02x", (unsigned)byte);
        else if (unprintable(c))
            c = put_escaped(s, c);
        else
            string_add(s, c, 1);
    }
    string_puts(s, "\"");
}
