/* The formats: private to this folder. */
#ifndef IMAGE_DECODE_H
#define IMAGE_DECODE_H

#include "image/image.h"

int png_decode(const uint8_t *bytes, size_t n, const char *name, image *out, error *err);
int jpeg_decode(const uint8_t *bytes, size_t n, const char *name, image *out, error *err);
int webp_decode(const uint8_t *bytes, size_t n, const char *name, image *out, error *err);

/* Whether a picture that a file announces is one to allocate for; `format` is "PNG" and the like. */
int image_check_size(int64_t width, int64_t height, const char *format, const char *name, error *err);

/* A row [3 x width] that begins with one byte a pixel becomes three equal ones a pixel. */
void image_spread_grey(uint8_t *row, int32_t width);

#endif
