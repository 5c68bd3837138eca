/* DIR/tokenizer: PREFIX.encode.jsonl, PREFIX.decode.jsonl and PREFIX.stream.jsonl, with index.json naming each prefix's tokenizer
 * file. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "golden.h"
#include "text/tokenizer.h"

#define KINDS 3

typedef struct check {
    const char *name;      /* "tokenizer/hf_gpt2.encode" */
    size_t line;
    const tokenizer *tokenizer;
    bool ok;
} check;

typedef struct counts { int passed, failed, unsupported; } counts;

static void same_ids(check *c, const char *what, const json_t *wanted, const token_list *got)
{
    size_t n = json_array_size(wanted), i = 0;
    while (i < n && i < got->count && json_integer_value(json_array_get(wanted, i)) == got->id[i])
        i++;
    if (i == n && i == got->count)
        return;
    c->ok = false;
    golden_mismatch(c->name, "line %zu: %s: at %zu: %d instead of %d (%zu ids instead of %zu)", c->line, what, i,
                    i < got->count ? got->id[i] : -1, i < n ? (int)json_integer_value(json_array_get(wanted, i)) : -1, got->count,
                    n);
}

static void same_text(check *c, const char *what, const json_t *wanted, const char *got, size_t n)
{
    if (json_is_string(wanted) && json_string_length(wanted) == n && memcmp(json_string_value(wanted), got, n) == 0)
        return;
    c->ok = false;
    golden_mismatch(c->name, "line %zu: %s: '%.200s' instead of '%.200s'", c->line, what, got,
                    json_is_string(wanted) ? json_string_value(wanted) : "(none)");
}

static void same_decoded(check *c, const char *key, const json_t *record, const token_list *ids, bool skip)
{
    const json_t *wanted = json_object_get(record, key);
    if (!wanted)
        return;
    size_t n;
    char *text = tokenizer_decode(c->tokenizer, ids->id, ids->count, skip, &n);
    same_text(c, key, wanted, text, n);
    free(text);
}

static token_list ids_of(const json_t *list)
{
    token_list ids = {0};
    for (size_t i = 0; i < json_array_size(list); i++)
        token_list_add(&ids, (int32_t)json_integer_value(json_array_get(list, i)));
    return ids;
}

static string from_base64(const char *code)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    string out = {0};
    uint32_t held = 0;
    string_puts(&out, "");
    for (int bits = 0; *code && *code != '='; code++) {
        held = held << 6 | (uint32_t)(strchr(digits, *code) - digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            string_add(&out, &(char){(char)(held >> bits)}, 1);
        }
    }
    return out;
}

/* text, or text_b64: bytes that need not be UTF-8. */
static string text_of(const json_t *record)
{
    const json_t *code = json_object_get(record, "text_b64"), *plain = json_object_get(record, "text");
    string out = {0};
    if (code)
        return from_base64(json_string_value(code));
    string_add(&out, json_string_value(plain), json_string_length(plain));
    return out;
}

static void check_encode(check *c, const json_t *record)
{
    string text = text_of(record);
    token_list ids = {0}, special = {0};
    error err;
    if (tokenizer_encode(c->tokenizer, text.text, text.length, false, &ids, &err) != 0
        || tokenizer_encode(c->tokenizer, text.text, text.length, true, &special, &err) != 0) {
        c->ok = false;
        golden_mismatch(c->name, "line %zu: %s", c->line, err.text);
    } else {
        same_ids(c, "ids", json_object_get(record, "ids"), &ids);
        same_ids(c, "ids_special", json_object_get(record, "ids_special"), &special);
        same_decoded(c, "decoded", record, &ids, false);
        same_decoded(c, "decoded_special", record, &special, false);
        same_decoded(c, "decoded_skip", record, &special, true);
    }
    token_list_free(&ids);
    token_list_free(&special);
    free(text.text);
}

static void check_decode(check *c, const json_t *record)
{
    token_list ids = ids_of(json_object_get(record, "ids"));
    same_decoded(c, "decoded", record, &ids, false);
    same_decoded(c, "decoded_skip", record, &ids, true);
    token_list_free(&ids);
}

static void check_stream(check *c, const json_t *record)
{
    token_list ids = ids_of(json_object_get(record, "ids"));
    const json_t *safe = json_object_get(record, "safe"), *prefix = json_object_get(record, "prefix");
    token_stream *stream = token_stream_new(c->tokenizer, false);
    string all = {0};
    string_puts(&all, "");
    for (size_t i = 0; i < ids.count && c->ok; i++) {
        size_t n;
        char *text = tokenizer_decode(c->tokenizer, ids.id, i + 1, false, &n);
        same_text(c, "prefix", json_array_get(prefix, i), text, n);
        free(text);
        const char *more = token_stream_add(stream, ids.id[i]);
        string_add(&all, more, token_stream_length(stream));
        same_text(c, "safe", json_array_get(safe, i), all.text, all.length);
    }
    const char *rest = token_stream_finish(stream);
    string_add(&all, rest, token_stream_length(stream));
    if (ids.count && c->ok)
        same_text(c, "all", json_array_get(safe, ids.count - 1), all.text, all.length);
    free(all.text);
    token_stream_free(stream);
    token_list_free(&ids);
}

static const struct { const char *name; void (*run)(check *, const json_t *); } kinds[KINDS] = {
    {"encode", check_encode}, {"decode", check_decode}, {"stream", check_stream},
};

/* One record a line; strings may hold NUL, which json_lines refuses. */
static void run_file(const char *path, const char *name, size_t kind, const tokenizer *t, counts *count)
{
    size_t n;
    error err;
    char *text = file_read(path, (size_t)1 << 30, &n, &err);
    if (!text) {
        golden_mismatch(name, "%s", err.text);
        count->failed++;
        return;
    }
    size_t line = 0;
    for (char *at = text; at < text + n;) {
        char *stop = memchr(at, '\n', (size_t)(text + n - at));
        size_t length = (size_t)((stop ? stop : text + n) - at);
        check c = {.name = name, .line = ++line, .tokenizer = t, .ok = true};
        json_error_t where;
        json_t *record = length ? json_loadb(at, length, JSON_ALLOW_NUL, &where) : NULL;
        at += length + 1;
        if (!length)
            continue;
        if (!record) {
            golden_mismatch(name, "line %zu: %s", line, where.text);
            count->failed++;
        } else if (!t) {
            count->unsupported++;
        } else {
            kinds[kind].run(&c, record);
            count->passed += c.ok;
            count->failed += !c.ok;
        }
        json_decref(record);
    }
    free(text);
}

static const json_t *index_entry(const json_t *index, const char *prefix)
{
    for (size_t i = 0; i < json_array_size(index); i++) {
        const json_t *entry = json_array_get(index, i);
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (name && strcmp(name, prefix) == 0)
            return entry;
    }
    return NULL;
}

/* NULL where there is nothing to open; *broken where there is and it does not open. */
static tokenizer *open_prefix(const golden_context *g, const json_t *index, const char *prefix, const char *name, bool *broken)
{
    const json_t *entry = index_entry(index, prefix);
    const char *file = json_string_value(json_object_get(entry, "file")),
               *kind = json_string_value(json_object_get(entry, "kind"));
    char *path = file ? file_join(g->parent, file) : NULL;
    tokenizer *t = NULL;
    error err;
    if (!path)
        golden_mismatch(name, "index.json does not name its tokenizer: not supported");
    else if (kind && strcmp(kind, "hf") != 0 && strcmp(kind, "sentencepiece") != 0)
        golden_mismatch(name, "a tokenizer of kind '%s': not supported", kind);
    else if (!file_exists(path))
        golden_mismatch(name, "%s is not there: not supported", path);
    else if (!(t = tokenizer_open(path, &err))) {
        *broken = true;
        golden_mismatch(name, "%s", err.text);
    }
    free(path);
    return t;
}

static void run_prefix(const golden_context *g, const char *folder, const json_t *index, const char *prefix)
{
    char *name = memory_print("tokenizer/%s", prefix), *names[KINDS], *paths[KINDS];
    bool whole = golden_wanted(g, name), any = false, wanted[KINDS], broken = false;
    for (size_t i = 0; i < KINDS; i++) {
        names[i] = memory_print("%s.%s", name, kinds[i].name);
        paths[i] = memory_print("%s/%s.%s.jsonl", folder, prefix, kinds[i].name);
        wanted[i] = file_exists(paths[i]) && (whole || golden_wanted(g, names[i]));
        any = any || wanted[i];
    }
    tokenizer *t = any ? open_prefix(g, index, prefix, name, &broken) : NULL;
    counts all = {0};
    for (size_t i = 0; i < KINDS; i++) {
        counts one = {0};
        if (wanted[i])
            run_file(paths[i], names[i], i, t, &one);
        if (broken) {
            one.failed += one.unsupported;
            one.unsupported = 0;
        }
        if (wanted[i] && !whole)
            golden_report(g, names[i], one.passed, one.failed, one.unsupported);
        all.passed += one.passed;
        all.failed += one.failed;
        all.unsupported += one.unsupported;
        free(names[i]);
        free(paths[i]);
    }
    if (any && whole)
        golden_report(g, name, all.passed, all.failed, all.unsupported);
    tokenizer_free(t);
    free(name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The prefixes of the files in a folder, sorted, each once. */
static size_t list_prefixes(const char *folder, char ***out)
{
    size_t n = 0, made = 0;
    char **list = NULL;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        for (size_t i = 0; i < KINDS; i++) {
            char *end = memory_print(".%s.jsonl", kinds[i].name);
            size_t length = strlen(e->d_name), tail = strlen(end);
            if (length > tail && strcmp(e->d_name + length - tail, end) == 0) {
                list = memory_grow(list, n + 1, sizeof *list);
                list[n++] = memory_text_n(e->d_name, length - tail);
            }
            free(end);
        }
    if (d)
        closedir(d);
    if (n)
        qsort(list, n, sizeof *list, by_name);
    for (size_t i = 0; i < n; i++) {
        if (made && strcmp(list[made - 1], list[i]) == 0)
            free(list[i]);
        else
            list[made++] = list[i];
    }
    *out = list;
    return made;
}

void golden_tokenizer(const golden_context *c)
{
    char *folder = file_join(c->root, "tokenizer"), *path = file_join(folder, "index.json");
    json_t *index = file_exists(path) ? json_read(path, 0, NULL) : NULL;
    char **prefix;
    size_t n = list_prefixes(folder, &prefix);
    for (size_t i = 0; i < n; i++) {
        run_prefix(c, folder, index, prefix[i]);
        free(prefix[i]);
    }
    free(prefix);
    json_decref(index);
    free(path);
    free(folder);
}
