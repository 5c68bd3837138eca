#include "image/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "image/decode.h"

#define FILE_LIMIT ((size_t)1 << 30)

/* What a file begins with. A format without a reader is known by name, for the message. */
static const struct format {
    const char *magic;
    size_t at, length;
    const char *name;
    int (*decode)(const uint8_t *bytes, size_t n, const char *name, image *out, error *err);
} formats[] = {
    {"\x89PNG\r\n\x1a\n", 0, 8, "PNG", png_decode},
    {"\xff\xd8\xff", 0, 3, "JPEG", jpeg_decode},
    {"WEBP", 8, 4, "WebP", webp_decode},
    {"GIF8", 0, 4, "GIF", NULL},
    {"BM", 0, 2, "BMP", NULL},
    {"II*\0", 0, 4, "TIFF", NULL},
    {"MM\0*", 0, 4, "TIFF", NULL},
    {"\0\0\0\x0cjP  ", 0, 8, "JPEG 2000", NULL},
    {"ftyp", 4, 4, "HEIF or AVIF", NULL},
    {"%PDF", 0, 4, "PDF", NULL},
    {"version https://git-lfs", 0, 23, "Git LFS", NULL},
};

int image_new(int32_t width, int32_t height, const char *name, image *out, error *err)
{
    out->rgb = memory_try((size_t)width * height * 3, name, err);
    out->width = out->rgb ? width : 0;
    out->height = out->rgb ? height : 0;
    return out->rgb ? 0 : -1;
}

void image_free(image *i)
{
    free(i->rgb);
    memset(i, 0, sizeof *i);
}

int image_check_size(int64_t width, int64_t height, const char *format, const char *name, error *err)
{
    if (width < 1 || height < 1)
        return fail(err, ERROR_FORMAT, "%s: a %s of %lld x %lld pixels", name, format, (long long)width, (long long)height);
    if (width > IMAGE_PIXEL_LIMIT / height)
        return fail(err, ERROR_LIMIT, "%s: a %s of %lld x %lld pixels, more than the limit of %d", name, format, (long long)width, (long long)height,
                    IMAGE_PIXEL_LIMIT);
    return 0;
}

void image_spread_grey(uint8_t *row, int32_t width)
{
    for (size_t x = (size_t)width; x-- > 0;)
        memset(row + 3 * x, row[x], 3);
}

int image_decode(const void *bytes, size_t n, const char *name, image *out, error *err)
{
    memset(out, 0, sizeof *out);
    if (n == 0)
        return fail(err, ERROR_FORMAT, "%s: an empty file, not a picture", name);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const struct format *f = &formats[i];
        if (n < f->at + f->length || memcmp((const char *)bytes + f->at, f->magic, f->length) != 0)
            continue;
        if (f->decode)
            return f->decode(bytes, n, name, out, err);
        if (!strcmp(f->name, "Git LFS"))
            return fail(err, ERROR_FORMAT, "%s: a Git LFS pointer, not a picture; fetch the file itself (git lfs pull)", name);
        return fail(err, ERROR_UNSUPPORTED, "%s: a %s file; pictures are PNG, JPEG or WebP, convert it", name, f->name);
    }
    return fail(err, ERROR_FORMAT, "%s: not a picture (it begins as none of PNG, JPEG and WebP does)", name);
}

int image_read(const char *path, image *out, error *err)
{
    size_t n;
    memset(out, 0, sizeof *out);
    char *bytes = file_read(path, FILE_LIMIT, &n, err);
    if (!bytes)
        return -1;
    int status = image_decode(bytes, n, path, out, err);
    free(bytes);
    return status;
}
