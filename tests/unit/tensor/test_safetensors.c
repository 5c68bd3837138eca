#include "craft.h"

#define T(name, dtype, shape, begin, end) "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

/* Parses bytes as a file; -1 and *err where it is refused. Frees what it read. */
static int parse(const char *bytes, size_t n, size_t *count, error *err)
{
    buffer *b = buffer_new(n, "test", err);
    if (n)
        memcpy(buffer_bytes(b), bytes, n);
    checkpoint_item *items = NULL;
    *count = 0;
    int status = safetensors_parse(b, "f.safetensors", &items, count, err);
    assert_true(status == 0 || *count == 0);
    for (size_t i = 0; i < *count; i++)
        free(items[i].name);
    free(items);
    buffer_free(b);
    return status;
}

static void assert_refused(string s, enum error_code code, const char *a, const char *b)
{
    error err;
    size_t count;
    if (parse(s.text, s.length, &count, &err) == 0)
        fail_msg("accepted what should tell '%s' and '%s'", a, b);
    assert_error(&err, code, "f.safetensors", a, b);
    free(s.text);
}

static void test_good(void **state)
{
    (void)state;
    /* A scalar, zero dimensions, data at odd places, and an order in the header that is not the data's. */
    static const char header[] = "{\"__metadata__\":{\"format\":\"pt\"}," T("b", "BF16", "[2,3]", "5", "17") "," T("a", "U8", "[1]", "4", "5") ","
        T("s", "F32", "[]", "0", "4") "," T("z", "F32", "[0,1000000]", "4", "4") "," T("y", "I64", "[3,0]", "17", "17") "}";
    error err;
    string s = craft_header(header, 17);
    buffer *file = buffer_new(s.length, "test", &err);
    memcpy(buffer_bytes(file), s.text, s.length);
    checkpoint_item *items = NULL;
    size_t count = 0;
    if (safetensors_parse(file, "f", &items, &count, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(count, 5);
    for (size_t i = 0; i < count; i++) {
        const tensor *t = &items[i].tensor;
        ptrdiff_t at = (char *)t->data - (char *)buffer_bytes(file) - 8 - (ptrdiff_t)strlen(header);
        assert_ptr_equal(t->owner, file);
        if (strcmp(items[i].name, "b") == 0) {
            assert_int_equal(t->dtype, DTYPE_BF16);
            assert_int_equal(t->rank, 2);
            assert_int_equal(t->shape[1], 3);
            assert_int_equal(at, 5);
            assert_int_equal(((unsigned char *)t->data)[11], 16);
        } else if (strcmp(items[i].name, "s") == 0) {
            assert_int_equal(t->rank, 0);
            assert_int_equal(tensor_count(t), 1);
            assert_int_equal(at, 0);
        }
    }
    assert_int_equal(safetensors_header_bytes(file), 8 + strlen(header));
    for (size_t i = 0; i < count; i++)
        free(items[i].name);
    free(items);
    buffer_free(file);
    free(s.text);
    size_t none;
    s = craft_header("{}", 0);
    assert_int_equal(parse(s.text, s.length, &none, &err), 0);
    free(s.text);
}

static void test_lengths(void **state)
{
    (void)state;
    string s = {0};
    string_add(&s, "", 0);
    assert_refused(s, ERROR_FORMAT, "0 bytes", "too short");
    s = (string){0};
    string_puts(&s, "1234567");
    assert_refused(s, ERROR_FORMAT, "7 bytes", "too short");
    assert_refused(craft("{}", 2, UINT64_MAX, 0), ERROR_FORMAT, "18446744073709551615", "100000000");
    assert_refused(craft("{}", 2, 100000001, 0), ERROR_FORMAT, "100000001", "100000000");
    assert_refused(craft("{}", 2, 3, 0), ERROR_FORMAT, "3 bytes", "file of 10");
    assert_refused(craft("", 0, 0, 0), ERROR_FORMAT, "JSON", "");
}

static void test_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        enum error_code code;
        const char *a, *b;
    } cases[] = {
        {"[]", 0, ERROR_FORMAT, "JSON object", ""},
        {"{\"a\xff\":1}", 0, ERROR_FORMAT, "0xff", "JSON"},
        {"{" T("a.weight", "U8", "[1]", "0", "1") "," T("a.weight", "U8", "[1]", "0", "1") "}", 1, ERROR_FORMAT, "duplicate", "'a.weight'"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, ERROR_FORMAT, "duplicate", "'__metadata__'"},
        {"{\"__metadata__\":{\"k\":1}}", 0, ERROR_FORMAT, "'k'", "string"},
        {"{\"__metadata__\":[]}", 0, ERROR_FORMAT, "__metadata__", "object"},
        {"{" T("a", "U8", "[2]", "0", "2") "," T("b", "U8", "[2]", "1", "3") "}", 3, ERROR_FORMAT, "'b' begins at byte 1", "'a'"},
        {"{" T("a", "U8", "[2]", "0", "2") "," T("b", "U8", "[2]", "0", "2") "}", 2, ERROR_FORMAT, "byte 0", "inside"},
        {"{" T("a", "U8", "[1]", "0", "1") "," T("b", "U8", "[1]", "2", "3") "}", 3, ERROR_FORMAT, "gap of 1", "'b'"},
        {"{" T("a", "U8", "[1]", "1", "2") "}", 2, ERROR_FORMAT, "gap of 1", "'a'"},
        {"{" T("a", "U8", "[1]", "0", "1") "}", 3, ERROR_FORMAT, "2 bytes behind", "1 of 3"},
        {"{}", 5, ERROR_FORMAT, "5 bytes behind", ""},
        {"{" T("a", "U8", "[1]", "1", "0") "}", 1, ERROR_FORMAT, "'a'", "[1, 0)"},
        {"{" T("a", "U8", "[9]", "0", "9") "}", 8, ERROR_FORMAT, "'a'", "[0, 9) of 8"},
        {"{" T("a", "F32", "[4294967296,4294967296]", "0", "0") "}", 0, ERROR_FORMAT, "'a'", "overflows"},
        {"{" T("a", "F64", "[1152921504606846976]", "0", "0") "}", 0, ERROR_FORMAT, "'a'", "1152921504606846976"},
        {"{" T("a", "U8", "[0,4294967296,4294967296]", "0", "0") "}", 0, ERROR_FORMAT, "'a'", "overflows"},
        {"{" T("a", "U8", "[4294967296,4294967296,0]", "0", "0") "}", 0, ERROR_FORMAT, "'a'", "overflows"},
        {"{" T("a", "F32", "[2,3]", "0", "23") "}", 23, ERROR_FORMAT, "'a' is F32 of [2, 3] and needs 24", "23"},
        {"{" T("a", "U8", "[-1]", "0", "0") "}", 0, ERROR_FORMAT, "'a'", "-1"},
        {"{" T("a", "U8", "[1.0]", "0", "1") "}", 1, ERROR_FORMAT, "'a'", "dimension 0"},
        {"{" T("a", "U8", "[true]", "0", "1") "}", 1, ERROR_FORMAT, "'a'", "dimension 0"},
        {"{" T("a", "U8", "4", "0", "1") "}", 1, ERROR_FORMAT, "'a'", "shape"},
        {"{" T("a", "U8", "[1]", "-1", "0") "}", 0, ERROR_FORMAT, "'a'", "-1"},
        {"{" T("a", "U8", "[1]", "0", "1.5") "}", 1, ERROR_FORMAT, "'a'", "1.5"},
        {"{" T("a", "U8", "[1]", "0", "1e30") "}", 1, ERROR_FORMAT, "'a'", "1e+30"},
        {"{" T("a", "U8", "[1]", "0", "18446744073709551615") "}", 1, ERROR_FORMAT, "integer", "JSON"},
        {"{" T("a", "U8", "[1]", "0", "\"1\"") "}", 1, ERROR_FORMAT, "'a'", "offset"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}", 1, ERROR_FORMAT, "'a'", "has 3"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, ERROR_FORMAT, "'a'", "data_offsets"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, ERROR_FORMAT, "'a'", "dtype"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"extra\":1}}", 1, ERROR_FORMAT, "'a'", "'extra'"},
        {"{\"a\":7}", 0, ERROR_FORMAT, "'a'", "object"},
        {"{" T("a", "F4", "[1]", "0", "1") "}", 1, ERROR_UNSUPPORTED, "'a'", "'F4'"},
        {"{" T("a", "bfloat16", "[1]", "0", "2") "}", 2, ERROR_UNSUPPORTED, "'a'", "'bfloat16'"},
        {"{" T("", "U8", "[1]", "0", "1") "}", 1, ERROR_FORMAT, "name", "empty"},
        {"{" T("a\\u0000b", "U8", "[1]", "0", "1") "}", 1, ERROR_FORMAT, "NUL", ""},
        {"{" T("../../etc/passwd", "U8", "[1]", "0", "1") "}", 1, ERROR_FORMAT, "'../../etc/passwd'", "path"},
        {"{" T("/etc/passwd", "U8", "[1]", "0", "1") "}", 1, ERROR_FORMAT, "'/etc/passwd'", "path"},
        {"{" T("a\\u001b[31m", "U8", "[1]", "0", "1") "}", 1, ERROR_FORMAT, "'a?[31m'", "control character 27"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(craft_header(cases[i].header, cases[i].data), cases[i].code, cases[i].a, cases[i].b);
}

static void test_large_and_deep(void **state)
{
    (void)state;
    string h = {0};
    for (int i = 0; i < 100000; i++)
        string_puts(&h, "[");
    assert_refused(craft_header(h.text, 0), ERROR_FORMAT, "deeper than 3", "byte 11");
    h.length = 0;
    string_puts(&h, "{\"a\":{\"dtype\":\"U8\",\"shape\":[1");
    for (int i = 1; i < 10000; i++)
        string_puts(&h, ",1");
    string_puts(&h, "],\"data_offsets\":[0,1]}}");
    assert_refused(craft_header(h.text, 1), ERROR_FORMAT, "'a' has 10000 dimensions", "limit of 8");
    h.length = 0;
    string_puts(&h, "{\"");
    for (int i = 0; i < 1 << 20; i++)
        string_puts(&h, "n");
    string_puts(&h, "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}");
    assert_refused(craft_header(h.text, 1), ERROR_FORMAT, "'nnnn", "1048576 bytes");
    h.length = 0;
    string_puts(&h, "{\"a\":[");
    const size_t values = 17000000, at = h.length;
    char *list = memory_new(2 * values + 1, 1);
    for (size_t i = 0; i < values; i++)
        memcpy(list + 2 * i, "1,", 2);
    string_add(&h, list, 2 * values);
    string_puts(&h, "1]}");
    free(list);
    assert_int_equal(h.length, at + 2 * values + 3);
    assert_refused(craft_header(h.text, 0), ERROR_LIMIT, "16000000 values", "");
    free(h.text);
}

static string craft_many(int n)
{
    string h = {0};
    string_puts(&h, "{");
    for (int i = 0; i < n; i++)
        string_print(&h, "%s\"%x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}", i ? "," : "", i);
    string_puts(&h, "}");
    string s = craft_header(h.text, 0);
    free(h.text);
    return s;
}

/* All of them at one place: legal as long as they are empty, and no slower for that. */
static void test_many_tensors_on_one_offset(void **state)
{
    (void)state;
    error err;
    size_t count;
    string s = craft_many(200000);
    if (parse(s.text, s.length, &count, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(count, 200000);
    free(s.text);
    assert_refused(craft_many(1000002), ERROR_LIMIT, "1000000 tensors", "");
}

static void test_other_formats(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        enum error_code code;
        const char *a, *b;
    } cases[] = {
        {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", 64, ERROR_FORMAT, "Git LFS pointer of 64 bytes", "git lfs pull"},
        {"\200\2}q\0X\1\0\0\0", 10, ERROR_UNSUPPORTED, "pickle", "safetensors"},
        {"\200\2c__builtin__\neval\n", 19, ERROR_UNSUPPORTED, "pickle", "convert"},
        {"GGUF\3\0\0\0\0\0", 10, ERROR_UNSUPPORTED, "GGUF", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        string s = {0};
        string_add(&s, cases[i].bytes, cases[i].n);
        assert_refused(s, cases[i].code, cases[i].a, cases[i].b);
    }
}

static void test_write_reads_back(void **state)
{
    (void)state;
    error err;
    float f[6] = {1, 2, 3, 4, 5, 6};
    uint16_t h[3] = {7, 8, 9};
    checkpoint_item in[] = {
        {"w\"\xe6\x97\xa5", {.data = f, .dtype = DTYPE_F32, .rank = 2, .shape = {2, 3}}},
        {"s", {.data = f, .dtype = DTYPE_F32}},
        {"z", {.data = f, .dtype = DTYPE_F32, .rank = 1, .shape = {0}}},
        {"h", {.data = h, .dtype = DTYPE_BF16, .rank = 1, .shape = {3}}},
    };
    char *folder = new_folder(), *path = file_join(folder, "m.safetensors");
    size_t n;
    char *header = safetensors_header(path, in, 4, &n, &err);
    string file = {0};
    string_add(&file, header, n);
    for (int i = 0; i < 4; i++)
        string_add(&file, in[i].tensor.data, tensor_bytes(&in[i].tensor));
    assert_int_equal(file_write(path, file.text, file.length, &err), 0);
    free(header);
    free(file.text);
    checkpoint *c = checkpoint_open(path, &err);
    if (!c)
        fail_msg("%s", err.text);
    assert_int_equal(c->count, 4);
    for (int i = 0; i < 4; i++) {
        const tensor *t = checkpoint_find(c, in[i].name);
        assert_non_null(t);
        assert_true(tensor_same_shape(t, &in[i].tensor));
        assert_int_equal(t->dtype, in[i].tensor.dtype);
        assert_memory_equal(t->data, in[i].tensor.data, tensor_bytes(t));
    }
    assert_int_equal((uintptr_t)checkpoint_find(c, in[0].name)->data % 8, 0);
    checkpoint_free(c);
    free(path);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_large_and_deep),
        cmocka_unit_test(test_many_tensors_on_one_offset),
        cmocka_unit_test(test_other_formats),
        cmocka_unit_test(test_write_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
