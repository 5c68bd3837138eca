#include "check.h"

#include <fcntl.h>
#include <unistd.h>

static void refused(const void *bytes, size_t n, enum error_code code, const char *a, const char *b)
{
    image out = {.width = 7};
    error err = {0};
    assert_int_equal(image_decode(bytes, n, "x.png", &out, &err), -1);
    assert_error(&err, code, "x.png", a, b);
    assert_null(out.rgb);
    assert_int_equal(out.width, 0);
}

/* 16-bit grey is clipped, colours behind the palette are black, alpha is dropped: what Pillow does (the goldens hold every kind). */
static void reads_pictures(void **state)
{
    (void)state;
    static const char *const files[] = {"png-0-16.png", "png-3-4-interlaced.png", "palette-transparent.png", "png-4-16.png", "progressive.jpg", "cmyk-adobe.jpg", "ycck.jpg", NULL};
    for (const char *const *f = files; *f; f++) {
        image i;
        error err;
        char *path = file_join(PICTURES, *f);
        if (image_read(path, &i, &err) != 0)
            fail_msg("%s", err.text);
        assert_true(i.width > 0 && i.height > 0);
        image_free(&i);
        assert_null(i.rgb);
        free(path);
    }
    image i;
    error err;
    uint8_t grey[3] = {0};
    assert_int_equal(image_read(PICTURES "/png-0-16.png", &i, &err), 0);
    for (int32_t p = 0; p < i.width * i.height; p++) {
        assert_int_equal(i.rgb[3 * p], i.rgb[3 * p + 1]);
        grey[0] |= i.rgb[3 * p] == 255, grey[1] |= i.rgb[3 * p] != 255;
    }
    assert_true(grey[0] && grey[1]);
    image_free(&i);
}

/* Cut anywhere, a picture is refused, and nothing is printed. */
static void refuses_cut_pictures(void **state)
{
    (void)state;
    static const char *const files[] = {"png-2-8.png", "png-3-2-interlaced.png", "gamma-profile-text.png", "one-pixel.png", "baseline.jpg", "progressive.jpg", "cmyk-adobe.jpg",
                                        "grey-progressive.jpg", "restarts.jpg", "orientation.jpg", NULL};
    for (const char *const *f = files; *f; f++) {
        size_t n;
        uint8_t *whole = read_bytes(*f, &n);
        for (size_t cut = 0; cut < n; cut++) {
            uint8_t *bytes = memcpy(memory_new(cut ? cut : 1, 1), whole, cut);   /* so that reading on is seen */
            image out;
            error err = {0};
            if (image_decode(bytes, cut, "x", &out, &err) == 0)
                fail_msg("%s: read from %zu of %zu bytes", *f, cut, n);
            assert_error(&err, ERROR_FORMAT, "x: ");
            assert_null(out.rgb);
            free(bytes);
        }
        free(whole);
    }
}

/* Any byte another: an error or a picture. */
static void survives_changed_bytes(void **state)
{
    (void)state;
    static const char *const files[] = {"png-3-8.png", "png-6-16-interlaced.png", "progressive.jpg", "ycck.jpg", NULL};
    for (const char *const *f = files; *f; f++) {
        size_t n;
        uint8_t *bytes = read_bytes(*f, &n);
        for (size_t i = 0; i < n; i++) {
            uint8_t kept = bytes[i];
            bytes[i] ^= (uint8_t)(1 + i % 255);
            image out;
            error err = {0};
            if (image_decode(bytes, n, "x", &out, &err) != 0)
                assert_true(err.code != ERROR_NONE && !strchr(err.text, '\n') && !out.rgb);
            image_free(&out);
            bytes[i] = kept;
        }
        free(bytes);
    }
}

static void refuses_broken_checksums(void **state)
{
    (void)state;
    static const char *const kinds[] = {"IHDR", "IDAT", "PLTE", NULL};
    for (const char *const *kind = kinds; *kind; kind++) {
        size_t n;
        uint8_t *png = read_bytes("palette-short.png", &n), *at = png + find_chunk(png, n, *kind);
        at[8 + (at[2] << 8) + at[3]] ^= 1;
        refused(png, n, ERROR_FORMAT, *kind, "CRC");
        free(png);
    }
}

static void judges_size_from_the_header(void **state)
{
    (void)state;
    size_t n;
    uint8_t *png = read_bytes("png-2-8.png", &n);
    static const struct { uint32_t width, height; enum error_code code; const char *tells; } cases[] = {
        {46341, 46341, ERROR_LIMIT, "46341 x 46341"},      /* 2 GB of pixels */
        {0, 21, ERROR_FORMAT, "0 x 21"},                   {33, 0, ERROR_FORMAT, "33 x 0"},
        {0xFFFFFFFFu, 1, ERROR_LIMIT, "4294967295 x 1"},   {1, 0xFFFFFFFFu, ERROR_LIMIT, "1 x 4294967295"},
        {1000000, 179, ERROR_LIMIT, "178956970"},          {1000001, 1, ERROR_LIMIT, "1000000 a side"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_32(png + 16, cases[i].width);
        put_32(png + 20, cases[i].height);
        mend_chunk(png, 8);
        refused(png, n, cases[i].code, cases[i].tells, "PNG");
    }
    put_32(png + 16, 33);
    put_32(png + 20, 22);      /* a row more than there is */
    mend_chunk(png, 8);
    refused(png, n, ERROR_FORMAT, "PNG", "");
    free(png);

    uint8_t *jpeg = read_bytes("baseline.jpg", &n), *frame = jpeg;
    while (frame[0] != 0xFF || frame[1] != 0xC0)
        frame++;
    put_32(frame + 5, 60000u << 16 | 60000u);
    refused(jpeg, n, ERROR_LIMIT, "60000 x 60000", "JPEG");
    frame[7] = frame[8] = 0;
    refused(jpeg, n, ERROR_FORMAT, "JPEG", "");
    free(jpeg);
}

static void refuses_odd_headers(void **state)
{
    (void)state;
    size_t n;
    uint8_t *png = read_bytes("png-3-8.png", &n);
    png[24] = 3;               /* bits */
    mend_chunk(png, 8);
    refused(png, n, ERROR_FORMAT, "IHDR", "PNG");
    png[24] = 8;
    png[28] = 2;               /* interlacing */
    mend_chunk(png, 8);
    refused(png, n, ERROR_FORMAT, "IHDR", "PNG");
    png[28] = 0;
    mend_chunk(png, 8);
    size_t palette = find_chunk(png, n, "PLTE");
    memcpy(png + palette + 4, "tEXt", 4);
    mend_chunk(png, palette);
    refused(png, n, ERROR_FORMAT, "PLTE", "PNG");
    free(png);
}

/* Scans that change nothing, without end. */
static void limits_scans(void **state)
{
    (void)state;
    size_t n, last = 0;
    uint8_t *jpeg = read_bytes("grey-progressive.jpg", &n);
    for (size_t i = 0; i + 1 < n; i++)
        last = jpeg[i] == 0xFF && jpeg[i + 1] == 0xDA ? i : last;
    string many = {0};
    string_add(&many, (const char *)jpeg, last);
    for (int i = 0; i < 200; i++)
        string_add(&many, (const char *)jpeg + last, n - 2 - last);
    string_add(&many, "\xff\xd9", 2);
    refused(many.text, many.length, ERROR_LIMIT, "100 scans", "JPEG");
    free(many.text);
    free(jpeg);
}

static void tells_other_files(void **state)
{
    (void)state;
    refused("", 0, ERROR_FORMAT, "empty", "");
    refused("hello, this is text\n", 20, ERROR_FORMAT, "not a picture", "");
    refused("GIF89a", 6, ERROR_UNSUPPORTED, "GIF", "PNG, JPEG or WebP");
    refused("version https://git-lfs.github.com/spec/v1\n", 43, ERROR_FORMAT, "Git LFS", "pull");
    refused("\x89PNG\r\n\x1a\n", 8, ERROR_FORMAT, "header", "");
    refused("\xff\xd8\xff", 3, ERROR_FORMAT, "ends early", "");
    refused("\xff\xd8\xff\xd9", 4, ERROR_FORMAT, "JPEG", "");
    image out;
    error err;
    assert_int_equal(image_read("/dev/zero", &out, &err), -1);
    assert_error(&err, ERROR_IO, "/dev/zero");
    assert_int_equal(image_read(PICTURES "/absent.png", &out, &err), -1);
    assert_error(&err, ERROR_IO, "absent.png");
}

/* Without libwebp it is refused by name, with it when it is broken: cut, without pixels, or too large. */
static void refuses_broken_webp(void **state)
{
    (void)state;
    static const char *const files[] = {"lossy.webp", "lossless.webp", "lossy-alpha.webp", NULL};
    error err = {0};
    image out;
    if (image_read(PICTURES "/lossy.webp", &out, &err) != 0) {
        assert_error(&err, ERROR_UNSUPPORTED, "lossy.webp", "WebP", "libwebp");
        return;
    }
    image_free(&out);
    for (const char *const *f = files; *f; f++) {
        size_t n;
        uint8_t *whole = read_bytes(*f, &n);
        for (size_t cut = 12; cut + 1 < n; cut++) {
            uint8_t *bytes = memcpy(memory_new(cut, 1), whole, cut);
            refused(bytes, cut, ERROR_FORMAT, "WebP", "");
            free(bytes);
        }
        for (size_t i = 12; i < n; i++) {
            whole[i] ^= 0x55;
            if (image_decode(whole, n, "x", &out, &err) != 0)
                assert_true(!strchr(err.text, '\n') && !out.rgb);
            image_free(&out);
            whole[i] ^= 0x55;
        }
        free(whole);
    }
    uint8_t large[30] = "RIFF\x16\0\0\0WEBPVP8L\x0a\0\0\0\x2f\xff\xff\xff\x0f";   /* 16384 x 16384, lossless */
    refused(large, sizeof large, ERROR_LIMIT, "16384 x 16384", "178956970");
}

/* None of the libraries prints: stderr is a file while all of the above run again. */
static void prints_nothing(void **state)
{
    char path[] = "/tmp/merganser-stderr-XXXXXX";
    int kept = dup(2), file = mkstemp(path);
    fflush(stderr);
    dup2(file, 2);
    refuses_cut_pictures(state);
    survives_changed_bytes(state);
    refuses_broken_checksums(state);
    fflush(stderr);
    dup2(kept, 2);
    off_t written = lseek(file, 0, SEEK_END);
    close(file);
    close(kept);
    unlink(path);
    assert_int_equal(written, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_pictures),   cmocka_unit_test(refuses_cut_pictures),        cmocka_unit_test(survives_changed_bytes), cmocka_unit_test(refuses_broken_checksums),
        cmocka_unit_test(judges_size_from_the_header), cmocka_unit_test(refuses_odd_headers), cmocka_unit_test(limits_scans),         cmocka_unit_test(tells_other_files),
        cmocka_unit_test(refuses_broken_webp), cmocka_unit_test(prints_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
