/* Methods of str that change its case or width, or ask what its characters are. */
#include <string.h>

#include "text/jinja_run.h"
#include "text/jinja_text.h"
#include "text/utf8.h"

/* ---- case */

/* What `put` writes of a text, as a text. */
static int mapped(jrun *r, jvalue self, void (*put)(string *out, const char *s, size_t n), jvalue *out)
{
    size_t mark = r->out.length;
    if (jstep(r, self.as.text.n / 16) != 0 || self.as.text.n > (JINJA_OUTPUT_LIMIT - mark) / 3)
        return jfail_code(r, ERROR_LIMIT, "the template's text is longer than the limit of %zu MB", JINJA_OUTPUT_LIMIT >> 20);
    put(&r->out, self.as.text.s, self.as.text.n);
    return jtake(r, mark, out);
}

static void put_lower(string *out, const char *s, size_t n)
{
    jtext_put_case(out, s, n, CASE_LOWER);
}

static void put_upper(string *out, const char *s, size_t n)
{
    jtext_put_case(out, s, n, CASE_UPPER);
}

static void put_folded(string *out, const char *s, size_t n)
{
    jtext_put_case(out, s, n, CASE_FOLD);
}

static void put_capitalized(string *out, const char *s, size_t n)
{
    uint32_t c;
    size_t first = n ? (size_t)utf8_get(s, &c) : 0;
    jtext_put_case(out, s, first, CASE_TITLE);
    jtext_put_case(out, s + first, n - first, CASE_LOWER);
}

static void put_swapped(string *out, const char *s, size_t n)
{
    uint32_t c;
    for (size_t at = 0, length; at < n; at += length) {
        length = (size_t)utf8_get(s + at, &c);
        if (jchar_is_upper(c))
            jtext_put_case(out, s + at, length, CASE_LOWER);
        else if (jchar_is_lower(c))
            jtext_put_case(out, s + at, length, CASE_UPPER);
        else
            string_add(out, s + at, length);
    }
}

/* A word begins behind whatever has no case. */
static void put_titled(string *out, const char *s, size_t n)
{
    bool inside = false;
    uint32_t c;
    for (size_t at = 0, length; at < n; at += length) {
        length = (size_t)utf8_get(s + at, &c);
        jtext_put_case(out, s + at, length, inside ? CASE_LOWER : CASE_TITLE);
        inside = jchar_is_cased(c);
    }
}

static int method_lower(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    return mapped(r, self, put_lower, out);
}

static int method_upper(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    return mapped(r, self, put_upper, out);
}

static int method_casefold(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    return mapped(r, self, put_folded, out);
}

static int method_capitalize(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    return mapped(r, self, put_capitalized, out);
}

static int method_swapcase(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    return mapped(r, self, put_swapped, out);
}

static int method_title(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    return mapped(r, self, put_titled, out);
}

/* ---- width */

static int put_fill(jrun *r, jvalue fill, int64_t times)
{
    for (int64_t i = 0; i < times; i++)
        if (jput(r, fill.as.text.s, fill.as.text.n) != 0)
            return -1;
    return jstep(r, (size_t)(times > 0 ? times : 0) / 16);
}

static int padded(jrun *r, jvalue self, const jargs *a, int where, jvalue *out)
{
    jvalue fill = jvalue_text(" ", 1);
    int64_t width = 0, chars = (int64_t)jtext_count(self.as.text.s, self.as.text.n);
    size_t mark = r->out.length;
    if (jarg_int(r, a, 0, &width) != 0 || jarg_text(r, a, 1, &fill) != 0)
        return -1;
    if (jtext_count(fill.as.text.s, fill.as.text.n) != 1)
        return jfail(r, "The fill character must be exactly one character long");
    int64_t missing = width > chars ? width - chars : 0, left = where < 0 ? 0 : where > 0 ? missing : missing / 2 + (missing & width & 1);
    if (put_fill(r, fill, left) != 0 || jput_value(r, self) != 0 || put_fill(r, fill, missing - left) != 0)
        return -1;
    return jtake(r, mark, out);
}

static int method_center(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return padded(r, self, a, 0, out);
}

static int method_ljust(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return padded(r, self, a, -1, out);
}

static int method_rjust(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return padded(r, self, a, 1, out);
}

static int method_zfill(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    int64_t width = 0, chars = (int64_t)jtext_count(self.as.text.s, self.as.text.n);
    size_t mark = r->out.length, sign = self.as.text.n && strchr("+-", self.as.text.s[0]) && self.as.text.s[0];
    if (jarg_int(r, a, 0, &width) != 0 || jput(r, self.as.text.s, sign) != 0 || put_fill(r, jvalue_text("0", 1), width - chars) != 0 ||
        jput(r, self.as.text.s + sign, self.as.text.n - sign) != 0)
        return -1;
    return jtake(r, mark, out);
}

static int method_expandtabs(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    int64_t size = 8, column = 0;
    size_t mark = r->out.length;
    if (jarg_int(r, a, 0, &size) != 0)
        return -1;
    for (size_t at = 0, length; at < self.as.text.n; at += length) {
        uint32_t c;
        length = (size_t)utf8_get(self.as.text.s + at, &c);
        int64_t spaces = c == '\t' && size > 0 ? size - column % size : 0;
        if (c == '\t' ? put_fill(r, jvalue_text(" ", 1), spaces) != 0 : jput(r, self.as.text.s + at, length) != 0)
            return -1;
        column = c == '\n' || c == '\r' ? 0 : c == '\t' ? column + spaces : column + 1;
    }
    return jtake(r, mark, out);
}

/* ---- what the characters are */

/* Whether there are characters and each is one. */
static int all(jrun *r, jvalue self, bool (*is)(uint32_t), jvalue *out)
{
    bool yes = self.as.text.n > 0;
    for (size_t at = 0; yes && at < self.as.text.n;) {
        uint32_t c;
        at += (size_t)utf8_get(self.as.text.s + at, &c);
        yes = is(c);
    }
    *out = jvalue_bool(yes);
    return jstep(r, self.as.text.n / 16);
}

static bool is_alnum(uint32_t c)
{
    return jchar_is_alpha(c) || jchar_is_decimal(c) || jchar_is_digit(c) || jchar_is_numeric(c);
}

static int method_isalpha(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    return all(r, self, jchar_is_alpha, out);
}

static int method_isalnum(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    return all(r, self, is_alnum, out);
}

static int method_isdecimal(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    return all(r, self, jchar_is_decimal, out);
}

static int method_isdigit(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    return all(r, self, jchar_is_digit, out);
}

static int method_isnumeric(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    return all(r, self, jchar_is_numeric, out);
}

static int method_isspace(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    return all(r, self, jchar_is_space, out);
}

static int method_isascii(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    bool yes = true;
    for (size_t i = 0; yes && i < self.as.text.n; i++)
        yes = (unsigned char)self.as.text.s[i] < 0x80;
    *out = jvalue_bool(yes);
    return jstep(r, self.as.text.n / 64);
}

static int method_isprintable(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    if (all(r, self, jchar_is_printable, out) != 0)
        return -1;
    *out = jvalue_bool(out->as.truth || self.as.text.n == 0);
    return 0;
}

/* Cased characters, and all of one case. */
static int one_case(jrun *r, jvalue self, bool (*is)(uint32_t), jvalue *out)
{
    bool yes = true, any = false;
    for (size_t at = 0; yes && at < self.as.text.n;) {
        uint32_t c;
        at += (size_t)utf8_get(self.as.text.s + at, &c);
        any = any || is(c);
        yes = !jchar_is_cased(c) || is(c);
    }
    *out = jvalue_bool(yes && any);
    return jstep(r, self.as.text.n / 16);
}

static int method_islower(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    return one_case(r, self, jchar_is_lower, out);
}

static int method_isupper(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    return one_case(r, self, jchar_is_upper, out);
}

static int method_istitle(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    bool yes = true, any = false, inside = false;
    for (size_t at = 0; yes && at < self.as.text.n;) {
        uint32_t c;
        at += (size_t)utf8_get(self.as.text.s + at, &c);
        bool upper = jchar_is_upper(c) || jchar_is_title(c), lower = jchar_is_lower(c);
        yes = upper ? !inside : !lower || inside;
        inside = upper || lower;
        any = any || inside;
    }
    *out = jvalue_bool(yes && any);
    return jstep(r, self.as.text.n / 16);
}

const jrow jtext_kind_methods[] = {
    {"lower", method_lower, "", 0}, {"upper", method_upper, "", 0}, {"casefold", method_casefold, "", 0}, {"capitalize", method_capitalize, "", 0},
    {"swapcase", method_swapcase, "", 0}, {"title", method_title, "", 0}, {"center", method_center, "width fillchar", 1}, {"ljust", method_ljust, "width fillchar", 1},
    {"rjust", method_rjust, "width fillchar", 1}, {"zfill", method_zfill, "width", 1}, {"expandtabs", method_expandtabs, "tabsize", 0},
    {"isalpha", method_isalpha, "", 0}, {"isalnum", method_isalnum, "", 0}, {"isdecimal", method_isdecimal, "", 0}, {"isdigit", method_isdigit, "", 0},
    {"isnumeric", method_isnumeric, "", 0}, {"isspace", method_isspace, "", 0}, {"isascii", method_isascii, "", 0}, {"isprintable", method_isprintable, "", 0},
    {"islower", method_islower, "", 0}, {"isupper", method_isupper, "", 0}, {"istitle", method_istitle, "", 0}, {"format", jformat_braces, NULL, 0}, {0},
};
