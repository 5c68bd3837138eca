#include "craft.h"

#include <unistd.h>

#include "tensor/adapter.h"

#define F32(name, shape, begin, end) "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"
#define A(name) F32(name, "[2,4]", 0, 32)
#define B(name) F32(name, "[3,2]", 32, 56)
#define CONFIG "{\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":4}"
#define GOOD "{" A("base_model.model.q.lora_A.weight") "," B("base_model.model.q.lora_B.weight") "}"

/* A folder with base/ (q [3, 4] and its bias, n [2] of whole numbers) and adapter/. */
static char *world(const char *config, const char *header, size_t data)
{
    error err;
    char *folder = new_folder(), *base = file_join(folder, "base"), *adapter = file_join(folder, "adapter");
    assert_int_equal(file_make_folders(base, &err), 0);
    assert_int_equal(file_make_folders(adapter, &err), 0);
    put_tensors(base, "model.safetensors",
                "{" F32("q.weight", "[3,4]", 0, 48) "," F32("q.bias", "[3]", 48, 60) ",\"n.weight\":{\"dtype\":\"I32\",\"shape\":[2,4],\"data_offsets\":[60,92]}}", 92);
    put_tensors(adapter, "adapter_model.safetensors", header, data);
    if (config)
        put_text(adapter, "adapter_config.json", config);
    free(base);
    free(adapter);
    return folder;
}

static checkpoint *open_world(const char *folder, error *err)
{
    char *path = memory_print("%s/base+%s/adapter", folder, folder);
    checkpoint *c = checkpoint_open(path, err);
    if (c)
        assert_string_equal(c->name, path);
    free(path);
    return c;
}

static void test_a_merged_adapter(void **state)
{
    (void)state;
    error err = {0};
    char *folder = world(CONFIG, GOOD, 56), *base = file_join(folder, "base");
    checkpoint *c = open_world(folder, &err);
    if (!c)
        fail_msg("%s", err.text);
    assert_string_equal(c->folder, base);
    assert_int_equal(c->count, 3);
    assert_int_equal(checkpoint_find(c, "q.weight")->dtype, DTYPE_F32);
    checkpoint_free(c);
    free(base);
    remove_folder(folder);
}

/* A head among transposed modules: its shape tells that it is none. */
static void test_one_way_only(void **state)
{
    (void)state;
    error err = {0};
    char *folder = world("{\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":4,\"fan_in_fan_out\":true}", GOOD, 56);
    checkpoint *c = open_world(folder, &err);
    if (!c)
        fail_msg("%s", err.text);
    checkpoint_free(c);
    remove_folder(folder);
}

static void assert_refused(const char *config, const char *header, size_t data, const char *a, const char *b)
{
    error err = {0};
    char *folder = world(config, header, data);
    checkpoint *c = open_world(folder, &err);
    if (c)
        fail_msg("accepted; it should tell '%s' and '%s'", a, b);
    assert_error(&err, err.code, folder, a, b);
    remove_folder(folder);
}

static void test_refused(void **state)
{
    (void)state;
    assert_refused(NULL, GOOD, 56, "adapter: has no adapter_config.json", "");
    assert_refused("{\"peft_type\":\"LORA\",\"r\":0,\"lora_alpha\":4}", GOOD, 56, "adapter_config.json", "'r' is 0");
    assert_refused("{\"peft_type\":\"LORA\",\"r\":2147483648,\"lora_alpha\":4}", GOOD, 56, "'r' is 2147483648", "");
    assert_refused("{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":4}", GOOD, 56, "'base_model.model.q.lora_A.weight' is [2, 4]", "rank 3 on the base's [3, 4] asks for [3, 4]");
    assert_refused(CONFIG, "{" A("q.lora_A.weight") "," F32("q.lora_B.weight", "[2,3]", 32, 56) "}", 56, "'q.lora_B.weight' is [2, 3]", "asks for [3, 2]");
    assert_refused(CONFIG, "{" F32("q.lora_A.weight", "[4,2]", 0, 32) "," B("q.lora_B.weight") "}", 56, "'q.lora_A.weight' is [4, 2]", "asks for [2, 4]");
    assert_refused(CONFIG, "{" A("q.lora_A.weight") "," F32("q.lora_B.weight", "[6]", 32, 56) "}", 56, "'q.lora_B.weight' is [6]", "");
    assert_refused(CONFIG, "{" A("q.lora_A.weight") "}", 32, "'q' should have one lora_A and one lora_B", "");
    assert_refused(CONFIG, "{" A("q.lora_A.weight") "," B("q.lora_B.default.weight") "," F32("q.lora_B.weight", "[3,2]", 56, 80) "}", 80, "say the same twice", "");
    assert_refused(CONFIG, "{" A("x.lora_A.weight") "," B("x.lora_B.weight") "}", 56, "'x.weight', which the base does not have", "");
    assert_refused(CONFIG, "{" A("n.lora_A.weight") "," B("n.lora_B.weight") "}", 56, "'n.weight' is I32", "");
    assert_refused(CONFIG, "{" A("q.lora_A.weight") "," B("q.lora_C.weight") "}", 56, "'q.lora_C.weight' is no part", "no tensor 'q.lora_C.weight'");
    assert_refused(CONFIG, "{" A("q.lora_A.weight") "," B("q.lora_B.other") "}", 56, "'q.lora_B.other'", "no part");
    assert_refused(CONFIG, "{" F32("q.weight", "[4,3]", 0, 48) "}", 48, "'q.weight' is [4, 3]", "[3, 4]");
    assert_refused(CONFIG, "{" A("q.lora_A.weight") "," B("q.lora_B.weight") "," F32("q.lora_magnitude_vector", "[3]", 56, 68) "}", 68, "'q' has a lora_magnitude_vector",
                   "use_dora is false");
    assert_refused("{\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":4,\"use_dora\":true}", GOOD, 56, "'q' lacks a lora_magnitude_vector", "");
    assert_refused("{\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":4,\"use_dora\":true}",
                   "{" A("q.lora_A.weight") "," B("q.lora_B.weight") "," F32("q.lora_magnitude_vector", "[4]", 56, 72) "}", 72, "'q.lora_magnitude_vector' is [4]", "[3]");
    assert_refused(CONFIG, "{" A("q.lora_A.weight") "," B("q.lora_B.weight") "," F32("q.lora_B.bias", "[4]", 56, 72) "}", 72, "'q.lora_B.bias' is [4]", "[3]");
    assert_refused(CONFIG, "{" F32("q.lora_embedding_A", "[2,3]", 0, 24) "," A("q.lora_A.weight") "}", 56, "q.", "");
}

static void test_no_adapter(void **state)
{
    (void)state;
    error err = {0};
    char *folder = world(CONFIG, GOOD, 56), *path = memory_print("%s/base+%s/none", folder, folder), *file = file_join(folder, "adapter/adapter_model.safetensors");
    assert_null(checkpoint_open(path, &err));
    assert_error(&err, ERROR_IO, "none: no such adapter folder", "BASE+ADAPTER");
    unlink(file);
    assert_null(open_world(folder, &err));
    assert_error(&err, ERROR_FORMAT, "adapter: has no adapter_model.safetensors", "adapter_model.bin");
    string many = {0};
    string_print(&many, "%s/base", folder);
    for (int i = 0; i < 50000; i++)
        string_puts(&many, "+/");
    assert_null(checkpoint_open(many.text, &err));
    assert_error(&err, ERROR_LIMIT, "more than the limit of 16 adapters");
    free(many.text);
    free(file);
    free(path);
    remove_folder(folder);
}

/* A folder whose own name has a '+' is one model; only what is no path as it stands is split. */
static void test_split(void **state)
{
    (void)state;
    error err;
    char *folder = new_folder(), *plus = file_join(folder, "a+b"), *both = memory_print("%s+%s", plus, plus), *none = memory_print("%s+x", folder);
    assert_int_equal(file_make_folders(plus, &err), 0);
    assert_null(adapter_split("plain"));
    assert_null(adapter_split(plus));
    assert_int_equal(adapter_split(both) - both, strlen(plus));
    assert_string_equal(adapter_split(none), "+x");
    assert_string_equal(adapter_split("a+b+c"), "+c");
    free(none);
    free(both);
    free(plus);
    remove_folder(folder);
}

static void test_located_and_digested(void **state)
{
    (void)state;
    error err = {0};
    char *folder = world(CONFIG, GOOD, 56), *recipe = file_join(folder, "recipe.yml"), *wanted = memory_print("%s/base+%s/adapter", folder, folder);
    char *found = checkpoint_locate("base+adapter", recipe), *other = checkpoint_locate("base+nothing", recipe);
    assert_string_equal(found, wanted);
    assert_string_equal(other, "base+nothing");
    assert_false(checkpoint_reads(found, folder));
    char lazy[65], made[65], scaled[65], plain[65];
    checkpoint *c = checkpoint_open_lazy(found, &err), *d = checkpoint_open(found, &err);
    assert_int_equal(checkpoint_digest_sampled(c, lazy, &err), 0);
    assert_int_equal(checkpoint_digest_sampled(d, made, &err), 0);
    assert_string_equal(lazy, made);
    checkpoint_free(c);
    checkpoint_free(d);
    char *adapter = file_join(folder, "adapter"), *base = file_join(folder, "base");
    assert_true(checkpoint_reads(found, adapter) && checkpoint_reads(found, base));
    put_text(adapter, "adapter_config.json", "{\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":8}");
    c = checkpoint_open(found, &err);
    assert_int_equal(checkpoint_digest_sampled(c, scaled, &err), 0);
    assert_string_not_equal(lazy, scaled);
    checkpoint_free(c);
    c = checkpoint_open(base, &err);
    assert_int_equal(checkpoint_digest_sampled(c, plain, &err), 0);
    assert_string_not_equal(lazy, plain);
    checkpoint_free(c);
    free(base);
    free(adapter);
    free(other);
    free(found);
    free(wanted);
    free(recipe);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_merged_adapter), cmocka_unit_test(test_one_way_only), cmocka_unit_test(test_refused), cmocka_unit_test(test_no_adapter),
                                       cmocka_unit_test(test_split), cmocka_unit_test(test_located_and_digested)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
