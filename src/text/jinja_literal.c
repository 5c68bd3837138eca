/* Texts and numbers as they are written in a template: Python's. */
#include <stdlib.h>
#include <string.h>

#include "text/jinja_lexer.h"
#include "text/utf8.h"

#define LONGEST_NUMBER 400   /* characters */

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* ---- texts */

/* Up to `most` digits of `base`; returns how many there were. */
static size_t read_digits(const char *s, size_t n, size_t most, int base, uint32_t *c)
{
    size_t used = 0;
    for (*c = 0; used < n && used < most && digit(s[used]) < base; used++)
        *c = *c * (uint32_t)base + (uint32_t)digit(s[used]);
    return used;
}

/* The escape at s [n], which begins with a backslash, into out; returns its length, 0 where it is none, -1 where it is broken. */
static int undo_escape(const char *s, size_t n, char *out, size_t *made)
{
    static const char letters[] = "abfnrtv\\'\"", means[] = "\a\b\f\n\r\t\v\\'\"";
    const char *letter = n > 1 && s[1] ? strchr(letters, s[1]) : NULL;
    uint32_t c = 0;
    size_t wanted = n > 1 ? (s[1] == 'x' ? 2 : s[1] == 'u' ? 4 : s[1] == 'U' ? 8 : 0) : 0, used;
    *made = 0;
    if (letter) {
        out[(*made)++] = means[letter - letters];
        return 2;
    }
    if (n > 1 && s[1] == '\n')
        return 2;
    if (wanted) {
        used = read_digits(s + 2, n - 2, wanted, 16, &c);
        if (used != wanted || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
            return -1;
        *made = (size_t)utf8_put(c, out);
        return (int)used + 2;
    }
    used = n > 1 ? read_digits(s + 1, n - 1, 3, 8, &c) : 0;
    if (used)
        *made = (size_t)utf8_put(c, out);
    return used ? (int)used + 1 : n > 1 && s[1] == 'N' ? -1 : 0;
}

int jliteral_text(jlexer *l, const char *s, size_t n, jvalue *out, error *err)
{
    char *text = jarena_bytes(l->arena, n);
    size_t length = 0;
    if (!text)
        return fail(err, ERROR_MEMORY, "%s: no memory for the template", l->name);
    for (size_t i = 0; i < n;) {
        size_t made;
        int used = s[i] == '\\' ? undo_escape(s + i, n - i, text + length, &made) : 0;
        if (used < 0)
            return jlexer_fail(l, err, "'%.*s...' is not an escape that is known", n - i < 2 ? 1 : 2, s + i);
        if (used) {
            length += made;
            i += (size_t)used;
        } else {
            text[length++] = s[i++];
        }
    }
    *out = jvalue_text(text, length);
    return 0;
}

/* ---- numbers */

/* Digits of a base with single underscores between them. */
static size_t digits_length(const char *s, size_t n, int base)
{
    size_t at = 0;
    while (at < n && (digit(s[at]) < base || (s[at] == '_' && at > 0 && s[at - 1] != '_' && at + 1 < n && digit(s[at + 1]) < base)))
        at++;
    return at;
}

static size_t fraction_length(const char *s, size_t n)
{
    size_t at = 0;
    if (n > 1 && s[0] == '.' && digit(s[1]) < 10)
        at = 1 + digits_length(s + 1, n - 1, 10);
    size_t e = at;
    if (e < n && (s[e] == 'e' || s[e] == 'E')) {
        e += 1 + (e + 1 < n && (s[e + 1] == '+' || s[e + 1] == '-'));
        size_t digits = digits_length(s + e, n - e, 10);
        at = digits ? e + digits : at;
    }
    return at;
}

static int read_whole(jlexer *l, const char *s, size_t n, int base, jtoken *out, error *err)
{
    jwhole x = 0;
    for (size_t i = 0; i < n; i++)
        if (s[i] != '_' && (__builtin_mul_overflow(x, base, &x) || __builtin_add_overflow(x, digit(s[i]), &x)))
            return jlexer_fail(l, err, "the number %.40s%s is beyond 127 bits", s, n > 40 ? "..." : "");
    out->kind = T_INT;
    out->literal = jvalue_int(x);
    return 0;
}

static int read_real(jlexer *l, const char *s, size_t n, jtoken *out, error *err)
{
    char text[LONGEST_NUMBER + 1];
    size_t made = 0;
    if (n > LONGEST_NUMBER)
        return jlexer_fail(l, err, "a number of more than the limit of %d characters", LONGEST_NUMBER);
    for (size_t i = 0; i < n; i++)
        if (s[i] != '_')
            text[made++] = s[i];
    text[made] = '\0';
    out->kind = T_FLOAT;
    out->literal = jvalue_float(strtod(text, NULL));
    return 0;
}

int jliteral_number(jlexer *l, const char *s, size_t n, size_t *used, jtoken *out, error *err)
{
    char letter = n > 1 && s[0] == '0' ? s[1] | 0x20 : 0;
    int base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
    size_t skip = base == 10 ? 0 : 2, length = digits_length(s + skip, n - skip, base);
    if (base != 10 && length > 0) {
        *used = skip + length;
        return read_whole(l, s + skip, length, base, out, err);
    }
    length = digits_length(s, n, 10);
    size_t fraction = l->at > 0 && l->text[l->at - 1] == '.' ? 0 : fraction_length(s + length, n - length);
    *used = length + fraction;
    if (fraction)
        return read_real(l, s, *used, out, err);
    if (s[0] == '0')   /* 007 is three numbers, which no expression allows */
        *used = length = strspn(s, "0_") < length ? strspn(s, "0_") : length;
    return read_whole(l, s, length, 10, out, err);
}
