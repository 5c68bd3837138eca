/* Oniguruma's Ruby syntax in PCRE2's words. What differs, as far as tokenizers use it:
 * categories are those of Unicode 16; \s is White_Space (PCRE2's includes U+180E); \w includes marks;
 * \h is a hexadecimal digit; \uHHHH; (?m) lets the dot match a newline; {n,m}+ is a repetition of a repetition, not
 * possessive; {,m} is {0,m}.
 * Sets within sets, intersections and callouts are refused by name. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pattern.h"

#include <ctype.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/newer.h"

#define SPACE "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define NOT_SPACE                                                                                                                \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}"           \
    "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"
#define WORD_MARKS "\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}"   /* enclosed letters */
#define HEX "0-9a-fA-F"
#define DEPTH 250   /* PCRE2's own limit on nested groups */

typedef struct translation {
    const char *at;
    string out;
    size_t atom;              /* where the last thing that can be repeated starts in out */
    size_t group[DEPTH];      /* where each open group starts in out */
    int depth;
    const char *where, *source;
    error *err;
} translation;

static int refuse(translation *t, const char *what)
{
    return fail(t->err, ERROR_UNSUPPORTED, "%s: the pattern '%.300s' uses %s", t->where, t->source, what);
}

/* The inside of a set: a general category, its ASCII letters in front (quicker to test), what is newer behind. */
static void add_category(string *out, const char *name, size_t n)
{
    if (*name == 'L' && n == 1)
        string_puts(out, "A-Za-z");
    string_print(out, "\\p{%.*s}", (int)n, name);
    newer_ranges(out, name, n);
}

static void add_word(string *out)
{
    static const char *const categories[] = {"L", "M", "Nd", "Nl", "Pc"};
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
        add_category(out, categories[i], strlen(categories[i]));
    string_puts(out, WORD_MARKS);
}

/* PCRE2 takes a script's name alone for the characters that are also used with it, Oniguruma for the script's own. */
static bool is_script(const char *name, size_t n)
{
    char text[80];
    if (n > 60)
        return false;
    snprintf(text, sizeof text, "\\p{sc:%.*s}", (int)n, name);
    int code;
    PCRE2_SIZE at;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &code, &at, NULL);
    pcre2_code_free(compiled);
    return compiled != NULL;
}

/* \p{...} and \P{...}; t->at is behind the p. What is not a general category is left to PCRE2. */
static int property(translation *t, char letter, bool in_set)
{
    const char *name = t->at + 1, *end = strchr(t->at, '}');
    if (*t->at != '{' || !end)
        return refuse(t, "\\p without a name in braces");
    t->at = end + 1;
    bool negated = letter == 'P';
    if (*name == '^') {
        negated = !negated;
        name++;
    }
    size_t n = (size_t)(end - name);
    bool category = n >= 1 && n <= 2 && strchr("LMNPSZC", *name);
    if (!category || (negated && in_set)) {
        string_print(&t->out, "\\%c{%s%.*s}", negated ? 'P' : 'p', !category && is_script(name, n) ? "sc:" : "", (int)n, name);
        return 0;
    }
    string_puts(&t->out, in_set ? "" : negated ? "[^" : "[");
    add_category(&t->out, name, n);
    string_puts(&t->out, in_set ? "" : "]");
    return 0;
}

/* An escape; t->at is behind the backslash. In a set only the inside of a set is written. */
static int escape(translation *t, bool in_set)
{
    char c = *t->at;
    if (c == '\0')
        return refuse(t, "a backslash at its end");
    t->at++;
    if (c == 'p' || c == 'P')
        return property(t, c, in_set);
    if (c == 'u') {
        for (int i = 0; i < 4; i++)
            if (!isxdigit((unsigned char)t->at[i]))
                return refuse(t, "\\u without four hexadecimal digits");
        string_print(&t->out, "\\x{%.4s}", t->at);
        t->at += 4;
        return 0;
    }
    if (!strchr("sSwWhH", c)) {
        string_print(&t->out, "\\%c", c);
        if (c == 'x' && *t->at == '{') {
            const char *end = strchr(t->at, '}');
            if (!end)
                return refuse(t, "a '{' that is not closed");
            string_add(&t->out, t->at, (size_t)(end - t->at) + 1);
            t->at = end + 1;
        }
        return 0;
    }
    bool negated = isupper((unsigned char)c);
    if (negated && in_set && c != 'S')
        return refuse(t, c == 'W' ? "\\W in a set" : "\\H in a set");
    string_puts(&t->out, in_set ? "" : negated ? "[^" : "[");
    if (c == 'w' || c == 'W')
        add_word(&t->out);
    else
        string_puts(&t->out, c == 'h' || c == 'H' ? HEX : negated && in_set ? NOT_SPACE : SPACE);
    string_puts(&t->out, in_set ? "" : "]");
    return 0;
}

static int set(translation *t)
{
    string_add(&t->out, t->at++, 1);
    if (*t->at == '^')
        string_add(&t->out, t->at++, 1);
    if (*t->at == ']')
        return refuse(t, "an empty set");
    while (*t->at != ']') {
        if (*t->at == '\0')
            return refuse(t, "a '[' that is not closed");
        if (*t->at == '\\') {
            t->at++;
            if (escape(t, true) != 0)
                return -1;
        } else if (*t->at == '[' && t->at[1] == ':') {
            const char *end = strstr(t->at, ":]");
            if (!end)
                return refuse(t, "'[:' that is not closed");
            string_add(&t->out, t->at, (size_t)(end - t->at) + 2);
            t->at = end + 2;
        } else if (*t->at == '[') {
            return refuse(t, "a set within a set");
        } else if (*t->at == '&' && t->at[1] == '&') {
            return refuse(t, "an intersection of sets");
        } else {
            string_add(&t->out, t->at++, 1);
        }
    }
    string_add(&t->out, t->at++, 1);
    return 0;
}

static int open_group(translation *t)
{
    if (t->depth == DEPTH)
        return refuse(t, "more than 250 nested groups");
    if (t->at[1] == '*')
        return refuse(t, "'(*'");
    t->group[t->depth++] = t->out.length;
    string_add(&t->out, t->at++, 1);
    if (*t->at != '?')
        return 0;
    string_add(&t->out, t->at++, 1);
    if (*t->at == 'C' || *t->at == '{')
        return refuse(t, "a callout");
    while (*t->at == 'i' || *t->at == 'm' || *t->at == 'x' || *t->at == '-') {
        string_add(&t->out, *t->at == 'm' ? "s" : t->at, 1);
        t->at++;
    }
    return 0;
}

/* {n}, {n,}, {n,m}, {,m}; anything else is a literal brace. A '+' behind repeats the whole once more. */
static void interval(translation *t)
{
    const char *low = t->at + 1, *p = low;
    p += strspn(p, "0123456789");
    size_t digits = (size_t)(p - low);
    bool comma = *p == ',';
    const char *high = p + comma;
    p = high + (comma ? strspn(high, "0123456789") : 0);
    if (*p != '}' || (digits == 0 && (!comma || p == high))) {
        string_puts(&t->out, "\\{");
        t->at++;
        return;
    }
    string_puts(&t->out, digits ? "{" : "{0");
    string_add(&t->out, low, (size_t)(p - low) + 1);
    t->at = p + 1;
    if (*t->at == '+') {
        char *atom = memory_text(t->out.text + t->atom);
        t->out.length = t->atom;
        string_print(&t->out, "(?:%s)+", atom);
        free(atom);
        t->at++;
    }
}

static int step(translation *t)
{
    size_t start = t->out.length;
    switch (*t->at) {
    case '\\':
        t->at++;
        t->atom = start;
        return escape(t, false);
    case '[':
        t->atom = start;
        return set(t);
    case '(':
        return open_group(t);
    case ')':
        if (t->depth > 0)
            t->atom = t->group[--t->depth];
        string_add(&t->out, t->at++, 1);
        return 0;
    case '{':
        interval(t);
        return 0;
    case '*': case '+': case '?':
        string_add(&t->out, t->at++, 1);
        return 0;
    default:
        if (((unsigned char)*t->at & 0xC0) != 0x80)   /* the first byte of a character */
            t->atom = start;
        string_add(&t->out, t->at++, 1);
        return 0;
    }
}

char *pattern_translate(const char *source, const char *where, error *err)
{
    translation t = {.at = source, .where = where, .source = source, .err = err};
    string_puts(&t.out, "");
    while (*t.at)
        if (step(&t) != 0) {
            free(t.out.text);
            return NULL;
        }
    return t.out.text;
}
