/* str.format: "{} {0} {name} {0.name[key]!r:>10.2f}". */
#include <stdlib.h>
#include <string.h>

#include "text/jinja_format.h"
#include "text/jinja_text.h"
#include "text/utf8.h"

typedef struct jbraces {
    const jargs *args;
    size_t next;                 /* of the fields without a name */
    bool numbered, unnumbered;   /* which kinds there were: Python does not mix them */
} jbraces;

/* ---- the value of a field */

static bool read_index(const char *s, size_t n, size_t *out)
{
    for (*out = 0; n && *s >= '0' && *s <= '9'; s++, n--)
        *out = *out < 1000000 ? 10 * *out + (size_t)(*s - '0') : *out;
    return n == 0;
}

static int first_part(jrun *r, jbraces *b, const char *s, size_t n, jvalue *out)
{
    size_t index;
    bool number = read_index(s, n, &index);
    if (number) {
        b->numbered = b->numbered || n;
        b->unnumbered = b->unnumbered || !n;
        if (b->numbered && b->unnumbered)
            return jfail(r, "cannot switch between automatic field numbering and manual field specification");
        index = n ? index : b->next++;
        if (index >= b->args->count)
            return jfail(r, "Replacement index %zu out of range for positional args tuple", index);
        *out = b->args->items[index];
        return 0;
    }
    const char *name = jprint_text(r, "%.*s", (int)(n < 200 ? n : 200), s);
    const jvalue *found = name ? jargs_named(b->args, name) : NULL;
    if (!found)
        return name ? jfail(r, "the format's key '%s' is not there", name) : -1;
    *out = *found;
    return 0;
}

static int field_value(jrun *r, jbraces *b, const char *s, size_t n, jvalue *out)
{
    size_t at = 0, index;
    while (at < n && s[at] != '.' && s[at] != '[')
        at++;
    if (first_part(r, b, s, at, out) != 0)
        return -1;
    while (at < n) {
        bool bracket = s[at++] == '[';
        size_t begin = at;
        while (at < n && (bracket ? s[at] != ']' : s[at] != '.' && s[at] != '['))
            at++;
        if (at == begin || (bracket && at == n))
            return jfail(r, "a field of the format is not complete");
        const char *name = jprint_text(r, "%.*s", (int)(at - begin < 200 ? at - begin : 200), s + begin);
        jvalue key = bracket && read_index(s + begin, at - begin, &index) ? jvalue_int((jwhole)index) : jvalue_text(s + begin, at - begin);
        if (!name || (bracket ? jsubscript(r, *out, key, out) : jattribute(r, *out, name, out)) != 0)
            return -1;
        if (out->type == J_UNDEFINED)
            return jrefuse_undefined(r, *out);
        at += bracket;
    }
    return 0;
}

/* ---- how it is written */

static int64_t read_size(const char **s, const char *end)
{
    int64_t x = 0;
    for (; *s < end && **s >= '0' && **s <= '9'; ++*s)
        x = x < INT32_MAX / 10 ? 10 * x + (**s - '0') : x;
    return x;
}

/* [[fill]align][sign][#][0][width][grouping][.precision][type] */
static int read_spec(jrun *r, jvalue text, bool is_number, jspec *out, char *type)
{
    const char *s = text.as.text.s, *end = s + text.as.text.n;
    uint32_t c;
    *out = (jspec){.fill = " ", .n_fill = 1, .align = is_number ? '>' : '<', .precision = -1};
    *type = 0;
    size_t first = s < end ? (size_t)utf8_get(s, &c) : 0;
    if (first && s + first < end && strchr("<>=^", s[first]) && s[first]) {
        memcpy(out->fill, s, first);
        out->n_fill = first;
        out->align = s[first];
        s += first + 1;
    } else if (s < end && strchr("<>=^", *s) && *s) {
        out->align = *s++;
    }
    if (s < end && strchr("+- ", *s) && *s)
        out->sign = *s++;
    if (s < end && *s == '#') {
        out->alternate = true;
        s++;
    }
    if (s < end && *s == '0') {
        out->align = is_number ? '=' : out->align;
        out->fill[0] = '0';
        s++;
    }
    out->width = read_size(&s, end);
    if (s < end && (*s == ',' || *s == '_'))
        out->grouping = *s++;
    if (s + 1 < end && *s == '.' && s[1] >= '0' && s[1] <= '9') {
        s++;
        out->precision = read_size(&s, end);
    }
    if (s < end)
        *type = *s++;
    return s == end ? 0 : jfail(r, "invalid format specifier '%.*s'", (int)(text.as.text.n < 60 ? text.as.text.n : 60), text.as.text.s);
}

static int put_number(jrun *r, jspec *s, jvalue v, char type)
{
    jwhole x = 0;
    char real[40], wide[2] = "";
    bool whole = jwhole_of(v, &x);
    if (whole && (!type || strchr("dbxXo", type)))
        return s->precision < 0 ? jspec_put_whole(r, s, x, type ? type : 'd') : jfail(r, "Precision not allowed in integer format specifier");
    if (type == '%') {
        size_t mark = r->out.length;
        jspec plain = *s;
        jvalue text;
        plain.width = 0;
        if (jspec_put_real(r, &plain, 100 * jreal_of(v), 'f') != 0 || jput(r, "%", 1) != 0 || jtake(r, mark, &text) != 0)
            return -1;
        return jspec_put(r, s, wide, text.as.text.s, text.as.text.n);
    }
    if (!type && s->precision < 0) {
        jformat_real(jreal_of(v), real);
        bool negative = real[0] == '-';
        return jspec_put(r, s, negative ? "-" : s->sign == '+' ? "+" : s->sign == ' ' ? " " : "", real + negative, strlen(real) - negative);
    }
    if (!type || !strchr("eEfFgG", type))
        return jfail(r, "Unknown format code '%c' for object of type '%s'", type ? type : ' ', jvalue_type_name(v));
    return jspec_put_real(r, s, jreal_of(v), type);
}

static int put_field(jrun *r, jvalue v, char conversion, jvalue spec_text)
{
    jspec s;
    char type;
    size_t mark = r->out.length;
    if (conversion == 's' && jto_text(r, v, &v) != 0)
        return -1;
    if (conversion == 'r' && (jput_repr(r, v) != 0 || jtake(r, mark, &v) != 0))
        return -1;
    if (spec_text.as.text.n == 0)
        return jput_value(r, v);
    if (read_spec(r, spec_text, jvalue_is_number(v), &s, &type) != 0)
        return -1;
    if (jvalue_is_number(v))
        return put_number(r, &s, v, type);
    if (v.type != J_TEXT)
        return jfail_type(r, "unsupported format string passed to %s.__format__", v);
    if ((type && type != 's') || s.align == '=')
        return jfail(r, "Unknown format code '%c' for object of type 'str'", type ? type : '=');
    return jspec_put(r, &s, "", v.as.text.s, s.precision < 0 ? v.as.text.n : jtext_offset(v.as.text.s, v.as.text.n, (size_t)s.precision));
}

/* ---- the text */

/* The field at s, behind its brace; returns what follows it, NULL on failure. */
static const char *put_braces(jrun *r, jbraces *b, const char *s, const char *end)
{
    const char *close = memchr(s, '}', (size_t)(end - s)), *colon, *mark;
    jvalue v;
    if (!close) {
        jfail(r, "expected '}' before end of string");
        return NULL;
    }
    if (memchr(s, '{', (size_t)(close - s))) {
        jfail(r, "a field inside of a field of a format is not known here");
        return NULL;
    }
    colon = memchr(s, ':', (size_t)(close - s));
    const char *stop = colon ? colon : close;
    mark = memchr(s, '!', (size_t)(stop - s));
    if (mark && (mark + 2 != stop || !strchr("rs", mark[1]))) {
        jfail(r, "a conversion in a format is !r or !s");
        return NULL;
    }
    jvalue spec = colon ? jvalue_text(colon + 1, (size_t)(close - colon - 1)) : jvalue_text("", 0);
    if (field_value(r, b, s, (size_t)((mark ? mark : stop) - s), &v) != 0 || put_field(r, v, mark ? mark[1] : 0, spec) != 0)
        return NULL;
    return close + 1;
}

int jformat_braces(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    jbraces b = {.args = a};
    const char *s = self.as.text.s, *end = s + self.as.text.n;
    size_t mark = r->out.length;
    while (s < end) {
        size_t plain = 0;
        while (s + plain < end && s[plain] != '{' && s[plain] != '}')
            plain++;
        if (jstep(r, 1) != 0 || jput(r, s, plain) != 0)
            return -1;
        s += plain;
        if (s == end)
            break;
        if (s + 1 < end && s[0] == s[1]) {
            if (jput(r, s, 1) != 0)
                return -1;
            s += 2;
        } else if (*s == '}') {
            return jfail(r, "Single '}' encountered in format string");
        } else if (!(s = put_braces(r, &b, s + 1, end))) {
            return -1;
        }
    }
    return jtake(r, mark, out);
}
