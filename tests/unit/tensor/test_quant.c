#include "gguf_craft.h"

static const gguf_tensor *find(const gguf *g, const char *name)
{
    for (size_t i = 0; i < g->n_tensors; i++)
        if (strcmp(g->tensors[i].name, name) == 0)
            return &g->tensors[i];
    fail_msg("no %s", name);
    return NULL;
}

static gguf *open_blocks(buffer **file)
{
    error err = {0};
    *file = buffer_map(GOLDENS "blocks.gguf", &err);
    gguf *g = *file ? gguf_parse(*file, "blocks.gguf", &err) : NULL;
    if (!g)
        fail_msg("%s", err.text);
    return g;
}

static void test_blocks_stand_for_what_gguf_py_says(void **state)
{
    (void)state;
    buffer *file;
    gguf *g = open_blocks(&file);
    static const char *const names[] = {"Q8_0", "Q4_0", "Q4_K", "Q6_K"};
    for (size_t i = 0; i < 4; i++) {
        char plain[16];
        snprintf(plain, sizeof plain, "%s.f32", names[i]);
        const gguf_tensor *t = find(g, names[i]), *wanted = find(g, plain);
        float out[3 * 512];
        assert_string_equal(t->type->name, names[i]);
        assert_int_equal(wanted->bytes, sizeof out);
        quant_read(t->type, t->data, out, 3 * 512);
        for (size_t k = 0; k < 3 * 512; k++)
            if (memcmp(&out[k], wanted->data + 4 * k, 4) != 0)
                fail_msg("%s, element %zu: %.9g", names[i], k, (double)out[k]);
    }
    gguf_free(g);
    buffer_free(file);
}

static void test_q8_0_is_written_as_gguf_py_writes_it(void **state)
{
    (void)state;
    buffer *file;
    gguf *g = open_blocks(&file);
    const gguf_tensor *plain = find(g, "plain"), *wanted = find(g, "plain.q8_0");
    float numbers[8 * 128];
    unsigned char out[8 * 128 / 32 * 34];
    assert_int_equal(wanted->bytes, sizeof out);
    memcpy(numbers, plain->data, sizeof numbers);
    assert_int_equal(quant_write_q8_0(numbers, out, 8 * 128), 0);
    for (size_t k = 0; k < sizeof out; k++)
        if (out[k] != wanted->data[k])
            fail_msg("block %zu, byte %zu: %d, wanted %d", k / 34, k % 34, out[k], wanted->data[k]);
    numbers[100] = 127 * 65519.0f;          /* the largest that a block's scale, an F16, can stand for, and a larger one */
    assert_int_equal(quant_write_q8_0(numbers, out, 8 * 128), 0);
    numbers[100] = 127 * 65521.0f;
    assert_int_equal(quant_write_q8_0(numbers, out, 8 * 128), -1);
    gguf_free(g);
    buffer_free(file);
}

static void test_types_by_number_and_name(void **state)
{
    (void)state;
    assert_string_equal(quant_find(30)->name, "BF16");
    assert_int_equal(quant_find(30)->dtype, DTYPE_BF16);
    assert_ptr_equal(quant_named("q8_0"), quant_find(8));
    assert_null(quant_find(4));   /* Q4_2, withdrawn */
    assert_null(quant_named("q9"));
    assert_false(quant_named("Q5_K")->known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_stand_for_what_gguf_py_says),
        cmocka_unit_test(test_q8_0_is_written_as_gguf_py_writes_it),
        cmocka_unit_test(test_types_by_number_and_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
