/* Resizing as Pillow does it (Resample.c of Pillow 10.4, exactly): bicubic with support that grows as the picture shrinks, a horizontal pass,
 * rounded and clipped to 8 bits, then a vertical one, each with weights of 22 fractional bits. */
#ifndef IMAGE_RESIZE_H
#define IMAGE_RESIZE_H

#include "image/image.h"

/* `in` at another size; *out is zeroed on failure (no memory, or more pixels than IMAGE_PIXEL_LIMIT). */
int image_resize(const image *in, int32_t width, int32_t height, const char *name, image *out, error *err);

#endif
