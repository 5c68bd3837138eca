#include "check.h"

#include "image/processor.h"

static char *folder_with(const char *file, const char *text)
{
    error err;
    char *folder = new_folder(), *path = file_join(folder, file);
    assert_int_equal(file_write(path, text, strlen(text), &err), 0);
    free(path);
    return folder;
}

static void refused(const char *file, const char *text, enum error_code code, const char *a, const char *b)
{
    error err = {0};
    char *folder = folder_with(file, text);
    assert_null(image_processor_open(folder, 56, IMAGE_TILES, &err));
    assert_error(&err, code, file, a, b);
    remove_folder(folder);
}

static void refuses_what_it_does_not_know(void **state)
{
    (void)state;
    static const char p[] = "preprocessor_config.json";
    refused(p, "{\"image_processor_type\": \"SiglipImageProcessor\"}", ERROR_UNSUPPORTED, "SiglipImageProcessor", "CLIPImageProcessor");
    refused(p, "{\"size\": {\"shortest_edge\": 56, \"longest_edge\": 90}}", ERROR_UNSUPPORTED, "longest_edge", "");
    refused(p, "{\"crop_size\": 56, \"resample\": 2}", ERROR_UNSUPPORTED, "resample", "2");
    refused(p, "{\"size\": 56, \"crop_size\": 57}", ERROR_FORMAT, "57 x 57", "56 x 56");
    refused(p, "{\"size\": -1}", ERROR_FORMAT, "size", "-1");
    refused(p, "{\"size\": 1000000}", ERROR_FORMAT, "size", "1000000");
    refused(p, "{\"size\": {\"height\": 5}}", ERROR_FORMAT, "size", "width");
    refused(p, "{\"image_std\": [1, 0, 1], \"crop_size\": 56}", ERROR_FORMAT, "image_std 0", "not finite");
    refused(p, "{\"image_mean\": [1e300, 0, 0], \"crop_size\": 56}", ERROR_FORMAT, "image_mean 1e+300", "not finite");
    refused(p, "{\"image_std\": [1e-300, 1, 1], \"crop_size\": 56}", ERROR_FORMAT, "image_std 1e-300", "not finite");
    refused(p, "{\"image_mean\": [1, 0]}", ERROR_FORMAT, "image_mean", "3 numbers");
    refused(p, "{\"do_resize\": 1}", ERROR_FORMAT, "do_resize", "true or false");
    refused(p, "{\"pad_size\": {\"height\": 5, \"width\": 5}}", ERROR_UNSUPPORTED, "pad_size", "");
    refused(p, "{\"image_processor_type\": \"LlavaNextImageProcessor\", \"crop_size\": 56, \"image_grid_pinpoints\": [[56, 100]]}", ERROR_FORMAT, "56 x 100", "tiles of 56");
    refused(p, "{\"image_processor_type\": \"LlavaNextImageProcessor\", \"crop_size\": 56, \"image_grid_pinpoints\": [[4088, 4088]]}", ERROR_LIMIT, "100 tiles", "");
    refused(p, "{\"image_processor_type\": \"LlavaNextImageProcessor\", \"crop_size\": 56, \"image_grid_pinpoints\": [[56]]}", ERROR_FORMAT, "number 1", "");
    refused(p, "{\"image_processor_type\": \"LlavaNextImageProcessor\", \"crop_size\": 56, \"image_grid_pinpoints\": []}", ERROR_FORMAT, "image_grid_pinpoints", "");
    refused("config.json", "{\"image_aspect_ratio\": \"anyres_max_9\"}", ERROR_UNSUPPORTED, "anyres_max_9", "square");
}

static void describes_itself(void **state)
{
    (void)state;
    error err;
    string text = {0};
    image_processor *p = image_processor_open(PICTURES "/processors/next", 56, IMAGE_TILES, &err);
    assert_non_null(p);
    image_processor_describe(p, &text);
    assert_string_equal(text.text, "bicubic, shortest edge 56, crop 56x56, x 0.0039215686274509803, mean 0.48145466 0.4578275 0.40821073, std 0.26862954 0.26130258 0.27577711, "
                                   "tiles of 56x112, or 112x56, or 112x112, or 168x56, or 56x168, views 56x56");
    free(text.text);
    image_processor_free(p);
}

/* LLaVA-1.6 loaded as plain LLaVA: one view, no window. */
static void makes_one_plain_view(void **state)
{
    (void)state;
    error err;
    image picture;
    image_views views;
    assert_int_equal(image_read(PICTURES "/wide.png", &picture, &err), 0);
    image_processor *p = image_processor_open(PICTURES "/processors/next", 56, IMAGE_PLAIN, &err);
    assert_int_equal(image_processor_run(p, &picture, "wide", &views, &err), 0);
    assert_int_equal(views.count, 1);
    assert_int_equal(image_views_window(&views, 4).rows, 0);
    assert_int_equal(image_views_rows(&views, 4), 16);
    image_views_free(&views);
    image_processor_free(p);
    p = image_processor_open(PICTURES "/processors/next", 56, IMAGE_TILES, &err);
    assert_int_equal(image_processor_run(p, &picture, "wide", &views, &err), 0);
    assert_int_equal(views.count, 1 + views.tile_rows * views.tile_columns);
    image_window w = image_views_window(&views, 4);
    assert_int_equal(views.tile_rows, 1);
    assert_int_equal(views.tile_columns, 3);
    assert_int_equal(w.columns, 12);
    assert_int_equal(w.rows, 4 - 2 * w.top);
    assert_int_equal(image_views_rows(&views, 4), 16 + w.rows * 13);
    image_views_free(&views);
    image_processor_free(p);
    image_free(&picture);
}

/* As long as it is thin: refused before it is resized. */
static void refuses_a_thread_of_a_picture(void **state)
{
    (void)state;
    error err = {0};
    image picture;
    image_views views;
    assert_int_equal(image_new(1000000, 1, "x", &picture, &err), 0);
    memset(picture.rgb, 0, 3000000);
    image_processor *p = image_processor_open(PICTURES "/processors/clip", 56, IMAGE_TILES, &err);
    assert_int_equal(image_processor_run(p, &picture, "thread.png", &views, &err), -1);
    assert_error(&err, ERROR_LIMIT, "thread.png", "56000000 x 56");
    assert_null(views.pixels);
    image_processor_free(p);
    p = image_processor_open(PICTURES "/processors/clip-crop-only", 64, IMAGE_TILES, &err);
    assert_int_equal(image_processor_run(p, &picture, "thread.png", &views, &err), 0);
    image_views_free(&views);
    image_processor_free(p);
    image_free(&picture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(refuses_what_it_does_not_know), cmocka_unit_test(describes_itself), cmocka_unit_test(makes_one_plain_view),
                                       cmocka_unit_test(refuses_a_thread_of_a_picture)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
