/* preprocessor_config.json and its relatives. Sizes come in the shapes that transformers has written over the years:
 * 336, {"shortest_edge": 336}, {"height": 336, "width": 336}. What is not known here is refused: it would change the pixels. */
#include "image/processor_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "text/companion.h"

#define CLIP_SIDE 224
#define RESAMPLE_BICUBIC 3
#define SIDE_LIMIT 4096

static const double clip_mean[3] = {0.48145466, 0.4578275, 0.40821073}, clip_std[3] = {0.26862954, 0.26130258, 0.27577711};
static const size_2d llava_next_grid[] = {{336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}};

/* A name without what transformers puts behind it: its faster and its Pillow variants read the same file. */
static bool type_is(const char *type, const char *name)
{
    size_t n = strlen(name);
    return !strncmp(type, name, n) && (!type[n] || !strcmp(type + n, "Fast") || !strcmp(type + n, "Pil"));
}

static int read_pair(const json_t *value, const char *key, const char *name, size_2d *out, error *err)
{
    int64_t height = 0, width = 0;
    if (json_want_int(value, "height", name, 1, SIDE_LIMIT, &height, err) != 0 || json_want_int(value, "width", name, 1, SIDE_LIMIT, &width, err) != 0)
        return -1;
    if (height == 0 || width == 0)
        return fail(err, ERROR_FORMAT, "%s: '%s' should have a height and a width", name, key);
    *out = (size_2d){(int32_t)height, (int32_t)width};
    return 0;
}

/* edge: where a single number goes; NULL: it is both sides of a square. */
static int read_size(const json_t *object, const char *key, const char *name, int32_t *edge, size_2d *fixed, error *err)
{
    const json_t *value = json_object_get(object, key);
    int64_t number = 0;
    if (!value || json_is_null(value))
        return 0;
    if (edge && json_is_object(value) && json_object_get(value, "shortest_edge")) {
        if (json_object_get(value, "longest_edge") && !json_is_null(json_object_get(value, "longest_edge")))
            return fail(err, ERROR_UNSUPPORTED, "%s: '%s' has a longest_edge, which is not known here", name, key);
        if (json_want_int(value, "shortest_edge", name, 1, SIDE_LIMIT, &number, err) != 0)
            return -1;
    } else if (json_is_object(value)) {
        if (edge)
            *edge = 0;
        return read_pair(value, key, name, fixed, err);
    } else if (json_want_int(object, key, name, 1, SIDE_LIMIT, &number, err) != 0) {
        return -1;
    }
    if (number && edge)
        *edge = (int32_t)number, *fixed = (size_2d){0, 0};
    else if (number)
        *fixed = (size_2d){(int32_t)number, (int32_t)number};
    return 0;
}

/* Three numbers, or one for all channels. */
static int read_channels(const json_t *object, const char *key, const char *name, double out[3], error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!value || json_is_null(value))
        return 0;
    bool list = json_is_array(value) && json_array_size(value) == 3;
    for (size_t c = 0; c < 3; c++) {
        const json_t *item = list ? json_array_get(value, c) : value;
        if (!json_is_number(item))
            return fail(err, ERROR_FORMAT, "%s: '%s' should be a list of 3 numbers", name, key);
        out[c] = json_number_value(item);
    }
    return 0;
}

static int read_grid(image_processor *p, const json_t *list, const char *name, error *err)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n == 0 || n > 1000)
        return fail(err, ERROR_FORMAT, "%s: 'image_grid_pinpoints' should be a list of resolutions [height, width]", name);
    free(p->grid);
    p->grid = memory_new(n, sizeof *p->grid);
    p->grid_count = n;
    for (size_t i = 0; i < n; i++) {
        const json_t *pair = json_array_get(list, i);
        for (size_t k = 0; k < 2; k++) {
            const json_t *side = json_array_get(pair, k);
            int64_t pixels = json_integer_value(side);
            if (json_array_size(pair) != 2 || !json_is_integer(side) || pixels < 1 || pixels > SIDE_LIMIT)
                return fail(err, ERROR_FORMAT, "%s: 'image_grid_pinpoints': number %zu should be two whole numbers from 1 to %d", name, i + 1, SIDE_LIMIT);
            *(k ? &p->grid[i].width : &p->grid[i].height) = (int32_t)pixels;
        }
    }
    return 0;
}

static void take_default_grid(image_processor *p)
{
    p->grid_count = sizeof llava_next_grid / sizeof *llava_next_grid;
    p->grid = memory_new(p->grid_count, sizeof *p->grid);
    memcpy(p->grid, llava_next_grid, sizeof llava_next_grid);
}

static int read_steps(image_processor *p, const json_t *o, const char *name, error *err)
{
    bool resize = true, crop = true, pad_size_given = json_object_get(o, "pad_size") && !json_is_null(json_object_get(o, "pad_size"));
    int64_t resample = RESAMPLE_BICUBIC;
    p->shortest_edge = CLIP_SIDE;
    p->crop = (size_2d){CLIP_SIDE, CLIP_SIDE};
    if (json_want_bool(o, "do_resize", name, &resize, err) != 0 || json_want_bool(o, "do_center_crop", name, &crop, err) != 0 ||
        json_want_bool(o, "do_rescale", name, &p->rescale, err) != 0 || json_want_bool(o, "do_normalize", name, &p->normalise, err) != 0 ||
        json_want_real(o, "rescale_factor", name, &p->factor, err) != 0 || json_want_int(o, "resample", name, 0, 5, &resample, err) != 0 ||
        read_channels(o, "image_mean", name, p->mean, err) != 0 || read_channels(o, "image_std", name, p->std, err) != 0 ||
        read_size(o, "size", name, &p->shortest_edge, &p->fixed, err) != 0 || read_size(o, "crop_size", name, NULL, &p->crop, err) != 0)
        return -1;
    if (resize && resample != RESAMPLE_BICUBIC)
        return fail(err, ERROR_UNSUPPORTED, "%s: 'resample' is %lld; only 3 (bicubic) is known here", name, (long long)resample);
    if (pad_size_given)
        return fail(err, ERROR_UNSUPPORTED, "%s: 'pad_size' is not known here", name);
    if (!resize)
        p->shortest_edge = 0, p->fixed = (size_2d){0, 0};
    if (!crop)
        p->crop = (size_2d){0, 0};
    return 0;
}

/* What transformers' save_pretrained writes. */
static int read_saved(image_processor *p, const json_t *o, const char *name, error *err)
{
    const char *type = "CLIPImageProcessor";
    bool pad = false;
    if (json_want_text(o, "feature_extractor_type", name, &type, err) != 0 || json_want_text(o, "image_processor_type", name, &type, err) != 0)
        return -1;
    bool next = type_is(type, "LlavaNextImageProcessor"), llava = type_is(type, "LlavaImageProcessor");
    if (!next && !llava && !type_is(type, "CLIPImageProcessor") && !type_is(type, "CLIPFeatureExtractor"))
        return fail(err, ERROR_UNSUPPORTED, "%s: a %s; known are CLIPImageProcessor, LlavaImageProcessor and LlavaNextImageProcessor", name, type);
    if (read_steps(p, o, name, err) != 0 || json_want_bool(o, "do_pad", name, &pad, err) != 0)
        return -1;
    p->pad = llava && pad;   /* the other two pad to the largest of several pictures: here it is always one */
    const json_t *grid = json_object_get(o, "image_grid_pinpoints");
    if (next && grid && !json_is_null(grid))
        return read_grid(p, grid, name, err);
    if (next)
        take_default_grid(p);
    return 0;
}

/* LLaVA's original layout: config.json says how the picture becomes square. Everything else is CLIP's. */
static int read_original(image_processor *p, const json_t *config, const char *name, error *err)
{
    const char *way = "square";
    p->shortest_edge = p->side;
    p->crop = (size_2d){p->side, p->side};
    if (json_want_text(config, "image_aspect_ratio", name, &way, err) != 0)
        return -1;
    const json_t *grid = json_object_get(config, "image_grid_pinpoints");
    if (!strcmp(way, "anyres") || (!json_object_get(config, "image_aspect_ratio") && grid && !json_is_null(grid))) {
        if (grid && !json_is_null(grid))
            return read_grid(p, grid, name, err);
        take_default_grid(p);
        return 0;
    }
    p->pad = !strcmp(way, "pad");
    if (!p->pad && strcmp(way, "square") != 0)
        return fail(err, ERROR_UNSUPPORTED, "%s: 'image_aspect_ratio' is '%s'; known are square, pad and anyres", name, way);
    return 0;
}

static int check_sizes(const image_processor *p, const char *name, error *err)
{
    if (p->crop.height && (p->crop.height != p->side || p->crop.width != p->side))
        return fail(err, ERROR_FORMAT, "%s: makes views of %d x %d pixels, the vision tower takes %d x %d", name, p->crop.width, p->crop.height, p->side, p->side);
    for (size_t i = 0; i < p->grid_count; i++) {
        size_2d g = p->grid[i];
        if (g.height % p->side || g.width % p->side)
            return fail(err, ERROR_FORMAT, "%s: 'image_grid_pinpoints': %d x %d is not made of whole tiles of %d", name, g.height, g.width, p->side);
        if ((int64_t)(g.height / p->side) * (g.width / p->side) > TILE_LIMIT)
            return fail(err, ERROR_LIMIT, "%s: 'image_grid_pinpoints': %d x %d is more than %d tiles of %d", name, g.height, g.width, TILE_LIMIT, p->side);
    }
    return 0;
}

/* As numpy does: bytes times the factor in f64, rounded to f32, the rest in f32. */
static int fill_values(image_processor *p, const char *name, error *err)
{
    for (int c = 0; c < 3; c++)
        for (int b = 0; b < 256; b++) {
            float v = p->rescale ? (float)(b * p->factor) : (float)b;
            p->value[c][b] = p->normalise ? (v - (float)p->mean[c]) / (float)p->std[c] : v;
            if (!isfinite(p->value[c][b]))
                return fail(err, ERROR_FORMAT, "%s: rescale_factor %g, image_mean %g and image_std %g make a byte of %d a number that is not finite", name,
                            p->factor, p->mean[c], p->std[c], b);
        }
    return 0;
}

/* processor_config.json goes first where it holds an image processor, as in transformers. */
static int read_files(image_processor *p, const char *model, error *err)
{
    json_t *whole = NULL, *object = NULL, *config = NULL;
    char *name = NULL;
    int status = -1;
    if (companion_object(model, "processor_config.json", &whole, err) != 0)
        goto done;
    const json_t *nested = json_object_get(whole, "image_processor");
    if (!json_is_object(nested) && companion_object(model, "preprocessor_config.json", &object, err) != 0)
        goto done;
    if (json_is_object(nested) || object) {
        name = file_join(model, object ? "preprocessor_config.json" : "processor_config.json");
        status = read_saved(p, object ? object : nested, name, err);
    } else {
        name = file_join(model, "config.json");
        status = companion_object(model, "config.json", &config, err) == 0 ? read_original(p, config, name, err) : -1;
    }
    if (status == 0 && (check_sizes(p, name, err) != 0 || fill_values(p, name, err) != 0))
        status = -1;
done:
    json_decref(whole);
    json_decref(object);
    json_decref(config);
    free(name);
    return status;
}

image_processor *image_processor_open(const char *model, int32_t side, enum image_tiling tiling, error *err)
{
    image_processor *p = memory_new(1, sizeof *p);
    p->side = side;
    p->rescale = p->normalise = true;
    p->factor = 1.0 / 255.0;
    memcpy(p->mean, clip_mean, sizeof clip_mean);
    memcpy(p->std, clip_std, sizeof clip_std);
    if (read_files(p, model, err) != 0) {
        image_processor_free(p);
        return NULL;
    }
    if (tiling == IMAGE_PLAIN) {
        free(p->grid);
        p->grid = NULL;
        p->grid_count = 0;
    }
    return p;
}

void image_processor_free(image_processor *p)
{
    if (!p)
        return;
    free(p->grid);
    free(p);
}
