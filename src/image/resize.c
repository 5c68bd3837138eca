#include "image/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "image/decode.h"

#define FRACTION_BITS 22
#define SUPPORT 2.0   /* of the bicubic filter */

/* What each output position takes along one axis. */
typedef struct weights {
    struct { int32_t first, count; } *span;   /* [n], owned */
    int32_t *weight;                          /* [n][stride], owned; 22 fractional bits */
    int32_t n, stride;
} weights;

static void weights_free(weights *w)
{
    free(w->span);
    free(w->weight);
}

static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

/* The weights of one output position, normalised, then rounded half away from zero. */
static void position_weights(weights *w, int32_t i, double center, double reach, double filter_scale, int32_t from, double *exact)
{
    int32_t first = (int32_t)(center - reach + 0.5), end = (int32_t)(center + reach + 0.5);
    double sum = 0.0, inverse = 1.0 / filter_scale;
    first = first < 0 ? 0 : first;
    end = end > from ? from : end;
    for (int32_t x = 0; x < end - first; x++) {
        exact[x] = bicubic((x + first - center + 0.5) * inverse);
        sum += exact[x];
    }
    int32_t *out = w->weight + (size_t)i * w->stride;
    for (int32_t x = 0; x < end - first; x++) {
        double share = sum != 0.0 ? exact[x] / sum : exact[x];
        out[x] = (int32_t)(share * (1 << FRACTION_BITS) + (share < 0 ? -0.5 : 0.5));
    }
    w->span[i].first = first;
    w->span[i].count = end - first;
}

static int weights_make(weights *w, int32_t from, int32_t to, const char *name, error *err)
{
    double scale = (double)from / to, filter_scale = scale < 1.0 ? 1.0 : scale, reach = SUPPORT * filter_scale;
    w->n = to;
    w->stride = (int32_t)ceil(reach) * 2 + 1;
    double *exact = memory_try((size_t)w->stride * sizeof *exact, name, err);
    w->span = memory_try((size_t)to * sizeof *w->span, name, err);
    w->weight = memory_try((size_t)to * w->stride * sizeof *w->weight, name, err);
    int status = exact && w->span && w->weight ? 0 : -1;
    for (int32_t i = 0; i < to && status == 0; i++)
        position_weights(w, i, (i + 0.5) * scale, reach, filter_scale, from, exact);
    free(exact);
    return status;
}

static uint8_t round_8(int32_t sum)
{
    int32_t v = sum >> FRACTION_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static int resize_columns(const image *in, int32_t width, const char *name, image *out, error *err)
{
    weights w = {0};
    int status = -1;
    if (weights_make(&w, in->width, width, name, err) != 0 || image_check_size(width, in->height, "picture resized on the way", name, err) != 0 ||
        image_new(width, in->height, name, out, err) != 0)
        goto done;
    for (int32_t y = 0; y < in->height; y++) {
        const uint8_t *row = in->rgb + (size_t)y * in->width * 3;
        uint8_t *to = out->rgb + (size_t)y * width * 3;
        for (int32_t i = 0; i < width; i++) {
            const uint8_t *from = row + (size_t)w.span[i].first * 3;
            const int32_t *weight = w.weight + (size_t)i * w.stride;
            int32_t sum[3] = {1 << (FRACTION_BITS - 1), 1 << (FRACTION_BITS - 1), 1 << (FRACTION_BITS - 1)};
            for (int32_t x = 0; x < w.span[i].count; x++)
                for (int c = 0; c < 3; c++)
                    sum[c] += from[3 * x + c] * weight[x];
            for (int c = 0; c < 3; c++)
                to[3 * i + c] = round_8(sum[c]);
        }
    }
    status = 0;
done:
    weights_free(&w);
    return status;
}

static int resize_rows(const image *in, int32_t height, const char *name, image *out, error *err)
{
    weights w = {0};
    int status = -1;
    size_t stride = (size_t)in->width * 3;
    int32_t *sum = memory_try(stride * sizeof *sum, name, err);
    if (!sum || weights_make(&w, in->height, height, name, err) != 0 || image_new(in->width, height, name, out, err) != 0)
        goto done;
    for (int32_t i = 0; i < height; i++) {
        for (size_t x = 0; x < stride; x++)
            sum[x] = 1 << (FRACTION_BITS - 1);
        for (int32_t y = 0; y < w.span[i].count; y++) {
            const uint8_t *row = in->rgb + (size_t)(w.span[i].first + y) * stride;
            int32_t weight = w.weight[(size_t)i * w.stride + y];
            for (size_t x = 0; x < stride; x++)
                sum[x] += row[x] * weight;
        }
        for (size_t x = 0; x < stride; x++)
            out->rgb[(size_t)i * stride + x] = round_8(sum[x]);
    }
    status = 0;
done:
    free(sum);
    weights_free(&w);
    return status;
}

int image_resize(const image *in, int32_t width, int32_t height, const char *name, image *out, error *err)
{
    image between = {0};
    int status = -1;
    memset(out, 0, sizeof *out);
    if (image_check_size(width, height, "picture resized", name, err) != 0)
        return -1;
    if (width == in->width && height == in->height) {
        if (image_new(width, height, name, out, err) != 0)
            return -1;
        memcpy(out->rgb, in->rgb, (size_t)width * height * 3);
        return 0;
    }
    if (width != in->width && resize_columns(in, width, name, &between, err) != 0)
        goto done;
    if (height == in->height) {
        *out = between;
        between = (image){0};
        status = 0;
    } else {
        status = resize_rows(between.rgb ? &between : in, height, name, out, err);
    }
done:
    image_free(&between);
    if (status != 0)
        image_free(out);
    return status;
}
