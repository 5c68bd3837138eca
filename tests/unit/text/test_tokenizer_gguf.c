/* A tokenizer out of a GGUF file gives the ids of the one that the file was made of. */
#include "check.h"

#include "tensor/gguf_model.h"

#define GGUF_GOLDENS SOURCE_DIR "/tests/goldens/gguf/"

static const char *const texts[] = {"", "the hat and the other", "  two  spaces ", "日本 x 語\n\n", "</s><s> in between <|endoftext|>", "don't 12345 THE", "\t\xF0\x9F\x99\x82"};

static void assert_same_ids(const char *one, const char *other)
{
    error err = {0};
    tokenizer *a = tokenizer_open(one, &err), *b = a ? tokenizer_open(other, &err) : NULL;
    if (!b)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        token_list x = {0}, y = {0};
        assert_int_equal(tokenizer_encode(a, texts[i], strlen(texts[i]), true, &x, &err), 0);
        assert_int_equal(tokenizer_encode(b, texts[i], strlen(texts[i]), true, &y, &err), 0);
        if (x.count != y.count || (x.count && memcmp(x.id, y.id, x.count * sizeof *x.id) != 0))
            fail_msg("%s: '%s'", other, texts[i]);
        char *back = tokenizer_decode(a, x.id, x.count, true, NULL), *again = tokenizer_decode(b, y.id, y.count, true, NULL);
        assert_string_equal(back, again);
        free(back);
        free(again);
        token_list_free(&x);
        token_list_free(&y);
    }
    assert_int_equal(tokenizer_eos(a), tokenizer_eos(b));
    assert_int_equal(tokenizer_bos(a), tokenizer_bos(b));
    tokenizer_free(a);
    tokenizer_free(b);
}

static void test_the_converters_files(void **state)
{
    (void)state;
    assert_same_ids(GGUF_GOLDENS "qwen2", GGUF_GOLDENS "qwen2-bf16.gguf");
}

/* Through scores, which the converter does not write for a tokenizer.json. */
static void test_our_own_files(void **state)
{
    (void)state;
    error err = {0};
    char *folder = new_folder(), *out = file_join(folder, "x.gguf");
    static const char *const models[] = {GGUF_GOLDENS "llama", GGUF_GOLDENS "qwen2"};
    for (size_t i = 0; i < 2; i++) {
        checkpoint *c = checkpoint_open(models[i], &err);
        assert_non_null(c);
        if (gguf_write(c, out, &(gguf_options){.replace = true}, &err) != 0)
            fail_msg("%s", err.text);
        checkpoint_free(c);
        assert_same_ids(models[i], out);
    }
    free(out);
    remove_folder(folder);
}

static void test_companions_of_a_folder(void **state)
{
    (void)state;
    error err = {0};
    char *folder = new_folder(), *out = file_join(folder, "out");
    checkpoint *c = checkpoint_open(GGUF_GOLDENS "qwen2-bf16.gguf", &err);
    assert_non_null(c);
    if (checkpoint_write(c, out, NULL, &err) != 0)
        fail_msg("%s", err.text);
    assert_same_ids(GGUF_GOLDENS "qwen2", out);
    checkpoint_free(c);
    free(out);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_converters_files),
        cmocka_unit_test(test_our_own_files),
        cmocka_unit_test(test_companions_of_a_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
