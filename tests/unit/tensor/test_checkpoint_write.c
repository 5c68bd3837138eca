#include "craft.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/json.h"

enum { WIDTH = 1000 };

/* A model in memory whose tokenizer lies in `folder`. */
static checkpoint *new_model(const char *folder)
{
    error err;
    const checkpoint_item items[] = {
        {"model.embed_tokens.weight", {.dtype = DTYPE_BF16, .rank = 2, .shape = {4, WIDTH}}},
        {"model.layers.0.a.weight", {.dtype = DTYPE_BF16, .rank = 2, .shape = {3, WIDTH}}},
        {"model.layers.1.a.weight", {.dtype = DTYPE_F32, .rank = 2, .shape = {2, WIDTH}}},
        {"model.position", {.dtype = DTYPE_U8, .rank = 1, .shape = {3}}},
        {"lm_head.weight", {.dtype = DTYPE_BF16, .rank = 2, .shape = {4, WIDTH}}},
    };
    json_t *config = json_pack("{s:s, s:i}", "torch_dtype", "float16", "num_hidden_layers", 7);
    checkpoint *c = checkpoint_new("m", folder, config, items, 5, &err);
    json_decref(config);
    for (size_t i = 0; i < c->count; i++)
        memset(c->items[i].tensor.data, (int)i + 1, tensor_bytes(&c->items[i].tensor));
    return c;
}

static void assert_equal_tensors(const checkpoint *a, const checkpoint *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        const tensor *x = &a->items[i].tensor, *y = &b->items[i].tensor;
        assert_string_equal(a->items[i].name, b->items[i].name);
        assert_int_equal(x->dtype, y->dtype);
        assert_true(tensor_same_shape(x, y));
        assert_memory_equal(x->data, y->data, tensor_bytes(x));
    }
}

struct place {
    char *folder, *source, *out, *partial;
};

static struct place new_place(void)
{
    error err;
    struct place p = {.folder = new_folder()};
    p.source = file_join(p.folder, "source");
    p.out = file_join(p.folder, "out");
    p.partial = file_partial(p.out);
    assert_int_equal(file_make_folders(p.source, &err), 0);
    put_text(p.source, "tokenizer.json", "{\"t\": 1}");
    put_text(p.source, "generation_config.json", "{}");
    put_text(p.source, "modeling_evil.py", "import os");
    return p;
}

static void free_place(struct place p)
{
    free(p.source);
    free(p.out);
    free(p.partial);
    remove_folder(p.folder);
}

static void test_written_and_read_back(void **state)
{
    (void)state;
    /* Shards of at most this many bytes; the widest tensor has 8000. */
    const struct {
        uint64_t limit;
        int files;
    } cases[] = {{0, 1}, {30003, 1}, {30002, 3}, {8000, 5}, {1, 6}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err;
        struct place p = new_place();
        checkpoint *c = new_model(p.source), *back;
        const struct checkpoint_file extra[] = {{"recipe.yml", "models: []\n"}, {"generation_config.json", "{\"mine\": 1}"}};
        const checkpoint_write_options o = {.shard_bytes = cases[i].limit, .files = extra, .n_files = 2};
        if (checkpoint_write(c, p.out, &o, &err) != 0)
            fail_msg("%s", err.text);
        assert_false(file_exists(p.partial));
        assert_int_equal(count_entries(p.out), cases[i].files + 4);
        back = checkpoint_open(p.out, &err);
        if (!back)
            fail_msg("%s", err.text);
        assert_equal_tensors(c, back);
        for (size_t k = 0; k < back->count; k++)
            assert_int_equal((uintptr_t)back->items[k].tensor.data % dtype_size(back->items[k].tensor.dtype), 0);
        assert_string_equal(json_string_value(json_object_get(back->config, "torch_dtype")), "bfloat16");
        assert_int_equal(json_integer_value(json_object_get(back->config, "num_hidden_layers")), 2);
        size_t n;
        char *path = file_join(p.out, "generation_config.json"), *text = file_read(path, 100, &n, &err);
        assert_string_equal(text, "{\"mine\": 1}");
        free(text);
        free(path);
        checkpoint_free(back);
        checkpoint_free(c);
        free_place(p);
    }
}

static void test_existing_output(void **state)
{
    (void)state;
    error err;
    struct place p = new_place();
    checkpoint *c = new_model(p.source);
    assert_int_equal(file_make_folders(p.out, &err), 0);
    assert_int_equal(checkpoint_write(c, p.out, NULL, &err), 0);
    put_text(p.out, "mine.txt", "x");
    assert_int_equal(checkpoint_write(c, p.out, NULL, &err), -1);
    assert_error(&err, ERROR_USAGE, p.out, "exists already", "--force");
    assert_int_equal(checkpoint_write(c, p.out, &(checkpoint_write_options){.replace = true}, &err), 0);
    char *mine = file_join(p.out, "mine.txt");
    assert_false(file_exists(mine));
    assert_int_equal(count_entries(p.folder), 2);
    free(mine);
    checkpoint_free(c);
    free_place(p);
}

/* --force replaces models: nothing else is removed, nor what else went into the model. */
static void test_what_is_not_replaced(void **state)
{
    (void)state;
    error err;
    struct place p = new_place();
    checkpoint *c = new_model(p.source);
    char *file = file_join(p.out, "notes.txt"), *above = file_join(p.folder, "above"), *source = file_join(p.folder, "above/source"), *slash = memory_print("%s/", file);
    assert_int_equal(file_make_folders(p.out, &err), 0);
    put_text(p.out, "notes.txt", "x");
    assert_int_equal(checkpoint_write(c, p.out, &(checkpoint_write_options){.replace = true}, &err), -1);
    assert_error(&err, ERROR_USAGE, p.out, "without a model");
    assert_int_equal(checkpoint_write(c, slash, NULL, &err), -1);
    assert_error(&err, ERROR_USAGE, file, "exists already");
    assert_true(file_exists(file));
    assert_int_equal(file_make_folders(source, &err), 0);
    put_text(above, "config.json", "{}");
    assert_int_equal(checkpoint_write(c, above, &(checkpoint_write_options){.replace = true, .inputs = (const char *const[]){file, source}, .n_inputs = 2}, &err), -1);
    assert_error(&err, ERROR_USAGE, above, "replace the input", source);
    char *here = realpath(".", NULL);
    assert_int_equal(chdir(source), 0);
    assert_int_equal(checkpoint_write(c, above, &(checkpoint_write_options){.replace = true}, &err), -1);
    assert_error(&err, ERROR_USAGE, above, "current folder");
    assert_int_equal(chdir(here), 0);
    assert_int_equal(count_entries(p.folder), 3);
    free(here);
    free(file);
    free(above);
    free(source);
    free(slash);
    checkpoint_free(c);
    free_place(p);
}

static void test_the_input_is_never_the_output(void **state)
{
    (void)state;
    error err;
    struct place p = new_place();
    checkpoint *c = new_model(p.source);
    const checkpoint_write_options replace = {.replace = true};
    char *roundabout = memory_print("%s/../source/", p.source), *below = file_join(p.source, "below"), *partial = file_partial(p.source);
    const char *const outs[] = {p.source, roundabout, p.folder};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(checkpoint_write(c, outs[i], &replace, &err), -1);
        assert_error(&err, ERROR_USAGE, "replace the input", p.source);
    }
    assert_int_equal(checkpoint_write(c, below, NULL, &err), 0);
    assert_int_equal(checkpoint_write(c, p.out, NULL, &err), 0);
    checkpoint *written = checkpoint_open(p.out, &err);
    free(written->folder);
    written->folder = NULL;
    assert_int_equal(checkpoint_write(written, p.out, &replace, &err), -1);
    assert_error(&err, ERROR_USAGE, p.out, "replace the input", "model.safetensors");
    /* A source that is called like the partial output. */
    assert_int_equal(rename(p.source, partial), 0);
    free(c->folder);
    c->folder = memory_text(partial);
    assert_int_equal(checkpoint_write(c, p.source, NULL, &err), -1);
    assert_error(&err, ERROR_USAGE, partial, "replace the input");
    assert_true(file_exists(partial));
    checkpoint_free(written);
    checkpoint_free(c);
    free(roundabout);
    free(below);
    free(partial);
    free_place(p);
}

/* A full disk, played by the limit on a file's size. */
static void test_a_full_disk_leaves_the_old(void **state)
{
    (void)state;
    const rlim_t limits[] = {0, 100, 10000, 40000};
    for (int i = 0; i < 4; i++) {
        error err;
        struct place p = new_place();
        checkpoint *c = new_model(p.source);
        /* The last limit lets the tensors through and stops a companion. */
        char *large = memory_new(50000, 1);
        memset(large, ' ', 50000);
        put_bytes(p.source, "tokenizer.json", large, 50000);
        free(large);
        assert_int_equal(file_make_folders(p.out, &err), 0);
        put_text(p.out, "config.json", "{}");
        struct rlimit before, small;
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        small = before;
        small.rlim_cur = limits[i];
        void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        int status = checkpoint_write(c, p.out, &(checkpoint_write_options){.replace = true}, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        signal(SIGXFSZ, handler);
        assert_int_equal(status, -1);
        assert_error(&err, ERROR_IO, p.partial, "File too large", i == 3 ? "tokenizer.json" : "model.safetensors");
        assert_false(file_exists(p.partial));
        assert_int_equal(count_entries(p.folder), 2);
        assert_int_equal(count_entries(p.out), 1);
        checkpoint_free(c);
        free_place(p);
    }
}

static void test_a_source_cut_short_is_what_is_told(void **state)
{
    (void)state;
    error err;
    struct place p = new_place();
    checkpoint *c = new_model(p.source);
    assert_int_equal(checkpoint_write(c, p.out, NULL, &err), 0);
    checkpoint_free(c);
    c = checkpoint_open(p.out, &err);
    char *other = file_join(p.folder, "other"), *path = file_join(p.out, "model.safetensors");
    assert_int_equal(truncate(path, 5000), 0);
    assert_int_equal(checkpoint_write(c, other, NULL, &err), -1);
    assert_error(&err, ERROR_IO, path, "5000");
    assert_int_equal(count_entries(p.folder), 2);
    checkpoint_free(c);
    free(path);
    free(other);
    free_place(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_and_read_back),
        cmocka_unit_test(test_existing_output),
        cmocka_unit_test(test_what_is_not_replaced),
        cmocka_unit_test(test_the_input_is_never_the_output),
        cmocka_unit_test(test_a_full_disk_leaves_the_old),
        cmocka_unit_test(test_a_source_cut_short_is_what_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
