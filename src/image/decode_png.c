/* PNG over libpng, with the conversions that Pillow makes on the way to RGB:
 * alpha and transparent colours are dropped, 16 bits keep their high byte, but for 16-bit grey, which is clipped at 255 (Pillow's I;16). */
#include "image/decode.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define SIDE_LIMIT 1000000   /* libpng's own: what it allocates follows the width alone */

typedef struct reader {
    const uint8_t *bytes;
    size_t n, at;
    const char *name;
    error *err;
    image *out;
} reader;

static void on_error(png_structp png, png_const_charp text)
{
    reader *r = png_get_error_ptr(png);
    fail(r->err, ERROR_FORMAT, "%s: PNG: %s", r->name, text);
    png_longjmp(png, 1);
}

/* What libpng only warns of, it goes on with, as Pillow does. */
static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
    reader *r = png_get_io_ptr(png);
    if (n > r->n - r->at) {
        fail(r->err, ERROR_FORMAT, "%s: a PNG that ends early, after %zu bytes", r->name, r->n);
        png_longjmp(png, 1);
    }
    memcpy(to, r->bytes + r->at, n);
    r->at += n;
}

/* The header's chunk by hand, so that its sizes are judged before libpng acts on them. */
static int check_header(const reader *r)
{
    if (r->n < 33 || memcmp(r->bytes + 8, "\0\0\0\x0dIHDR", 8) != 0)
        return fail(r->err, ERROR_FORMAT, "%s: a PNG without a header (%zu bytes)", r->name, r->n);
    int64_t width = png_get_uint_32(r->bytes + 16), height = png_get_uint_32(r->bytes + 20);
    if (width > SIDE_LIMIT || height > SIDE_LIMIT)
        return fail(r->err, ERROR_LIMIT, "%s: a PNG of %lld x %lld pixels, more than the limit of %d a side", r->name, (long long)width, (long long)height,
                    SIDE_LIMIT);
    return image_check_size(width, height, "PNG", r->name, r->err);
}

/* Rows of at most 3 bytes a pixel: indices of a palette, grey of 8 or 16 bits, or RGB. */
static void ask_for_rows(png_structp png, int color_type, int depth)
{
    if (color_type == PNG_COLOR_TYPE_PALETTE)
        png_set_packing(png);
    if (color_type == PNG_COLOR_TYPE_GRAY && depth < 8)
        png_set_expand_gray_1_2_4_to_8(png);
    if (depth == 16 && color_type != PNG_COLOR_TYPE_GRAY)
        png_set_strip_16(png);
    png_set_strip_alpha(png);
}

static void clip_grey_16(uint8_t *row, int32_t width)
{
    for (int32_t x = 0; x < width; x++)
        row[x] = row[2 * x] ? 255 : row[2 * x + 1];
}

/* From the end, as the indices lie at the front of the same row. An index behind the palette is black. */
static void look_up(uint8_t *row, int32_t width, const png_color *palette, int colors)
{
    static const png_color black;
    for (size_t x = (size_t)width; x-- > 0;) {
        const png_color *c = row[x] < colors ? &palette[row[x]] : &black;
        row[3 * x] = c->red, row[3 * x + 1] = c->green, row[3 * x + 2] = c->blue;
    }
}

static void finish_rows(png_structp png, png_infop info, const image *out, int color_type, int depth)
{
    png_colorp palette = NULL;
    int colors = 0;
    if (color_type == PNG_COLOR_TYPE_PALETTE)
        png_get_PLTE(png, info, &palette, &colors);
    for (int32_t y = 0; y < out->height; y++) {
        uint8_t *row = out->rgb + (size_t)y * out->width * 3;
        if (color_type == PNG_COLOR_TYPE_GRAY && depth == 16)
            clip_grey_16(row, out->width);
        if (color_type == PNG_COLOR_TYPE_PALETTE)
            look_up(row, out->width, palette, colors);
        else if (!(color_type & PNG_COLOR_MASK_COLOR))
            image_spread_grey(row, out->width);
    }
}

/* Everything that libpng may jump out of. */
static int decode(png_structp png, png_infop info, reader *r)
{
    if (setjmp(png_jmpbuf(png)))
        return -1;
    png_set_read_fn(png, r, on_read);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);   /* texts, profiles and the like are never unpacked */
    png_read_info(png, info);
    int color_type = png_get_color_type(png, info), depth = png_get_bit_depth(png, info);
    ask_for_rows(png, color_type, depth);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    if (image_new((int32_t)png_get_image_width(png, info), (int32_t)png_get_image_height(png, info), r->name, r->out, r->err) != 0)
        return -1;
    size_t stride = (size_t)r->out->width * 3;
    if (png_get_rowbytes(png, info) > stride)
        return fail(r->err, ERROR_UNSUPPORTED, "%s: a PNG of colour type %d with %d bits", r->name, color_type, depth);
    for (int pass = 0; pass < passes; pass++)
        for (int32_t y = 0; y < r->out->height; y++)
            png_read_row(png, r->out->rgb + y * stride, NULL);
    png_read_end(png, NULL);   /* checks the last checksum */
    finish_rows(png, info, r->out, color_type, depth);
    return 0;
}

int png_decode(const uint8_t *bytes, size_t n, const char *name, image *out, error *err)
{
    reader r = {bytes, n, 0, name, err, out};
    if (check_header(&r) != 0)
        return -1;
    int status = -1;
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (info)
        status = decode(png, info, &r);
    else
        fail(err, ERROR_MEMORY, "%s: no memory for a PNG reader", name);
    png_destroy_read_struct(&png, &info, NULL);
    if (status != 0)
        image_free(out);
    return status;
}
