#include "golden_vision.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "engine/features.h"
#include "golden_answers.h"

#define TOLERANCE 1e-4
#define MOST 8            /* pictures in a prompt */

typedef struct prompt_pictures {
    request_picture list[MOST];
    float *rows[MOST];        /* owned */
    int n;
} prompt_pictures;

struct golden_vision {
    const char *name, *folder;
    const checkpoint *expected;
    features_job job;
    tower *tower;
    char what[120];           /* family and precision */
    bool f32;
    const image_processor *processor;
    prompt_pictures *prompts;
    size_t n_prompts;
    size_t at;                /* the prompt at work */
    int *passed, *failed;
};

static void count(golden_vision *p, bool good)
{
    ++*(good ? p->passed : p->failed);
}

static const char *what(const golden_vision *p, const char *thing, char out[240])
{
    snprintf(out, 240, "%s %s", p->what, thing);
    return out;
}

/* A part of an expected tensor along its first dimension. */
static tensor rows_of(const tensor *t, int64_t first, int64_t n)
{
    tensor part = *t;
    part.shape[0] = n;
    part.data = (char *)t->data + (size_t)(first * tensor_columns(t)) * dtype_size(t->dtype);
    return part;
}

static void compare_hidden(void *context, int64_t view, int64_t layer, const float *x)
{
    golden_vision *p = context;
    char name[64], text[240];
    snprintf(name, sizeof name, "p%zu.vision_hidden.%lld", p->at, (long long)layer);
    const tensor *t = p->expected ? checkpoint_find(p->expected, name) : NULL;
    if (p->f32 && view == 0 && t)
        count(p, golden_same_numbers(p->name, what(p, name, text), x, (size_t)tensor_count(t), t, TOLERANCE));
}

/* Pixels: exactly. `pictures`: how many came before in the tensor, in views. */
static void compare_pixels(golden_vision *p, const char *tensor_name, const image *picture, const char *file, int64_t *views_before)
{
    char text[240];
    error err = {0};
    image_views views = {0};
    const tensor *t = p->expected ? checkpoint_find(p->expected, tensor_name) : NULL;
    if (image_processor_run(p->processor, picture, file, &views, &err) != 0) {
        golden_mismatch(p->name, "%s", err.text);
        count(p, false);
        return;
    }
    if (t) {
        tensor all = *t;
        if (all.rank == 5) {   /* llava_next: [pictures][views], here of one picture */
            all.rank = 4;
            memmove(all.shape, all.shape + 1, 4 * sizeof *all.shape);
        }
        tensor part = rows_of(&all, *views_before, views.count);
        count(p, golden_same_numbers(p->name, what(p, tensor_name, text), views.pixels, (size_t)(views.count * 3 * views.side) * (size_t)views.side, &part, 0));
    }
    *views_before += views.count;
    image_views_free(&views);
}

static void add_picture(golden_vision *p, const char *file, int64_t *views, int64_t *rows, const char *pixels, const char *features)
{
    prompt_pictures *to = &p->prompts[p->at];
    char *path = file_join(p->folder, file), text[240];
    error err = {0};
    image picture;
    int64_t n = 0;
    float *made = NULL;
    const tensor *t = p->expected ? checkpoint_find(p->expected, features) : NULL;
    if (image_read(path, &picture, &err) == 0) {
        compare_pixels(p, pixels, &picture, path, views);
        made = features_of_picture(&p->job, p->processor, &picture, path, &n, &err);
    }
    if (!made || to->n == MOST) {
        golden_mismatch(p->name, "%s", err.text);
        count(p, false);
        free(made);
    } else {
        if (p->f32 && t) {
            tensor part = rows_of(t, *rows, n);
            count(p, golden_same_numbers(p->name, what(p, features, text), made, (size_t)(n * p->tower->width), &part, TOLERANCE));
        }
        *rows += n;
        to->list[to->n] = (request_picture){.rows = made, .n = (size_t)n};
        to->rows[to->n++] = made;
    }
    image_free(&picture);
    free(path);
}

/* Where each picture's placeholders stand. */
static void place(const golden_vision *p, prompt_pictures *to, const json_t *ids)
{
    size_t at = 0, n = json_array_size(ids);
    for (int i = 0; i < to->n; i++) {
        while (at < n && json_integer_value(json_array_get(ids, at)) != p->tower->config.image_token)
            at++;
        to->list[i].first = at;
        at += to->list[i].n;
    }
}

static void add_prompt(golden_vision *p, const json_t *one, const char *pixels, const char *features)
{
    const json_t *images = json_object_get(one, "images");
    int64_t views = 0, rows = 0;
    for (size_t i = 0; i < json_array_size(images); i++)
        add_picture(p, json_string_value(json_array_get(images, i)), &views, &rows, pixels, features);
    if (json_is_string(json_object_get(one, "image")))
        add_picture(p, json_string_value(json_object_get(one, "image")), &views, &rows, pixels, features);
    place(p, &p->prompts[p->at], json_object_get(one, "ids"));
}

static image_processor *open_processor(golden_vision *p, enum image_tiling tiling)
{
    char *model = file_join(p->folder, "model");
    error err = {0};
    image_processor *processor = image_processor_open(model, (int32_t)p->tower->config.image_size, tiling, &err);
    free(model);
    p->processor = processor;
    if (!processor) {
        golden_mismatch(p->name, "%s", err.text);
        count(p, false);
    }
    return processor;
}

golden_vision *golden_vision_new(const char *name, const char *folder, const json_t *golden, const checkpoint *expected, const checkpoint *weights,
                                     const char *which, const backend *family, int *passed, int *failed)
{
    const json_t *cases = json_object_get(golden, "cases"), *plain = json_object_get(golden, "plain_llava");
    golden_vision *p = memory_new(1, sizeof *p);
    error err = {0};
    *p = (golden_vision){.name = name, .folder = folder, .expected = expected, .f32 = strcmp(which, "f32") == 0, .passed = passed, .failed = failed};
    snprintf(p->what, sizeof p->what, "%s %s", family->name, which);
    p->n_prompts = json_array_size(cases) + 1;
    p->prompts = memory_new(p->n_prompts, sizeof *p->prompts);
    p->tower = tower_build(weights, &err);
    if (!p->tower) {
        golden_mismatch(name, "%s", err.text);
        count(p, false);
        return p;
    }
    p->job = (features_job){.tower = p->tower, .backend = family, .watch = compare_hidden, .context = p};
    image_processor *processor = open_processor(p, p->tower->config.tiled ? IMAGE_TILES : IMAGE_PLAIN);
    for (; processor && p->at < json_array_size(cases); p->at++) {
        char pixels[64], features[64];
        snprintf(pixels, sizeof pixels, "p%zu.pixel_values", p->at);
        snprintf(features, sizeof features, "p%zu.image_features", p->at);
        add_prompt(p, json_array_get(cases, p->at), pixels, features);
    }
    image_processor_free(processor);
    if (plain && p->f32 && (processor = open_processor(p, IMAGE_PLAIN))) {
        add_prompt(p, plain, "plain.pixel_values", "plain.image_features");
        image_processor_free(processor);
    }
    return p;
}

void golden_vision_free(golden_vision *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_prompts; i++)
        for (int k = 0; k < p->prompts[i].n; k++)
            free(p->prompts[i].rows[k]);
    free(p->prompts);
    tower_free(p->tower);
    free(p);
}

void golden_vision_give(const golden_vision *p, size_t i, request *r)
{
    if (!p)
        return;
    r->pictures = p->prompts[i].list;
    r->n_pictures = p->prompts[i].n;
}
