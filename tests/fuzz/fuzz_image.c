/* A picture from a stranger, alone or behind a preprocessor_config.json and a NUL: what can be read becomes views of finite numbers. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "image/processor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIDE 28
#define MAX_PIXELS 1000000

static void told(const error *err)
{
    must(err->code != ERROR_NONE && err->text[0] && !strchr(err->text, '\n'));
}

/* Big-endian. */
static uint64_t number(const uint8_t *at, int bytes)
{
    uint64_t v = 0;
    while (bytes--)
        v = v << 8 | *at++;
    return v;
}

/* Whether something in it may be the header of a large picture: reading that is slow, not wrong. */
static bool is_large(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i + 12 < n; i++) {
        bool frame = data[i] == 0xFF && data[i + 1] >= 0xC0 && data[i + 1] < 0xD0;
        if (frame && number(data + i + 5, 2) * number(data + i + 7, 2) > MAX_PIXELS)
            return true;
        if (!memcmp(data + i, "IHDR", 4) && number(data + i + 4, 4) <= IMAGE_PIXEL_LIMIT && number(data + i + 4, 4) * number(data + i + 8, 4) > MAX_PIXELS)
            return true;
    }
    return false;
}

static void make_views(const image_processor *p, const image *picture)
{
    image_views v;
    error err = {0};
    if (image_processor_run(p, picture, "input", &v, &err) != 0) {
        told(&err);
        return;
    }
    size_t n = (size_t)v.count * 3 * v.side * v.side;
    for (size_t i = 0; i < n; i++)
        must(isfinite(v.pixels[i]));
    image_window w = image_views_window(&v, 2);
    must(w.top >= 0 && w.left >= 0 && w.rows >= 0 && w.columns >= 0 && w.top + w.rows <= 2 * v.tile_rows && w.left + w.columns <= 2 * v.tile_columns);
    must(image_views_rows(&v, 2) >= 4);
    image_views_free(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    error err = {0};
    image picture = {0};
    image_processor *p = NULL;
    if (!folder)
        begin();
    if (size && data[0] == '{') {
        const uint8_t *end = memchr(data, 0, size);
        size_t n = end ? (size_t)(end - data) : size;
        put("preprocessor_config.json", data, n);
        p = image_processor_open(folder, SIDE, IMAGE_TILES, &err);
        if (!p)
            told(&err);
        data += n + (end != NULL);
        size -= n + (end != NULL);
    }
    if (is_large(data, size))
        goto done;
    if (image_decode(data, size, "input", &picture, &err) != 0) {
        told(&err);
        must(!picture.rgb && image_new(9, 5, "input", &picture, &err) == 0);
        memset(picture.rgb, 77, 9 * 5 * 3);
    }
    if (p && (int64_t)picture.width * picture.height < 4096)
        make_views(p, &picture);
done:
    image_free(&picture);
    image_processor_free(p);
    return 0;
}
