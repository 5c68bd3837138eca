#include "check.h"

static void test_vocabulary(void **state)
{
    (void)state;
    static const struct { const char *vocab, *tells;
    } cases[] = {
        {"[]", "vocab"},
        {"{\"a\":-1}", "-1"},
        {"{\"a\":4194304}", "4194304"},
        {"{\"a\":9223372036854775807}", "9223372036854775807"},
        {"{\"a\":1.5}", "'a'"},
        {"{\"a\":\"1\"}", "'a'"},
        {"{\"a\":1,\"b\":1}", "both have id 1"},
        {"{\"a\":1,\"a\":2}", "duplicate"},
        {"null", "vocab"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(((parts){.vocab = cases[i].vocab, .merges = "[]"}), ERROR_FORMAT, cases[i].tells);
    tokenizer *t = make_tokenizer((parts){.vocab = "{}", .merges = "[]"});
    assert_int_equal(tokenizer_size(t), 0);
    assert_ids(t, "abc", true, "");
    tokenizer_free(t);
    t = make_tokenizer((parts){.vocab = "{\"\":0,\"a\":4194303}", .merges = "[]"});
    assert_int_equal(tokenizer_size(t), 4194304);
    assert_ids(t, "aa", false, "4194303 4194303");
    tokenizer_free(t);
}

static void test_merges(void **state)
{
    (void)state;
    static const struct { const char *merges, *tells;
    } cases[] = {
        {"{}", "merges"},
        {"null", "merges"},
        {"[3]", "merge 0"},
        {"[\"a\"]", "merge 0"},
        {"[\"a b\",\"a b c\"]", "merge 1"},
        {"[\"a  b\"]", "merge 0"},
        {"[\"\"]", "merge 0"},
        {"[[\"a\"]]", "merge 0"},
        {"[[\"a\",\"b\",\"c\"]]", "merge 0"},
        {"[[\"a\",3]]", "merge 0"},
        {"[\"a z\"]", "not in the vocabulary"},
        {"[\"z a\"]", "'za' is not in the vocabulary"},
        {"[\"b a\"]", "'ba' is not in the vocabulary"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(((parts){.merges = cases[i].merges}), ERROR_FORMAT, cases[i].tells);
    tokenizer *t = make_tokenizer((parts){.merges = "[\"#version: 0.2\",\"a b\",[\"a\",\"b\"]]"});
    assert_ids(t, "ab", false, "3");
    tokenizer_free(t);
}

static void test_options(void **state)
{
    (void)state;
    assert_refused(((parts){.model = ",\"dropout\":0.1"}), ERROR_UNSUPPORTED, "dropout", "0.1");
    assert_refused(((parts){.model = ",\"byte_fallback\":1"}), ERROR_FORMAT, "byte_fallback");
    assert_refused(((parts){.model = ",\"unk_token\":1"}), ERROR_FORMAT, "unk_token");
    assert_refused(((parts){.model = ",\"continuing_subword_prefix\":\"##\""}), ERROR_FORMAT, "merge 0",
                   "continuing_subword_prefix");
    tokenizer *t =
        make_tokenizer((parts){.model = ",\"dropout\":null,\"continuing_subword_prefix\":\"\",\"end_of_word_suffix\":null"});
    assert_ids(t, "abc", false, "3 2");
    tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vocabulary), cmocka_unit_test(test_merges),
                                       cmocka_unit_test(test_options)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
