#include "check.h"

#include "pieces.h"

/* ids of make_pieces: ab 259, _a 260, _ab 261, cd 262, _ 263, a 264, b 265, c 266, d 267, s 268, < 269, > 270, / 271 */

static char *make_folder(const char *config)
{
    error err;
    char *folder = new_folder(), *path = file_join(folder, "tokenizer.model"), *beside = file_join(folder, "tokenizer_config.json");
    string model = make_pieces();
    assert_int_equal(file_write(path, model.text, model.length, &err), 0);
    if (config)
        assert_int_equal(file_write(beside, config, strlen(config), &err), 0);
    free(model.text);
    free(path);
    free(beside);
    return folder;
}

static tokenizer *open_with(const char *config)
{
    error err = {0};
    char *folder = make_folder(config);
    tokenizer *t = tokenizer_open(folder, &err);
    if (!t)
        fail_msg("%s", err.text);
    remove_folder(folder);
    return t;
}

static void assert_text(const tokenizer *t, const int32_t *ids, size_t n, bool skip, const char *wanted)
{
    char *text = tokenizer_decode(t, ids, n, skip, NULL);
    if (strcmp(text, wanted) != 0)
        fail_msg("'%s', wanted '%s'", text, wanted);
    free(text);
}

/* A model given as a file: the library's word alone. Control pieces are not found in text, and vanish. */
static void reads_a_file(void **state)
{
    (void)state;
    error err = {0};
    char *folder = make_folder("{\"add_bos_token\": false}"), *path = file_join(folder, "tokenizer.model");
    tokenizer *t = tokenizer_open(path, &err);
    assert_non_null(t);
    assert_int_equal(tokenizer_size(t), 272);
    assert_int_equal(tokenizer_bos(t), 1);
    assert_int_equal(tokenizer_eos(t), 2);
    assert_int_equal(tokenizer_find(t, "cd"), 262);
    assert_int_equal(tokenizer_find(t, "zz"), -1);
    assert_string_equal(tokenizer_text(t, 261), PIECE_SPACE "ab");
    assert_null(tokenizer_text(t, 272));
    assert_true(tokenizer_is_special(t, 0) && tokenizer_is_special(t, 1) && !tokenizer_is_special(t, 3) && !tokenizer_is_special(t, 272));
    assert_ids(t, "abcd", true, "1 261 262");
    assert_ids(t, "<s>ab", false, "263 269 268 270 259");
    assert_ids(t, "", true, "1");
    assert_ids(t, "\xE3\x81", false, "263 242 194 192 242 194 192");   /* U+FFFD for each byte, as bytes */
    assert_text(t, (const int32_t[]){1, 261, 262, 0, 2}, 5, false, "abcd \xE2\x81\x87 ");
    assert_text(t, (const int32_t[]){263, 261}, 2, false, " ab");
    assert_text(t, (const int32_t[]){3 + 0xE3, 3 + 0x81, 261}, 3, true, "\xEF\xBF\xBD\xEF\xBF\xBD ab");
    tokenizer_free(t);
    free(path);
    remove_folder(folder);
}

/* A folder: the named tokens and those of tokenizer_config.json are found in text; each text between them has its own space in front. */
static void finds_added_tokens(void **state)
{
    (void)state;
    tokenizer *t = open_with(NULL);
    assert_ids(t, "<s>ab</s>", true, "1 1 261 2");
    tokenizer_free(t);
    t = open_with("{\"add_bos_token\": false, \"add_eos_token\": true, \"pad_token\": \"<pad>\", \"added_tokens_decoder\": {\"272\": {\"content\": \"[x]\", \"lstrip\": true, \"special\": false}}}");
    assert_int_equal(tokenizer_size(t), 274);
    assert_int_equal(tokenizer_find(t, "<pad>"), 273);
    assert_true(tokenizer_is_special(t, 273) && !tokenizer_is_special(t, 272));
    assert_ids(t, "ab  [x]cd<pad>", true, "261 272 263 262 273 2");
    assert_text(t, (const int32_t[]){261, 272, 263, 262, 273, 2}, 6, true, "ab[x] cd");
    assert_text(t, (const int32_t[]){261, 272, 273, 2}, 4, false, "ab[x]<pad></s>");
    tokenizer_free(t);
    t = open_with("{\"eos_token\": {\"content\": \"cd\"}, \"bos_token\": \"<s>\"}");
    assert_int_equal(tokenizer_eos(t), 262);
    assert_ids(t, "abcd", true, "1 261 262");
    tokenizer_free(t);
}

/* "legacy": false: the space goes before the whole text alone. */
static void puts_one_space(void **state)
{
    (void)state;
    tokenizer *t = open_with("{\"legacy\": false}");
    assert_ids(t, "ab<s>ab", false, "261 1 259");
    assert_ids(t, "<s>ab", false, "1 259");
    assert_text(t, (const int32_t[]){261, 261}, 2, true, "ab ab");
    tokenizer_free(t);
    t = open_with("{\"legacy\": false, \"add_prefix_space\": false}");
    assert_ids(t, "ab ab", false, "259 261");
    assert_text(t, (const int32_t[]){261, 261}, 2, true, " ab ab");
    tokenizer_free(t);
}

static void digests_what_decides(void **state)
{
    (void)state;
    static const char *const configs[] = {NULL, "{\"legacy\": false}", "{\"add_bos_token\": false}", "{\"pad_token\": \"<pad>\"}"};
    char hex[4][65], again[65];
    for (size_t i = 0; i < 4; i++) {
        tokenizer *t = open_with(configs[i]);
        tokenizer_digest(t, hex[i]);
        tokenizer_free(t);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(hex[i], hex[k]);
    }
    tokenizer *t = open_with(NULL);
    tokenizer_digest(t, again);
    tokenizer_free(t);
    assert_string_equal(again, hex[0]);
}

static void refused(const char *config, enum error_code code, const char *a, const char *b)
{
    error err = {0};
    char *folder = make_folder(config);
    if (tokenizer_open(folder, &err))
        fail_msg("accepted: %s", config);
    assert_error(&err, code, a, b);
    remove_folder(folder);
}

static void refuses(void **state)
{
    (void)state;
    refused("{\"tokenizer_class\": \"T5Tokenizer\"}", ERROR_UNSUPPORTED, "T5Tokenizer", "save_pretrained");
    refused("{\"added_tokens_decoder\": {\"x\": {\"content\": \"y\"}}}", ERROR_FORMAT, "tokenizer_config.json", "'x'");
    refused("{\"added_tokens_decoder\": {\"5000000000\": {\"content\": \"y\"}}}", ERROR_FORMAT, "5000000000", "outside");
    refused("{\"added_tokens_decoder\": {\"5\": {\"content\": \"y\"}}}", ERROR_FORMAT, "'y'", "id 5");
    refused("{\"added_tokens_decoder\": {\"5\": {\"content\": \"ab\"}}}", ERROR_FORMAT, "'ab'", "259");
    refused("{\"legacy\": 1}", ERROR_FORMAT, "legacy", "true or false");
    refused("[]", ERROR_FORMAT, "tokenizer_config.json", "object");
}

/* What the library finds wrong, as one line: bytes that are not all there. */
static void tells_what_the_library_says(void **state)
{
    (void)state;
    error err = {0};
    string model = {0};
    put_piece(&model, "<unk>", 0, PIECE_UNKNOWN);
    put_piece(&model, "<0x41>", 0, PIECE_BYTE);
    put_spec(&model, 2, 35, 1);
    assert_null(piece_tokenizer_parse(model.text, model.length, "x.model", NULL, &err));
    assert_error(&err, ERROR_FORMAT, "x.model", "SentencePiece", "byte");
    free(model.text);
}

static void tells_models_from_json(void **state)
{
    (void)state;
    assert_false(piece_tokenizer_is("", 0));
    assert_false(piece_tokenizer_is("{}", 2));
    assert_false(piece_tokenizer_is("\n{}", 3));
    assert_false(piece_tokenizer_is("x", 1));
    assert_true(piece_tokenizer_is("\n\x0e\n\x05<unk>", 9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_file), cmocka_unit_test(finds_added_tokens), cmocka_unit_test(puts_one_space), cmocka_unit_test(digests_what_decides),
        cmocka_unit_test(refuses),      cmocka_unit_test(tells_what_the_library_says), cmocka_unit_test(tells_models_from_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
