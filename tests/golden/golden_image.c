/* DIR/engine/CASE with images: pixel values of each prompt, resized pictures, and the number of features that each picture becomes, all exactly. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "golden.h"
#include "image/processor.h"
#include "image/resize.h"
#include "tensor/checkpoint.h"

typedef struct test {
    char name[160];
    char *folder;
    json_t *golden;
    checkpoint *expected;
    int32_t side, patches;
    int passed, failed;
} test;

static void count(test *t, bool good)
{
    t->passed += good;
    t->failed += !good;
}

static void same_bytes(test *t, const char *what, const tensor *wanted, const void *got, size_t bytes)
{
    bool good = wanted && tensor_bytes(wanted) == bytes && memcmp(wanted->data, got, bytes) == 0;
    if (!good)
        golden_mismatch(t->name, "%s: %s", what, !wanted ? "not in the file" : tensor_bytes(wanted) != bytes ? "another size" : "other values");
    count(t, good);
}

static bool open_picture(test *t, const char *file, image *out)
{
    error err = {0};
    char *path = file_join(t->folder, file);
    bool good = image_read(path, out, &err) == 0;
    if (!good) {
        golden_mismatch(t->name, "%s", err.text);
        count(t, false);
    }
    free(path);
    return good;
}

/* All views of the pictures one after another, against a tensor. */
static void check_pixels(test *t, const image_processor *p, const char *what, const json_t *images, const json_t *rows)
{
    string pixels = {0};
    error err = {0};
    for (size_t i = 0; i < json_array_size(images); i++) {
        image picture;
        image_views views;
        if (!open_picture(t, json_string_value(json_array_get(images, i)), &picture))
            goto done;
        if (image_processor_run(p, &picture, what, &views, &err) != 0) {
            golden_mismatch(t->name, "%s", err.text);
            count(t, false);
            image_free(&picture);
            goto done;
        }
        if (rows)
            count(t, image_views_rows(&views, t->patches) == json_integer_value(json_array_get(rows, i)));
        string_add(&pixels, (const char *)views.pixels, (size_t)views.count * 3 * views.side * views.side * sizeof(float));
        image_views_free(&views);
        image_free(&picture);
    }
    same_bytes(t, what, checkpoint_find(t->expected, what), pixels.text, pixels.length);
done:
    free(pixels.text);
}

static void check_prompts(test *t)
{
    error err = {0};
    char *model = file_join(t->folder, "model");
    const json_t *cases = json_object_get(t->golden, "cases"), *plain = json_object_get(t->golden, "plain_llava");
    image_processor *p = image_processor_open(model, t->side, IMAGE_TILES, &err), *one = image_processor_open(model, t->side, IMAGE_PLAIN, &err);
    if (!p || !one) {
        golden_mismatch(t->name, "%s", err.text);
        count(t, false);
        goto done;
    }
    for (size_t i = 0; i < json_array_size(cases); i++) {
        char what[40];
        snprintf(what, sizeof what, "p%zu.pixel_values", i);
        check_pixels(t, p, what, json_object_get(json_array_get(cases, i), "images"), json_object_get(json_array_get(cases, i), "image_tokens"));
    }
    if (plain) {
        json_t *images = json_pack("[O]", json_object_get(plain, "image"));
        check_pixels(t, one, "plain.pixel_values", images, NULL);
        json_decref(images);
    }
done:
    image_processor_free(p);
    image_processor_free(one);
    free(model);
}

/* "image0.tiles_u8_hwc": image0.png at that size. */
static void check_resized(test *t)
{
    for (size_t i = 0; i < t->expected->count; i++) {
        const checkpoint_item *item = &t->expected->items[i];
        error err = {0};
        image picture, small;
        if (strncmp(item->name, "image", 5) != 0 || !text_ends_with(item->name, "_u8_hwc"))
            continue;
        char *file = memory_print("%.*s.png", (int)strcspn(item->name, "."), item->name);
        if (open_picture(t, file, &picture)) {
            if (image_resize(&picture, (int32_t)item->tensor.shape[1], (int32_t)item->tensor.shape[0], file, &small, &err) == 0)
                same_bytes(t, item->name, &item->tensor, small.rgb, (size_t)small.width * small.height * 3);
            else
                count(t, false);
            image_free(&small);
            image_free(&picture);
        }
        free(file);
    }
}

static void run_case(const golden_context *c, const char *folder, const char *name)
{
    test t = {0};
    error err = {0};
    snprintf(t.name, sizeof t.name, "engine/%s/pictures", name);
    t.folder = file_join(folder, name);
    char *golden = file_join(t.folder, "golden.json"), *tensors = file_join(t.folder, "logits.safetensors"), *config = file_join(t.folder, "model/config.json");
    json_t *model = file_exists(config) ? json_read(config, 0, &err) : NULL;
    const json_t *vision = json_object_get(model, "vision_config");
    t.side = (int32_t)json_integer_value(json_object_get(vision, "image_size"));
    int64_t patch = json_integer_value(json_object_get(vision, "patch_size"));
    if (t.side > 0 && patch > 0 && golden_wanted(c, t.name)) {
        t.patches = (int32_t)(t.side / patch);
        t.golden = json_read(golden, 0, &err);
        t.expected = checkpoint_open(tensors, &err);
        if (t.golden && t.expected) {
            check_prompts(&t);
            check_resized(&t);
        } else {
            golden_mismatch(t.name, "%s", err.text);
            t.failed++;
        }
        golden_report(c, t.name, t.passed, t.failed, 0);
    }
    json_decref(model);
    json_decref(t.golden);
    checkpoint_free(t.expected);
    free(t.folder);
    free(golden);
    free(tensors);
    free(config);
}

void golden_image(const golden_context *c)
{
    char *folder = file_join(c->root, "engine");
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = file_next_entry(d));)
        if (e->d_name[0] != '.')
            run_case(c, folder, e->d_name);
    if (d)
        closedir(d);
    free(folder);
}
