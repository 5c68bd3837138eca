#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "text/parts.h"
#include "text/utf8.h"

static const char *const names[] = {
    [DECODE_BYTE_LEVEL] = "ByteLevel", [DECODE_BYTE_FALLBACK] = "ByteFallback", [DECODE_FUSE] = "Fuse", [DECODE_STRIP] = "Strip",
    [DECODE_REPLACE] = "Replace", [DECODE_METASPACE] = "Metaspace", [DECODE_BPE] = "BPEDecoder",
};

typedef struct reading { decoder *decoder; const char *file; } reading;

void decoder_free(decoder *d)
{
    for (size_t i = 0; i < d->count; i++) {
        pattern_free(d->step[i].pattern);
        free(d->step[i].text);
    }
    free(d->step);
    *d = (decoder){0};
}

static int want_character(const json_t *value, const char *key, const char *where, uint32_t *out, error *err)
{
    const char *text = NULL;
    if (json_want_text(value, key, where, &text, err) != 0)
        return -1;
    if (text && (!*text || (size_t)utf8_get(text, out) != strlen(text)))
        return fail(err, ERROR_FORMAT, "%s: '%s' should be one character", where, key);
    return 0;
}

static int read_metaspace(decode_step *s, const json_t *value, const char *where, error *err)
{
    const char *scheme = NULL;
    bool prefix = true;
    s->character = 0x2581;
    if (want_character(value, "replacement", where, &s->character, err) != 0
        || json_want_text(value, "prepend_scheme", where, &scheme, err) != 0
        || json_want_bool(value, "add_prefix_space", where, &prefix, err) != 0)
        return -1;
    s->prepended = scheme ? strcmp(scheme, "never") != 0 : prefix;
    return 0;
}

static int read_typed(decode_step *s, const json_t *value, const char *where, error *err)
{
    const char *text = NULL;
    int64_t start = 0, stop = 0;
    switch (s->kind) {
    case DECODE_STRIP:
        s->character = ' ';
        if (want_character(value, "content", where, &s->character, err) != 0
            || json_want_int(value, "start", where, 0, INT32_MAX, &start, err) != 0
            || json_want_int(value, "stop", where, 0, INT32_MAX, &stop, err) != 0)
            return -1;
        s->start = (size_t)start;
        s->stop = (size_t)stop;
        return 0;
    case DECODE_REPLACE:
        if (json_want_text(value, "content", where, &text, err) != 0)
            return -1;
        if (!text)
            return fail(err, ERROR_FORMAT, "%s: 'content' is missing", where);
        s->text = memory_text(text);
        s->pattern = pattern_read(json_object_get(value, "pattern"), where, err);
        return s->pattern ? 0 : -1;
    case DECODE_METASPACE:
        return read_metaspace(s, value, where, err);
    case DECODE_BPE:
        text = "</w>";
        if (json_want_text(value, "suffix", where, &text, err) != 0)
            return -1;
        s->text = memory_text(text);
        return 0;
    default:
        return 0;
    }
}

static int read_step(void *context, const json_t *value, error *err)
{
    reading *r = context;
    decoder *d = r->decoder;
    const char *type;
    if (component_type(value, "decoder", r->file, &type, err) != 0)
        return -1;
    if (strcmp(type, "Sequence") == 0)
        return component_each(value, "decoders", "decoder", r->file, read_step, r, err);
    size_t kind = 0;
    while (kind < sizeof names / sizeof *names && strcmp(type, names[kind]) != 0)
        kind++;
    if (kind == sizeof names / sizeof *names)
        return component_unknown("decoder", type, r->file, err);
    d->step = memory_grow(d->step, d->count + 1, sizeof *d->step);
    d->step[d->count] = (decode_step){.kind = (enum decode_kind)kind};
    char *where = memory_print("%s: decoder %s", r->file, type);
    int status = read_typed(&d->step[d->count++], value, where, err);
    free(where);
    return status;
}

int decoder_read(decoder *d, const json_t *value, const char *file, error *err)
{
    d->present = value && !json_is_null(value);
    return d->present ? read_step(&(reading){d, file}, value, err) : 0;
}

void decoder_describe(const decoder *d, string *out)
{
    string_print(out, "decoder %d\n", d->present);
    for (size_t i = 0; i < d->count; i++) {
        const decode_step *s = &d->step[i];
        string_print(out, "%s %u %zu %zu %d %s ", names[s->kind], s->character, s->start, s->stop, s->prepended,
                     s->text ? s->text : "");
        if (s->pattern)
            pattern_describe(s->pattern, out);
        string_puts(out, "\n");
    }
}
