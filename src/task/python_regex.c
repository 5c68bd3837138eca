#define PCRE2_CODE_UNIT_WIDTH 8
#include "task/python_regex.h"

#include <pcre2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "text/utf8.h"

#define LENGTH_LIMIT 10000
#define STEP_LIMIT 1000000u        /* backtracks from one place in a text, and 4 more for every byte of it */
#define HEAP_LIMIT_KIB (64u << 10)

struct python_regex {
    pcre2_code *code;
    char *source, *where;   /* owned */
    int groups;
};

/* ---- the same expression in PCRE2's syntax */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* \u1234 and \U00012345 at s, which points behind the letter; returns how many digits were taken, 0 where they are wrong. */
static size_t put_code_point(string *out, const char *s, size_t digits)
{
    for (size_t i = 0; i < digits; i++)
        if (!is_hex(s[i]))
            return 0;
    string_print(out, "\\x{%.*s}", (int)digits, s);
    return digits;
}

/* The escape at s, which points behind the backslash; returns its length, 0 where Python has no such escape. */
static size_t put_escape(string *out, const char *s)
{
    if (*s == 'u' || *s == 'U') {
        size_t k = put_code_point(out, s + 1, *s == 'u' ? 4 : 8);
        return k ? k + 1 : 0;
    }
    bool letter = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z');
    if (*s == '\0' || (letter && !strchr("AbBdDsSwWZafnrtvx", *s)))
        return 0;
    if (*s == 'Z')
        string_puts(out, "\\z");   /* Python's \Z is the very end; PCRE2's allows a newline behind it */
    else if (*s == 'v')
        string_puts(out, "\\x0b"); /* one character, no class */
    else
        string_print(out, "\\%c", *s);
    return 1;
}

static char *translate(const char *source, const char *where, error *err)
{
    string out = {0};
    bool in_class = false;
    size_t class_begin = 0;
    string_puts(&out, "");
    for (size_t i = 0; source[i]; i++) {
        char c = source[i];
        if (c == '\\') {
            size_t k = put_escape(&out, source + i + 1);
            if (k == 0) {
                fail(err, ERROR_UNSUPPORTED, "%s: the regular expression '%.300s' has an escape '\\%.1s' that Python does not know",
                     where, source, source + i + 1);
                free(out.text);
                return NULL;
            }
            i += k;
        } else if (in_class && c == '[') {
            string_puts(&out, "\\[");   /* Python has no [:classes:] */
        } else if (!in_class && c == '{' && source[i + 1] == ',' && source[i + 2] >= '0' && source[i + 2] <= '9') {
            string_puts(&out, "{0");
        } else {
            string_add(&out, &c, 1);
        }
        if (!in_class && c == '[') {
            in_class = true;
            class_begin = source[i + 1] == '^' ? i + 2 : i + 1;   /* a ']' there is a character */
        } else if (in_class && c == ']' && i != class_begin) {
            in_class = false;
        }
    }
    return out.text;
}

/* ---- matching */

python_regex *python_regex_new(const char *source, const char *where, error *err)
{
    if (strlen(source) > LENGTH_LIMIT) {
        fail(err, ERROR_LIMIT, "%s: a regular expression of %zu bytes; at most %d are possible", where, strlen(source), LENGTH_LIMIT);
        return NULL;
    }
    char *translated = utf8_valid(source, strlen(source)) ? translate(source, where, err) : NULL;
    if (!translated) {
        if (!utf8_valid(source, strlen(source)))
            fail(err, ERROR_FORMAT, "%s: the regular expression is not UTF-8", where);
        return NULL;
    }
    python_regex *re = memory_new(1, sizeof *re);
    re->source = memory_text(source);
    re->where = memory_text(where);
    int code = 0;
    uint32_t groups = 0;
    PCRE2_SIZE at = 0;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (context) {
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        re->code = pcre2_compile((PCRE2_SPTR)translated, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_UTF_CHECK,
                                 &code, &at, context);
    }
    pcre2_compile_context_free(context);
    free(translated);
    if (!re->code) {
        PCRE2_UCHAR why[200] = "no memory";
        if (code)
            pcre2_get_error_message(code, why, sizeof why);
        fail(err, ERROR_UNSUPPORTED, "%s: the regular expression '%.300s' does not compile: %s", where, source, (const char *)why);
    } else if (pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &groups) != 0 || groups >= PYTHON_GROUPS) {
        fail(err, ERROR_LIMIT, "%s: the regular expression '%.300s' has more than %d groups", where, source, PYTHON_GROUPS - 1);
    } else {
        re->groups = (int)groups;
        return re;
    }
    python_regex_free(re);
    return NULL;
}

void python_regex_free(python_regex *re)
{
    if (!re)
        return;
    pcre2_code_free(re->code);
    free(re->source);
    free(re->where);
    free(re);
}

const char *python_regex_source(const python_regex *re)
{
    return re->source;
}

int python_regex_groups(const python_regex *re)
{
    return re->groups;
}

int python_regex_next(const python_regex *re, const char *text, size_t n, python_cursor *cursor, python_span *groups, error *err)
{
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(re->code, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    int status = PCRE2_ERROR_NOMEMORY;
    if (match && limits) {
        uint64_t steps = STEP_LIMIT + 4 * (uint64_t)n;
        pcre2_set_match_limit(limits, steps > UINT32_MAX ? UINT32_MAX : (uint32_t)steps);
        pcre2_set_heap_limit(limits, HEAP_LIMIT_KIB);
        /* Behind an empty match Python looks for one that is not empty, or further on. */
        status = pcre2_match(re->code, (PCRE2_SPTR)text, n, cursor->at, PCRE2_NO_UTF_CHECK | (cursor->empty ? PCRE2_NOTEMPTY_ATSTART : 0), match, limits);
    }
    const PCRE2_SIZE *found = status > 0 ? pcre2_get_ovector_pointer(match) : NULL;
    if (found && (found[1] < found[0] || found[0] < cursor->at)) {
        fail(err, ERROR_UNSUPPORTED, "%s: the regular expression '%.300s' matches backwards", re->where, re->source);
        status = -1;
    } else if (found) {
        for (int g = 0; g <= re->groups; g++)
            groups[g] = g < status && found[2 * g] != PCRE2_UNSET ? (python_span){found[2 * g], found[2 * g + 1]} : (python_span){SIZE_MAX, SIZE_MAX};
        *cursor = (python_cursor){groups[0].end, groups[0].end == groups[0].begin};
        status = 1;
    } else if (status == PCRE2_ERROR_NOMATCH) {
        status = 0;
    } else {
        PCRE2_UCHAR why[200] = "";
        pcre2_get_error_message(status, why, sizeof why);
        status = fail(err, ERROR_LIMIT, "%s: the regular expression '%.300s' gives up on a text of %zu bytes: %s", re->where, re->source, n,
                      status == PCRE2_ERROR_MATCHLIMIT ? "it backtracks without end" : (const char *)why);
    }
    pcre2_match_data_free(match);
    pcre2_match_context_free(limits);
    return status;
}

char *python_regex_remove(const python_regex *re, const char *text, error *err)
{
    size_t n = strlen(text), kept = 0;
    python_cursor cursor = {0};
    python_span found[PYTHON_GROUPS];
    string out = {0};
    int status;
    string_puts(&out, "");
    while ((status = python_regex_next(re, text, n, &cursor, found, err)) > 0) {
        string_add(&out, text + kept, found[0].begin - kept);
        kept = found[0].end;
    }
    if (status == 0) {
        string_puts(&out, text + kept);
        return out.text;
    }
    free(out.text);
    return NULL;
}
