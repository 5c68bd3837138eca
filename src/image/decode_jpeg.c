/* JPEG over libjpeg (-turbo), decoded as Pillow asks for it: the exact integer DCT, smooth upsampling, four components taken for
 * Adobe's inverted CMYK. Damage that libjpeg only warns of is gone on with, as Pillow does; a file that ends early is an error. */
#include "image/decode.h"

#include <setjmp.h>
#include <stdio.h>   /* before jpeglib.h, which needs it */
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "base/memory.h"

#define SCAN_LIMIT 100   /* each scan of a progressive picture goes over all of it: a small file could ask for hours */

typedef struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf out_of_here;
    size_t n;
    const char *name;
    error *err;
    image *out;
    uint8_t *cmyk;   /* [4 x width], owned; NULL but for four components */
} reader;

static void on_error(j_common_ptr jpeg)
{
    reader *r = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    fail(r->err, ERROR_FORMAT, "%s: JPEG: %s", r->name, text);
    longjmp(r->out_of_here, 1);
}

static void on_message(j_common_ptr jpeg, int level)
{
    (void)jpeg;
    (void)level;
}

static void on_progress(j_common_ptr jpeg)
{
    reader *r = jpeg->client_data;
    if (r->jpeg.input_scan_number <= SCAN_LIMIT)
        return;
    fail(r->err, ERROR_LIMIT, "%s: a JPEG of more than %d scans, the limit", r->name, SCAN_LIMIT);
    longjmp(r->out_of_here, 1);
}

static void source_nothing(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

static boolean source_fill(j_decompress_ptr jpeg)
{
    reader *r = jpeg->client_data;
    fail(r->err, ERROR_FORMAT, "%s: a JPEG that ends early, after %zu bytes", r->name, r->n);
    longjmp(r->out_of_here, 1);
}

static void source_skip(j_decompress_ptr jpeg, long n)
{
    if (n > 0 && (size_t)n > jpeg->src->bytes_in_buffer)
        source_fill(jpeg);
    if (n > 0) {
        jpeg->src->next_input_byte += n;
        jpeg->src->bytes_in_buffer -= (size_t)n;
    }
}

/* Pillow's cmyk2rgb on the inverse of what the file says. */
static void cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb, int32_t width)
{
    for (int32_t x = 0; x < width; x++, cmyk += 4, rgb += 3)
        for (int c = 0; c < 3; c++) {
            int white = cmyk[3], product = (255 - cmyk[c]) * white + 128;
            rgb[c] = (uint8_t)(white - ((product + (product >> 8)) >> 8));
        }
}

static void read_row(reader *r, uint8_t *row)
{
    uint8_t *at = r->cmyk ? r->cmyk : row;
    jpeg_read_scanlines(&r->jpeg, &at, 1);
    if (r->cmyk)
        cmyk_to_rgb(r->cmyk, row, r->out->width);
    else if (r->jpeg.output_components == 1)
        image_spread_grey(row, r->out->width);
}

/* Everything that libjpeg may jump out of. */
static int decode(reader *r)
{
    struct jpeg_decompress_struct *j = &r->jpeg;
    if (setjmp(r->out_of_here))
        return -1;
    jpeg_create_decompress(j);
    j->src = &r->source;
    j->progress = &r->progress;
    jpeg_read_header(j, TRUE);
    if (image_check_size(j->image_width, j->image_height, "JPEG", r->name, r->err) != 0)
        return -1;
    int components = j->num_components;
    if (components != 1 && components != 3 && components != 4)
        return fail(r->err, ERROR_UNSUPPORTED, "%s: a JPEG of %d components, known are 1, 3 and 4", r->name, components);
    j->out_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
    if (components == 4 && !(r->cmyk = memory_try((size_t)j->image_width * 4, r->name, r->err)))
        return -1;
    jpeg_start_decompress(j);
    if (image_new((int32_t)j->output_width, (int32_t)j->output_height, r->name, r->out, r->err) != 0)
        return -1;
    for (int32_t y = 0; y < r->out->height; y++)
        read_row(r, r->out->rgb + (size_t)y * r->out->width * 3);
    jpeg_finish_decompress(j);   /* reads on to the end marker */
    return 0;
}

int jpeg_decode(const uint8_t *bytes, size_t n, const char *name, image *out, error *err)
{
    reader *r = memory_new(1, sizeof *r);   /* not on the stack: it must be whole after a jump */
    r->n = n, r->name = name, r->err = err, r->out = out;
    r->jpeg.err = jpeg_std_error(&r->errors);
    r->jpeg.client_data = r;
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    r->progress.progress_monitor = on_progress;
    r->source = (struct jpeg_source_mgr){.next_input_byte = bytes, .bytes_in_buffer = n, .init_source = source_nothing, .fill_input_buffer = source_fill,
                                         .skip_input_data = source_skip, .resync_to_restart = jpeg_resync_to_restart, .term_source = source_nothing};
    int status = decode(r);
    jpeg_destroy_decompress(&r->jpeg);
    if (status != 0)
        image_free(out);
    free(r->cmyk);
    free(r);
    return status;
}
