/* Pictures: PNG, JPEG and (where libwebp was found) WebP files as 8-bit RGB, the bytes that Pillow's Image.open(path).convert("RGB") gives.
 *
 * Told apart by what they begin with, not by their names. Palettes, 1, 2, 4 and 16 bits, alpha (dropped), interlacing; baseline, progressive,
 * grey, CMYK and YCCK JPEG; lossy and lossless WebP. The orientation that EXIF asks for is not applied, as the models' processors do not; colour profiles and gamma are ignored.
 *
 *     image picture;
 *     if (image_read(path, &picture, err) != 0)
 *         return -1;
 *     ... picture.rgb ...
 *     image_free(&picture);
 */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define IMAGE_PIXEL_LIMIT 178956970   /* Pillow's: more is an error, known from the header before anything is allocated */

typedef struct image {
    uint8_t *rgb;            /* [height][width][3], owned */
    int32_t width, height;   /* >= 1 */
} image;

/* *out is zeroed on failure. A picture that ends early or breaks a checksum is an error, never a part of a picture. */
int image_read(const char *path, image *out, error *err);
int image_decode(const void *bytes, size_t n, const char *name, image *out, error *err);   /* name: what errors call it */

/* An uninitialised picture. */
int image_new(int32_t width, int32_t height, const char *name, image *out, error *err);

void image_free(image *i);   /* and zeroes it */

#endif
