#include "gguf_craft.h"

static checkpoint *open_model(const char *name)
{
    error err = {0};
    char *path = memory_print(GOLDENS "%s", name);
    checkpoint *c = checkpoint_open(path, &err);
    free(path);
    if (!c)
        fail_msg("%s", err.text);
    return c;
}

static void assert_same_numbers(const char *name, const tensor *a, const tensor *b)
{
    size_t n = (size_t)tensor_count(a);
    float *x = memory_new(2 * n, sizeof *x);
    assert_true(tensor_same_shape(a, b));
    dtype_to_f32(a->dtype, a->data, x, n);
    dtype_to_f32(b->dtype, b->data, x + n, n);
    if (memcmp(x, x + n, n * sizeof *x) != 0)
        fail_msg("%s differs", name);
    free(x);
}

/* The converter's file holds what the folder holds: names, shapes, numbers, rows of q and k in their places. */
static void test_the_converters_files_are_the_folders_they_were_made_of(void **state)
{
    (void)state;
    static const char *const models[][2] = {{"llama-bf16.gguf", "llama"}, {"qwen2-bf16.gguf", "qwen2"}};
    for (size_t m = 0; m < 2; m++) {
        checkpoint *file = open_model(models[m][0]), *folder = open_model(models[m][1]);
        assert_int_equal(file->count, folder->count);
        for (size_t i = 0; i < file->count; i++) {
            assert_string_equal(file->items[i].name, folder->items[i].name);
            assert_same_numbers(file->items[i].name, &file->items[i].tensor, &folder->items[i].tensor);
            assert_int_equal(file->items[i].tensor.dtype, file->items[i].tensor.rank == 1 ? DTYPE_F32 : DTYPE_BF16);
        }
        const char *key;
        json_t *value;
        json_object_foreach(folder->config, key, value)
            if (strcmp(key, "dtype") != 0 && !json_equal(value, json_object_get(file->config, key)))
                fail_msg("%s of %s", key, models[m][0]);
        checkpoint_free(file);
        checkpoint_free(folder);
    }
}

static void test_lazy_rows_come_in_any_pieces(void **state)
{
    (void)state;
    error err = {0};
    checkpoint *lazy = checkpoint_open_lazy(GOLDENS "llama-bf16.gguf", &err), *whole = open_model("llama-bf16.gguf");
    const tensor *a = checkpoint_find(lazy, "model.layers.1.self_attn.k_proj.weight"), *b = checkpoint_find(whole, "model.layers.1.self_attn.k_proj.weight");
    assert_null(a->data);
    uint16_t row[32];
    for (int64_t r = 0; r < 16; r++) {
        assert_int_equal(a->maker->make(a->maker, a, r, 1, row, &err), 0);
        assert_memory_equal(row, (const char *)b->data + 64 * r, 64);
    }
    checkpoint_free(lazy);
    checkpoint_free(whole);
}

static void test_a_digest(void **state)
{
    (void)state;
    error err = {0};
    char once[65], again[65];
    for (int i = 0; i < 2; i++) {
        checkpoint *c = open_model("qwen2-bf16.gguf");
        assert_int_equal(checkpoint_digest_sampled(c, i ? again : once, &err), 0);
        checkpoint_free(c);
    }
    assert_string_equal(once, again);
}

/* The metadata of a one-layer model of 4 numbers, and room for entries and tensors that a test adds. */
static string small(const char *architecture, uint64_t entries, uint64_t tensors)
{
    string s = gguf_head(tensors, entries + 7);
    gguf_put_text(&s, "general.architecture", architecture, strlen(architecture));
    gguf_put_u32(&s, "llama.block_count", 1);
    gguf_put_u32(&s, "llama.embedding_length", 4);
    gguf_put_u32(&s, "llama.feed_forward_length", 4);
    gguf_put_u32(&s, "llama.attention.head_count", 2);
    gguf_put_u32(&s, "llama.context_length", 16);
    gguf_put_f32(&s, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    return s;
}

static checkpoint *open_crafted(string *s, error *err)
{
    checkpoint *c = memory_new(1, sizeof *c);
    c->name = memory_text("x.gguf");
    int status = gguf_open_buffer(c, gguf_buffer(s), "x.gguf", err);
    free(s->text);
    if (status == 0)
        return c;
    checkpoint_free(c);
    return NULL;
}

static const uint64_t matrix[] = {4, 2};

static void test_what_is_refused_by_name(void **state)
{
    (void)state;
    error err = {0};
    string s = small("gemma4", 0, 0);
    assert_null(open_crafted(&s, &err));
    assert_error(&err, ERROR_UNSUPPORTED, "x.gguf", "gemma4", "llama (Mistral too), qwen2 and qwen3");
    s = small("llama", 1, 0);
    gguf_put_u32(&s, "split.count", 3);
    assert_null(open_crafted(&s, &err));
    assert_error(&err, ERROR_UNSUPPORTED, "one of 3 files");
    s = small("llama", 0, 0);
    assert_null(open_crafted(&s, &err));
    assert_error(&err, ERROR_FORMAT, "token_embd.weight");
    s = small("llama", 0, 2);
    put_info(&s, "token_embd.weight", 2, matrix, 0, 0);
    put_info(&s, "blk.0.ffn_gate_exps.weight", 2, matrix, 0, 32);
    put_data(&s, 64);
    assert_null(open_crafted(&s, &err));
    assert_error(&err, ERROR_UNSUPPORTED, "blk.0.ffn_gate_exps.weight");
    s = small("llama", 0, 2);
    put_info(&s, "token_embd.weight", 2, matrix, 0, 0);
    put_info(&s, "blk.0.attn_q.weight", 2, matrix, 0, 32);
    put_data(&s, 64);
    assert_null(open_crafted(&s, &err));
    assert_error(&err, ERROR_FORMAT, "blk.0.attn_q.weight", "4 rows", "2 heads of 2");
    s = small("llama", 1, 2);
    gguf_put_u32(&s, "llama.attention.key_length", 4);
    put_info(&s, "token_embd.weight", 2, matrix, 0, 0);
    put_info(&s, "rope_freqs.weight", 1, (const uint64_t[]){2}, 0, 32);
    put_data(&s, 64);
    assert_null(open_crafted(&s, &err));
    assert_error(&err, ERROR_UNSUPPORTED, "rope_freqs.weight", "Llama 3");
}

static void test_a_window_makes_it_mistral(void **state)
{
    (void)state;
    error err = {0};
    string s = small("llama", 1, 1);
    gguf_put_u32(&s, "llama.attention.sliding_window", 8);
    put_info(&s, "token_embd.weight", 2, matrix, 0, 0);
    put_data(&s, 32);
    checkpoint *c = open_crafted(&s, &err);
    if (!c)
        fail_msg("%s", err.text);
    assert_string_equal(json_string_value(json_object_get(c->config, "model_type")), "mistral");
    assert_int_equal(json_integer_value(json_object_get(c->config, "sliding_window")), 8);
    assert_true(json_is_true(json_object_get(c->config, "tie_word_embeddings")));
    assert_true(json_number_value(json_object_get(c->config, "rms_norm_eps")) == 1e-5);
    checkpoint_free(c);
}

static void test_numbers_that_are_not_finite_are_found(void **state)
{
    (void)state;
    error err = {0};
    string s = small("llama", 0, 2);
    put_info(&s, "token_embd.weight", 2, (const uint64_t[]){32, 3}, 8, 0);
    put_info(&s, "output_norm.weight", 1, (const uint64_t[]){8}, 0, 128);
    put_data(&s, 128 + 32);
    memcpy(s.text + s.length - 160 + 2 * 34, "\0\x7E", 2);   /* the third row's scale is NaN */
    checkpoint *c = open_crafted(&s, &err);
    if (!c)
        fail_msg("%s", err.text);
    assert_int_equal(checkpoint_make(c, NULL, &err), 0);
    assert_int_equal(checkpoint_check_finite(c, NULL, &err), -1);
    assert_error(&err, ERROR_NOT_FINITE, "model.embed_tokens.weight", "element 64");
    checkpoint_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_converters_files_are_the_folders_they_were_made_of),
        cmocka_unit_test(test_lazy_rows_come_in_any_pieces),
        cmocka_unit_test(test_a_digest),
        cmocka_unit_test(test_what_is_refused_by_name),
        cmocka_unit_test(test_a_window_makes_it_mistral),
        cmocka_unit_test(test_numbers_that_are_not_finite_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
