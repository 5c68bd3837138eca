/* Filters that make or take numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_run.h"
#include "text/jinja_text.h"
#include "text/utf8.h"

#define LONGEST_NUMBER 400   /* characters of a text that is read as one */

/* ---- texts as numbers */

/* The text without white space around it, without underscores between digits, and with other scripts' digits as 0-9; false where it is
 * no number's. */
static bool plain_digits(jvalue v, char out[LONGEST_NUMBER + 1])
{
    const char *s = v.as.text.s;
    size_t n = jtext_strip_right(s, v.as.text.n), space = jtext_space(s, n), made = 0;
    for (size_t at = space; at < n;) {
        uint32_t c;
        at += (size_t)utf8_get(s + at, &c);
        int digit = c < 0x80 ? -1 : jchar_decimal(c);
        if ((c >= 0x80 && digit < 0) || c == 0 || made == LONGEST_NUMBER)
            return false;
        bool between = c == '_' && made && out[made - 1] != '_' && at < n && s[at] != '_';
        if (!between)
            out[made++] = digit >= 0 ? (char)('0' + digit) : (char)c;
    }
    out[made] = '\0';
    return made > 0 && !strchr(out, '_');
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? (c | 0x20) - 'a' + 10 : 99;
}

/* 1: read; 0: it is no whole number; -1: beyond what a whole number holds. */
static int read_whole(jrun *r, jvalue v, int base, jwhole *out)
{
    char text[LONGEST_NUMBER + 1], *s = text;
    if (!plain_digits(v, text))
        return 0;
    bool negative = *s == '-';
    s += *s == '-' || *s == '+';
    char letter = s[0] == '0' ? s[1] | 0x20 : 0;
    int written = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (written && (base == 0 || base == written)) {
        s += 2;
        base = written;
    } else if (base == 0) {
        base = 10;
    }
    if (!*s)
        return 0;
    for (*out = 0; *s; s++) {
        if (digit_of(*s) >= base)
            return 0;
        if (__builtin_mul_overflow(*out, base, out) || __builtin_add_overflow(*out, digit_of(*s), out))
            return jfail_code(r, ERROR_LIMIT, "the number %.40s%s is beyond 127 bits", text, strlen(text) > 40 ? "..." : "");
    }
    *out = negative ? -*out : *out;
    return 1;
}

static bool read_real(jvalue v, double *out)
{
    char text[LONGEST_NUMBER + 1], *end;
    if (!plain_digits(v, text))
        return false;
    for (const char *c = text; *c; c++)   /* strtod also knows hexadecimal and "nan(...)" */
        if (*c == 'x' || *c == 'X' || *c == '(')
            return false;
    *out = strtod(text, &end);
    return !*end;
}

/* ---- int, float */

/* The whole number of a double, or the default where it has none. */
static int whole_or(jrun *r, double x, jvalue standard, jvalue *out)
{
    jwhole whole;
    if (!isfinite(x)) {
        *out = standard;
        return 0;
    }
    if (jwhole_from_real(r, x, &whole) != 0)
        return -1;
    *out = jvalue_int(whole);
    return 0;
}

static int filter_int(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    jvalue standard = a->items[0].type == J_ABSENT ? jvalue_int(0) : a->items[0];
    int64_t base = 10;
    jwhole x;
    double real;
    if (jarg_int(r, a, 1, &base) != 0)
        return -1;
    if (self.type == J_UNDEFINED)
        return jrefuse_undefined(r, self);
    *out = standard;
    if (jwhole_of(self, &x)) {
        *out = jvalue_int(x);
        return 0;
    }
    if (self.type == J_FLOAT)
        return whole_or(r, self.as.real, standard, out);
    if (self.type != J_TEXT)
        return 0;
    int read = base == 0 || (base >= 2 && base <= 36) ? read_whole(r, self, (int)base, &x) : 0;
    if (read == 1)
        *out = jvalue_int(x);
    return read != 0 ? (read < 0 ? -1 : 0) : read_real(self, &real) ? whole_or(r, real, standard, out) : 0;
}

static int filter_float(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    double real;
    if (self.type == J_UNDEFINED)
        return jrefuse_undefined(r, self);
    *out = a->items[0].type == J_ABSENT ? jvalue_float(0) : a->items[0];
    if (jvalue_is_number(self))
        *out = jvalue_float(jreal_of(self));
    else if (self.type == J_TEXT && read_real(self, &real))
        *out = jvalue_float(real);
    return 0;
}

/* ---- abs, round, sum */

static int filter_abs(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    if (!jvalue_is_number(self))
        return jfail_type(r, "bad operand type for abs(): '%s'", self);
    return jnegate(r, self, self.type == J_FLOAT ? signbit(self.as.real) : self.type == J_INT && self.as.whole < 0, out);
}

/* To the nearest decimal of that many digits, ties to even in what is stored: as float.__round__, by way of its decimal text. */
static double rounded(double x, int64_t digits)
{
    char text[400];
    if (!isfinite(x) || digits > 300)
        return x;
    if (digits >= 0) {
        snprintf(text, sizeof text, "%.*f", (int)digits, x);
        return strtod(text, NULL);
    }
    if (digits < -308)
        return copysign(0, x);
    double scale = strtod((snprintf(text, sizeof text, "1e%lld", (long long)-digits), text), NULL);
    return nearbyint(x / scale) * scale;
}

/* A whole number to tens, hundreds, ...: ties to even. */
static int round_whole(jrun *r, jwhole x, int64_t digits, jvalue *out)
{
    jwhole scale = 1;
    if (digits < -37)
        scale = 0;
    for (int64_t i = digits; i < 0 && scale; i++)
        scale *= 10;
    (void)r;
    *out = jvalue_int(x);
    if (digits >= 0)
        return 0;
    if (scale == 0) {
        *out = jvalue_int(0);
        return 0;
    }
    jwhole rest = x % scale < 0 ? x % scale + scale : x % scale, down = x - rest;
    bool up = 2 * rest > scale || (2 * rest == scale && (down / scale) % 2 != 0);
    *out = jvalue_int(up ? down + scale : down);
    return 0;
}

static int filter_round(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    int64_t digits = 0;
    jvalue method = jvalue_word("common");
    jwhole x;
    if (jarg_int(r, a, 0, &digits) != 0 || jarg_text(r, a, 1, &method) != 0)
        return -1;
    bool up = jvalue_is_text(method, "ceil"), down = jvalue_is_text(method, "floor");
    if (!up && !down && !jvalue_is_text(method, "common"))
        return jfail(r, "method must be common, ceil or floor");
    if (!jvalue_is_number(self))
        return jfail_type(r, "type %s doesn't define __round__ method", self);
    if (!up && !down && jwhole_of(self, &x))
        return round_whole(r, x, digits, out);
    if (!up && !down) {
        *out = jvalue_float(rounded(self.as.real, digits));
        return 0;
    }
    jvalue power, scaled, whole;
    if (jbinary(r, T_POW, jvalue_int(10), jvalue_int(digits), &power) != 0 || jbinary(r, T_MUL, self, power, &scaled) != 0)
        return -1;
    jwhole cut;
    if (jwhole_of(scaled, &cut))
        whole = scaled;
    else if (whole_or(r, up ? ceil(scaled.as.real) : floor(scaled.as.real), jvalue_none(), &whole) != 0)
        return -1;
    if (whole.type == J_NONE)
        return jfail(r, "cannot convert float infinity to integer");
    return jbinary(r, T_DIV, whole, power, out);
}

static int filter_sum(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    const jvalue *items;
    size_t n;
    jvalue sum = a->items[1].type == J_ABSENT ? jvalue_int(0) : a->items[1];
    if (sum.type == J_TEXT)
        return jfail(r, "sum() can't sum strings");
    if (jitems(r, self, &items, &n) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        jvalue v;
        if (jstep(r, 1) != 0 || jattribute_path(r, items[i], a->items[0], NULL, &v) != 0 || jbinary(r, T_ADD, sum, v, &sum) != 0)
            return -1;
    }
    *out = sum;
    return 0;
}

const jrow jnumber_filters[] = {
    {"int", filter_int, "default base", 0}, {"float", filter_float, "default", 0}, {"abs", filter_abs, "", 0}, {"round", filter_round, "precision method", 0},
    {"sum", filter_sum, "attribute start", 0}, {0},
};
