#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pattern.h"

#include <pcre2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/utf8.h"

#define LENGTH_LIMIT 10000         /* bytes of a pattern */
#define STEP_LIMIT 1000000u        /* backtracks from one place in a text, and 4 more for every byte of it */
#define HEAP_LIMIT_KIB (64u << 10) /* for what backtracking must remember */

struct pattern {
    char *source, *where;
    pcre2_code *code;      /* NULL for a literal */
    size_t n;              /* of a literal */
};

struct pattern_search {
    const pattern *pattern;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    const char *text;
    size_t n, at, last_end;
    bool matched;          /* last_end is the end of a match */
};

void pattern_free(pattern *p)
{
    if (!p)
        return;
    pcre2_code_free(p->code);
    free(p->source);
    free(p->where);
    free(p);
}

static int compile(pattern *p, error *err)
{
    char *translated = pattern_translate(p->source, p->where, err);
    if (!translated)
        return -1;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    int code = 0, status = 0;
    PCRE2_SIZE at = 0;
    if (context) {
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        p->code = pcre2_compile((PCRE2_SPTR)translated, PCRE2_ZERO_TERMINATED,
                                PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_UTF_CHECK, &code,
                                &at, context);
    }
    if (!p->code) {
        PCRE2_UCHAR why[200] = "no memory";
        if (code)
            pcre2_get_error_message(code, why, sizeof why);
        status =
            fail(err, ERROR_UNSUPPORTED, "%s: the pattern '%.300s' does not compile: %s", p->where, p->source, (const char *)why);
    } else {
        pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);  /* where it fails, matching is interpreted */
    }
    pcre2_compile_context_free(context);
    free(translated);
    return status;
}

pattern *pattern_new(const char *source, bool regex, const char *where, error *err)
{
    size_t n = strlen(source);
    if (n == 0 || n > LENGTH_LIMIT) {
        fail(err, ERROR_UNSUPPORTED, "%s: a pattern of %zu bytes; 1 to %d are possible", where, n, LENGTH_LIMIT);
        return NULL;
    }
    pattern *p = memory_new(1, sizeof *p);
    p->source = memory_text(source);
    p->where = memory_text(where);
    p->n = n;
    if (regex && compile(p, err) != 0) {
        pattern_free(p);
        return NULL;
    }
    return p;
}

pattern *pattern_read(const json_t *value, const char *where, error *err)
{
    const json_t *literal = json_object_get(value, "String"), *regex = json_object_get(value, "Regex");
    if (json_is_string(literal) == json_is_string(regex)) {
        fail(err, ERROR_FORMAT, "%s: 'pattern' should be {\"String\": ...} or {\"Regex\": ...}", where);
        return NULL;
    }
    return pattern_new(json_string_value(literal ? literal : regex), !literal, where, err);
}

void pattern_describe(const pattern *p, string *out)
{
    string_print(out, "%s %zu:%s", p->code ? "regex" : "literal", p->n, p->source);
}

pattern_search *pattern_search_new(const pattern *p)
{
    pattern_search *s = memory_new(1, sizeof *s);
    s->pattern = p;
    if (p->code) {
        s->match = pcre2_match_data_create(1, NULL);
        s->limits = pcre2_match_context_create(NULL);
        if (s->limits)
            pcre2_set_heap_limit(s->limits, HEAP_LIMIT_KIB);
    }
    return s;
}

void pattern_search_free(pattern_search *s)
{
    if (!s)
        return;
    pcre2_match_data_free(s->match);
    pcre2_match_context_free(s->limits);
    free(s);
}

void pattern_search_begin(pattern_search *s, const char *text, size_t n)
{
    s->text = text;
    s->n = n;
    s->at = s->last_end = 0;
    s->matched = false;
    if (s->limits) {
        uint64_t steps = STEP_LIMIT + 4 * (uint64_t)n;
        pcre2_set_match_limit(s->limits, steps > UINT32_MAX ? UINT32_MAX : (uint32_t)steps);
    }
}

static int next_literal(pattern_search *s, size_t *start, size_t *end)
{
    const pattern *p = s->pattern;
    const char *found = memmem(s->text + s->at, s->n - s->at, p->source, p->n);
    if (!found)
        return 0;
    *start = (size_t)(found - s->text);
    *end = s->at = *start + p->n;
    return 1;
}

static int next_regex(pattern_search *s, size_t *start, size_t *end, error *err)
{
    const pattern *p = s->pattern;
    if (!s->match || !s->limits)
        return fail(err, ERROR_MEMORY, "%s: no memory to search for a pattern", p->where);
    while (s->at <= s->n) {
        int status = pcre2_match(p->code, (PCRE2_SPTR)s->text, s->n, s->at, PCRE2_NO_UTF_CHECK, s->match, s->limits);
        if (status == PCRE2_ERROR_JIT_STACKLIMIT)  /* the interpreter keeps its stack on the heap */
            status =
                pcre2_match(p->code, (PCRE2_SPTR)s->text, s->n, s->at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, s->match, s->limits);
        if (status == PCRE2_ERROR_NOMATCH)
            return 0;
        if (status < 0) {
            PCRE2_UCHAR why[200] = "";
            pcre2_get_error_message(status, why, sizeof why);
            return fail(err, ERROR_LIMIT, "%s: the pattern '%.300s' gives up on a text of %zu bytes: %s", p->where, p->source,
                        s->n, status == PCRE2_ERROR_MATCHLIMIT ? "it backtracks without end" : (const char *)why);
        }
        const PCRE2_SIZE *found = pcre2_get_ovector_pointer(s->match);
        if (found[0] < s->at || found[1] < found[0] || found[1] > s->n)
            return fail(err, ERROR_UNSUPPORTED, "%s: the pattern '%.300s' matches backwards", p->where, p->source);
        if (found[0] == found[1] && s->matched && s->last_end == found[1]) {
            uint32_t c;
            s->at += s->at < s->n ? (size_t)utf8_get(s->text + s->at, &c) : 1;
            continue;
        }
        *start = found[0];
        *end = s->at = s->last_end = found[1];
        s->matched = true;
        return 1;
    }
    return 0;
}

int pattern_next(pattern_search *s, size_t *start, size_t *end, error *err)
{
    return s->pattern->code ? next_regex(s, start, end, err) : next_literal(s, start, end);
}
