#include "craft_zip.h"

#include "tensor/torch_zip.h"

static int parse(const string *s, checkpoint *c, error *err)
{
    buffer *b = to_buffer(s);
    c->name = memory_text("t.bin");
    c->buffers = memory_new(1, sizeof *c->buffers);
    c->buffers[c->n_buffers++] = b;
    return torch_zip_parse(c, b, "t.bin", err);
}

static void assert_refused(string s, const char *a, const char *b)
{
    error err = {0};
    checkpoint *c = memory_new(1, sizeof *c);
    if (parse(&s, c, &err) == 0)
        fail_msg("accepted; it should tell '%s' and '%s'", a, b);
    assert_int_equal(c->count, 0);
    assert_error(&err, err.code, "t.bin", a, b);
    checkpoint_free(c);
    free(s.text);
}

static string crafted(const crafted_tensor *t, size_t storage)
{
    string pickle = craft_pickle(t), s = craft_torch(pickle, storage);
    free(pickle.text);
    return s;
}

/* The first elements of the one tensor, which is of bytes. */
static void assert_gives(const crafted_tensor *t, const char *wanted, bool computed)
{
    error err = {0};
    checkpoint *c = memory_new(1, sizeof *c);
    string s = crafted(t, 16);
    if (parse(&s, c, &err) != 0)
        fail_msg("%s", err.text);
    const tensor *w = checkpoint_find(c, "w");
    assert_int_equal(w->data == NULL, computed);
    assert_int_equal(checkpoint_make(c, NULL, &err), 0);
    assert_memory_equal(w->data, wanted, tensor_bytes(w));
    checkpoint_free(c);
    free(s.text);
}

static void test_views(void **state)
{
    (void)state;
    assert_gives(&(crafted_tensor){"ByteStorage", 16, 0, 2, 2, {2, 3}, {3, 1}}, "\0\1\2\3\4\5", false);
    assert_gives(&(crafted_tensor){"ByteStorage", 16, 5, 2, 2, {2, 3}, {3, 1}}, "\5\6\7\x8\x9\xa", false);
    assert_gives(&(crafted_tensor){"ByteStorage", 16, 1, 2, 2, {3, 2}, {1, 3}}, "\1\4\2\5\3\6", true);
    assert_gives(&(crafted_tensor){"ByteStorage", 16, 0, 1, 1, {4}, {5}}, "\0\5\xa\xf", true);
    assert_gives(&(crafted_tensor){"ByteStorage", 16, 15, 0, 0, {0}, {0}}, "\xf", false);
    assert_gives(&(crafted_tensor){"ByteStorage", 16, 1000, 2, 2, {0, 3}, {INT64_MAX, INT64_MAX}}, "", false);
    assert_gives(&(crafted_tensor){"ShortStorage", 8, 1, 1, 1, {2}, {3}}, "\2\3\x8\x9", true);
}

static void test_outside_the_storage(void **state)
{
    (void)state;
    static const struct { crafted_tensor t; size_t storage; const char *a, *b; } cases[] = {
        {{"ByteStorage", 16, 1, 1, 1, {16}, {1}}, 16, "'w' [16] reaches outside", "16 elements"},
        {{"ByteStorage", 16, 16, 0, 0, {0}, {0}}, 16, "'w' [] reaches outside", "element 16"},
        {{"ByteStorage", 16, INT64_MAX, 1, 1, {2}, {INT64_MAX}}, 16, "'w' [2] reaches outside", "16 elements"},
        {{"ByteStorage", 16, 0, 2, 2, {3, 3}, {INT64_MAX, INT64_MAX}}, 16, "reaches outside", ""},
        {{"ByteStorage", 16, 0, 2, 2, {2, 3}, {14, 1}}, 16, "reaches outside", ""},
        {{"ByteStorage", 17, 0, 1, 1, {4}, {1}}, 16, "'data/0' of 17 bytes", "16 of them"},
        {{"DoubleStorage", (int64_t)1 << 60, 0, 1, 1, {4}, {1}}, 16, "9223372036854775808 bytes", "16 of them"},
        {{"FloatStorage", 4, 0, 1, 1, {(int64_t)1 << 40}, {0}}, 16, "more elements than its storage (4)", "expanded"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(crafted(&cases[i].t, cases[i].storage), cases[i].a, cases[i].b);
}

static const crafted_tensor bytes = {"ByteStorage", 16, 0, 1, 1, {16}, {1}};

static void test_wrong_archives(void **state)
{
    (void)state;
    string pickle = craft_pickle(&bytes), big = {0}, none = {0};
    string_puts(&big, "big");
    assert_refused(craft_zip((const zip_part[]){{"x/data.pkl", pickle}, {"x/byteorder", big}}, 2), "byte order is 'big'", "");
    assert_refused(craft_zip((const zip_part[]){{"x/data.pkl", pickle}}, 1), "'w' lies in the storage 'data/0'", "not in the archive");
    assert_refused(craft_zip((const zip_part[]){{"x/data.pkl", pickle}, {"y/data.pkl", pickle}}, 2), "more than one data.pkl", "'y/data.pkl'");
    assert_refused(craft_zip((const zip_part[]){{"data.pkl", pickle}}, 1), "without a data.pkl", "");
    assert_refused(craft_zip((const zip_part[]){{"x/data.pkl", none}}, 1), "cut short", "byte 0");
    string_puts(&none, "\x80\x02" "cos\nsystem\n(");
    assert_refused(craft_zip((const zip_part[]){{"x/data.pkl", none}}, 1), "'os.system'", "could run code");
    free(none.text);
    free(big.text);
    free(pickle.text);
}

static void test_names_are_judged(void **state)
{
    (void)state;
    static const char *const names[] = {"", "../w", "/w", "a\nb"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        string pickle = {0};
        string_puts(&pickle, "\x80\x02}");
        add_text(&pickle, names[i]);
        add_tensor(&pickle, &bytes);
        string_puts(&pickle, "s.");
        assert_refused(craft_torch(pickle, 16), "name", "");
        free(pickle.text);
    }
}

/* A small file whose tensors all lie in one storage: fine where weights are tied, refused where it asks for much memory. */
static void test_sharing(void **state)
{
    (void)state;
    for (int n = 24; n < 1000000; n *= 100) {
        error err = {0};
        string pickle = {0};
        string_puts(&pickle, "\x80\x02}(");
        add_text(&pickle, "w0");
        add_tensor(&pickle, &(crafted_tensor){"ByteStorage", 16000, 0, 2, 2, {100, 160}, {1, 100}});
        string_puts(&pickle, "q\1");
        for (int i = 1; i < n; i++) {
            char name[16];
            snprintf(name, sizeof name, "w%d", i);
            add_text(&pickle, name);
            string_puts(&pickle, "h\1");
        }
        string_puts(&pickle, "u.");
        string s = craft_torch(pickle, 16000);
        checkpoint *c = memory_new(1, sizeof *c);
        if (n == 24)
            assert_int_equal(parse(&s, c, &err), 0);
        else
            assert_int_equal(parse(&s, c, &err), -1);
        if (n > 24)
            assert_error(&err, ERROR_LIMIT, "share", "64 times");
        checkpoint_free(c);
        free(s.text);
        free(pickle.text);
    }
}

/* Whatever a byte is turned into, what is accepted can be read. */
static void test_every_byte(void **state)
{
    (void)state;
    string whole = crafted(&(crafted_tensor){"ShortStorage", 8, 1, 2, 2, {2, 3}, {1, 2}}, 16);
    for (size_t at = 0; at < whole.length; at++)
        for (int value = 1; value < 256; value += 127) {
            error err = {0};
            checkpoint *c = memory_new(1, sizeof *c);
            char before = whole.text[at];
            whole.text[at] = (char)value;
            if (parse(&whole, c, &err) == 0)
                assert_int_equal(checkpoint_make(c, NULL, &err), 0);
            checkpoint_free(c);
            whole.text[at] = before;
        }
    free(whole.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views),            cmocka_unit_test(test_outside_the_storage), cmocka_unit_test(test_wrong_archives),
        cmocka_unit_test(test_names_are_judged), cmocka_unit_test(test_sharing),             cmocka_unit_test(test_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
