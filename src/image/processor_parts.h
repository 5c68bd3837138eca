/* What an image processor is made of: private to this folder. processor_read.c fills it in, processor.c runs it. */
#ifndef IMAGE_PROCESSOR_PARTS_H
#define IMAGE_PROCESSOR_PARTS_H

#include "image/processor.h"

#define TILE_LIMIT 100

typedef struct size_2d { int32_t height, width; } size_2d;

struct image_processor {
    int32_t side;             /* of a view */
    bool pad;                 /* first of all, to a square, with the mean colour */
    int32_t shortest_edge;    /* to which the picture is resized, or 0 */
    size_2d fixed;            /* to which it is resized instead, or 0 x 0 (neither: not resized) */
    size_2d crop;             /* the centre that is kept, or 0 x 0 */
    bool rescale, normalise;
    double factor, mean[3], std[3];
    size_2d *grid;            /* [grid_count] resolutions of pictures in tiles, owned; NULL for one view */
    size_t grid_count;
    float value[3][256];      /* what a byte of each channel becomes */
};

#endif
