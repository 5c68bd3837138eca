/* DIR/pictures: pictures.jsonl (what Pillow reads of each file, and resizes it to) and views.jsonl (what transformers' image processors make of
 * it, with the processors in DIR/pictures/processors), all by SHA-256. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "golden.h"
#include "image/processor.h"
#include "image/resize.h"

typedef struct tally {
    const char *name;
    char *folder;
    int passed, failed, unsupported;
} tally;

static int64_t number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
    const char *t = json_string_value(json_object_get(o, key));
    return t ? t : "";
}

static void same(tally *t, const char *file, const char *what, const json_t *record, const void *bytes, size_t n)
{
    char hex[65];
    file_sha256(bytes, n, hex);
    if (strcmp(hex, text(record, "sha256")) == 0) {
        t->passed++;
        return;
    }
    t->failed++;
    golden_mismatch(t->name, "%s: %s: other bytes", file, what);
}

static int give_up(tally *t, const error *err)
{
    t->failed += err->code != ERROR_UNSUPPORTED;
    t->unsupported += err->code == ERROR_UNSUPPORTED;
    golden_mismatch(t->name, "%s", err->text);
    return 0;
}

static int check_picture(void *context, const json_t *record, size_t line, error *err)
{
    (void)line;
    tally *t = context;
    const char *file = text(record, "file");
    char *path = file_join(t->folder, file);
    image picture, small;
    int status = image_read(path, &picture, err);
    free(path);
    if (status != 0)
        return give_up(t, err);
    if (picture.width != number(record, "width") || picture.height != number(record, "height"))
        golden_mismatch(t->name, "%s: %d x %d", file, picture.width, picture.height);
    same(t, file, "RGB", record, picture.rgb, (size_t)picture.width * picture.height * 3);
    const json_t *resized = json_object_get(record, "resized"), *one;
    for (size_t i = 0; i < json_array_size(resized); i++) {
        one = json_array_get(resized, i);
        char what[64];
        snprintf(what, sizeof what, "%d x %d", (int)number(one, "width"), (int)number(one, "height"));
        if (image_resize(&picture, (int32_t)number(one, "width"), (int32_t)number(one, "height"), file, &small, err) != 0)
            give_up(t, err);
        else
            same(t, file, what, one, small.rgb, (size_t)small.width * small.height * 3);
        image_free(&small);
    }
    image_free(&picture);
    return 0;
}

static int check_views(void *context, const json_t *record, size_t line, error *err)
{
    (void)line;
    tally *t = context;
    const char *file = text(record, "file");
    char *path = file_join(t->folder, file), *model = memory_print("%s/processors/%s", t->folder, text(record, "processor"));
    image_processor *p = image_processor_open(model, (int32_t)number(record, "side"), IMAGE_TILES, err);
    image picture = {0};
    image_views views = {0};
    if (!p || image_read(path, &picture, err) != 0 || image_processor_run(p, &picture, path, &views, err) != 0) {
        give_up(t, err);
        goto done;
    }
    same(t, file, text(record, "processor"), record, views.pixels, (size_t)views.count * 3 * views.side * views.side * sizeof(float));
    const json_t *rows = json_object_get(record, "rows");
    int64_t got = image_views_rows(&views, (int32_t)number(record, "patches"));
    if (json_is_integer(rows) && (got != json_integer_value(rows) || views.count != number(record, "views"))) {
        t->failed++;
        golden_mismatch(t->name, "%s: %s: %lld rows of %d views", file, text(record, "processor"), (long long)got, views.count);
    }
done:
    image_views_free(&views);
    image_free(&picture);
    image_processor_free(p);
    free(path);
    free(model);
    return 0;
}

static void run(const golden_context *c, const char *name, const char *file, int (*check)(void *, const json_t *, size_t, error *))
{
    tally t = {.name = name, .folder = file_join(c->root, "pictures")};
    char *path = file_join(t.folder, file);
    error err = {0};
    if (golden_wanted(c, name)) {
        if (json_lines(path, check, &t, &err) != 0)
            give_up(&t, &err);
        golden_report(c, name, t.passed, t.failed, t.unsupported);
    }
    free(path);
    free(t.folder);
}

void golden_pictures(const golden_context *c)
{
    run(c, "pictures/read", "pictures.jsonl", check_picture);
    run(c, "pictures/views", "views.jsonl", check_views);
}
