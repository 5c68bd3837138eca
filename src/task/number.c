/* Reading the number out of an answer.
 *
 * number_paper is the paper's rule, faults included: the last match of the regular expression \d*\.?\d+ as Python
 * reads it (\d is any decimal digit of any script), so "1,000" reads as 0 and signs are lost. number_corrected is ours:
 * fold the text, find the numbers with their signs, then take the one that the answer points at. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/memory.h"
#include "task/metric.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Decimal digits stand in runs of ten from zero, in every script; runs that touch are whole tens. */
static int digit_value(utf8proc_int32_t c)
{
    if (c < 0x80)
        return c >= '0' && c <= '9' ? c - '0' : -1;
    if (utf8proc_category(c) != UTF8PROC_CATEGORY_ND)
        return -1;
    utf8proc_int32_t zero = c;
    while (utf8proc_category(zero - 1) == UTF8PROC_CATEGORY_ND)
        zero--;
    return (c - zero) % 10;
}

/* What else the corrected extractor sees alike; NULL: the character itself. */
static const char *fold_other(utf8proc_int32_t c, char ascii[2])
{
    if (c >= 0xFF01 && c <= 0xFF5E) {
        ascii[0] = (char)(c - 0xFEE0);
        return ascii;
    }
    switch (c) {
    case 0x2212: case 0x2010: case 0x2011: return "-";
    case 0x3000: case 0x00A0: return " ";
    case 0xFFE5: return "\u00a5";
    default: return NULL;
    }
}

/* Digits of any script become ASCII; with `all`, full-width ASCII, minus signs, spaces and the yen sign too. Never longer. */
static char *fold(const char *text, size_t n, bool all, size_t *length)
{
    char *out = memory_new(n + 1, 1), ascii[2] = "";
    size_t k = 0;
    for (size_t i = 0; i < n;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t step = utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(n - i), &c);
        if (step <= 0) {
            out[k++] = text[i++];
            continue;
        }
        int digit = digit_value(c);
        const char *other = digit < 0 && all ? fold_other(c, ascii) : NULL;
        if (digit >= 0) {
            out[k++] = (char)('0' + digit);
        } else if (other) {
            for (const char *p = other; *p; p++)
                out[k++] = *p;
        } else {
            memcpy(out + k, text + i, (size_t)step);
            k += (size_t)step;
        }
        i += (size_t)step;
    }
    *length = k;
    return out;
}

/* [begin, end) holds digits, '.' and ',' only. */
static double value_of(const char *s, size_t begin, size_t end)
{
    char *copy = memory_new(end - begin + 1, 1);
    size_t k = 0;
    for (size_t i = begin; i < end; i++)
        if (s[i] != ',')
            copy[k++] = s[i];
    double value = strtod(copy, NULL);
    free(copy);
    return value;
}

static size_t digits_from(const char *s, size_t n, size_t i)
{
    while (i < n && is_digit(s[i]))
        i++;
    return i;
}

bool number_paper_n(const char *text, size_t n, double *value)
{
    size_t length, begin = 0, end = 0;
    char *s = fold(text, n, false, &length);
    for (size_t i = 0; i < length;) {
        size_t stop = digits_from(s, length, i);
        if (stop + 1 < length && s[stop] == '.' && is_digit(s[stop + 1]))
            stop = digits_from(s, length, stop + 1);
        if (stop > i) {
            begin = i;
            end = stop;
        }
        i = stop > i ? stop : i + 1;
    }
    if (end)
        *value = value_of(s, begin, end);
    free(s);
    return end > 0;
}

/* ---- the corrected extractor, on folded text */

struct number { size_t begin, end; bool negative; };

struct reading {
    char *s;                 /* folded, owned */
    size_t n;
    struct number *found;    /* [count] in order of begin; owned */
    size_t count, capacity;
};

/* Where the number that begins at i ends; i where none does. */
static size_t number_end(const char *s, size_t n, size_t i)
{
    size_t stop = digits_from(s, n, i);
    if (stop > i) {
        size_t grouped = 0;
        if (stop - i <= 3)
            for (size_t at = stop; at + 3 < n && s[at] == ',' && digits_from(s, at + 4, at + 1) == at + 4; at += 4)
                if (at + 4 == n || !is_digit(s[at + 4]))
                    grouped = at + 4;
        if (grouped)
            stop = grouped;
    }
    if (stop + 1 < n && s[stop] == '.' && is_digit(s[stop + 1]))
        stop = digits_from(s, n, stop + 1);
    return stop;
}

static bool ends_with(const char *s, size_t end, const char *what)
{
    size_t k = strlen(what);
    return end >= k && memcmp(s + end - k, what, k) == 0;
}

/* A '-' is a sign unless something stands before it that could be the left side of a difference. */
static bool is_negative(const char *s, size_t begin)
{
    static const char *const currencies[] = {"$", "\u00a5", "\u20ac", "\u00a3"};
    size_t i = begin;
    for (size_t c = 0; c < sizeof currencies / sizeof *currencies; c++)
        if (ends_with(s, i, currencies[c])) {
            i -= strlen(currencies[c]);
            break;
        }
    if (i == 0 || s[i - 1] != '-')
        return ends_with(s, i, "マイナス");
    for (i--; i > 0 && s[i - 1] == ' ';)
        i--;
    if (i == 0)
        return true;
    char c = s[i - 1];
    return !(is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == ')' || c == ']' || c == '}' || c == '%');
}

static void find_numbers(struct reading *r)
{
    for (size_t i = 0; i < r->n;) {
        size_t end = number_end(r->s, r->n, i);
        if (end == i) {
            i++;
            continue;
        }
        if (r->count == r->capacity) {
            r->capacity = r->capacity ? 2 * r->capacity : 16;
            r->found = memory_grow(r->found, r->capacity, sizeof *r->found);
        }
        r->found[r->count++] = (struct number){i, end, is_negative(r->s, i)};
        i = end;
    }
}

static const struct number *first_in(const struct reading *r, size_t begin, size_t end)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->found[i].begin >= begin && r->found[i].begin < end)
            return &r->found[i];
    return NULL;
}

static const struct number *last_in(const struct reading *r, size_t begin, size_t end)
{
    for (size_t i = r->count; i-- > 0;)
        if (r->found[i].begin >= begin && r->found[i].begin < end)
            return &r->found[i];
    return NULL;
}

static size_t find(const struct reading *r, size_t from, const char *what)   /* n where it is not */
{
    const char *p = from < r->n ? memmem(r->s + from, r->n - from, what, strlen(what)) : NULL;
    return p ? (size_t)(p - r->s) : r->n;
}

static size_t find_last(const struct reading *r, const char *what)   /* SIZE_MAX where it is not */
{
    size_t k = strlen(what);
    for (size_t i = r->n + 1; i-- > 0;)
        if (i + k <= r->n && memcmp(r->s + i, what, k) == 0)
            return i;
    return SIZE_MAX;
}

static bool same_any_case(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((a[i] >= 'A' && a[i] <= 'Z' ? a[i] + 32 : a[i]) != b[i])
            return false;
    return true;
}

/* The end of the last phrase that announces an answer; SIZE_MAX where there is none. */
static size_t marker_end(const struct reading *r)
{
    static const char *const markers[] = {"答えは", "答え:", "答え=", "解答は", "解答:", "正解は", "答:", "答案是", "答案:",
                                          "answer is", "answer:"};
    size_t last = SIZE_MAX;
    for (size_t i = 0; i < r->n;) {
        size_t step = 1;
        for (size_t m = 0; m < sizeof markers / sizeof *markers; m++) {
            size_t k = strlen(markers[m]);
            if (i + k <= r->n && same_any_case(r->s + i, markers[m], k)) {
                last = i + k;
                step = k;
                break;
            }
        }
        i += step;
    }
    return last;
}

static const struct number *after_marker(const struct reading *r, size_t from)
{
    size_t full_stop = find(r, from, "。"), line = find(r, from, "\n"), end = full_stop < line ? full_stop : line;
    const struct number *v = NULL;
    for (size_t i = end; i-- > from;)
        if (r->s[i] == '=') {
            v = first_in(r, i, end);
            break;
        }
    if (!v)
        v = first_in(r, from, end);
    return v ? v : first_in(r, from, r->n);
}

static const struct number *choose(const struct reading *r)
{
    const struct number *v = NULL;
    size_t at = find_last(r, "####");
    if (at != SIZE_MAX)
        v = first_in(r, at, find(r, at, "\n"));
    if (!v && (at = find_last(r, "\\boxed{")) != SIZE_MAX)
        v = last_in(r, at, find(r, at, "}"));
    if (!v && (at = marker_end(r)) != SIZE_MAX)
        v = after_marker(r, at);
    if (!v && r->count)
        v = &r->found[r->count - 1];
    return v;
}

bool number_corrected_n(const char *text, size_t n, double *value)
{
    struct reading r = {0};
    r.s = fold(text, n, true, &r.n);
    find_numbers(&r);
    const struct number *v = choose(&r);
    if (v) {
        double x = value_of(r.s, v->begin, v->end);
        *value = v->negative ? -x : x;
    }
    free(r.found);
    free(r.s);
    return v != NULL;
}

bool number_paper(const char *text, double *value)
{
    return number_paper_n(text, strlen(text), value);
}

bool number_corrected(const char *text, double *value)
{
    return number_corrected_n(text, strlen(text), value);
}

/* ---- as metrics */

/* Gold text is a plain number; MGSM writes thousands separators into it. */
int number_gold(const json_t *gold, double *value, error *err)
{
    if (json_is_number(gold)) {
        *value = json_number_value(gold);
        return 0;
    }
    if (!json_is_string(gold))
        return fail(err, ERROR_FORMAT, "the gold answer should be a number, a number as text, or a list of them");
    size_t n, k = 0;
    char *s = fold(json_string_value(gold), json_string_length(gold), true, &n), *end;
    for (size_t i = 0; i < n; i++)
        if (s[i] != ',')
            s[k++] = s[i];
    while (k > 0 && strchr(" \t\r\n", s[k - 1]))
        k--;
    s[k] = '\0';
    const char *begin = s + strspn(s, " \t\r\n");
    bool plain = *begin && begin[strspn(begin, "+-.0123456789eE")] == '\0';
    double x = plain ? strtod(begin, &end) : NAN;
    int status = plain && *end == '\0' && isfinite(x) ? 0 : -1;
    if (status == 0)
        *value = x;
    else
        fail(err, ERROR_FORMAT, "the gold answer '%.80s' is not a number", json_string_value(gold));
    free(s);
    return status;
}

static int score_number(bool has, double found, const json_t *reference, double *score, error *err)
{
    double wanted;
    if (number_gold(reference, &wanted, err) != 0)
        return -1;
    *score = has && found == wanted;
    return 0;
}

int number_paper_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err)
{
    (void)s;
    double found = 0;
    bool has = number_paper(answer, &found);
    return score_number(has, found, reference, score, err);
}

int number_corrected_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err)
{
    (void)s;
    double found = 0;
    bool has = number_corrected(answer, &found);
    return score_number(has, found, reference, score, err);
}
