#include "craft_zip.h"

#include <sys/stat.h>
#include <unistd.h>

#define ONE(name) "{\"" name "\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}"
#define INDEX "model.safetensors.index.json"

static void assert_refused(const char *path, enum error_code code, const char *a, const char *b)
{
    error err;
    checkpoint *c = checkpoint_open(path, &err);
    if (c)
        fail_msg("%s was opened; it should tell '%s' and '%s'", path, a, b);
    assert_error(&err, code, path, a, b);
}

static void test_one_file(void **state)
{
    (void)state;
    error err;
    char *folder = new_folder(), *path = file_join(folder, "model.safetensors"), *slash = memory_print("%s/", folder);
    put_tensors(folder, "model.safetensors", ONE("w"), 4);
    const char *const ways[] = {folder, slash, path};
    for (int i = 0; i < 3; i++) {
        checkpoint *c = checkpoint_open(ways[i], &err);
        if (!c)
            fail_msg("%s", err.text);
        assert_int_equal(c->count, 1);
        assert_null(c->config);
        assert_string_equal(c->folder, folder);
        assert_non_null(checkpoint_find(c, "w"));
        assert_int_equal(c->n_buffers, 1);
        checkpoint_free(c);
    }
    put_text(folder, "config.json", "{\"model_type\": \"x\"}");
    for (int i = 0; i < 3; i++) {
        checkpoint *c = checkpoint_open(ways[i], &err);
        assert_string_equal(json_string_value(json_object_get(c->config, "model_type")), "x");
        checkpoint_free(c);
    }
    put_text(folder, "config.json", "[1]");
    assert_refused(folder, ERROR_FORMAT, "config.json", "object");
    put_text(folder, "config.json", "{\"a\": 1, \"a\": 2}");
    assert_refused(folder, ERROR_FORMAT, "config.json", "duplicate key 'a'");
    free(slash);
    free(path);
    remove_folder(folder);
}

static void put_shards(const char *folder, const char *index)
{
    put_tensors(folder, "model-1.safetensors", ONE("a"), 4);
    put_tensors(folder, "model-2.safetensors", ONE("b"), 4);
    put_text(folder, INDEX, index);
}

static void test_shards(void **state)
{
    (void)state;
    error err;
    char *folder = new_folder();
    put_shards(folder, "{\"metadata\":{\"total_size\":8},\"weight_map\":{\"b\":\"model-2.safetensors\",\"a\":\"model-1.safetensors\"}}");
    checkpoint *c = checkpoint_open(folder, &err);
    if (!c)
        fail_msg("%s", err.text);
    assert_int_equal(c->count, 2);
    assert_int_equal(c->n_buffers, 2);
    assert_string_equal(c->items[0].name, "a");
    checkpoint_free(c);
    put_shards(folder, "{\"weight_map\":{\"b\":\"model-2.safetensors\",\"a\":\"model-1.safetensors\"}}");
    c = checkpoint_open(folder, &err);
    assert_non_null(c);
    checkpoint_free(c);
    remove_folder(folder);
}

static void test_wrong_shards(void **state)
{
    (void)state;
    static const struct {
        const char *map, *a, *b;
    } cases[] = {
        {"\"a\":\"model-1.safetensors\",\"b\":\"model-3.safetensors\"", "model-3.safetensors", "missing"},
        {"\"a\":\"model-2.safetensors\",\"b\":\"model-1.safetensors\"", "'a'", "model-1.safetensors"},
        {"\"a\":\"model-1.safetensors\",\"b\":\"model-1.safetensors\"", "'b'", "not there"},
        {"\"a\":\"model-1.safetensors\",\"x\":\"model-2.safetensors\"", "'b'", "not list"},
        {"\"a\":\"model-1.safetensors\",\"b\":\"model-2.safetensors\",\"c\":\"model-2.safetensors\"", "'c'", "not there"},
        {"\"a\":\"../../etc/passwd\",\"b\":\"model-2.safetensors\"", "'../../etc/passwd'", "plain file name"},
        {"\"a\":\"/etc/passwd\",\"b\":\"model-2.safetensors\"", "'/etc/passwd'", "plain file name"},
        {"\"a\":\"..\",\"b\":\"model-2.safetensors\"", "'..'", "plain file name"},
        {"\"a\":\"\",\"b\":\"model-2.safetensors\"", "''", "plain file name"},
        {"\"a\":\"config.json\"", "'config.json'", ".safetensors"},
        {"\"a\":7", "'a'", "name a file"},
        {"", "weight_map", ""},
    };
    char *folder = new_folder();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *index = memory_print("{\"metadata\":{\"total_size\":8},\"weight_map\":{%s}}", cases[i].map);
        put_shards(folder, index);
        error err;
        checkpoint *c = checkpoint_open(folder, &err);
        if (c)
            fail_msg("accepted: %s", index);
        assert_true(err.code == ERROR_FORMAT || err.code == ERROR_IO);
        assert_error(&err, err.code, folder, cases[i].a, cases[i].b);
        free(index);
    }
    put_shards(folder, "{\"weight_map\":{\"a\":\"model-1.safetensors\",\"b\":\"pytorch_model.bin\"}}");
    assert_refused(folder, ERROR_FORMAT, "'pytorch_model.bin'", "not a .safetensors file");
    put_shards(folder, "{\"metadata\":{\"total_size\":9},\"weight_map\":{\"a\":\"model-1.safetensors\",\"b\":\"model-2.safetensors\"}}");
    assert_refused(folder, ERROR_FORMAT, "total_size is 9", "8 bytes");
    put_shards(folder, "{\"weight_map\":{\"a\":\"model-1.safetensors\",\"b\":\"model-2.safetensors\"}}");
    put_tensors(folder, "model.safetensors", ONE("w"), 4);
    assert_refused(folder, ERROR_FORMAT, "both model.safetensors", INDEX);
    remove_folder(folder);
}

/* Caches keep the files elsewhere and fill the folder with links: the name in the index is what is judged. */
static void test_links(void **state)
{
    (void)state;
    error err;
    char *folder = new_folder(), *blobs = file_join(folder, "blobs"), *model = file_join(folder, "snapshot");
    char *link = file_join(model, "model-1.safetensors"), *blob = file_join(blobs, "0123abcd");
    assert_int_equal(file_make_folders(blobs, &err), 0);
    assert_int_equal(file_make_folders(model, &err), 0);
    put_tensors(blobs, "0123abcd", ONE("a"), 4);
    put_text(model, INDEX, "{\"weight_map\":{\"a\":\"model-1.safetensors\"}}");
    assert_int_equal(symlink("../blobs/0123abcd", link), 0);
    checkpoint *c = checkpoint_open(model, &err);
    if (!c)
        fail_msg("%s", err.text);
    checkpoint_free(c);
    unlink(link);
    assert_int_equal(symlink("/dev/zero", link), 0);
    assert_refused(model, ERROR_IO, "model-1.safetensors", "device");
    unlink(link);
    assert_int_equal(mkfifo(link, 0600), 0);
    assert_refused(model, ERROR_IO, "model-1.safetensors", "FIFO");
    unlink(link);
    assert_int_equal(symlink("nowhere", link), 0);
    assert_refused(model, ERROR_IO, "model-1.safetensors", "No such file");
    unlink(link);
    assert_int_equal(mkdir(link, 0700), 0);
    assert_refused(model, ERROR_IO, "model-1.safetensors", "folder");
    free(blob);
    free(link);
    free(model);
    free(blobs);
    remove_folder(folder);
}

static const crafted_tensor floats = {"FloatStorage", 6, 0, 2, 2, {2, 3}, {3, 1}};

static void put_torch(const char *folder, const char *name)
{
    string pickle = craft_pickle(&floats), s = craft_torch(pickle, 24);
    put_bytes(folder, name, s.text, s.length);
    free(pickle.text);
    free(s.text);
}

static void assert_opens(const char *path, const char *tensor_name)
{
    error err;
    checkpoint *c = checkpoint_open(path, &err);
    if (!c)
        fail_msg("%s", err.text);
    assert_non_null(checkpoint_find(c, tensor_name));
    checkpoint_free(c);
}

static void test_pytorch_files(void **state)
{
    (void)state;
    char *folder = new_folder(), *file = file_join(folder, "any.pt");
    put_torch(folder, "any.pt");
    assert_opens(file, "w");
    put_torch(folder, "pytorch_model.bin");
    assert_opens(folder, "w");
    /* Where both are there, safetensors win. */
    put_tensors(folder, "model.safetensors", ONE("safe"), 4);
    assert_opens(folder, "safe");
    free(file);
    remove_folder(folder);
}

static void test_pytorch_shards(void **state)
{
    (void)state;
    char *folder = new_folder();
    put_torch(folder, "pytorch_model-1.bin");
    put_text(folder, "pytorch_model.bin.index.json", "{\"metadata\":{\"total_size\":1},\"weight_map\":{\"w\":\"pytorch_model-1.bin\"}}");
    assert_opens(folder, "w");
    put_text(folder, "pytorch_model.bin.index.json", "{\"weight_map\":{\"w\":\"pytorch_model-1.bin\",\"v\":\"pytorch_model-1.bin\"}}");
    assert_refused(folder, ERROR_FORMAT, "'v'", "not there");
    put_text(folder, "pytorch_model.bin.index.json", "{\"weight_map\":{\"w\":\"pytorch_model-1.safetensors\"}}");
    assert_refused(folder, ERROR_FORMAT, "'pytorch_model-1.safetensors'", "not a .bin file");
    remove_folder(folder);
}

static void test_no_model(void **state)
{
    (void)state;
    char *folder = new_folder(), *bin = file_join(folder, "pytorch_model.bin");
    assert_refused("/nonexistent/model", ERROR_IO, "no such folder", "");
    assert_refused(folder, ERROR_FORMAT, "no model.safetensors", "");
    put_text(folder, "adapter_model.safetensors", "x");
    assert_refused(folder, ERROR_FORMAT, "no model.safetensors", "'adapter_model.safetensors'");
    char *adapter = file_join(folder, "adapter_model.safetensors");
    unlink(adapter);
    free(adapter);
    put_text(folder, "other.pt", "x");
    assert_refused(folder, ERROR_FORMAT, "no model.safetensors", "'other.pt'");
    put_text(folder, "pytorch_model.bin", "PK\3\4");
    assert_refused(folder, ERROR_FORMAT, "pytorch_model.bin: 4 bytes of a zip archive", "cut short");
    put_bytes(folder, "pytorch_model.bin", "\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.", 15);
    assert_refused(folder, ERROR_UNSUPPORTED, "pytorch_model.bin: is a PyTorch pickle from before 1.6", "convert");
    assert_refused(bin, ERROR_UNSUPPORTED, "is a PyTorch pickle", "convert");
    put_text(folder, "model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n");
    assert_refused(folder, ERROR_FORMAT, "model.safetensors", "Git LFS pointer");
    free(bin);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_file), cmocka_unit_test(test_shards),   cmocka_unit_test(test_wrong_shards),
        cmocka_unit_test(test_links),    cmocka_unit_test(test_no_model),
        cmocka_unit_test(test_pytorch_files), cmocka_unit_test(test_pytorch_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
