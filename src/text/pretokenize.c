#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "text/parts.h"
#include "text/utf8.h"

#define GPT2_WORDS "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

enum kind { BY_PATTERN, BY_CLASS, BYTE_LEVEL, METASPACE };
enum scheme { ALWAYS, FIRST, NEVER };

typedef struct step {
    enum kind kind;
    pattern *pattern;              /* BY_PATTERN, BYTE_LEVEL (NULL: does not cut); owned */
    bool (*in_class)(uint32_t);    /* BY_CLASS; NULL: is `character` */
    uint32_t character;            /* BY_CLASS, METASPACE */
    enum cut cut;
    bool invert;
    bool prefix_space;             /* BYTE_LEVEL */
    enum scheme scheme;            /* METASPACE */
    bool split;                    /* METASPACE */
    char *type;                    /* as the file names it; owned */
} step;

struct pre_tokenizer {
    step *step;
    size_t count;
    const char *file;              /* while it is read */
};

void pieces_add(pieces *p, size_t start, size_t length, bool first)
{
    if (p->count == p->capacity) {
        p->capacity = p->capacity ? 2 * p->capacity : 64;
        p->item = memory_grow(p->item, p->capacity, sizeof *p->item);
    }
    p->item[p->count++] = (piece){start, length, first};
}

void pieces_free(pieces *p)
{
    free(p->text.text);
    free(p->item);
    *p = (pieces){0};
}

void pre_tokenizer_free(pre_tokenizer *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++) {
        pattern_free(p->step[i].pattern);
        free(p->step[i].type);
    }
    free(p->step);
    free(p);
}

static step *new_step(pre_tokenizer *p, const char *type, enum kind kind)
{
    p->step = memory_grow(p->step, p->count + 1, sizeof *p->step);
    p->step[p->count] = (step){.kind = kind, .cut = CUT_ISOLATED, .type = memory_text(type)};
    return &p->step[p->count++];
}

/* A one-character string. */
static int want_character(const json_t *value, const char *key, const char *where, uint32_t *out, error *err)
{
    const char *text = NULL;
    if (json_want_text(value, key, where, &text, err) != 0)
        return -1;
    if (!text)
        return 0;
    if (!*text || (size_t)utf8_get(text, out) != strlen(text))
        return fail(err, ERROR_FORMAT, "%s: '%s' should be one character", where, key);
    return 0;
}

static int want_cut(const json_t *value, const char *where, enum cut *out, error *err)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    const char *text = NULL;
    if (json_want_text(value, "behavior", where, &text, err) != 0)
        return -1;
    if (!text)
        return 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], text) == 0) {
            *out = (enum cut)i;
            return 0;
        }
    return fail(err, ERROR_UNSUPPORTED, "%s: behavior '%.100s' is not one this program knows", where, text);
}

static int read_byte_level(step *s, const json_t *value, const char *where, error *err)
{
    bool use_regex = true;
    s->prefix_space = true;
    if (json_want_bool(value, "add_prefix_space", where, &s->prefix_space, err) != 0
        || json_want_bool(value, "use_regex", where, &use_regex, err) != 0)
        return -1;
    return use_regex && !(s->pattern = pattern_new(GPT2_WORDS, true, where, err)) ? -1 : 0;
}

static int read_metaspace(step *s, const json_t *value, const char *where, error *err)
{
    const char *scheme = NULL;
    bool prefix = true;
    s->character = 0x2581;
    s->split = true;
    if (want_character(value, "replacement", where, &s->character, err) != 0
        || json_want_text(value, "prepend_scheme", where, &scheme, err) != 0
        || json_want_bool(value, "add_prefix_space", where, &prefix, err) != 0
        || json_want_bool(value, "split", where, &s->split, err) != 0)
        return -1;
    if (!scheme)
        s->scheme = prefix ? ALWAYS : NEVER;
    else if (strcmp(scheme, "always") == 0)
        s->scheme = ALWAYS;
    else if (strcmp(scheme, "first") == 0)
        s->scheme = FIRST;
    else if (strcmp(scheme, "never") == 0)
        s->scheme = NEVER;
    else
        return fail(err, ERROR_UNSUPPORTED, "%s: prepend_scheme '%.100s' is not one this program knows", where, scheme);
    if (scheme && !prefix && s->scheme != NEVER)
        return fail(err, ERROR_FORMAT, "%s: add_prefix_space is false, but prepend_scheme is '%s'", where, scheme);
    return 0;
}

static int read_step(void *context, const json_t *value, error *err);

static int read_typed(pre_tokenizer *p, const char *type, const json_t *value, const char *where, error *err)
{
    step *s;
    if (strcmp(type, "Split") == 0) {
        s = new_step(p, type, BY_PATTERN);
        s->pattern = pattern_read(json_object_get(value, "pattern"), where, err);
        if (!s->pattern || want_cut(value, where, &s->cut, err) != 0)
            return -1;
        return json_want_bool(value, "invert", where, &s->invert, err);
    }
    if (strcmp(type, "ByteLevel") == 0)
        return read_byte_level(new_step(p, type, BYTE_LEVEL), value, where, err);
    if (strcmp(type, "Metaspace") == 0)
        return read_metaspace(new_step(p, type, METASPACE), value, where, err);
    if (strcmp(type, "Digits") == 0) {
        bool individual = false;
        s = new_step(p, type, BY_CLASS);
        s->in_class = char_is_numeric;
        if (json_want_bool(value, "individual_digits", where, &individual, err) != 0)
            return -1;
        s->cut = individual ? CUT_ISOLATED : CUT_CONTIGUOUS;
        return 0;
    }
    if (strcmp(type, "Punctuation") == 0) {
        s = new_step(p, type, BY_CLASS);
        s->in_class = char_is_punctuation;
        return want_cut(value, where, &s->cut, err);
    }
    if (strcmp(type, "WhitespaceSplit") == 0 || strcmp(type, "BertPreTokenizer") == 0) {
        s = new_step(p, type, BY_CLASS);
        s->in_class = char_is_space;
        s->cut = CUT_REMOVED;
        if (*type == 'B')
            new_step(p, type, BY_CLASS)->in_class = char_is_punctuation;
        return 0;
    }
    if (strcmp(type, "CharDelimiterSplit") == 0) {
        s = new_step(p, type, BY_CLASS);
        s->cut = CUT_REMOVED;
        s->character = UINT32_MAX;
        if (want_character(value, "delimiter", where, &s->character, err) != 0)
            return -1;
        return s->character == UINT32_MAX ? fail(err, ERROR_FORMAT, "%s: 'delimiter' is missing", where) : 0;
    }
    if (strcmp(type, "Whitespace") == 0) {
        s = new_step(p, type, BY_PATTERN);
        s->pattern = pattern_new("[\\w\\u200c\\u200d]+|[^\\w\\u200c\\u200d\\s]+", true, where, err);
        s->cut = CUT_REMOVED;
        s->invert = true;
        return s->pattern ? 0 : -1;
    }
    return component_unknown("pre_tokenizer", type, p->file, err);
}

static int read_step(void *context, const json_t *value, error *err)
{
    pre_tokenizer *p = context;
    const char *type;
    if (component_type(value, "pre_tokenizer", p->file, &type, err) != 0)
        return -1;
    if (strcmp(type, "Sequence") == 0)
        return component_each(value, "pretokenizers", "pre_tokenizer", p->file, read_step, p, err);
    char *where = memory_print("%s: pre_tokenizer %s", p->file, type);
    int status = read_typed(p, type, value, where, err);
    free(where);
    return status;
}

pre_tokenizer *pre_tokenizer_read(const json_t *value, const char *file, error *err)
{
    pre_tokenizer *p = memory_new(1, sizeof *p);
    p->file = file;
    if (value && !json_is_null(value) && read_step(p, value, err) != 0) {
        pre_tokenizer_free(p);
        return NULL;
    }
    p->file = NULL;
    return p;
}

void pre_tokenizer_describe(const pre_tokenizer *p, string *out)
{
    string_puts(out, "pre_tokenizer\n");
    for (size_t i = 0; i < p->count; i++) {
        const step *s = &p->step[i];
        string_print(out, "%s %u %d %d %d %d %d ", s->type, s->character, s->cut, s->invert, s->prefix_space, s->scheme,
                     s->split);
        if (s->pattern)
            pattern_describe(s->pattern, out);
        string_puts(out, "\n");
    }
}

/* Cuts text [n] into matches of the search and what lies between. */
static int find_pattern(pattern_search *search, const char *text, size_t n, bool invert, spans *out, error *err)
{
    size_t start, end, done = 0;
    int found;
    out->count = 0;
    pattern_search_begin(search, text, n);
    while ((found = pattern_next(search, &start, &end, err)) > 0) {
        if (start > done)
            spans_add(out, done, start, invert);
        spans_add(out, start, end, !invert);
        done = end;
    }
    if (done < n)
        spans_add(out, done, n, invert);
    return found;
}

static void find_class(const step *s, const char *text, size_t n, spans *out)
{
    size_t done = 0;
    out->count = 0;
    for (size_t at = 0; at < n;) {
        uint32_t c;
        size_t length = (size_t)utf8_get(text + at, &c);
        if (s->in_class ? s->in_class(c) : c == s->character) {
            if (at > done)
                spans_add(out, done, at, false);
            spans_add(out, at, at + length, true);
            done = at + length;
        }
        at += length;
    }
    if (done < n)
        spans_add(out, done, n, false);
}

/* What the cut left of one piece becomes pieces; those that are empty vanish. */
static void keep(pieces *out, size_t base, const spans *found, bool first)
{
    for (size_t i = 0; i < found->count; i++)
        if (!found->item[i].match && found->item[i].end > found->item[i].start)
            pieces_add(out, base + found->item[i].start, found->item[i].end - found->item[i].start,
                       first && found->item[i].start == 0);
}

/* A cut that leaves the text as it is. */
static int run_cut(const step *s, pieces *p, pattern_search *search, spans *found, error *err)
{
    pieces out = {0};
    int status = 0;
    for (size_t i = 0; i < p->count && status == 0; i++) {
        const piece *x = &p->item[i];
        if (s->kind == BY_PATTERN)
            status = find_pattern(search, p->text.text + x->start, x->length, s->invert, found, err);
        else
            find_class(s, p->text.text + x->start, x->length, found);
        spans_cut(found, s->cut);
        keep(&out, x->start, found, x->first);
    }
    out.text = p->text;
    p->text = (string){0};
    pieces_free(p);
    *p = out;
    return status;
}

static int run_byte_level(const step *s, pieces *p, pattern_search *search, spans *found, error *err)
{
    pieces out = {0};
    string spaced = {0};
    int status = 0;
    for (size_t i = 0; i < p->count && status == 0; i++) {
        const piece *x = &p->item[i];
        const char *text = p->text.text + x->start;
        size_t n = x->length;
        if (s->prefix_space && *text != ' ') {
            spaced.length = 0;
            string_puts(&spaced, " ");
            string_add(&spaced, text, n);
            text = spaced.text;
            n = spaced.length;
        }
        found->count = 0;
        if (search)
            status = find_pattern(search, text, n, false, found, err);
        else
            spans_add(found, 0, n, false);
        for (size_t k = 0; k < found->count; k++) {
            size_t start = out.text.length;
            for (size_t at = found->item[k].start; at < found->item[k].end; at++)
                utf8_add(&out.text, byte_to_char((unsigned char)text[at]));
            if (out.text.length > start)
                pieces_add(&out, start, out.text.length - start, x->first && found->item[k].start == 0);
        }
    }
    free(spaced.text);
    pieces_free(p);
    *p = out;
    return status;
}

static void run_metaspace(const step *s, pieces *p, spans *found)
{
    pieces out = {0};
    for (size_t i = 0; i < p->count; i++) {
        const piece *x = &p->item[i];
        const char *text = p->text.text + x->start;
        size_t start = out.text.length;
        uint32_t c;
        utf8_get(text, &c);
        if (c != ' ' && c != s->character && (s->scheme == ALWAYS || (s->scheme == FIRST && x->first)))
            utf8_add(&out.text, s->character);
        for (size_t at = 0; at < x->length; at++)
            if (text[at] == ' ')
                utf8_add(&out.text, s->character);
            else
                string_add(&out.text, text + at, 1);
        if (s->split) {
            find_class(s, out.text.text + start, out.text.length - start, found);
            spans_cut(found, CUT_MERGED_WITH_NEXT);
            keep(&out, start, found, x->first);
        } else {
            pieces_add(&out, start, out.text.length - start, x->first);
        }
    }
    pieces_free(p);
    *p = out;
}

int pre_tokenizer_run(const pre_tokenizer *p, pieces *in_out, error *err)
{
    spans found = {0};
    int status = 0;
    for (size_t i = 0; i < p->count && status == 0; i++) {
        const step *s = &p->step[i];
        pattern_search *search = s->pattern ? pattern_search_new(s->pattern) : NULL;
        if (s->kind == BYTE_LEVEL)
            status = run_byte_level(s, in_out, search, &found, err);
        else if (s->kind == METASPACE)
            run_metaspace(s, in_out, &found);
        else
            status = run_cut(s, in_out, search, &found, err);
        pattern_search_free(search);
    }
    free(found.item);
    return status;
}
