#include "craft_zip.h"

#include "tensor/zip.h"

static string text(const char *t)
{
    string s = {0};
    string_puts(&s, t);
    return s;
}

/* a: 31 + 3 bytes, b: 31 + 2 bytes; the directory begins at 67 with two records of 47, the end record at 161. */
enum { SECOND = 34, DIRECTORY = 67, RECORD = 47, END = 161 };

static string two(void)
{
    zip_part parts[] = {{"b", text("abc")}, {"a", text("de")}};
    string s = craft_zip(parts, 2);
    free(parts[0].bytes.text);
    free(parts[1].bytes.text);
    assert_int_equal(s.length, END + 22);
    return s;
}

static int read_string(const string *s, zip_archive *z, error *err)
{
    buffer *b = to_buffer(s);
    int status = zip_read(b, "t.bin", z, err);
    if (status == 0)
        for (size_t i = 0; i < z->count; i++)
            assert_true(z->entries[i].data >= (unsigned char *)buffer_bytes(b) &&
                        z->entries[i].data + z->entries[i].bytes <= (unsigned char *)buffer_bytes(b) + s->length);
    buffer_free(b);
    return status;
}

static void assert_refused(string s, const char *a, const char *b)
{
    error err = {0};
    zip_archive z;
    if (read_string(&s, &z, &err) == 0)
        fail_msg("accepted; it should tell '%s' and '%s'", a, b);
    assert_error(&err, err.code, "t.bin", a, b);
    free(s.text);
}

static void test_entries(void **state)
{
    (void)state;
    error err = {0};
    zip_archive z;
    string s = two();
    buffer *b = to_buffer(&s);
    assert_true(zip_is(b));
    assert_int_equal(zip_read(b, "t.bin", &z, &err), 0);
    assert_int_equal(z.count, 2);
    assert_int_equal(z.directory, DIRECTORY);
    assert_int_equal(zip_find(&z, "a")->bytes, 2);
    assert_memory_equal(zip_find(&z, "b")->data, "abc", 3);
    assert_null(zip_find(&z, "c"));
    assert_null(zip_find(&z, ""));
    zip_free(&z);
    buffer_free(b);
    /* A comment behind the end record is legal. */
    set_number(&s, END + 20, 2, 3);
    string_puts(&s, "abc");
    assert_int_equal(read_string(&s, &z, &err), 0);
    zip_free(&z);
    free(s.text);
}

/* The same archive with the end record of 64 bits that PyTorch always writes; all the numbers of 32 that it can replace are ones. */
static string wide(void)
{
    string s = two(), out = {0};
    string_add(&out, s.text, END);
    string_add(&out, "PK\6\6", 4);
    add_number(&out, 8, 44), add_number(&out, 4, 0), add_number(&out, 8, 0), add_number(&out, 8, 2), add_number(&out, 8, 2);
    add_number(&out, 8, (uint64_t)2 * RECORD), add_number(&out, 8, DIRECTORY);
    string_add(&out, "PK\6\7", 4);
    add_number(&out, 4, 0), add_number(&out, 8, END), add_number(&out, 4, 1);
    string_add(&out, s.text + END, 22);
    set_number(&out, END + 76 + 8, 4, 0xffffffff);
    set_number(&out, END + 76 + 12, 8, UINT64_MAX);
    free(s.text);
    return out;
}

static void test_zip64(void **state)
{
    (void)state;
    error err = {0};
    zip_archive z;
    string s = wide();
    if (read_string(&s, &z, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(z.count, 2);
    zip_free(&z);
    free(s.text);
    static const struct { size_t at; int bytes; uint64_t value; const char *a, *b; } lies[] = {
        {END + 32, 8, UINT64_MAX, "18446744073709551615 entries", "94 bytes"}, {END + 32, 8, 1, "1 records", ""},
        {END + 40, 8, UINT64_MAX, "spans", "18446744073709551615"},             {END + 48, 8, (uint64_t)1 << 63, "9223372036854775808", "ends at"},
        {END + 56 + 8, 8, UINT64_MAX, "zip64", "18446744073709551615"},         {END + 56 + 8, 8, END - 1, "zip64", "does not"},
        {END + 76 + 8, 4, 0x00030003, "zip64", "tells of"},                     {END, 1, 0, "zip64", "does not"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        s = wide();
        set_number(&s, lies[i].at, lies[i].bytes, lies[i].value);
        assert_refused(s, lies[i].a, lies[i].b);
    }
}

static void test_lies(void **state)
{
    (void)state;
    static const struct { size_t at; int bytes; uint64_t value; const char *a, *b; } lies[] = {
        {DIRECTORY + 10, 2, 8, "'b' is compressed", "method 8"},
        {DIRECTORY + 8, 2, 1, "'b' is encrypted", ""},
        {DIRECTORY + 20, 8, 0x0000002800000028, "'b'", "40 bytes, more than the archive"},
        {DIRECTORY + 24, 4, 2, "'b' is 2 bytes stored as 3", ""},
        {DIRECTORY + 20, 8, UINT64_MAX, "'b'", "4294967295"},
        {DIRECTORY + 42, 4, 0xfffffff0, "'b' is said to begin at byte 4294967280", "67"},
        {DIRECTORY + 42, 4, 1, "'b' is not at byte 1", ""},
        {DIRECTORY + 42, 4, SECOND, "'b' is not at byte 34", ""},
        {DIRECTORY + 28, 2, 60000, "ends inside the record at byte 67", ""},
        {DIRECTORY + 30, 2, 2, "'b' has an extra field", ""},
        {DIRECTORY, 1, 0, "broken at byte 67", ""},
        {0, 1, 0, "'b' is not at byte 0", ""},
        {28, 2, 65535, "'b' is said to have 3 bytes", "more"},
        {28, 2, 1, "'a' begins at byte 34", "inside 'b', which ends at 35"},
        {DIRECTORY + RECORD + 46, 1, 'c', "'c' is not at byte 34", ""},
        {END + 8, 4, 0x00030003, "3 entries in a zip directory of 94 bytes", ""},
        {END + 8, 4, 0x00010001, "94 bytes, its 1 records 47", ""},
        {END + 12, 4, 93, "spans 93 bytes", "ends at 161"},
        {END + 16, 4, 0xfffffff0, "spans", "4294967280"},
        {END + 4, 2, 1, "in several parts", ""},
        {END + 20, 2, 7, "the file was cut short", ""},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        string s = two();
        set_number(&s, lies[i].at, lies[i].bytes, lies[i].value);
        assert_refused(s, lies[i].a, lies[i].b);
    }
}

static void test_twice_and_overlapping(void **state)
{
    (void)state;
    zip_part twice[] = {{"a", text("abc")}, {"a", text("de")}};
    assert_refused(craft_zip(twice, 2), "'a' is in the archive twice", "");
    /* Both records lead to one entry. */
    string s = craft_zip(twice, 2);
    set_number(&s, DIRECTORY + RECORD + 42, 4, 0);
    assert_refused(s, "'a' begins at byte 0, inside 'a'", "");
    free(twice[0].bytes.text);
    free(twice[1].bytes.text);
}

static void test_every_cut(void **state)
{
    (void)state;
    for (size_t n = 0; n < END + 22; n++) {
        string s = two();
        s.length = n;
        assert_refused(s, "", "");
    }
}

/* Whatever a byte is turned into, what is accepted stays inside the file. */
static void test_every_byte(void **state)
{
    (void)state;
    for (size_t at = 0; at < END + 98; at++)
        for (int value = 0; value < 256; value += 51) {
            error err = {0};
            zip_archive z;
            string s = wide();
            set_number(&s, at, 1, (uint64_t)value);
            if (read_string(&s, &z, &err) == 0)
                zip_free(&z);
            free(s.text);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries), cmocka_unit_test(test_zip64),     cmocka_unit_test(test_lies),
        cmocka_unit_test(test_twice_and_overlapping), cmocka_unit_test(test_every_cut), cmocka_unit_test(test_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
