#include "engine/feature_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "engine/features.h"

#define PICTURE_BYTES ((size_t)1 << 30)   /* of a picture file at most */
#define HEAD_BYTES 64
#define MAGIC "MGFEAT1\n"

typedef struct entry {             /* a picture that was asked for */
    char *path;                    /* owned */
    enum feature_views views;
    size_t kept;                   /* index into kept */
} entry;

typedef struct kept_rows {         /* different paths may lead to the same picture */
    char key[65];
    buffer *file;                  /* mapped; owned */
    feature_rows *rows;            /* owned, so that its address stays */
} kept_rows;

struct feature_store {
    char *folder;                  /* owned; NULL: temporary files */
    entry *entries;                /* [n] sorted by path and views; owned */
    size_t n, capacity;
    kept_rows *kept;               /* [n_kept] owned */
    size_t n_kept, kept_capacity;
    const checkpoint *model;       /* borrowed */
    const backend *backend;
    threads *pool;
    tower *tower;                  /* owned; NULL: none is taken */
    int32_t image_token;
    char digest[65];               /* of the tower taken last and the family */
    image_processor *processors[2];   /* by feature_views; owned */
    feature_counts counts;
};

feature_store *feature_store_new(const char *folder)
{
    feature_store *s = memory_new(1, sizeof *s);
    s->folder = memory_text(folder);
    s->image_token = -1;
    return s;
}

static void forget(feature_store *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->entries[i].path);
    for (size_t i = 0; i < s->n_kept; i++) {
        buffer_free(s->kept[i].file);
        free(s->kept[i].rows);
    }
    s->n = s->n_kept = 0;
}

static void let_go(feature_store *s)
{
    tower_free(s->tower);
    for (size_t i = 0; i < 2; i++) {
        image_processor_free(s->processors[i]);
        s->processors[i] = NULL;
    }
    s->tower = NULL;
    s->model = NULL;
}

void feature_store_free(feature_store *s)
{
    if (!s)
        return;
    forget(s);
    let_go(s);
    free(s->entries);
    free(s->kept);
    free(s->folder);
    free(s);
}

int feature_store_take(feature_store *s, const checkpoint *model, const backend *b, threads *pool, error *err)
{
    char weights[65], digest[65];
    let_go(s);
    if (!model)
        return 0;
    s->tower = tower_build(model, err);
    if (!s->tower)
        return -1;
    s->model = model;
    s->backend = b;
    s->pool = pool;
    s->image_token = s->tower->config.image_token;
    tower_digest(s->tower, weights);
    char *text = memory_print("%s %s", weights, b->name);
    file_sha256(text, strlen(text), digest);
    free(text);
    if (strcmp(digest, s->digest) != 0)
        forget(s);
    memcpy(s->digest, digest, sizeof digest);
    return 0;
}

int32_t feature_store_image_token(const feature_store *s)
{
    return s->image_token;
}

const char *feature_store_folder(const feature_store *s)
{
    return s->folder;
}

feature_counts feature_store_counts(const feature_store *s)
{
    return s->counts;
}

/* ---- files */

typedef struct head { char magic[8]; int64_t rows, width; char zeros[HEAD_BYTES - 24]; } head;

int feature_file_read(const void *bytes, size_t n, const char *name, feature_rows *out, error *err)
{
    head h;
    if (n < sizeof h)
        return fail(err, ERROR_FORMAT, "%s: %zu bytes are no features of a picture", name, n);
    memcpy(&h, bytes, sizeof h);
    if (memcmp(h.magic, MAGIC, sizeof h.magic) != 0)
        return fail(err, ERROR_FORMAT, "%s: does not begin as features of a picture do", name);
    if (h.rows < 1 || h.width < 1 || h.rows > INT32_MAX || h.width > INT32_MAX || (n - sizeof h) / sizeof(float) / (size_t)h.width != (size_t)h.rows ||
        (n - sizeof h) % ((size_t)h.width * sizeof(float)) != 0)
        return fail(err, ERROR_FORMAT, "%s: %lld rows of %lld do not make %zu bytes", name, (long long)h.rows, (long long)h.width, n);
    *out = (feature_rows){.rows = (const float *)((const char *)bytes + sizeof h), .n = h.rows, .width = h.width};
    return 0;
}

/* The file of that path becomes the newest of what is kept. */
static int map_file(feature_store *s, const char *path, const char *key, error *err)
{
    feature_rows rows;
    buffer *file = buffer_map(path, err);
    if (!file)
        return -1;
    if (feature_file_read(buffer_bytes(file), buffer_size(file), path, &rows, err) != 0 ||
        (rows.width != s->tower->width && fail(err, ERROR_FORMAT, "%s: rows of %lld", path, (long long)rows.width) != 0)) {
        buffer_free(file);
        return -1;
    }
    if (s->n_kept == s->kept_capacity) {
        s->kept_capacity = s->kept_capacity ? 2 * s->kept_capacity : 64;
        s->kept = memory_grow(s->kept, s->kept_capacity, sizeof *s->kept);
    }
    kept_rows *k = &s->kept[s->n_kept++];
    *k = (kept_rows){.file = file, .rows = memory_new(1, sizeof *k->rows)};
    memcpy(k->key, key, sizeof k->key);
    *k->rows = rows;
    return 0;
}

/* A temporary file, mapped and without a name by the time this returns. */
static int keep_for_now(feature_store *s, const char *key, const void *bytes, size_t n, error *err)
{
    const char *folder = getenv("TMPDIR");
    char *path = file_join(folder && *folder ? folder : "/tmp", "merganser-features-XXXXXX");
    int fd = mkstemp(path), status = fd < 0 ? fail_errno(err, "%s", path) : 0;
    if (fd >= 0) {
        if (file_write_all(fd, bytes, n) != 0)
            status = fail_errno(err, "%s", path);
        close(fd);
        if (status == 0)
            status = map_file(s, path, key, err);
        unlink(path);
    }
    free(path);
    return status;
}

static int keep(feature_store *s, const char *path, const char *key, const float *rows, int64_t n, error *err)
{
    const size_t bytes = sizeof(head) + (size_t)(n * s->tower->width) * sizeof *rows;
    head h = {.magic = MAGIC, .rows = n, .width = s->tower->width};
    char *all = memory_try(bytes, "a picture's features", err);
    if (!all)
        return -1;
    memcpy(all, &h, sizeof h);
    memcpy(all + sizeof h, rows, bytes - sizeof h);
    int status = -1;
    if (!s->folder)
        status = keep_for_now(s, key, all, bytes, err);
    else if (file_make_folders(s->folder, err) == 0 && file_write(path, all, bytes, err) == 0)
        status = map_file(s, path, key, err);
    free(all);
    return status;
}

/* ---- one picture */

static int compute(feature_store *s, const image_processor *p, const char *picture, const void *bytes, size_t n, const char *path, const char *key, error *err)
{
    image decoded;
    int64_t count;
    if (image_decode(bytes, n, picture, &decoded, err) != 0)
        return -1;
    const features_job job = {.tower = s->tower, .backend = s->backend, .pool = s->pool};
    float *rows = features_of_picture(&job, p, &decoded, picture, &count, err);
    image_free(&decoded);
    int status = rows ? keep(s, path, key, rows, count, err) : -1;
    free(rows);
    s->counts.computed += status == 0;
    return status;
}

static const image_processor *processor_of(feature_store *s, enum feature_views views, error *err)
{
    const bool tiled = views == FEATURES_AS_CONFIGURED && s->tower->config.tiled;
    if (s->processors[views])
        return s->processors[views];
    if (!s->model->folder) {
        fail(err, ERROR_STATE, "%s: has no folder that says what to do with a picture", s->model->name);
        return NULL;
    }
    return s->processors[views] = image_processor_open(s->model->folder, (int32_t)s->tower->config.image_size, tiled ? IMAGE_TILES : IMAGE_PLAIN, err);
}

static void make_key(const feature_store *s, const image_processor *p, const void *bytes, size_t n, char key[65])
{
    char picture[65];
    string all = {0};
    file_sha256(bytes, n, picture);
    string_print(&all, "%s %s ", picture, s->digest);
    image_processor_describe(p, &all);
    file_sha256(all.text, all.length, key);
    free(all.text);
}

/* The index of what is kept for a picture, computed where it is not there. */
static int find_or_make(feature_store *s, const char *picture, enum feature_views views, size_t *index, error *err)
{
    char key[65];
    size_t n;
    const image_processor *p = processor_of(s, views, err);
    char *bytes = p ? file_read(picture, PICTURE_BYTES, &n, err) : NULL;
    if (!bytes)
        return -1;
    make_key(s, p, bytes, n, key);
    for (*index = 0; *index < s->n_kept; ++*index)
        if (strcmp(s->kept[*index].key, key) == 0) {
            free(bytes);
            return 0;
        }
    char *name = memory_print("%s.features", key), *path = s->folder ? file_join(s->folder, name) : NULL;
    error unread;      /* a file that cannot be read is computed again */
    int status = 0;
    if (path && file_exists(path) && map_file(s, path, key, &unread) == 0)
        s->counts.found++;
    else
        status = compute(s, p, picture, bytes, n, path, key, err);
    free(path);
    free(name);
    free(bytes);
    return status;
}

static int order(const entry *e, const char *path, enum feature_views views)
{
    int by_path = strcmp(e->path, path);
    return by_path ? by_path : (int)e->views - (int)views;
}

const feature_rows *feature_store_get(feature_store *s, const char *path, enum feature_views views, error *err)
{
    size_t low = 0, high = s->n, index;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (order(&s->entries[middle], path, views) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < s->n && order(&s->entries[low], path, views) == 0)
        return s->kept[s->entries[low].kept].rows;
    if (find_or_make(s, path, views, &index, err) != 0)
        return NULL;
    if (s->n == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 64;
        s->entries = memory_grow(s->entries, s->capacity, sizeof *s->entries);
    }
    memmove(s->entries + low + 1, s->entries + low, (s->n - low) * sizeof *s->entries);
    s->entries[low] = (entry){.path = memory_text(path), .views = views, .kept = index};
    s->n++;
    return s->kept[index].rows;
}
