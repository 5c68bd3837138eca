/* What a vision tower gets of a picture: the image processors of transformers (CLIPImageProcessor, LlavaImageProcessor, LlavaNextImageProcessor
 * on Pillow), read from a model's preprocessor_config.json or processor_config.json. Pixel values equal theirs bit for bit.
 *
 *     image_processor *p = image_processor_open(model, 336, IMAGE_TILES, err);
 *     image_views views;
 *     if (image_processor_run(p, &picture, path, &views, err) != 0)
 *         return -1;
 *     ... the tower runs the views.count pictures of views.pixels; the features of view 0 come first, then, where views.tile_rows > 0, those of the tiles:
 *     image_window w = image_views_window(&views, 24);      // 336 / 14 patches a side
 *     for (int r = w.top; r < w.top + w.rows; r++)          // of the map [tile_rows x 24][tile_columns x 24] that the tiles make together
 *         ... features (r, w.left) to (r, w.left + w.columns - 1), then the newline
 *     image_views_free(&views);
 */
#ifndef IMAGE_PROCESSOR_H
#define IMAGE_PROCESSOR_H

#include <stdbool.h>

#include "base/memory.h"
#include "image/image.h"

typedef struct image_processor image_processor;

/* IMAGE_PLAIN: one view, whatever the files say of tiles: LLaVA-1.6 loaded as plain LLaVA, as the published experiments do. */
enum image_tiling { IMAGE_TILES, IMAGE_PLAIN };

/* Of a model's folder. side: the height and width of a picture that the vision tower takes (vision_config.image_size); files that make another size are
 * an error. Where no preprocessor file lies there, config.json's image_aspect_ratio and image_grid_pinpoints (LLaVA's original layout) say
 * what to do and everything else is CLIP's. */
image_processor *image_processor_open(const char *model, int32_t side, enum image_tiling tiling, error *err);
void image_processor_free(image_processor *p);

/* What it does, as one line: for inspect, and as a key for kept features (equal texts make equal views). */
void image_processor_describe(const image_processor *p, string *out);

typedef struct image_views {
    float *pixels;                          /* [count][3][side][side], owned */
    int32_t count, side;                    /* 1, or 1 + tile_rows x tile_columns: the whole picture, then its tiles row by row */
    int32_t tile_rows, tile_columns;        /* 0 x 0 without tiles */
    int32_t picture_width, picture_height;  /* of the picture itself */
} image_views;

/* name: what errors call the picture. */
int image_processor_run(const image_processor *p, const image *picture, const char *name, image_views *out, error *err);
void image_views_free(image_views *v);

/* The part of the tiles' features that shows the picture and not the padding around it, for a tower with `patches` features a side of a view.
 * The features of a tiled picture are patches^2 + rows x (columns + 1) rows long, those of one without tiles patches^2. All 0 without tiles. */
typedef struct image_window { int32_t top, left, rows, columns; } image_window;
image_window image_views_window(const image_views *v, int32_t patches);

/* How many rows of features the picture becomes. */
int64_t image_views_rows(const image_views *v, int32_t patches);

#endif
