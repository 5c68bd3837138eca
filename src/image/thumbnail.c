#include "image/thumbnail.h"

#include <setjmp.h>
#include <stdio.h>   /* before jpeglib.h, which needs it */
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <openssl/evp.h>

#include "base/memory.h"

#define QUALITY 80

static const char prefix[] = "data:image/jpeg;base64,";

/* Of `from` pixels the first one that pixel i of `to` stands for. */
static int32_t edge(int32_t i, int32_t from, int32_t to)
{
    return (int32_t)((int64_t)i * from / to);
}

static void mean_of(const image *in, int32_t x0, int32_t x1, int32_t y0, int32_t y1, uint8_t out[3])
{
    uint64_t sum[3] = {0}, count = (uint64_t)(x1 - x0) * (uint64_t)(y1 - y0);
    for (int32_t y = y0; y < y1; y++)
        for (int32_t x = x0; x < x1; x++)
            for (int c = 0; c < 3; c++)
                sum[c] += in->rgb[((size_t)y * (size_t)in->width + (size_t)x) * 3 + (size_t)c];
    for (int c = 0; c < 3; c++)
        out[c] = (uint8_t)((sum[c] + count / 2) / count);
}

static int shrink(const image *in, const char *name, image *out, error *err)
{
    int32_t longer = in->width > in->height ? in->width : in->height, most = longer < THUMBNAIL_SIDE ? longer : THUMBNAIL_SIDE;
    int32_t width = edge(most, in->width, longer), height = edge(most, in->height, longer);
    width = width ? width : 1;
    height = height ? height : 1;
    if (image_new(width, height, name, out, err) != 0)
        return -1;
    for (int32_t y = 0; y < height; y++)
        for (int32_t x = 0; x < width; x++)
            mean_of(in, edge(x, in->width, width), edge(x + 1, in->width, width), edge(y, in->height, height), edge(y + 1, in->height, height),
                    out->rgb + ((size_t)y * (size_t)width + (size_t)x) * 3);
    return 0;
}

/* ---- JPEG */

typedef struct writer {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jmp_buf out_of_here;
    unsigned char *bytes;   /* malloc'ed by libjpeg */
    unsigned long n;
    const char *name;
    error *err;
} writer;

static void on_error(j_common_ptr jpeg)
{
    writer *w = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    fail(w->err, ERROR_FORMAT, "%s: JPEG: %s", w->name, text);
    longjmp(w->out_of_here, 1);
}

static void write_jpeg(writer *w, const image *in)
{
    jpeg_create_compress(&w->jpeg);
    jpeg_mem_dest(&w->jpeg, &w->bytes, &w->n);
    w->jpeg.image_width = (JDIMENSION)in->width;
    w->jpeg.image_height = (JDIMENSION)in->height;
    w->jpeg.input_components = 3;
    w->jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&w->jpeg);
    jpeg_set_quality(&w->jpeg, QUALITY, TRUE);
    jpeg_start_compress(&w->jpeg, TRUE);
    while (w->jpeg.next_scanline < w->jpeg.image_height) {
        JSAMPROW row = in->rgb + (size_t)w->jpeg.next_scanline * (size_t)in->width * 3;
        jpeg_write_scanlines(&w->jpeg, &row, 1);
    }
    jpeg_finish_compress(&w->jpeg);
}

static char *in_base64(const unsigned char *bytes, size_t n)
{
    char *uri = memory_new(sizeof prefix + (n + 2) / 3 * 4 + 1, 1);
    memcpy(uri, prefix, sizeof prefix);
    EVP_EncodeBlock((unsigned char *)uri + sizeof prefix - 1, bytes, (int)n);
    return uri;
}

char *thumbnail_uri(const image *in, const char *name, error *err)
{
    image small;
    if (shrink(in, name, &small, err) != 0)
        return NULL;
    writer *w = memory_new(1, sizeof *w);   /* longjmp spares what lies on the heap */
    char *uri = NULL;
    w->name = name;
    w->err = err;
    w->jpeg.client_data = w;
    w->jpeg.err = jpeg_std_error(&w->errors);
    w->errors.error_exit = on_error;
    if (setjmp(w->out_of_here) == 0) {
        write_jpeg(w, &small);
        uri = in_base64(w->bytes, w->n);
    }
    jpeg_destroy_compress(&w->jpeg);
    free(w->bytes);
    free(w);
    image_free(&small);
    return uri;
}

bool thumbnail_is_uri(const char *text)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    if (strncmp(text, prefix, sizeof prefix - 1) != 0)
        return false;
    text += sizeof prefix - 1;
    return *text && text[strspn(text, alphabet)] == '\0';
}
