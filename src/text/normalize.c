#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/json.h"
#include "text/newer.h"
#include "text/parts.h"
#include "text/utf8.h"

enum kind { PREPEND, REPLACE, NFC, NFD, NFKC, NFKD, LOWERCASE, STRIP, STRIP_ACCENTS, BYTE_LEVEL };

static const char *const names[] = {"Prepend", "Replace",   "NFC",   "NFD",          "NFKC",
                                    "NFKD",    "Lowercase", "Strip", "StripAccents", "ByteLevel"};

typedef struct step {
    enum kind kind;
    char *text;          /* PREPEND, REPLACE: what is put in; owned */
    pattern *pattern;    /* REPLACE; owned */
    bool left, right;    /* STRIP */
} step;

struct normalizer {
    step *step;
    size_t count;
    const char *file;    /* while it is read */
};

void normalizer_free(normalizer *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < n->count; i++) {
        free(n->step[i].text);
        pattern_free(n->step[i].pattern);
    }
    free(n->step);
    free(n);
}

static int read_step(void *context, const json_t *value, error *err)
{
    normalizer *n = context;
    const char *type, *text = NULL;
    if (component_type(value, "normalizer", n->file, &type, err) != 0)
        return -1;
    if (strcmp(type, "Sequence") == 0)
        return component_each(value, "normalizers", "normalizer", n->file, read_step, n, err);
    size_t kind = 0;
    while (kind < sizeof names / sizeof *names && strcmp(type, names[kind]) != 0)
        kind++;
    if (kind == sizeof names / sizeof *names)
        return component_unknown("normalizer", type, n->file, err);
    n->step = memory_grow(n->step, n->count + 1, sizeof *n->step);
    step *s = &n->step[n->count++];
    *s = (step){.kind = (enum kind)kind, .left = true, .right = true};
    char *where = memory_print("%s: normalizer %s", n->file, type);
    int status = -1;
    if (json_want_text(value, s->kind == PREPEND ? "prepend" : "content", where, &text, err) != 0
        || json_want_bool(value, "strip_left", where, &s->left, err) != 0
        || json_want_bool(value, "strip_right", where, &s->right, err) != 0)
        goto done;
    if ((s->kind == PREPEND || s->kind == REPLACE) && !text) {
        fail(err, ERROR_FORMAT, "%s: '%s' is missing", where, s->kind == PREPEND ? "prepend" : "content");
        goto done;
    }
    s->text = memory_text(text);
    if (s->kind == REPLACE && !(s->pattern = pattern_read(json_object_get(value, "pattern"), where, err)))
        goto done;
    status = 0;
done:
    free(where);
    return status;
}

normalizer *normalizer_read(const json_t *value, const char *file, error *err)
{
    normalizer *n = memory_new(1, sizeof *n);
    n->file = file;
    if (value && !json_is_null(value) && read_step(n, value, err) != 0) {
        normalizer_free(n);
        return NULL;
    }
    n->file = NULL;
    return n;
}

void normalizer_describe(const normalizer *n, string *out)
{
    string_puts(out, "normalizer\n");
    for (size_t i = 0; i < n->count; i++) {
        const step *s = &n->step[i];
        string_print(out, "%s %d %d %s ", names[s->kind], s->left, s->right, s->text ? s->text : "");
        if (s->pattern)
            pattern_describe(s->pattern, out);
        string_puts(out, "\n");
    }
}

static int replace(const step *s, const string *in, string *out, bool *first, error *err)
{
    pattern_search *search = pattern_search_new(s->pattern);
    pattern_search_begin(search, in->text, in->length);
    size_t start, end, done = 0;
    int found;
    while ((found = pattern_next(search, &start, &end, err)) > 0) {
        string_add(out, in->text + done, start - done);
        string_puts(out, s->text);
        if (start == 0 && end > 0 && !*s->text)
            *first = false;
        done = end;
    }
    string_add(out, in->text + done, in->length - done);
    pattern_search_free(search);
    return found;
}

/* Whether one of the forms may change a character or join it with what stands before it. */
static bool needs_form(const char *text, size_t n, enum kind kind)
{
    static const uint32_t from[] = {[NFC] = 0x300, [NFD] = 0xC0, [NFKC] = 0xA0, [NFKD] = 0xA0};
    for (size_t at = 0; at < n;) {
        uint32_t c;
        at += (size_t)utf8_get(text + at, &c);
        if (c >= from[kind])
            return true;
    }
    return false;
}

static int add_form(enum kind kind, const char *text, size_t n, string *out, error *err)
{
    if (!needs_form(text, n, kind)) {
        string_add(out, text, n);
        return 0;
    }
    utf8proc_option_t options = UTF8PROC_STABLE | (kind == NFC || kind == NFKC ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE)
                              | (kind == NFKC || kind == NFKD ? UTF8PROC_COMPAT : 0);
    utf8proc_uint8_t *made = NULL;
    utf8proc_ssize_t length = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)n, &made, options);
    if (length < 0)
        return fail(err, ERROR_MEMORY, "%s of a text of %zu bytes: %s", names[kind], n, utf8proc_errmsg(length));
    string_add(out, (const char *)made, (size_t)length);
    free(made);
    return 0;
}

/* Character by character that the library's tables do not know, and what lies between. */
static int unicode_form(enum kind kind, const string *in, string *out, error *err)
{
    size_t done = 0;
    for (size_t at = 0; at < in->length;) {
        uint32_t c;
        size_t length = (size_t)utf8_get(in->text + at, &c);
        if (newer_than_normal_forms(c)) {
            if (add_form(kind, in->text + done, at - done, out, err) != 0)
                return -1;
            string_add(out, in->text + at, length);
            done = at + length;
        }
        at += length;
    }
    return add_form(kind, in->text + done, in->length - done, out, err);
}

static void strip(const step *s, const string *in, string *out, bool *first)
{
    size_t start = 0, end = in->length;
    uint32_t c;
    while (s->left && start < end) {
        int n = utf8_get(in->text + start, &c);
        if (!char_is_space(c))
            break;
        start += (size_t)n;
        *first = false;
    }
    while (s->right && end > start) {
        int n = utf8_last(in->text, end, &c);
        if (!char_is_space(c))
            break;
        end -= (size_t)n;
    }
    string_add(out, in->text + start, end - start);
}

static void each_character(enum kind kind, const string *in, string *out)
{
    for (size_t at = 0; at < in->length;) {
        uint32_t c;
        at += (size_t)utf8_get(in->text + at, &c);
        if (kind == STRIP_ACCENTS) {
            if (!char_is_mark(c))
                utf8_add(out, c);
        } else if (c == 0x130) {   /* the one lower case of two characters */
            string_puts(out, "i\u0307");
        } else {
            utf8_add(out, char_lower(c));
        }
    }
}

int normalizer_run(const normalizer *n, string *text, bool *first, error *err)
{
    int status = 0;
    string out = {0};
    for (size_t i = 0; i < n->count && status == 0 && text->length; i++) {
        const step *s = &n->step[i];
        out.length = 0;
        switch (s->kind) {
        case PREPEND:
            string_puts(&out, s->text);
            string_add(&out, text->text, text->length);
            break;
        case REPLACE:
            status = replace(s, text, &out, first, err);
            break;
        case NFC: case NFD: case NFKC: case NFKD:
            status = unicode_form(s->kind, text, &out, err);
            break;
        case LOWERCASE: case STRIP_ACCENTS:
            each_character(s->kind, text, &out);
            break;
        case STRIP:
            strip(s, text, &out, first);
            break;
        case BYTE_LEVEL:
            for (size_t k = 0; k < text->length; k++)
                utf8_add(&out, byte_to_char((unsigned char)text->text[k]));
            break;
        }
        string spare = *text;
        *text = out;
        out = spare;
    }
    free(out.text);
    return status;
}
