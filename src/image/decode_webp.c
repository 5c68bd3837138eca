/* WebP over libwebp, where the build found it. Alpha is dropped without blending, as Pillow does. */
#include "image/decode.h"

#ifdef MERGANSER_WEBP
#include <webp/decode.h>

int webp_decode(const uint8_t *bytes, size_t n, const char *name, image *out, error *err)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config) || WebPGetFeatures(bytes, n, &config.input) != VP8_STATUS_OK)
        return fail(err, ERROR_FORMAT, "%s: a WebP without a readable header (%zu bytes)", name, n);
    if (config.input.has_animation)
        return fail(err, ERROR_UNSUPPORTED, "%s: an animated WebP; one picture is wanted, convert it", name);
    if (image_check_size(config.input.width, config.input.height, "WebP", name, err) != 0 ||
        image_new(config.input.width, config.input.height, name, out, err) != 0)
        return -1;
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = out->rgb;
    config.output.u.RGBA.stride = out->width * 3;
    config.output.u.RGBA.size = (size_t)out->width * out->height * 3;
    VP8StatusCode status = WebPDecode(bytes, n, &config);
    WebPFreeDecBuffer(&config.output);
    if (status == VP8_STATUS_OK)
        return 0;
    image_free(out);
    if (status == VP8_STATUS_SUSPENDED || status == VP8_STATUS_NOT_ENOUGH_DATA)
        return fail(err, ERROR_FORMAT, "%s: a WebP that ends early, after %zu bytes", name, n);
    return fail(err, ERROR_FORMAT, "%s: WebP: broken data", name);
}

#else

int webp_decode(const uint8_t *bytes, size_t n, const char *name, image *out, error *err)
{
    (void)bytes;
    (void)n;
    (void)out;
    return fail(err, ERROR_UNSUPPORTED, "%s: a WebP file, and this program was built without libwebp; convert it to PNG or JPEG", name);
}

#endif
