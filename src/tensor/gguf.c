/* One check per thing that a stranger's number decides; nothing is allocated by a number that the file's size does not cover. */
#include "tensor/gguf.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

#define MAX_ENTRIES 65536u
#define MAX_TENSORS 1000000u
#define MAX_KEY 65535u
#define MAX_NAME 63u           /* ggml's */
#define MAX_RANK 4u            /* ggml's */
#define MAX_ALIGNMENT (1u << 20)
#define LEAST_ENTRY 13u        /* bytes: an empty key, a kind, a byte */
#define LEAST_TENSOR 24u       /* bytes: an empty name, a rank, a type, an offset */

static const size_t kind_size[GGUF_KINDS] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

typedef struct reader {
    const unsigned char *bytes;
    size_t size, at;
    const char *path;
} reader;

static uint64_t number(const unsigned char *at, size_t n)
{
    uint64_t x = 0;
    for (size_t i = n; i-- > 0;)
        x = x << 8 | at[i];
    return x;
}

static int take(reader *r, size_t n, const char *what, const unsigned char **out, error *err)
{
    *out = NULL;
    if (n > r->size - r->at)
        return fail(err, ERROR_FORMAT, "%s: ends inside %s (%zu bytes at byte %zu of %zu); the file was cut short", r->path, what, n, r->at, r->size);
    *out = r->bytes + r->at;
    r->at += n;
    return 0;
}

static int take_number(reader *r, size_t n, const char *what, uint64_t *out, error *err)
{
    const unsigned char *at;
    *out = 0;
    if (take(r, n, what, &at, err) != 0)
        return -1;
    *out = number(at, n);
    return 0;
}

/* A length and as many bytes. */
static int take_text(reader *r, const char *what, const unsigned char **out, size_t *n, error *err)
{
    uint64_t length;
    *n = 0;
    *out = NULL;
    if (take_number(r, 8, what, &length, err) != 0)
        return -1;
    if (length > r->size - r->at)
        return fail(err, ERROR_FORMAT, "%s: %s is said to have %llu bytes, %zu of the file are left", r->path, what, (unsigned long long)length, r->size - r->at);
    *n = (size_t)length;
    return take(r, *n, what, out, err);
}

static int take_name(reader *r, const char *what, size_t limit, char **out, error *err)
{
    const unsigned char *text;
    size_t n;
    if (take_text(r, what, &text, &n, err) != 0)
        return -1;
    if (n == 0 || n > limit)
        return fail(err, ERROR_FORMAT, "%s: %s has %zu bytes, outside [1, %zu]", r->path, what, n, limit);
    for (size_t i = 0; i < n; i++)
        if (text[i] < 0x20 || text[i] == 0x7f)
            return fail(err, ERROR_FORMAT, "%s: %s holds the control character %d at byte %zu", r->path, what, text[i], i);
    *out = memory_text_n((const char *)text, n);
    return 0;
}

static int take_kind(reader *r, const char *key, enum gguf_kind *out, error *err)
{
    uint64_t kind;
    if (take_number(r, 4, key, &kind, err) != 0)
        return -1;
    if (kind >= GGUF_KINDS)
        return fail(err, ERROR_FORMAT, "%s: '%s' is of the unknown kind %llu", r->path, key, (unsigned long long)kind);
    *out = (enum gguf_kind)kind;
    return 0;
}

static int take_elements(reader *r, gguf_entry *e, error *err)
{
    size_t size = kind_size[e->kind], begin = r->at;
    if (e->count > (r->size - r->at) / (size ? size : 8))
        return fail(err, ERROR_FORMAT, "%s: '%s' is said to have %llu elements, %zu bytes of the file are left", r->path, e->key,
                    (unsigned long long)e->count, r->size - r->at);
    const unsigned char *text;
    size_t n;
    if (size && take(r, (size_t)e->count * size, e->key, &e->data, err) != 0)
        return -1;
    for (uint64_t i = 0; !size && i < e->count; i++)
        if (take_text(r, e->key, &text, &n, err) != 0)
            return -1;
    for (uint64_t i = 0; e->kind == GGUF_BOOL && i < e->count; i++)
        if (e->data[i] > 1)
            return fail(err, ERROR_FORMAT, "%s: '%s' holds the byte %d where true or false should stand", r->path, e->key, e->data[i]);
    e->data = r->bytes + begin;
    e->bytes = r->at - begin;
    return 0;
}

static int take_entry(reader *r, gguf_entry *e, error *err)
{
    if (take_name(r, "a key of the metadata", MAX_KEY, &e->key, err) != 0 || take_kind(r, e->key, &e->kind, err) != 0)
        return -1;
    e->count = 1;
    if (e->kind == GGUF_ARRAY) {
        e->array = true;
        if (take_kind(r, e->key, &e->kind, err) != 0 || take_number(r, 8, e->key, &e->count, err) != 0)
            return -1;
        if (e->kind == GGUF_ARRAY)
            return fail(err, ERROR_FORMAT, "%s: '%s' is an array of %llu arrays; arrays do not nest", r->path, e->key, (unsigned long long)e->count);
    }
    return take_elements(r, e, err);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const gguf_entry *)a)->key, ((const gguf_entry *)b)->key);
}

static int take_entries(reader *r, gguf *g, uint64_t count, error *err)
{
    if (count > MAX_ENTRIES || count > (r->size - r->at) / LEAST_ENTRY)
        return fail(err, ERROR_FORMAT, "%s: %llu entries of metadata in %zu bytes (the limit is %u)", r->path, (unsigned long long)count, r->size - r->at, MAX_ENTRIES);
    g->entries = memory_new((size_t)count, sizeof *g->entries);
    for (uint64_t i = 0; i < count; i++)
        if (g->n_entries++, take_entry(r, &g->entries[i], err) != 0)
            return -1;
    if (count)
        qsort(g->entries, g->n_entries, sizeof *g->entries, by_key);
    for (size_t i = 1; i < g->n_entries; i++)
        if (strcmp(g->entries[i - 1].key, g->entries[i].key) == 0)
            return fail(err, ERROR_FORMAT, "%s: the metadata '%s' is there twice", r->path, g->entries[i].key);
    return 0;
}

/* The dimensions, fastest first in the file; the product of those that are not zero must fit: views multiply some of them only. */
static int take_shape(reader *r, gguf_tensor *t, error *err)
{
    uint64_t rank, dims[MAX_RANK] = {0};
    int64_t product = 1;
    if (take_number(r, 4, t->name, &rank, err) != 0)
        return -1;
    if (rank > MAX_RANK)
        return fail(err, ERROR_FORMAT, "%s: '%s' has %llu dimensions, more than the limit of %u", r->path, t->name, (unsigned long long)rank, MAX_RANK);
    t->rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        if (take_number(r, 8, t->name, &dims[i], err) != 0)
            return -1;
        if (dims[i] > INT64_MAX || (dims[i] && __builtin_mul_overflow(product, (int64_t)dims[i], &product)) || product > INT64_MAX / 8)
            return fail(err, ERROR_FORMAT, "%s: '%s' has a shape whose size overflows at dimension %zu (%llu)", r->path, t->name, i, (unsigned long long)dims[i]);
        t->shape[rank - 1 - i] = (int64_t)dims[i];
    }
    return 0;
}

static int take_type(reader *r, gguf_tensor *t, error *err)
{
    uint64_t id;
    if (take_number(r, 4, t->name, &id, err) != 0)
        return -1;
    t->type = quant_find((uint32_t)id);
    if (!t->type)
        return fail(err, ERROR_UNSUPPORTED, "%s: '%s' is of the unknown type %llu", r->path, t->name, (unsigned long long)id);
    if (!t->type->known)
        return fail(err, ERROR_UNSUPPORTED, "%s: '%s' is of the type %s; this program reads F32, F16, BF16, Q8_0, Q4_0, Q4_K and Q6_K", r->path, t->name,
                    t->type->name);
    int64_t columns = t->rank ? t->shape[t->rank - 1] : 1;
    if (columns % t->type->block != 0)
        return fail(err, ERROR_FORMAT, "%s: '%s' has rows of %lld elements, no multiple of the %d of a block of %s", r->path, t->name, (long long)columns,
                    t->type->block, t->type->name);
    int64_t elements = 1;
    for (int i = 0; i < t->rank; i++)
        elements *= t->shape[i];
    t->bytes = (size_t)(elements / t->type->block) * (size_t)t->type->bytes;
    return 0;
}

/* Tensors stand one behind the other, each at the next multiple of the alignment. */
static int take_tensor(reader *r, gguf_tensor *t, uint64_t alignment, uint64_t *end, error *err)
{
    uint64_t offset;
    if (take_name(r, "the name of a tensor", MAX_NAME, &t->name, err) != 0 || take_shape(r, t, err) != 0 || take_type(r, t, err) != 0 ||
        take_number(r, 8, t->name, &offset, err) != 0)
        return -1;
    if (offset != *end)
        return fail(err, ERROR_FORMAT, "%s: '%s' begins at byte %llu of the data, and should at %llu", r->path, t->name, (unsigned long long)offset,
                    (unsigned long long)*end);
    t->data = NULL;
    if (__builtin_add_overflow(*end, t->bytes, end) || __builtin_add_overflow(*end, -*end % alignment, end) || *end > INT64_MAX)
        return fail(err, ERROR_FORMAT, "%s: '%s' ends beyond any file", r->path, t->name);
    return 0;
}

static int read_alignment(const gguf *g, uint64_t *out, error *err)
{
    int64_t alignment = GGUF_ALIGNMENT;
    *out = GGUF_ALIGNMENT;
    if (gguf_want_int(g, "general.alignment", 0, UINT32_MAX, &alignment, err) != 0)
        return -1;
    if (alignment < 1 || alignment > MAX_ALIGNMENT || (alignment & (alignment - 1)))
        return fail(err, ERROR_FORMAT, "%s: general.alignment is %lld, no power of two in [1, %u]", g->path, (long long)alignment, MAX_ALIGNMENT);
    *out = (uint64_t)alignment;
    return 0;
}

/* Where everything lies, now that the headers' end is known. */
static int place_tensors(reader *r, gguf *g, uint64_t alignment, error *err)
{
    size_t at = r->at;
    if (g->n_tensors && -(uint64_t)at % alignment > r->size - at)
        return fail(err, ERROR_FORMAT, "%s: ends at byte %zu, before the tensors' data", r->path, r->size);
    at += g->n_tensors ? (size_t)(-(uint64_t)at % alignment) : 0;
    g->header_bytes = at;
    for (size_t i = 0; i < g->n_tensors; i++) {
        gguf_tensor *t = &g->tensors[i];
        if (t->bytes > r->size - at)
            return fail(err, ERROR_FORMAT, "%s: '%s' needs %zu bytes at byte %zu of %zu; the file was cut short", r->path, t->name, t->bytes, at, r->size);
        t->data = r->bytes + at;
        at += t->bytes;
        uint64_t padding = -(uint64_t)(at - g->header_bytes) % alignment;
        at = padding > r->size - at ? r->size : at + (size_t)padding;   /* behind the last one it may be left out */
    }
    if (g->n_tensors && at != r->size)
        return fail(err, ERROR_FORMAT, "%s: %zu bytes behind the last tensor, which ends at byte %zu of %zu", r->path, r->size - at, at, r->size);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_names(const gguf *g, error *err)
{
    const char **names = memory_new(g->n_tensors, sizeof *names);
    int status = 0;
    for (size_t i = 0; i < g->n_tensors; i++)
        names[i] = g->tensors[i].name;
    if (g->n_tensors)
        qsort(names, g->n_tensors, sizeof *names, by_name);
    for (size_t i = 1; i < g->n_tensors && status == 0; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            status = fail(err, ERROR_FORMAT, "%s: the tensor '%s' is there twice", g->path, names[i]);
    free(names);
    return status;
}

static int take_tensors(reader *r, gguf *g, uint64_t count, error *err)
{
    uint64_t alignment, end = 0;
    if (read_alignment(g, &alignment, err) != 0)
        return -1;
    if (count > MAX_TENSORS || count > (r->size - r->at) / LEAST_TENSOR)
        return fail(err, ERROR_FORMAT, "%s: %llu tensors in %zu bytes (the limit is %u)", r->path, (unsigned long long)count, r->size - r->at, MAX_TENSORS);
    g->tensors = memory_new((size_t)count, sizeof *g->tensors);
    for (uint64_t i = 0; i < count; i++)
        if (g->n_tensors++, take_tensor(r, &g->tensors[i], alignment, &end, err) != 0)
            return -1;
    return check_names(g, err) == 0 ? place_tensors(r, g, alignment, err) : -1;
}

static int read_all(reader *r, gguf *g, error *err)
{
    uint64_t version, n_tensors, n_entries;
    const unsigned char *magic;
    if (take(r, 4, "the magic", &magic, err) != 0)
        return -1;
    if (memcmp(magic, GGUF_MAGIC, 4) != 0)
        return fail(err, ERROR_FORMAT, "%s: does not begin with GGUF", r->path);
    if (take_number(r, 4, "the version", &version, err) != 0)
        return -1;
    if (version != 0 && (version & 0xFFFF) == 0)
        return fail(err, ERROR_UNSUPPORTED, "%s: is a big-endian GGUF file; this program reads little-endian ones", r->path);
    if (version != 2 && version != 3)
        return fail(err, ERROR_UNSUPPORTED, "%s: is GGUF version %llu; this program reads 2 and 3", r->path, (unsigned long long)version);
    if (take_number(r, 8, "the number of tensors", &n_tensors, err) != 0 || take_number(r, 8, "the number of metadata entries", &n_entries, err) != 0)
        return -1;
    return take_entries(r, g, n_entries, err) == 0 ? take_tensors(r, g, n_tensors, err) : -1;
}

gguf *gguf_parse(buffer *file, const char *path, error *err)
{
    reader r = {.bytes = buffer_bytes(file), .size = buffer_size(file), .path = path};
    gguf *g = memory_new(1, sizeof *g);
    g->path = memory_text(path);
    g->file = file;
    if (read_all(&r, g, err) == 0 && buffer_check(file, err) == 0)
        return g;
    gguf_free(g);
    return NULL;
}

void gguf_free(gguf *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n_entries; i++)
        free(g->entries[i].key);
    for (size_t i = 0; i < g->n_tensors; i++)
        free(g->tensors[i].name);
    free(g->entries);
    free(g->tensors);
    free(g->path);
    free(g);
}

bool gguf_is(const char *path)
{
    int fd = file_open(path, NULL);
    char magic[4] = {0};
    bool is = fd >= 0 && read(fd, magic, 4) == 4 && memcmp(magic, GGUF_MAGIC, 4) == 0;
    if (fd >= 0)
        close(fd);
    return is;
}

/* ---- values */

const gguf_entry *gguf_find(const gguf *g, const char *key)
{
    gguf_entry wanted = {.key = (char *)key};
    return g->n_entries ? bsearch(&wanted, g->entries, g->n_entries, sizeof *g->entries, by_key) : NULL;
}

const char *gguf_next_text(const unsigned char **at, size_t *n)
{
    *n = (size_t)number(*at, 8);
    const char *text = (const char *)*at + 8;
    *at += 8 + *n;
    return text;
}

static bool is_single_text(const gguf_entry *e)
{
    return e && !e->array && e->kind == GGUF_TEXT;
}

char *gguf_text(const gguf_entry *e)
{
    return is_single_text(e) ? memory_text_n((const char *)e->data + 8, e->bytes - 8) : NULL;
}

bool gguf_is_text(const gguf_entry *e, const char *text)
{
    return is_single_text(e) && e->bytes - 8 == strlen(text) && memcmp(e->data + 8, text, e->bytes - 8) == 0;
}

static bool is_signed(enum gguf_kind kind)
{
    return kind == GGUF_I8 || kind == GGUF_I16 || kind == GGUF_I32 || kind == GGUF_I64;
}

static bool is_whole(enum gguf_kind kind)
{
    return is_signed(kind) || kind == GGUF_U8 || kind == GGUF_U16 || kind == GGUF_U32 || kind == GGUF_U64;
}

int gguf_want_int(const gguf *g, const char *key, int64_t low, int64_t high, int64_t *out, error *err)
{
    const gguf_entry *e = gguf_find(g, key);
    if (!e)
        return 0;
    if (e->array)
        return fail(err, ERROR_UNSUPPORTED, "%s: '%s' holds %llu values where one is known, one a layer perhaps", g->path, key, (unsigned long long)e->count);
    if (!is_whole(e->kind))
        return fail(err, ERROR_FORMAT, "%s: '%s' should be a whole number", g->path, key);
    uint64_t bits = number(e->data, e->bytes);
    if (is_signed(e->kind) && e->bytes < 8 && bits >> (8 * e->bytes - 1))
        bits |= UINT64_MAX << 8 * e->bytes;
    int64_t value = (int64_t)bits;
    if ((e->kind == GGUF_U64 && bits > INT64_MAX) || value < low || value > high)
        return fail(err, ERROR_FORMAT, "%s: '%s' is %lld, outside [%lld, %lld]", g->path, key, (long long)value, (long long)low, (long long)high);
    *out = value;
    return 0;
}

int gguf_want_real(const gguf *g, const char *key, double *out, error *err)
{
    const gguf_entry *e = gguf_find(g, key);
    float single;
    if (!e)
        return 0;
    if (e->array || (e->kind != GGUF_F32 && e->kind != GGUF_F64))
        return fail(err, ERROR_FORMAT, "%s: '%s' should be a number with a fraction", g->path, key);
    if (e->kind == GGUF_F64) {
        memcpy(out, e->data, 8);
    } else {
        memcpy(&single, e->data, 4);
        *out = (double)single;
    }
    return 0;
}

int gguf_want_bool(const gguf *g, const char *key, bool *out, error *err)
{
    const gguf_entry *e = gguf_find(g, key);
    if (!e)
        return 0;
    if (e->array || e->kind != GGUF_BOOL)
        return fail(err, ERROR_FORMAT, "%s: '%s' should be true or false", g->path, key);
    *out = e->data[0];
    return 0;
}

int gguf_want_array(const gguf *g, const char *key, enum gguf_kind kind, const gguf_entry **out, error *err)
{
    *out = gguf_find(g, key);
    if (*out && (!(*out)->array || (*out)->kind != kind))
        return fail(err, ERROR_FORMAT, "%s: '%s' should be an array of %s", g->path, key, kind == GGUF_TEXT ? "texts" : kind == GGUF_F32 ? "32-bit reals" : "32-bit whole numbers");
    return 0;
}

/* ---- writing */

static void add_number(string *out, uint64_t x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char byte = (char)(x >> 8 * i);
        string_add(out, &byte, 1);
    }
}

void gguf_add_text(string *out, const char *text, size_t n)
{
    add_number(out, n, 8);
    string_add(out, text, n);
}

static void put_key(string *out, const char *key, enum gguf_kind kind)
{
    gguf_add_text(out, key, strlen(key));
    add_number(out, kind, 4);
}

void gguf_put_text(string *out, const char *key, const char *text, size_t n)
{
    put_key(out, key, GGUF_TEXT);
    gguf_add_text(out, text, n);
}

void gguf_put_u32(string *out, const char *key, uint32_t value)
{
    put_key(out, key, GGUF_U32);
    add_number(out, value, 4);
}

void gguf_put_f32(string *out, const char *key, float value)
{
    put_key(out, key, GGUF_F32);
    string_add(out, (const char *)&value, 4);
}

void gguf_put_bool(string *out, const char *key, bool value)
{
    put_key(out, key, GGUF_BOOL);
    add_number(out, value, 1);
}

void gguf_put_array(string *out, const char *key, enum gguf_kind kind, uint64_t count, const void *data, size_t bytes)
{
    put_key(out, key, GGUF_ARRAY);
    add_number(out, kind, 4);
    add_number(out, count, 8);
    string_add(out, data, bytes);
}

void gguf_put_entry(string *out, const gguf_entry *e)
{
    if (e->array) {
        gguf_put_array(out, e->key, e->kind, e->count, e->data, e->bytes);
    } else {
        put_key(out, e->key, e->kind);
        string_add(out, (const char *)e->data, e->bytes);
    }
}
