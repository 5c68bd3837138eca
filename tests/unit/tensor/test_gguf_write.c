#include "gguf_craft.h"

#include "base/json.h"

static checkpoint *open_path(const char *path)
{
    error err = {0};
    checkpoint *c = checkpoint_open_lazy(path, &err);
    if (!c)
        fail_msg("%s", err.text);
    return c;
}

static void write_gguf(const char *from, const char *to, const gguf_options *o)
{
    error err = {0};
    checkpoint *c = open_path(from);
    if (gguf_write(c, to, o, &err) != 0)
        fail_msg("%s", err.text);
    checkpoint_free(c);
}

static gguf *parse_path(const char *path, buffer **file)
{
    error err = {0};
    *file = buffer_map(path, &err);
    gguf *g = *file ? gguf_parse(*file, path, &err) : NULL;
    if (!g)
        fail_msg("%s", err.text);
    return g;
}

/* Order, type and bytes of every tensor are the converter's. */
static void assert_converters_tensors(const char *path, const json_t *wanted, const char *what)
{
    buffer *file;
    gguf *g = parse_path(path, &file);
    const char *name;
    json_t *one;
    size_t i = 0;
    assert_int_equal(g->n_tensors, json_object_size(wanted));
    json_object_foreach((json_t *)wanted, name, one) {
        const gguf_tensor *t = &g->tensors[i++];
        char hex[65];
        assert_string_equal(t->name, name);
        assert_string_equal(t->type->name, json_string_value(json_array_get(one, 0)));
        file_sha256(t->data, t->bytes, hex);
        if (strcmp(hex, json_string_value(json_array_get(one, 1))) != 0)
            fail_msg("%s: the bytes of %s differ", what, name);
    }
    gguf_free(g);
    buffer_free(file);
}

static void test_tensors_are_the_converters(void **state)
{
    (void)state;
    error err = {0};
    char *folder = new_folder(), *out = file_join(folder, "x.gguf");
    json_t *digests = json_read(GOLDENS "digests.json", 0, &err);
    static const char *const models[] = {"llama", "qwen2"}, *const types[] = {"f32", "f16", "bf16", "q8_0"};
    for (size_t m = 0; m < 2; m++)
        for (size_t k = 0; k < 4; k++) {
            char *from = memory_print(GOLDENS "%s", models[m]), *what = memory_print("%s-%s", models[m], types[k]);
            write_gguf(from, out, &(gguf_options){.type = quant_named(types[k]), .replace = true});
            assert_converters_tensors(out, json_object_get(digests, what), what);
            free(from);
            free(what);
        }
    assert_int_equal(count_entries(folder), 1);
    json_decref(digests);
    free(out);
    remove_folder(folder);
}

static bool may_differ(const char *key)
{
    return strcmp(key, "general.name") == 0 || strcmp(key, "tokenizer.ggml.scores") == 0 || strcmp(key, "tokenizer.ggml.add_sep_token") == 0;
}

static void test_metadata_is_the_converters(void **state)
{
    (void)state;
    char *folder = new_folder(), *out = file_join(folder, "x.gguf");
    static const char *const models[][2] = {{"llama", "llama-bf16.gguf"}, {"qwen2", "qwen2-bf16.gguf"}};
    for (size_t m = 0; m < 2; m++) {
        char *from = memory_print(GOLDENS "%s", models[m][0]), *theirs = memory_print(GOLDENS "%s", models[m][1]);
        buffer *a, *b;
        write_gguf(from, out, &(gguf_options){.replace = true});
        gguf *ours = parse_path(out, &a), *wanted = parse_path(theirs, &b);
        for (size_t i = 0; i < wanted->n_entries; i++) {
            const gguf_entry *w = &wanted->entries[i], *o = gguf_find(ours, w->key);
            bool same = o && o->kind == w->kind && o->array == w->array && o->count == w->count && o->bytes == w->bytes && memcmp(o->data, w->data, w->bytes) == 0;
            if (!same && !may_differ(w->key))
                fail_msg("%s: %s", models[m][0], w->key);
        }
        gguf_free(ours);
        gguf_free(wanted);
        buffer_free(a);
        buffer_free(b);
        free(from);
        free(theirs);
    }
    free(out);
    remove_folder(folder);
}

/* A GGUF file written again is the same but for its name and the order of the entries. */
static void test_there_and_back(void **state)
{
    (void)state;
    char *folder = new_folder(), *once = file_join(folder, "once.gguf"), *twice = file_join(folder, "twice.gguf");
    write_gguf(GOLDENS "llama", once, &(gguf_options){.name = "same"});
    write_gguf(once, twice, &(gguf_options){.name = "same"});
    buffer *a, *b;
    gguf *x = parse_path(once, &a), *y = parse_path(twice, &b);
    assert_int_equal(x->n_entries, y->n_entries);
    assert_int_equal(x->n_tensors, y->n_tensors);
    assert_int_equal(buffer_size(a), buffer_size(b));
    for (size_t i = 0; i < x->n_entries; i++)
        if (strcmp(x->entries[i].key, y->entries[i].key) != 0 || x->entries[i].bytes != y->entries[i].bytes ||
            memcmp(x->entries[i].data, y->entries[i].data, x->entries[i].bytes) != 0)
            fail_msg("%s", x->entries[i].key);
    assert_memory_equal(x->tensors[0].data, y->tensors[0].data, buffer_size(a) - x->header_bytes);
    gguf_free(x);
    gguf_free(y);
    buffer_free(a);
    buffer_free(b);
    free(once);
    free(twice);
    remove_folder(folder);
}

static void test_what_is_refused_leaves_nothing(void **state)
{
    (void)state;
    error err = {0};
    char *folder = new_folder(), *out = file_join(folder, "x.gguf");
    checkpoint *c = open_path(GOLDENS "llama");
    assert_int_equal(gguf_write(c, out, &(gguf_options){.type = quant_named("q4_k")}, &err), -1);
    assert_error(&err, ERROR_USAGE, "Q4_K is not written");
    checkpoint_free(c);
    assert_int_equal(count_entries(folder), 0);

    write_gguf(GOLDENS "llama", out, NULL);
    c = open_path(out);
    assert_int_equal(gguf_write(c, out, NULL, &err), -1);
    assert_error(&err, ERROR_USAGE, "exists already");
    assert_int_equal(gguf_write(c, out, &(gguf_options){.replace = true}, &err), -1);
    assert_error(&err, ERROR_USAGE, "would replace the input");
    json_object_set_new(c->config, "model_type", json_string("bert"));
    char *other = file_join(folder, "y.gguf");
    assert_int_equal(gguf_write(c, other, NULL, &err), -1);
    assert_error(&err, ERROR_UNSUPPORTED, "bert", "llama");
    checkpoint_free(c);
    assert_int_equal(count_entries(folder), 1);
    free(other);
    free(out);
    remove_folder(folder);
}

/* 1e6 has no place in F16. */
static void test_numbers_that_a_type_cannot_hold(void **state)
{
    (void)state;
    error err = {0};
    char *folder = new_folder(), *out = file_join(folder, "x.gguf");
    checkpoint *c = open_path(GOLDENS "llama");
    const tensor *t = checkpoint_find(c, "model.layers.0.self_attn.q_proj.weight");
    buffer *b = buffer_new(tensor_bytes(t), "copy", &err);
    memcpy(buffer_bytes(b), t->data, tensor_bytes(t));
    ((uint16_t *)buffer_bytes(b))[5 * 32] = bf16_from_f32(1e6f);
    ((tensor *)t)->data = buffer_bytes(b);
    assert_int_equal(gguf_write(c, out, &(gguf_options){.type = quant_named("f16")}, &err), -1);
    assert_error(&err, ERROR_NOT_FINITE, "model.layers.0.self_attn.q_proj.weight", "row 5", "F16");
    assert_int_equal(count_entries(folder), 0);
    checkpoint_free(c);
    buffer_free(b);
    free(out);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensors_are_the_converters),       cmocka_unit_test(test_metadata_is_the_converters),
        cmocka_unit_test(test_there_and_back),                   cmocka_unit_test(test_what_is_refused_leaves_nothing),
        cmocka_unit_test(test_numbers_that_a_type_cannot_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
