/* "..." % values and str.format, after Python's two little languages. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_format.h"
#include "text/jinja_text.h"
#include "text/utf8.h"

#define MOST_DIGITS 300   /* behind the point */

/* ---- padding */

static int put_fill(jrun *r, const jspec *s, int64_t times)
{
    for (int64_t i = 0; i < times; i++)
        if (jput(r, s->fill, s->n_fill) != 0)
            return -1;
    return jstep(r, (size_t)(times > 0 ? times : 0) / 16);
}

int jspec_put(jrun *r, const jspec *s, const char *prefix, const char *body, size_t n)
{
    size_t n_prefix = strlen(prefix);
    int64_t missing = s->width - (int64_t)(n_prefix + jtext_count(body, n)), left = s->align == '<' ? 0 : s->align == '^' ? missing / 2 : missing;
    if (missing < 0)
        missing = left = 0;
    if (s->align == '=')
        return jput(r, prefix, n_prefix) == 0 && put_fill(r, s, missing) == 0 ? jput(r, body, n) : -1;
    return put_fill(r, s, left) == 0 && jput(r, prefix, n_prefix) == 0 && jput(r, body, n) == 0 ? put_fill(r, s, missing - left) : -1;
}

/* ---- numbers */

static const char *sign_of(const jspec *s, bool negative)
{
    return negative ? "-" : s->sign == '+' ? "+" : s->sign == ' ' ? " " : "";
}

/* Groups of three (of four in other bases than ten) from the right. */
static size_t group(char *to, const char *digits, size_t n, char mark, size_t every)
{
    size_t made = 0;
    for (size_t i = 0; i < n; i++) {
        if (i && (n - i) % every == 0)
            to[made++] = mark;
        to[made++] = digits[i];
    }
    return made;
}

int jspec_put_whole(jrun *r, const jspec *s, jwhole x, char type)
{
    char digits[160], grouped[320], prefix[8];
    size_t at = sizeof digits;
    unsigned base = type == 'x' || type == 'X' ? 16 : type == 'o' ? 8 : type == 'b' ? 2 : 10;
    unsigned __int128 rest = x < 0 ? -(unsigned __int128)x : (unsigned __int128)x;
    do
        digits[--at] = (type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[rest % base];
    while ((rest /= base) != 0);
    while (s->precision > (int64_t)(sizeof digits - at) && at > 20)
        digits[--at] = '0';
    size_t n = sizeof digits - at;
    if (s->grouping)
        n = group(grouped, digits + at, n, s->grouping, base == 10 ? 3 : 4);
    snprintf(prefix, sizeof prefix, "%s%s", sign_of(s, x < 0), s->alternate && base != 10 ? (type == 'X' ? "0X" : type == 'x' ? "0x" : type == 'o' ? "0o" : "0b") : "");
    return jspec_put(r, s, prefix, s->grouping ? grouped : digits + at, n);
}

int jspec_put_real(jrun *r, const jspec *s, double x, char type)
{
    char text[700], grouped[1000], format[] = {'%', s->alternate ? '#' : '.', '.', '*', type, '\0'};
    if (!s->alternate)
        memmove(format + 1, format + 2, sizeof format - 2);
    int64_t precision = s->precision < 0 ? 6 : s->precision;
    if (precision > MOST_DIGITS)
        return jfail_code(r, ERROR_LIMIT, "%lld digits behind the point; the limit is %d", (long long)precision, MOST_DIGITS);
    if (isfinite(x))
        snprintf(text, sizeof text, format, (int)precision, fabs(x));
    else
        strcpy(text, isnan(x) ? (type < 'a' ? "NAN" : "nan") : type < 'a' ? "INF" : "inf");
    size_t n = strlen(text), whole = strspn(text, "0123456789");
    if (s->grouping && isfinite(x)) {
        size_t made = group(grouped, text, whole, s->grouping, 3);
        memcpy(grouped + made, text + whole, n - whole + 1);
        return jspec_put(r, s, sign_of(s, signbit(x)), grouped, made + n - whole);
    }
    return jspec_put(r, s, sign_of(s, signbit(x) && !isnan(x)), text, n);
}

/* ---- percent */

typedef struct jpercent {
    const char *s, *end;
    const jargs *args;
    size_t taken;
    bool by_name;
} jpercent;

static int next_argument(jrun *r, jpercent *p, jvalue *out)
{
    if (p->taken == p->args->count)
        return jfail(r, "not enough arguments for format string");
    *out = p->args->items[p->taken++];
    return 0;
}

/* %(name)s: of the mapping, or of the named arguments of the filter `format`. */
static int named_argument(jrun *r, jpercent *p, jvalue *out)
{
    const char *close = memchr(p->s, ')', (size_t)(p->end - p->s));
    if (!close)
        return jfail(r, "incomplete format key");
    jvalue key = jvalue_text(p->s, (size_t)(close - p->s));
    const jvalue *found = NULL;
    p->s = close + 1;
    p->by_name = true;
    for (size_t i = 0; i < p->args->n_named; i++)
        if (jvalue_is_text(key, p->args->names[i]))
            found = &p->args->named[i];
    if (!p->args->n_named && p->args->count == 1 && p->args->items[0].type == J_DICT)
        found = jdict_find(p->args->items[0].as.dict, key);
    else if (!p->args->n_named)
        return jfail(r, "format requires a mapping");
    if (!found)
        return jfail(r, "the format's key '%.*s' is not there", (int)(key.as.text.n < 60 ? key.as.text.n : 60), key.as.text.s);
    *out = *found;
    return 0;
}

static int read_number(jrun *r, jpercent *p, int64_t *out)
{
    jvalue v;
    jwhole x;
    if (p->s < p->end && *p->s == '*') {
        p->s++;
        if (next_argument(r, p, &v) != 0)
            return -1;
        if (!jwhole_of(v, &x) || x > INT32_MAX || x < -INT32_MAX)
            return jfail(r, "* wants int");
        *out = (int64_t)x;
        return 0;
    }
    for (*out = 0; p->s < p->end && *p->s >= '0' && *p->s <= '9'; p->s++)
        *out = *out < INT32_MAX / 10 ? 10 * *out + (*p->s - '0') : INT32_MAX / 10;
    return 0;
}

static int put_percent_text(jrun *r, jspec *s, jvalue v, char type)
{
    jvalue text;
    size_t mark = r->out.length;
    s->align = s->align == '<' ? '<' : '>';
    memcpy(s->fill, " ", 2);
    if (type == 's' ? jto_text(r, v, &text) != 0 : jput_repr(r, v) != 0 || jtake(r, mark, &text) != 0)
        return -1;
    size_t n = s->precision < 0 ? text.as.text.n : jtext_offset(text.as.text.s, text.as.text.n, (size_t)s->precision);
    return jspec_put(r, s, "", text.as.text.s, n);
}

static int put_percent(jrun *r, jspec *s, jvalue v, char type)
{
    jwhole x;
    char c[4];
    if (v.type == J_UNDEFINED && (type != 's' || jis_strict(r, v)))
        return jrefuse_undefined(r, v);
    if (strchr("sra", type))
        return put_percent_text(r, s, v, type);
    if (type == 'c') {
        if (jwhole_of(v, &x) && x >= 0 && x < 0x110000 && (x < 0xD800 || x > 0xDFFF))
            return jspec_put(r, s, "", c, (size_t)utf8_put((uint32_t)x, c));
        if (v.type == J_TEXT && jtext_count(v.as.text.s, v.as.text.n) == 1)
            return jspec_put(r, s, "", v.as.text.s, v.as.text.n);
        return jfail(r, "%%c requires int or char");
    }
    if (!jvalue_is_number(v))
        return jfail(r, "%%%c format: a real number is required, not %s", type, jvalue_type_name(v));
    if (strchr("eEfFgG", type))
        return jspec_put_real(r, s, jreal_of(v), type);
    if (!jwhole_of(v, &x) && (strchr("di", type) == NULL && type != 'u'))
        return jfail(r, "%%%c format: an integer is required, not float", type);
    if (!jwhole_of(v, &x) && jwhole_from_real(r, v.as.real, &x) != 0)
        return -1;
    return jspec_put_whole(r, s, x, strchr("iu", type) ? 'd' : type);
}

/* One conversion, behind its '%'. */
static int convert(jrun *r, jpercent *p)
{
    jspec s = {.fill = " ", .n_fill = 1, .align = '>', .precision = -1};
    jvalue v = {0};
    bool named = p->s < p->end && *p->s == '(', zero = false;
    if (named && (p->s++, named_argument(r, p, &v) != 0))
        return -1;
    for (; p->s < p->end && strchr("-+ #0", *p->s) && *p->s; p->s++) {
        s.align = *p->s == '-' ? '<' : s.align;
        s.sign = *p->s == '+' || (*p->s == ' ' && s.sign != '+') ? *p->s : s.sign;
        s.alternate = s.alternate || *p->s == '#';
        zero = zero || *p->s == '0';
    }
    if (read_number(r, p, &s.width) != 0)
        return -1;
    if (s.width < 0) {
        s.width = -s.width;
        s.align = '<';
    }
    if (p->s < p->end && *p->s == '.' && (p->s++, read_number(r, p, &s.precision) != 0))
        return -1;
    while (p->s < p->end && strchr("hlL", *p->s) && *p->s)
        p->s++;
    if (p->s == p->end)
        return jfail(r, "incomplete format");
    char type = *p->s++;
    if (type == '%')
        return jput(r, "%", 1);
    if (!type || !strchr("diouxXeEfFgGcrsa", type))
        return jfail(r, "unsupported format character '%c'", type);
    if (zero && s.align != '<') {
        s.align = '=';
        memcpy(s.fill, "0", 2);
    }
    if (!named && next_argument(r, p, &v) != 0)
        return -1;
    return put_percent(r, &s, v, type);
}

int jformat_percent(jrun *r, jvalue format, const jargs *a, jvalue *out)
{
    jpercent p = {.s = format.as.text.s, .end = format.as.text.s + format.as.text.n, .args = a};
    size_t mark = r->out.length;
    while (p.s < p.end) {
        const char *percent = memchr(p.s, '%', (size_t)(p.end - p.s)), *stop = percent ? percent : p.end;
        if (jstep(r, 1) != 0 || jput(r, p.s, (size_t)(stop - p.s)) != 0)
            return -1;
        p.s = percent ? percent + 1 : stop;
        if (percent && convert(r, &p) != 0)
            return -1;
    }
    bool mapping = a->count == 1 && a->items[0].type == J_DICT;
    if (!p.by_name && !mapping && p.taken < a->count)
        return jfail(r, "not all arguments converted during string formatting");
    return jtake(r, mark, out);
}
