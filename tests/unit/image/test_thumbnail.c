#include "check.h"

#include <openssl/evp.h>

#include "image/thumbnail.h"

/* The picture that a URI holds. */
static image read_uri(const char *uri)
{
    const char *data = strchr(uri, ',') + 1;
    size_t n = strlen(data), padding = n >= 2 && data[n - 2] == '=' ? 2 : data[n - 1] == '=';
    unsigned char *bytes = memory_new(n, 1);
    assert_int_equal(EVP_DecodeBlock(bytes, (const unsigned char *)data, (int)n), n / 4 * 3);
    image out;
    error err;
    if (image_decode(bytes, n / 4 * 3 - padding, "thumbnail", &out, &err) != 0)
        fail_msg("%s", err.text);
    free(bytes);
    return out;
}

/* Left half one colour, right half another. */
static void check(int32_t width, int32_t height, int32_t small_width, int32_t small_height)
{
    image in;
    error err;
    assert_int_equal(image_new(width, height, "in", &in, &err), 0);
    for (int32_t i = 0; i < width * height; i++)
        for (int c = 0; c < 3; c++)
            in.rgb[3 * i + c] = i % width < width / 2 ? 40 : 200;
    char *uri = thumbnail_uri(&in, "in", &err);
    assert_non_null(uri);
    assert_true(thumbnail_is_uri(uri));
    image out = read_uri(uri);
    assert_int_equal(out.width, small_width);
    assert_int_equal(out.height, small_height);
    if (small_width >= 32) {
        assert_in_range(out.rgb[3], 35, 45);
        assert_in_range(out.rgb[3 * (size_t)(small_width - 2)], 195, 205);
    }
    image_free(&out);
    image_free(&in);
    free(uri);
}

static void shrinks(void **state)
{
    (void)state;
    check(640, 480, 160, 120);
    check(481, 1000, 76, 160);
    check(160, 160, 160, 160);
    check(33, 20, 33, 20);
    check(1, 1, 1, 1);
    check(1000, 1, 160, 1);
    check(2, 5000, 1, 160);
}

static void knows_its_own(void **state)
{
    (void)state;
    assert_true(thumbnail_is_uri("data:image/jpeg;base64,AAAA"));
    static const char *const others[] = {"", "data:image/jpeg;base64,", "data:image/jpeg;base64,AA AA", "data:image/jpeg;base64,AAAA\" onload=\"", "data:text/html;base64,AAAA",
                                         "http://x/", "data:image/svg+xml;base64,AAAA"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(thumbnail_is_uri(others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shrinks), cmocka_unit_test(knows_its_own)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
