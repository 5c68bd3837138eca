#include "gguf_craft.h"

static gguf *parse(const string *s, error *err)
{
    buffer *b = gguf_buffer(s);
    gguf *g = gguf_parse(b, "x.gguf", err);
    if (g)
        gguf_free(g);
    buffer_free(b);
    return g;
}

#define assert_refused(s, code, ...)                   \
    do {                                               \
        error err_ = {0};                              \
        assert_null(parse(s, &err_));                  \
        assert_error(&err_, code, "x.gguf", __VA_ARGS__); \
        free((s)->text);                               \
    } while (0)

static void test_counts_that_no_file_covers(void **state)
{
    (void)state;
    string s = gguf_head((uint64_t)1 << 63, 0);
    assert_refused(&s, ERROR_FORMAT, "9223372036854775808 tensors");
    s = gguf_head(0, (uint64_t)1 << 63);
    assert_refused(&s, ERROR_FORMAT, "9223372036854775808 entries");
    s = gguf_head(0, 70000);
    put_data(&s, 2000000);
    assert_refused(&s, ERROR_FORMAT, "70000 entries", "65536");
    s = gguf_head(2, 0);
    put_data(&s, 8);
    assert_refused(&s, ERROR_FORMAT, "2 tensors");
}

static void test_texts_longer_than_the_file(void **state)
{
    (void)state;
    string s = gguf_head(0, 1);
    put_le(&s, UINT64_MAX, 8);
    put_data(&s, 64);
    assert_refused(&s, ERROR_FORMAT, "a key of the metadata", "18446744073709551615");
    s = gguf_head(0, 1);
    gguf_add_text(&s, "general.name", 12);
    put_le(&s, GGUF_TEXT, 4);
    put_le(&s, UINT64_MAX, 8);
    put_data(&s, 64);
    assert_refused(&s, ERROR_FORMAT, "general.name", "18446744073709551615");
    s = gguf_head(1, 0);
    put_le(&s, UINT64_MAX - 7, 8);
    put_data(&s, 64);
    assert_refused(&s, ERROR_FORMAT, "the name of a tensor", "18446744073709551608");
}

static void test_alignments(void **state)
{
    (void)state;
    static const uint32_t bad[] = {0, 3, 48, (uint32_t)1 << 31};
    for (size_t i = 0; i < 4; i++) {
        char text[16];
        snprintf(text, sizeof text, "is %u", bad[i]);
        string s = gguf_head(0, 1);
        gguf_put_u32(&s, "general.alignment", bad[i]);
        assert_refused(&s, ERROR_FORMAT, "general.alignment", text);
    }
    string s = gguf_head(1, 1);
    gguf_put_u32(&s, "general.alignment", 64);
    put_info(&s, "a", 1, (const uint64_t[]){8}, 0, 0);
    while (s.length % 64)
        put_le(&s, 0, 1);
    put_le(&s, 0, 8);
    put_data(&s, 24);
    error err = {0};
    if (!parse(&s, &err))
        fail_msg("%s", err.text);
    free(s.text);
}

static void test_shapes_that_wrap(void **state)
{
    (void)state;
    static const uint64_t shapes[][4] = {{(uint64_t)1 << 32, (uint64_t)1 << 32, 1, 1}, {(uint64_t)1 << 63, 1, 1, 1}, {UINT64_MAX, UINT64_MAX, 1, 1},
                                         {(uint64_t)1 << 61, 1, 1, 1}, {0, (uint64_t)1 << 62, 4, 1}, {(uint64_t)1 << 62, 4, 0, 0}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        string s = gguf_head(1, 0);
        put_info(&s, "blk.0.attn_q.weight", 4, shapes[i], 0, 0);
        put_data(&s, 64);
        assert_refused(&s, ERROR_FORMAT, "blk.0.attn_q.weight", "overflows");
    }
    string s = gguf_head(1, 0);
    put_info(&s, "a", 1, (const uint64_t[]){(uint64_t)1 << 40}, 0, 0);
    put_data(&s, 64);
    assert_refused(&s, ERROR_FORMAT, "'a' needs 4398046511104 bytes", "cut short");
    s = gguf_head(1, 0);
    put_info(&s, "a", 5, (const uint64_t[]){1, 1, 1, 1, 1}, 0, 0);
    put_data(&s, 4);
    assert_refused(&s, ERROR_FORMAT, "5 dimensions");
}

static void test_arrays_that_nest_or_are_too_long(void **state)
{
    (void)state;
    string s = gguf_head(0, 1);
    gguf_put_array(&s, "tokenizer.ggml.tokens", GGUF_ARRAY, 1, "", 0);
    put_data(&s, 64);
    assert_refused(&s, ERROR_FORMAT, "tokenizer.ggml.tokens", "do not nest");
    s = gguf_head(0, 1);
    gguf_put_array(&s, "tokenizer.ggml.scores", GGUF_F32, (uint64_t)1 << 62, "", 0);
    put_data(&s, 64);
    assert_refused(&s, ERROR_FORMAT, "tokenizer.ggml.scores", "4611686018427387904 elements");
    s = gguf_head(0, 1);
    gguf_put_array(&s, "tokenizer.ggml.tokens", GGUF_TEXT, 100, "", 0);
    put_data(&s, 64);
    assert_refused(&s, ERROR_FORMAT, "tokenizer.ggml.tokens", "100 elements");
}

static void test_other_things_that_are_wrong(void **state)
{
    (void)state;
    const uint64_t eight[] = {8}, odd[] = {33};
    string s = {0};
    string_add(&s, "GGUF\2\0", 6);
    assert_refused(&s, ERROR_FORMAT, "the version");
    s = (string){0};
    string_add(&s, "GGUF\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24);
    assert_refused(&s, ERROR_UNSUPPORTED, "big-endian");
    s = (string){0};
    string_add(&s, "GGUF\1\0\0\0", 8);
    assert_refused(&s, ERROR_UNSUPPORTED, "version 1");
    s = gguf_head(0, 2);
    gguf_put_u32(&s, "a.b", 1);
    gguf_put_u32(&s, "a.b", 2);
    assert_refused(&s, ERROR_FORMAT, "'a.b' is there twice");
    s = gguf_head(2, 0);
    put_info(&s, "a", 1, eight, 0, 0);
    put_info(&s, "a", 1, eight, 0, 32);
    put_data(&s, 64);
    assert_refused(&s, ERROR_FORMAT, "tensor 'a' is there twice");
    s = gguf_head(2, 0);
    put_info(&s, "a", 1, eight, 0, 0);
    put_info(&s, "b", 1, eight, 0, 0);
    put_data(&s, 64);
    assert_refused(&s, ERROR_FORMAT, "'b' begins at byte 0", "32");
    s = gguf_head(1, 0);
    put_info(&s, "a", 1, odd, 8, 0);
    put_data(&s, 64);
    assert_refused(&s, ERROR_FORMAT, "'a'", "33", "32", "Q8_0");
    s = gguf_head(1, 0);
    put_info(&s, "a", 1, (const uint64_t[]){256}, 13, 0);
    put_data(&s, 176);
    assert_refused(&s, ERROR_UNSUPPORTED, "'a'", "Q5_K");
    s = gguf_head(1, 0);
    put_info(&s, "a", 1, eight, 99, 0);
    put_data(&s, 64);
    assert_refused(&s, ERROR_UNSUPPORTED, "'a'", "unknown type 99");
    s = gguf_head(1, 0);
    put_info(&s, "a", 1, eight, 0, 0);
    put_data(&s, 64);
    assert_refused(&s, ERROR_FORMAT, "32 bytes behind the last tensor");
    s = gguf_head(1, 0);
    put_info(&s, "a\nb", 1, eight, 0, 0);
    put_data(&s, 32);
    assert_refused(&s, ERROR_FORMAT, "control character 10");
}

static void test_values(void **state)
{
    (void)state;
    string s = gguf_head(0, 6);
    error err = {0};
    gguf_put_text(&s, "text", "seven", 5);
    gguf_put_u32(&s, "u32", 7);
    gguf_put_f32(&s, "f32", 0.5f);
    gguf_put_bool(&s, "bool", true);
    gguf_put_array(&s, "array", GGUF_I32, 2, "\1\0\0\0\2\0\0\0", 8);
    gguf_add_text(&s, "i8", 2);
    put_le(&s, GGUF_I8, 4);
    put_le(&s, 0xFE, 1);
    buffer *b = gguf_buffer(&s);
    gguf *g = gguf_parse(b, "x.gguf", &err);
    if (!g)
        fail_msg("%s", err.text);
    char *text = gguf_text(gguf_find(g, "text"));
    int64_t n = -1;
    double x = 0;
    bool yes = false;
    const gguf_entry *e;
    assert_string_equal(text, "seven");
    assert_true(gguf_is_text(gguf_find(g, "text"), "seven"));
    assert_int_equal(gguf_want_int(g, "u32", 0, 10, &n, &err), 0);
    assert_int_equal(n, 7);
    assert_int_equal(gguf_want_int(g, "i8", -10, 10, &n, &err), 0);
    assert_int_equal(n, -2);
    assert_int_equal(gguf_want_int(g, "absent", 0, 10, &n, &err), 0);
    assert_int_equal(n, -2);
    assert_int_equal(gguf_want_int(g, "u32", 8, 10, &n, &err), -1);
    assert_error(&err, ERROR_FORMAT, "'u32' is 7, outside [8, 10]");
    assert_int_equal(gguf_want_int(g, "array", 0, 10, &n, &err), -1);
    assert_error(&err, ERROR_UNSUPPORTED, "'array' holds 2 values");
    assert_int_equal(gguf_want_real(g, "f32", &x, &err), 0);
    assert_true(x == 0.5);
    assert_int_equal(gguf_want_real(g, "text", &x, &err), -1);
    assert_int_equal(gguf_want_bool(g, "bool", &yes, &err), 0);
    assert_true(yes);
    assert_int_equal(gguf_want_bool(g, "u32", &yes, &err), -1);
    assert_int_equal(gguf_want_array(g, "array", GGUF_I32, &e, &err), 0);
    assert_int_equal(e->count, 2);
    assert_int_equal(gguf_want_array(g, "array", GGUF_TEXT, &e, &err), -1);
    free(text);
    gguf_free(g);
    buffer_free(b);
    free(s.text);
}

/* Cut anywhere, the file is refused; the last padding may be missing. */
static void test_files_cut_short(void **state)
{
    (void)state;
    string s = gguf_head(2, 2);
    gguf_put_text(&s, "general.architecture", "llama", 5);
    gguf_put_array(&s, "list", GGUF_TEXT, 1, "\1\0\0\0\0\0\0\0x", 9);
    put_info(&s, "a", 2, (const uint64_t[]){3, 2}, 0, 0);
    put_info(&s, "b", 1, (const uint64_t[]){32}, 8, 32);
    put_data(&s, 32 + 34);
    for (size_t n = 0; n <= s.length; n++) {
        error err = {0};
        string cut = {.text = s.text, .length = n};
        bool whole = parse(&cut, &err) != NULL;
        if (whole != (n == s.length) || (!whole && !err.text[0]))
            fail_msg("%zu of %zu bytes: %s", n, s.length, whole ? "accepted" : err.text);
    }
    free(s.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_that_no_file_covers),  cmocka_unit_test(test_texts_longer_than_the_file),       cmocka_unit_test(test_alignments),
        cmocka_unit_test(test_shapes_that_wrap),            cmocka_unit_test(test_arrays_that_nest_or_are_too_long), cmocka_unit_test(test_other_things_that_are_wrong),
        cmocka_unit_test(test_values),                      cmocka_unit_test(test_files_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
