#include "gguf_craft.h"

#include "base/json.h"
#include "tensor/gguf_tokenizer.h"

static void put_tokens(string *s, const char *const *tokens, size_t n)
{
    string list = {0};
    for (size_t i = 0; i < n; i++)
        gguf_add_text(&list, tokens[i], strlen(tokens[i]));
    gguf_put_array(s, "tokenizer.ggml.tokens", GGUF_TEXT, n, list.text, list.length);
    free(list.text);
}

static int read_crafted(string *s, json_t **tokenizer, json_t **config, error *err)
{
    buffer *b = gguf_buffer(s);
    gguf *g = gguf_parse(b, "x.gguf", err);
    if (!g)
        fail_msg("%s", err->text);
    int status = gguf_tokenizer_read(g, tokenizer, config, err);
    gguf_free(g);
    buffer_free(b);
    free(s->text);
    return status;
}

#define assert_refused(s, code, ...)                                        \
    do {                                                                    \
        error err_ = {0};                                                   \
        json_t *tokenizer_, *config_;                                       \
        assert_int_equal(read_crafted(s, &tokenizer_, &config_, &err_), -1); \
        assert_null(tokenizer_);                                            \
        assert_error(&err_, code, "x.gguf", __VA_ARGS__);                   \
    } while (0)

static string byte_level(const char *pre, uint64_t entries)
{
    string s = gguf_head(0, entries + 2);
    gguf_put_text(&s, "tokenizer.ggml.model", "gpt2", 4);
    gguf_put_text(&s, "tokenizer.ggml.pre", pre, strlen(pre));
    return s;
}

static string pieces(uint64_t entries)
{
    string s = gguf_head(0, entries + 1);
    gguf_put_text(&s, "tokenizer.ggml.model", "llama", 5);
    return s;
}

static const char *const abc[] = {"a", "b", "ab"}, *const twice[] = {"a", "b", "a"}, *const broken[] = {"a", "\xFF", "b"}, *const empty[] = {"a", "", "b"};

static void test_what_is_refused(void **state)
{
    (void)state;
    string s = byte_level("viking", 1);
    put_tokens(&s, abc, 3);
    assert_refused(&s, ERROR_UNSUPPORTED, "'viking'");
    s = gguf_head(0, 2);
    gguf_put_text(&s, "tokenizer.ggml.model", "bert", 4);
    put_tokens(&s, abc, 3);
    assert_refused(&s, ERROR_UNSUPPORTED, "'bert'", "'llama' and 'gpt2'");
    s = byte_level("gpt-2", 1);
    put_tokens(&s, abc, 3);
    assert_refused(&s, ERROR_FORMAT, "tokenizer.ggml.merges");
    s = byte_level("gpt-2", 2);
    put_tokens(&s, abc, 3);
    gguf_put_array(&s, "tokenizer.ggml.merges", GGUF_TEXT, 1, "\2\0\0\0\0\0\0\0ab", 10);
    assert_refused(&s, ERROR_FORMAT, "merge 0");
    s = pieces(1);
    put_tokens(&s, twice, 3);
    assert_refused(&s, ERROR_FORMAT, "token 2, 'a', is there twice");
    s = pieces(1);
    put_tokens(&s, broken, 3);
    assert_refused(&s, ERROR_FORMAT, "token 1 is not valid UTF-8");
    s = pieces(1);
    put_tokens(&s, empty, 3);
    assert_refused(&s, ERROR_FORMAT, "token 1 has 0 bytes");
    s = pieces(2);
    put_tokens(&s, abc, 3);
    gguf_put_array(&s, "tokenizer.ggml.scores", GGUF_F32, 2, "\0\0\0\0\0\0\0\0", 8);
    assert_refused(&s, ERROR_FORMAT, "2 values for 3 tokens");
    s = pieces(2);
    put_tokens(&s, abc, 3);
    gguf_put_array(&s, "tokenizer.ggml.scores", GGUF_F32, 3, "\0\0\0\0\0\0\0\0\0\0\xC0\x7F", 12);
    assert_refused(&s, ERROR_FORMAT, "score of token 2 is not a number");
    s = pieces(2);
    put_tokens(&s, abc, 3);
    gguf_put_array(&s, "tokenizer.ggml.token_type", GGUF_F32, 3, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
    assert_refused(&s, ERROR_FORMAT, "tokenizer.ggml.token_type", "32-bit whole numbers");
}

static void test_merges_go_by_scores(void **state)
{
    (void)state;
    static const char *const tokens[] = {"<unk>", "a", "b", "ab", "aba", "ba"};
    const float scores[] = {0, -5, -5, -2, -3, -1};
    const int32_t types[] = {GGUF_TOKEN_UNKNOWN, 1, 1, 1, 1, 1};
    static const char *const wanted[][2] = {{"b", "a"}, {"a", "b"}, {"ab", "a"}, {"a", "ba"}};
    error err = {0};
    json_t *tokenizer, *config;
    string s = pieces(3);
    put_tokens(&s, tokens, 6);
    gguf_put_array(&s, "tokenizer.ggml.scores", GGUF_F32, 6, scores, sizeof scores);
    gguf_put_array(&s, "tokenizer.ggml.token_type", GGUF_I32, 6, types, sizeof types);
    assert_int_equal(read_crafted(&s, &tokenizer, &config, &err), 0);
    const json_t *merges = json_object_get(json_object_get(tokenizer, "model"), "merges");
    assert_int_equal(json_array_size(merges), 4);
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 2; k++)
            assert_string_equal(json_string_value(json_array_get(json_array_get(merges, i), k)), wanted[i][k]);
    assert_string_equal(json_string_value(json_object_get(json_object_get(tokenizer, "model"), "unk_token")), "<unk>");
    json_decref(tokenizer);
    json_decref(config);
}

static void test_no_tokenizer_is_no_error(void **state)
{
    (void)state;
    error err = {0};
    json_t *tokenizer, *config;
    string s = gguf_head(0, 0);
    assert_int_equal(read_crafted(&s, &tokenizer, &config, &err), 0);
    assert_null(tokenizer);
    assert_null(config);
}

/* Every pre-tokenizer is found again by what it does, under a name of the same row. */
static void test_pre_tokenizers_there_and_back(void **state)
{
    (void)state;
    static const char *const names[] = {"llama-bpe", "smaug-bpe", "qwen2", "gpt-2", "smollm", "tekken", "default", "deepseek-r1-qwen"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const gguf_pre *p = gguf_pre_named(names[i]);
        json_t *json = gguf_pre_json(p);
        assert_ptr_equal(gguf_pre_of(json, p->ignore_merges), p);
        json_decref(json);
    }
    assert_null(gguf_pre_named("viking"));
    assert_null(gguf_pre_of(NULL, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_merges_go_by_scores),
        cmocka_unit_test(test_no_tokenizer_is_no_error),
        cmocka_unit_test(test_pre_tokenizers_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
