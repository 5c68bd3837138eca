/* regex_replace: Python's re.sub over PCRE2. The two syntaxes are close; where they are not, the pattern is rewritten or refused.
 * Every item that is tried counts as a step of the template, so that no pattern runs for ever. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_run.h"
#include "text/utf8.h"

#define PATTERN_LIMIT 10000         /* bytes */
#define HEAP_LIMIT_KIB (64u << 10)  /* for what backtracking must remember */

typedef struct jregex {
    jrun *r;
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    size_t last;                    /* where the last item was tried */
} jregex;

/* ---- the pattern in PCRE2's words */

/* An escape that Python has and PCRE2 writes otherwise, or that Python does not have. Returns the length it has in the pattern. */
static int translate_escape(jrun *r, const char *s, size_t n, bool in_class, string *out)
{
    uint32_t c = 0;
    size_t wanted = n > 1 && s[1] == 'u' ? 4 : n > 1 && s[1] == 'U' ? 8 : 0, at = 2;
    for (; at < n && at < wanted + 2; at++) {
        int digit = s[at] >= '0' && s[at] <= '9' ? s[at] - '0' : (s[at] | 0x20) >= 'a' && (s[at] | 0x20) <= 'f' ? (s[at] | 0x20) - 'a' + 10 : -1;
        if (digit < 0)
            break;
        c = c << 4 | (uint32_t)digit;
    }
    if (wanted && (at != wanted + 2 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)))
        return jfail(r, "incomplete escape in the pattern");
    if (wanted) {
        string_print(out, "\\x{%x}", c);
        return (int)at;
    }
    if (n > 1 && s[1] == 'Z' && !in_class) {
        string_puts(out, "\\z");
        return 2;
    }
    bool letter = n > 1 && (((s[1] | 0x20) >= 'a' && (s[1] | 0x20) <= 'z'));
    if (n < 2 || (letter && !strchr(in_class ? "abdfnrstvwxDSW" : "abdfnrstvwxABDSW", s[1])))
        return jfail(r, "bad escape \\%.*s in the pattern", n < 2 ? 0 : 1, s + 1);
    if (n > 1 && s[1] == 'v')   /* in PCRE2 a class */
        string_puts(out, "\\x0b");
    else
        string_add(out, s, 2);
    return 2;
}

static int translate(jrun *r, jvalue pattern, string *out)
{
    const char *s = pattern.as.text.s;
    size_t n = pattern.as.text.n, class_begin = 0;
    bool in_class = false;
    string_puts(out, "");
    for (size_t i = 0; i < n;) {
        if (s[i] == '\\') {
            int length = translate_escape(r, s + i, n - i, in_class, out);
            if (length < 0)
                return -1;
            i += (size_t)length;
            continue;
        }
        if (!in_class && s[i] == '{' && i + 2 < n && s[i + 1] == ',' && (s[i + 2] == '}' || (s[i + 2] >= '0' && s[i + 2] <= '9'))) {
            string_puts(out, "{0");   /* {,3} */
            i++;
            continue;
        }
        if (!in_class && s[i] == '[') {
            in_class = true;
            class_begin = i + 1 + (i + 1 < n && s[i + 1] == '^');
        } else if (in_class && s[i] == ']' && i > class_begin) {
            in_class = false;
        } else if (in_class && s[i] == '[' && i > 0) {
            string_puts(out, "\\");   /* no POSIX class */
        }
        string_add(out, s + i, 1);
        i++;
    }
    return 0;
}

static int count_item(pcre2_callout_block *block, void *context)
{
    jregex *x = context;
    size_t gone = block->current_position > x->last ? block->current_position - x->last : x->last - block->current_position;
    x->last = block->current_position;
    return jstep(x->r, 1 + gone / 64) == 0 ? 0 : PCRE2_ERROR_CALLOUT;
}

static int compile(jregex *x, jvalue pattern)
{
    string translated = {0};
    int code = 0, status = -1;
    PCRE2_SIZE at = 0;
    if (pattern.as.text.n > PATTERN_LIMIT)
        return jfail_code(x->r, ERROR_LIMIT, "a pattern of %zu bytes; the limit is %d", pattern.as.text.n, PATTERN_LIMIT);
    if (translate(x->r, pattern, &translated) != 0)
        goto done;
    x->code = pcre2_compile((PCRE2_SPTR)translated.text, translated.length, PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT,
                            &code, &at, NULL);
    if (!x->code) {
        PCRE2_UCHAR why[200] = "no memory";
        pcre2_get_error_message(code, why, sizeof why);
        jfail(x->r, "the pattern '%.*s' does not compile: %s", (int)(pattern.as.text.n < 200 ? pattern.as.text.n : 200), pattern.as.text.s, (const char *)why);
        goto done;
    }
    x->match = pcre2_match_data_create_from_pattern(x->code, NULL);
    x->limits = pcre2_match_context_create(NULL);
    if (!x->match || !x->limits) {
        jfail_code(x->r, ERROR_MEMORY, "no memory to search for a pattern");
        goto done;
    }
    pcre2_set_heap_limit(x->limits, HEAP_LIMIT_KIB);
    pcre2_set_match_limit(x->limits, UINT32_MAX);
    pcre2_set_callout(x->limits, count_item, x);
    status = 0;
done:
    free(translated.text);
    return status;
}

/* ---- the replacement */

/* The group that \1, \g<1> or \g<name> at s [n] names; *used is its length. -1: s is none of these; -2 with the error in x->r. */
static int group_of(jregex *x, const char *s, size_t n, size_t *used)
{
    char name[64];
    if (n > 1 && s[1] >= '1' && s[1] <= '9') {
        bool two = n > 2 && s[2] >= '0' && s[2] <= '9';
        *used = two ? 3 : 2;
        return two ? 10 * (s[1] - '0') + (s[2] - '0') : s[1] - '0';
    }
    if (n < 4 || s[1] != 'g' || s[2] != '<')
        return n > 1 && s[1] == 'g' ? (jfail(x->r, "missing group name in the replacement"), -2) : -1;
    const char *close = memchr(s + 3, '>', n - 3);
    size_t length = close ? (size_t)(close - s) - 3 : 0;
    if (length == 0 || length >= sizeof name)
        return jfail(x->r, "a group's name in the replacement is not complete"), -2;
    memcpy(name, s + 3, length);
    name[length] = '\0';
    *used = length + 4;
    if (strspn(name, "0123456789") == length)
        return length > 4 ? 99999 : atoi(name);
    int number = pcre2_substring_number_from_name(x->code, (PCRE2_SPTR)name);
    return number > 0 ? number : (jfail(x->r, "unknown group name '%s' in the replacement", name), -2);
}

static int put_group(jregex *x, const char *text, int group)
{
    uint32_t count;
    const PCRE2_SIZE *found = pcre2_get_ovector_pointer(x->match);
    pcre2_pattern_info(x->code, PCRE2_INFO_CAPTURECOUNT, &count);
    if (group > (int)count)
        return jfail(x->r, "invalid group reference %d in the replacement", group);
    return found[2 * group] == PCRE2_UNSET ? 0 : jput(x->r, text + found[2 * group], found[2 * group + 1] - found[2 * group]);
}

static int put_replacement(jregex *x, jvalue by, const char *text)
{
    static const char letters[] = "abfnrtv\\", means[] = "\a\b\f\n\r\t\v\\";
    const char *s = by.as.text.s;
    size_t n = by.as.text.n;
    for (size_t i = 0, used; i < n; i += used) {
        const char *back = memchr(s + i, '\\', n - i);
        used = back ? (size_t)(back - s) - i : n - i;
        if (used) {
            if (jput(x->r, s + i, used) != 0)
                return -1;
            continue;
        }
        const char *letter = i + 1 < n && s[i + 1] ? strchr(letters, s[i + 1]) : NULL;
        int group = letter ? -1 : group_of(x, s + i, n - i, &used);
        if (letter) {
            used = 2;
            if (jput(x->r, means + (letter - letters), 1) != 0)
                return -1;
        } else if (group == -2 || (group >= 0 && put_group(x, text, group) != 0)) {
            return -1;
        } else if (group < 0) {
            bool known = i + 1 < n && !((s[i + 1] | 0x20) >= 'a' && (s[i + 1] | 0x20) <= 'z') && s[i + 1] != '0';
            if (!known)
                return jfail(x->r, "bad escape \\%.*s in the replacement", i + 1 < n ? 1 : 0, s + i + 1);
            used = 1;   /* a backslash before anything else stays */
            if (jput(x->r, s + i, 1) != 0)
                return -1;
        }
    }
    return 0;
}

/* ---- every match */

static int search(jregex *x, jvalue text, size_t at, uint32_t options)
{
    x->last = at;
    int status = pcre2_match(x->code, (PCRE2_SPTR)text.as.text.s, text.as.text.n, at, PCRE2_NO_UTF_CHECK | options, x->match, x->limits);
    if (status == PCRE2_ERROR_NOMATCH)
        return 0;
    if (status >= 0)
        return 1;
    PCRE2_UCHAR why[200] = "";
    pcre2_get_error_message(status, why, sizeof why);
    return jfail_code(x->r, ERROR_LIMIT, "the pattern gives up on a text of %zu bytes: %s", text.as.text.n, (const char *)why);
}

/* As re.sub since Python 3.7: an empty match counts also right behind another one, but not twice at one place. */
static int replace(jregex *x, jvalue text, jvalue by, int64_t most)
{
    const char *s = text.as.text.s;
    size_t n = text.as.text.n, copied = 0, at = 0;
    uint32_t options = 0;
    for (int64_t i = 0; (most <= 0 || i < most) && at <= n; i++) {
        int found = search(x, text, at, options);
        if (found < 0)
            return -1;
        if (!found)
            break;
        const PCRE2_SIZE *place = pcre2_get_ovector_pointer(x->match);
        size_t begin = place[0], end = place[1];
        if (begin < at || end < begin)
            return jfail(x->r, "a pattern that matches backwards is not known here");
        if (jput(x->r, s + copied, begin - copied) != 0 || put_replacement(x, by, s) != 0)
            return -1;
        copied = at = end;
        options = begin == end ? PCRE2_NOTEMPTY_ATSTART : 0;
    }
    return jput(x->r, s + copied, n - copied);
}

int jregex_replace(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    jvalue pattern = {0}, by = {0};
    int64_t most = 0;
    size_t mark = r->out.length;
    jregex x = {.r = r};
    if (self.type != J_TEXT)
        return jfail_type(r, "expected string or bytes-like object, got '%s'", self);
    if (jarg_text(r, a, 0, &pattern) != 0 || jarg_text(r, a, 1, &by) != 0 || jarg_int(r, a, 2, &most) != 0)
        return -1;
    int status = compile(&x, pattern) == 0 ? replace(&x, self, by, most) : -1;
    pcre2_match_data_free(x.match);
    pcre2_match_context_free(x.limits);
    pcre2_code_free(x.code);
    return status == 0 ? jtake(r, mark, out) : -1;
}
