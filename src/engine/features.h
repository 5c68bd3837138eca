/* The features of a picture: rows as wide as the language model's embeddings, which stand in a prompt where the picture does.
 *
 *     image_processor *p = image_processor_open(folder, side, tower->config.tiled ? IMAGE_TILES : IMAGE_PLAIN, err);
 *     float *rows = features_of_picture(&(features_job){.tower = tower, .backend = b, .pool = pool}, p, &picture, path, &n, err);   // [n][tower->width]
 *
 * CLIP's blocks up to the layer that the features are taken from (LayerNorm, attention of all patches to all, MLP), then the projector, as
 * transformers' LlavaModel has them. Every row is computed in one order, whatever the number of threads. */
#ifndef ENGINE_FEATURES_H
#define ENGINE_FEATURES_H

#include "base/threads.h"
#include "compute/backend.h"
#include "image/processor.h"
#include "model/tower.h"

typedef struct features_job {
    const tower *tower;
    const backend *backend;
    threads *pool;               /* borrowed; NULL: this thread */
    /* Called with what goes into layer 0, 1, ... and at last what comes out of them: x [1 + patches][hidden] of view `view`; NULL: nobody wants it. */
    void (*watch)(void *context, int64_t view, int64_t layer, const float *x);
    void *context;
} features_job;

/* A whole picture's; `name` is what errors call it; free() them. NULL and *err on failure. */
float *features_of_picture(const features_job *job, const image_processor *p, const image *picture, const char *name, int64_t *n, error *err);

/* Its parts. Each view's features: pixels [views][3][side][side], out [views][vision_config_features][width]. */
int features_run(const features_job *job, const float *pixels, int64_t views, float *out, error *err);

/* How many rows a picture becomes, and these rows out of its views' features: those of the whole view; then of the tiles, put together as they lie
 * in the picture, the part that shows it, a newline behind each row (LlavaNextModel.pack_image_features). */
int64_t features_count(const tower *t, const image_views *views);
void features_pack(const tower *t, const image_views *views, const float *all, float *out);

#endif
