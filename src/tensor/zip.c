/* The directory at the end says what there is; every number in it is judged against the file. Layout: APPNOTE.TXT 4.3. */
#include "tensor/zip.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define MAX_ENTRIES 1100000u
#define LOCAL_BYTES 30u
#define CENTRAL_BYTES 46u
#define END_BYTES 22u
#define END64_BYTES 56u
#define LOCATOR_BYTES 20u
#define MAX_COMMENT 65535u
#define ENCRYPTED 1u

struct span {
    uint64_t begin, end;
    const zip_entry *entry;
};

struct reader {
    const unsigned char *bytes;
    size_t size;
    const char *path;
    error *err;
};

/* Where an entry's header and data lie, as the directory says. */
struct place {
    uint64_t header, bytes, stored;
};

static uint64_t get(const unsigned char *at, int n)
{
    uint64_t x = 0;
    while (n-- > 0)
        x = x << 8 | at[n];
    return x;
}

bool zip_is(const buffer *file)
{
    return buffer_size(file) >= 4 && memcmp(buffer_bytes(file), "PK\3\4", 4) == 0;
}

/* The end record closes the file but for a comment whose length it tells. */
static int find_end(const struct reader *r, size_t *at)
{
    for (size_t back = END_BYTES; back <= r->size && back <= END_BYTES + MAX_COMMENT; back++) {
        const unsigned char *end = r->bytes + r->size - back;
        if (memcmp(end, "PK\5\6", 4) == 0 && get(end + 20, 2) == back - END_BYTES) {
            *at = r->size - back;
            return 0;
        }
    }
    return fail(r->err, ERROR_FORMAT, "%s: %zu bytes of a zip archive without the directory at its end; the file was cut short", r->path, r->size);
}

/* The directory's place and number of entries; `end` is what it must end at. */
struct directory {
    uint64_t begin, bytes, count;
    size_t end;
};

/* The record of 64 bits says the same as the one of 32, or what that could not hold. */
static int read_end64(const struct reader *r, const unsigned char *locator, struct directory *d)
{
    size_t limit = (size_t)(locator - r->bytes);
    uint64_t at = get(locator + 8, 8);
    if (limit < END64_BYTES || at > limit - END64_BYTES || memcmp(r->bytes + at, "PK\6\6", 4) != 0)
        return fail(r->err, ERROR_FORMAT, "%s: the zip64 directory should end at byte %llu of %zu, where it does not", r->path, (unsigned long long)at, r->size);
    const unsigned char *e = r->bytes + at;
    struct directory wide = {get(e + 48, 8), get(e + 40, 8), get(e + 32, 8), (size_t)at};
    if ((d->count != 0xffff && d->count != wide.count) || (d->bytes != 0xffffffff && d->bytes != wide.bytes) ||
        (d->begin != 0xffffffff && d->begin != wide.begin))
        return fail(r->err, ERROR_FORMAT, "%s: the zip64 directory (%llu entries at byte %llu) is not the one that the archive's end tells of (%llu at %llu)",
                    r->path, (unsigned long long)wide.count, (unsigned long long)wide.begin, (unsigned long long)d->count, (unsigned long long)d->begin);
    *d = wide;
    return 0;
}

static int read_end(const struct reader *r, struct directory *d)
{
    size_t end = 0;
    if (find_end(r, &end) != 0)
        return -1;
    const unsigned char *e = r->bytes + end;
    if (get(e + 4, 2) != get(e + 6, 2) || get(e + 8, 2) != get(e + 10, 2))
        return fail(r->err, ERROR_UNSUPPORTED, "%s: a zip archive in several parts", r->path);
    *d = (struct directory){get(e + 16, 4), get(e + 12, 4), get(e + 10, 2), end};
    if (end >= LOCATOR_BYTES && memcmp(e - LOCATOR_BYTES, "PK\6\7", 4) == 0 && read_end64(r, e - LOCATOR_BYTES, d) != 0)
        return -1;
    if (d->begin > d->end || d->bytes != d->end - d->begin)
        return fail(r->err, ERROR_FORMAT, "%s: the zip directory spans %llu bytes from byte %llu on, but ends at %zu", r->path, (unsigned long long)d->bytes,
                    (unsigned long long)d->begin, d->end);
    if (d->count > d->bytes / CENTRAL_BYTES || d->count > MAX_ENTRIES)
        return fail(r->err, ERROR_FORMAT, "%s: %llu entries in a zip directory of %llu bytes (the limit is %u)", r->path, (unsigned long long)d->count,
                    (unsigned long long)d->bytes, MAX_ENTRIES);
    return 0;
}

/* The numbers of 64 bits that stand in an extra field where those of 32 are all ones. */
static int read_wide(const struct reader *r, const zip_entry *e, const unsigned char *extra, size_t n, struct place *p)
{
    uint64_t *const wide[] = {&p->bytes, &p->stored, &p->header};
    while (n >= 4 && get(extra + 2, 2) <= n - 4) {
        size_t field = (size_t)get(extra + 2, 2), at = 4;
        for (size_t i = 0; get(extra, 2) == 1 && i < sizeof wide / sizeof *wide; i++) {
            if (*wide[i] != 0xffffffff || at + 8 > 4 + field)
                continue;
            *wide[i] = get(extra + at, 8);
            at += 8;
        }
        extra += 4 + field;
        n -= 4 + field;
    }
    if (n)
        return fail(r->err, ERROR_FORMAT, "%s: '%.*s' has an extra field that ends outside its record", r->path, (int)e->name_bytes, e->name);
    return 0;
}

/* The header before the data repeats the name; how far behind it the data begin is told there only. */
static int place_entry(const struct reader *r, const struct place *p, uint64_t limit, zip_entry *e, struct span *span)
{
    int name = (int)e->name_bytes;
    if (p->header > limit || limit - p->header < LOCAL_BYTES + e->name_bytes)
        return fail(r->err, ERROR_FORMAT, "%s: '%.*s' is said to begin at byte %llu, the directory begins at %llu", r->path, name, e->name,
                    (unsigned long long)p->header, (unsigned long long)limit);
    const unsigned char *local = r->bytes + p->header;
    if (memcmp(local, "PK\3\4", 4) != 0 || get(local + 26, 2) != e->name_bytes || memcmp(local + LOCAL_BYTES, e->name, e->name_bytes) != 0)
        return fail(r->err, ERROR_FORMAT, "%s: '%.*s' is not at byte %llu, where the directory puts it", r->path, name, e->name,
                    (unsigned long long)p->header);
    uint64_t before = LOCAL_BYTES + e->name_bytes + get(local + 28, 2), room = limit - p->header;
    if (before > room || p->bytes > room - before)
        return fail(r->err, ERROR_FORMAT, "%s: '%.*s' is said to have %llu bytes, more than the archive", r->path, name, e->name, (unsigned long long)p->bytes);
    e->data = local + before;
    e->bytes = (size_t)p->bytes;
    *span = (struct span){p->header, p->header + before + p->bytes, e};
    return 0;
}

static int read_entry(const struct reader *r, const unsigned char *record, size_t left, uint64_t limit, zip_entry *e, struct span *span, size_t *used)
{
    if (left < CENTRAL_BYTES || memcmp(record, "PK\1\2", 4) != 0)
        return fail(r->err, ERROR_FORMAT, "%s: the zip directory is broken at byte %zu", r->path, (size_t)(record - r->bytes));
    size_t name = (size_t)get(record + 28, 2), extra = (size_t)get(record + 30, 2), comment = (size_t)get(record + 32, 2);
    *used = CENTRAL_BYTES + name + extra + comment;
    if (*used > left)
        return fail(r->err, ERROR_FORMAT, "%s: the zip directory ends inside the record at byte %zu", r->path, (size_t)(record - r->bytes));
    e->name = (const char *)record + CENTRAL_BYTES;
    e->name_bytes = name;
    struct place p = {.header = get(record + 42, 4), .bytes = get(record + 24, 4), .stored = get(record + 20, 4)};
    if (get(record + 8, 2) & ENCRYPTED)
        return fail(r->err, ERROR_UNSUPPORTED, "%s: '%.*s' is encrypted", r->path, (int)name, e->name);
    if (get(record + 10, 2) != 0)
        return fail(r->err, ERROR_UNSUPPORTED, "%s: '%.*s' is compressed (method %llu); PyTorch stores entries as they are", r->path, (int)name, e->name,
                    (unsigned long long)get(record + 10, 2));
    if (read_wide(r, e, record + CENTRAL_BYTES + name, extra, &p) != 0)
        return -1;
    if (p.bytes != p.stored)
        return fail(r->err, ERROR_FORMAT, "%s: '%.*s' is %llu bytes stored as %llu", r->path, (int)name, e->name, (unsigned long long)p.bytes,
                    (unsigned long long)p.stored);
    return place_entry(r, &p, limit, e, span);
}

static int by_begin(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

static int check_spans(const struct reader *r, struct span *spans, size_t n)
{
    if (n)
        qsort(spans, n, sizeof *spans, by_begin);
    for (size_t i = 1; i < n; i++)
        if (spans[i].begin < spans[i - 1].end)
            return fail(r->err, ERROR_FORMAT, "%s: '%.*s' begins at byte %llu, inside '%.*s', which ends at %llu", r->path, (int)spans[i].entry->name_bytes,
                        spans[i].entry->name, (unsigned long long)spans[i].begin, (int)spans[i - 1].entry->name_bytes, spans[i - 1].entry->name,
                        (unsigned long long)spans[i - 1].end);
    return 0;
}

static int compare_names(const char *a, size_t n, const char *b, size_t m)
{
    int order = memcmp(a, b, n < m ? n : m);
    return order ? order : (n > m) - (n < m);
}

static int by_name(const void *a, const void *b)
{
    const zip_entry *x = a, *y = b;
    return compare_names(x->name, x->name_bytes, y->name, y->name_bytes);
}

static int sort_entries(const struct reader *r, zip_archive *z)
{
    if (z->count)
        qsort(z->entries, z->count, sizeof *z->entries, by_name);
    for (size_t i = 1; i < z->count; i++)
        if (by_name(&z->entries[i - 1], &z->entries[i]) == 0)
            return fail(r->err, ERROR_FORMAT, "%s: '%.*s' is in the archive twice", r->path, (int)z->entries[i].name_bytes, z->entries[i].name);
    return 0;
}

static int read_directory(const struct reader *r, zip_archive *z, const struct directory *d)
{
    struct span *spans = memory_new(z->count, sizeof *spans);
    size_t at = 0, used = 0;
    int status = 0;
    for (size_t i = 0; i < z->count && status == 0; i++, at += used)
        status = read_entry(r, r->bytes + d->begin + at, (size_t)d->bytes - at, d->begin, &z->entries[i], &spans[i], &used);
    if (status == 0 && at != d->bytes)
        status = fail(r->err, ERROR_FORMAT, "%s: the zip directory has %llu bytes, its %zu records %zu", r->path, (unsigned long long)d->bytes, z->count, at);
    if (status == 0)
        status = check_spans(r, spans, z->count);
    free(spans);
    return status == 0 ? sort_entries(r, z) : -1;
}

int zip_read(const buffer *file, const char *path, zip_archive *out, error *err)
{
    struct reader r = {buffer_bytes(file), buffer_size(file), path, err};
    struct directory d = {0};
    *out = (zip_archive){0};
    if (read_end(&r, &d) != 0)
        return -1;
    *out = (zip_archive){memory_new((size_t)d.count, sizeof *out->entries), (size_t)d.count, (size_t)d.begin};
    if (read_directory(&r, out, &d) == 0)
        return 0;
    zip_free(out);
    return -1;
}

void zip_free(zip_archive *z)
{
    free(z->entries);
    *z = (zip_archive){0};
}

const zip_entry *zip_find(const zip_archive *z, const char *name)
{
    size_t low = 0, high = z->count, n = strlen(name);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_names(name, n, z->entries[middle].name, z->entries[middle].name_bytes);
        if (order == 0)
            return &z->entries[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
