#include "craft.h"

#include <unistd.h>

enum { BYTES = 1 << 20 };
#define HEADER "{\"w\":{\"dtype\":\"U8\",\"shape\":[1048576],\"data_offsets\":[0,1048576]}}"

struct digests {
    char sampled[65], full[65];
};

static struct digests digests_of(const char *folder)
{
    error err;
    struct digests d;
    checkpoint *c = checkpoint_open(folder, &err);
    if (!c || checkpoint_digest_sampled(c, d.sampled, &err) != 0 || checkpoint_digest_full(c, d.full, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(strlen(d.sampled), 64);
    assert_int_equal(strlen(d.full), 64);
    assert_string_not_equal(d.sampled, d.full);
    checkpoint_free(c);
    return d;
}

static void flip(const char *folder, size_t at)
{
    error err;
    size_t n;
    char *path = file_join(folder, "model.safetensors"), *bytes = file_read(path, 2 * BYTES, &n, &err);
    bytes[at] ^= 1;
    put_bytes(folder, "model.safetensors", bytes, n);
    free(bytes);
    free(path);
}

static void test_what_the_digests_see(void **state)
{
    (void)state;
    char *folder = new_folder(), *copy = new_folder();
    put_tensors(folder, "model.safetensors", HEADER, BYTES);
    put_text(folder, "config.json", "{\"a\": 1}");
    struct digests a = digests_of(folder), b;
    put_tensors(copy, "model.safetensors", HEADER, BYTES);
    put_text(copy, "config.json", "{\"a\": 1}");
    b = digests_of(copy);
    assert_string_equal(a.sampled, b.sampled);
    assert_string_equal(a.full, b.full);
    /* The first and the last data byte lie in sampled blocks; one between two blocks is seen by the full digest only. */
    const size_t header = 8 + strlen(HEADER), places[] = {header, header + BYTES - 1, 4096 + 100};
    for (int i = 0; i < 3; i++) {
        flip(copy, places[i]);
        b = digests_of(copy);
        assert_int_equal(strcmp(a.sampled, b.sampled) == 0, i == 2);
        assert_string_not_equal(a.full, b.full);
        flip(copy, places[i]);
    }
    put_text(copy, "config.json", "{\"a\": 2}");
    b = digests_of(copy);
    assert_string_not_equal(a.sampled, b.sampled);
    assert_string_not_equal(a.full, b.full);
    remove_folder(copy);
    remove_folder(folder);
}

static void test_in_memory(void **state)
{
    (void)state;
    error err;
    char a[65], b[65];
    const checkpoint_item items[] = {{"x", {.dtype = DTYPE_F32, .rank = 1, .shape = {5}}}, {"y", {.dtype = DTYPE_F32}}};
    checkpoint *c = checkpoint_new("m", NULL, NULL, items, 2, &err), *d = checkpoint_new("n", NULL, NULL, items, 2, &err);
    assert_int_equal(checkpoint_digest_sampled(c, a, &err), 0);
    assert_int_equal(checkpoint_digest_sampled(d, b, &err), 0);
    assert_string_equal(a, b);
    ((float *)checkpoint_find(d, "y")->data)[0] = 1;
    assert_int_equal(checkpoint_digest_sampled(d, b, &err), 0);
    assert_string_not_equal(a, b);
    checkpoint_free(c);
    checkpoint_free(d);
}

static void test_cut_short(void **state)
{
    (void)state;
    error err;
    char hex[65], *folder = new_folder(), *path = file_join(folder, "model.safetensors");
    put_tensors(folder, "model.safetensors", HEADER, BYTES);
    checkpoint *c = checkpoint_open(folder, &err);
    assert_int_equal(truncate(path, 5000), 0);
    assert_int_equal(checkpoint_digest_full(c, hex, &err), -1);
    assert_error(&err, ERROR_IO, path, "5000");
    assert_int_equal(checkpoint_digest_sampled(c, hex, &err), -1);
    assert_int_equal(checkpoint_check_finite(c, NULL, &err), -1);
    checkpoint_free(c);
    free(path);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_digests_see),
        cmocka_unit_test(test_in_memory),
        cmocka_unit_test(test_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
