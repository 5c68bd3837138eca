#include "check.h"

#include "image/resize.h"

static image one_colour(int32_t width, int32_t height, uint8_t value)
{
    image i;
    error err;
    assert_int_equal(image_new(width, height, "x", &i, &err), 0);
    memset(i.rgb, value, (size_t)width * height * 3);
    return i;
}

/* Weights add up to one: a colour stays what it is, at every size. */
static void keeps_one_colour(void **state)
{
    (void)state;
    static const int32_t sizes[] = {1, 2, 3, 7, 50, 333};
    for (size_t a = 0; a < sizeof sizes / sizeof *sizes; a++)
        for (size_t b = 0; b < sizeof sizes / sizeof *sizes; b++)
            for (int value = 0; value < 256; value += 51) {
                image in = one_colour(sizes[a], sizes[b], (uint8_t)value), out;
                error err;
                assert_int_equal(image_resize(&in, sizes[b], 31, "x", &out, &err), 0);
                assert_int_equal(out.width, sizes[b]);
                assert_int_equal(out.height, 31);
                for (int32_t i = 0; i < out.width * out.height * 3; i++)
                    assert_int_equal(out.rgb[i], value);
                image_free(&in);
                image_free(&out);
            }
}

/* Bicubic overshoots at an edge and is clipped: between black and white, twice as large. */
static void sharpens_an_edge(void **state)
{
    (void)state;
    image in = one_colour(4, 1, 0), out;
    error err;
    memset(in.rgb + 6, 255, 6);
    assert_int_equal(image_resize(&in, 8, 1, "x", &out, &err), 0);
    static const uint8_t wanted[8] = {0, 0, 0, 52, 203, 255, 255, 255};   /* Pillow's */
    for (int i = 0; i < 8; i++)
        assert_int_equal(out.rgb[3 * i], wanted[i]);
    image_free(&in);
    image_free(&out);
}

static void refuses_too_large(void **state)
{
    (void)state;
    image in = one_colour(3, 2, 9), out;
    error err;
    assert_int_equal(image_resize(&in, 100000, 100000, "x", &out, &err), -1);
    assert_error(&err, ERROR_LIMIT, "x: ", "100000 x 100000", "178956970");
    assert_int_equal(image_resize(&in, 0, 5, "x", &out, &err), -1);
    assert_error(&err, ERROR_FORMAT, "0 x 5");
    assert_null(out.rgb);
    image_free(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keeps_one_colour), cmocka_unit_test(sharpens_an_edge), cmocka_unit_test(refuses_too_large)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
