#include "image/processor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/decode.h"
#include "image/processor_parts.h"
#include "image/resize.h"

static void put(string *out, const char *what, size_2d s)
{
    string_print(out, "%s %dx%d, ", what, s.height, s.width);
}

void image_processor_describe(const image_processor *p, string *out)
{
    string_puts(out, "bicubic, ");
    if (p->pad)
        string_puts(out, "padded to a square, ");
    if (p->shortest_edge)
        string_print(out, "shortest edge %d, ", p->shortest_edge);
    if (p->fixed.height)
        put(out, "size", p->fixed);
    if (p->crop.height)
        put(out, "crop", p->crop);
    if (p->rescale)
        string_print(out, "x %.17g, ", p->factor);
    if (p->normalise)
        string_print(out, "mean %.9g %.9g %.9g, std %.9g %.9g %.9g, ", p->mean[0], p->mean[1], p->mean[2], p->std[0], p->std[1], p->std[2]);
    for (size_t i = 0; i < p->grid_count; i++)
        put(out, i ? "or" : "tiles of", p->grid[i]);
    string_print(out, "views %dx%d", p->side, p->side);
}

/* A picture of one colour. */
static int new_filled(size_2d size, const uint8_t colour[3], const char *name, image *out, error *err)
{
    if (image_check_size(size.width, size.height, "picture padded", name, err) != 0 || image_new(size.width, size.height, name, out, err) != 0)
        return -1;
    for (size_t i = 0; i < (size_t)size.width * size.height; i++)
        memcpy(out->rgb + 3 * i, colour, 3);
    return 0;
}

/* Copies the part of `in` from (in_y, in_x) to (y, x) of `out`, as much as fits both. */
static void copy_part(const image *in, int32_t in_y, int32_t in_x, image *out, int32_t y, int32_t x)
{
    int32_t rows = in->height - in_y < out->height - y ? in->height - in_y : out->height - y;
    int32_t columns = in->width - in_x < out->width - x ? in->width - in_x : out->width - x;
    for (int32_t r = 0; r < rows; r++)
        memcpy(out->rgb + ((size_t)(y + r) * out->width + x) * 3, in->rgb + ((size_t)(in_y + r) * in->width + in_x) * 3, (size_t)columns * 3);
}

/* LlavaImageProcessor.pad_to_square */
static int pad_to_square(const image_processor *p, const image *in, const char *name, image *out, error *err)
{
    int32_t side = in->width > in->height ? in->width : in->height;
    uint8_t colour[3];
    for (int c = 0; c < 3; c++)
        colour[c] = (uint8_t)(int)(p->mean[c] * 255);
    if (new_filled((size_2d){side, side}, colour, name, out, err) != 0)
        return -1;
    copy_part(in, 0, 0, out, (side - in->height) / 2, (side - in->width) / 2);
    return 0;
}

/* get_resize_output_image_size: the longer edge is truncated. */
static size_2d resized(const image_processor *p, const image *in)
{
    if (!p->shortest_edge)
        return p->fixed.height ? p->fixed : (size_2d){in->height, in->width};
    int64_t edge = p->shortest_edge;
    if (in->width <= in->height)
        return (size_2d){(int32_t)fmin((double)(edge * in->height) / in->width, INT32_MAX), (int32_t)edge};
    return (size_2d){(int32_t)edge, (int32_t)fmin((double)(edge * in->width) / in->height, INT32_MAX)};
}

/* numpy's center_crop of image_transforms.py: what lies outside the picture is black. */
static int crop_centre(const image *in, size_2d size, const char *name, image *out, error *err)
{
    static const uint8_t black[3];
    int32_t up = in->height - size.height, left = in->width - size.width;
    if (new_filled(size, black, name, out, err) != 0)
        return -1;
    copy_part(in, up > 0 ? up / 2 : 0, left > 0 ? left / 2 : 0, out, up < 0 ? (1 - up) / 2 : 0, left < 0 ? (1 - left) / 2 : 0);
    return 0;
}

/* One view's pixels [3][side][side] of a picture. */
static int make_view(const image_processor *p, const image *picture, const char *name, float *out, error *err)
{
    image small = {0}, centre = {0};
    size_2d size = resized(p, picture);
    int status = -1;
    if (image_resize(picture, size.width, size.height, name, &small, err) != 0 || (p->crop.height && crop_centre(&small, p->crop, name, &centre, err) != 0))
        goto done;
    const image *view = p->crop.height ? &centre : &small;
    if (view->height != p->side || view->width != p->side) {
        fail(err, ERROR_FORMAT, "%s: becomes a view of %d x %d pixels, the vision tower takes %d x %d", name, view->width, view->height, p->side, p->side);
        goto done;
    }
    size_t area = (size_t)p->side * p->side;
    for (size_t i = 0; i < area; i++)
        for (size_t c = 0; c < 3; c++)
            out[c * area + i] = p->value[c][view->rgb[3 * i + c]];
    status = 0;
done:
    image_free(&small);
    image_free(&centre);
    return status;
}

/* select_best_resolution: the largest effective area, then the least waste, the first of equals. */
static size_2d best_resolution(const image_processor *p, const image *in)
{
    size_2d best = p->grid[0];
    int64_t most = 0, least_waste = INT64_MAX, area = (int64_t)in->width * in->height;
    for (size_t i = 0; i < p->grid_count; i++) {
        size_2d g = p->grid[i];
        double across = (double)g.width / in->width, down = (double)g.height / in->height, scale = across < down ? across : down;
        int64_t used = (int64_t)(in->width * scale) * (int64_t)(in->height * scale);
        used = used < area ? used : area;
        int64_t waste = (int64_t)g.width * g.height - used;
        if (used > most || (used == most && waste < least_waste))
            most = used, least_waste = waste, best = g;
    }
    return best;
}

/* The picture in the middle of a black one of the resolution `whole`, as large as fits (get_patch_output_size). */
static int fit(const image *in, size_2d whole, const char *name, image *out, error *err)
{
    static const uint8_t black[3];
    double across = (double)whole.width / in->width, down = (double)whole.height / in->height;
    size_2d size = whole;
    image small;
    if (across < down)
        size.height = (int32_t)fmin(ceil(in->height * across), whole.height);
    else
        size.width = (int32_t)fmin(ceil(in->width * down), whole.width);
    if (image_resize(in, size.width, size.height, name, &small, err) != 0)
        return -1;
    int status = new_filled(whole, black, name, out, err);
    if (status == 0)
        copy_part(&small, 0, 0, out, (whole.height - size.height) / 2, (whole.width - size.width) / 2);
    image_free(&small);
    return status;
}

/* LlavaNextImageProcessor: the whole picture squeezed to a square, then the tiles of the best resolution, row by row. */
static int make_tiles(const image_processor *p, const image *picture, size_2d whole, const char *name, float *out, error *err)
{
    image squeezed = {0}, fitted = {0}, tile = {0};
    size_2d base = p->fixed.height ? p->fixed : (size_2d){p->shortest_edge, p->shortest_edge};
    if (!base.height)
        base = (size_2d){p->side, p->side};
    int status = -1;
    if (image_resize(picture, base.width, base.height, name, &squeezed, err) != 0 || make_view(p, &squeezed, name, out, err) != 0 ||
        fit(picture, whole, name, &fitted, err) != 0 || image_new(p->side, p->side, name, &tile, err) != 0)
        goto done;
    for (int32_t y = 0; y < whole.height; y += p->side)
        for (int32_t x = 0; x < whole.width; x += p->side) {
            out += (size_t)3 * p->side * p->side;
            copy_part(&fitted, y, x, &tile, 0, 0);
            if (make_view(p, &tile, name, out, err) != 0)
                goto done;
        }
    status = 0;
done:
    image_free(&squeezed);
    image_free(&fitted);
    image_free(&tile);
    return status;
}

int image_processor_run(const image_processor *p, const image *picture, const char *name, image_views *out, error *err)
{
    image square = {0};
    *out = (image_views){.count = 1, .side = p->side, .picture_width = picture->width, .picture_height = picture->height};
    size_2d whole = {0};
    if (p->grid) {
        whole = best_resolution(p, picture);
        out->tile_rows = whole.height / p->side;
        out->tile_columns = whole.width / p->side;
        out->count += out->tile_rows * out->tile_columns;
    }
    int status = -1;
    out->pixels = memory_try((size_t)out->count * 3 * p->side * p->side * sizeof *out->pixels, name, err);
    if (!out->pixels || (p->pad && pad_to_square(p, picture, name, &square, err) != 0))
        goto done;
    if (p->grid)
        status = make_tiles(p, picture, whole, name, out->pixels, err);
    else
        status = make_view(p, p->pad ? &square : picture, name, out->pixels, err);
done:
    image_free(&square);
    if (status != 0)
        image_views_free(out);
    return status;
}

void image_views_free(image_views *v)
{
    free(v->pixels);
    memset(v, 0, sizeof *v);
}

/* int(round(x, 7)) of Python. */
static int32_t whole_of(double x)
{
    char text[64];
    snprintf(text, sizeof text, "%.7f", x);
    return (int32_t)strtol(text, NULL, 10);
}

/* unpad_image of modeling_llava_next.py: from the aspect ratios alone. */
image_window image_views_window(const image_views *v, int32_t patches)
{
    image_window w = {.rows = v->tile_rows * patches, .columns = v->tile_columns * patches};
    if (!v->tile_rows)
        return w;
    double width = v->picture_width, height = v->picture_height;
    if (width / height > (double)w.columns / w.rows) {
        w.top = (w.rows - whole_of(height * (w.columns / width))) / 2;
        w.rows -= 2 * w.top;
    } else {
        w.left = (w.columns - whole_of(width * (w.rows / height))) / 2;
        w.columns -= 2 * w.left;
    }
    return w;
}

int64_t image_views_rows(const image_views *v, int32_t patches)
{
    image_window w = image_views_window(v, patches);
    return (int64_t)patches * patches + (int64_t)w.rows * (v->tile_rows ? w.columns + 1 : 0);
}
