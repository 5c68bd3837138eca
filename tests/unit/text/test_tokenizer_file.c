#include "check.h"

#include "text/tokenizer_file.h"

static char *folder;

static void put(const char *name, const char *text)
{
    error err = {0};
    char *path = file_join(folder, name);
    assert_int_equal(file_write(path, text, strlen(text), &err), 0);
    free(path);
}

static void put_tokenizer(parts p)
{
    static const char *const beside[] = {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"};
    for (size_t i = 0; i < 3; i++) {
        char *path = file_join(folder, beside[i]);
        remove(path);
        free(path);
    }
    char *json = make_json(p);
    put("tokenizer.json", json);
    free(json);
}

static tokenizer_file *must_open(void)
{
    error err = {0};
    tokenizer_file *f = tokenizer_file_open(folder, &err);
    if (!f)
        fail_msg("%s", err.text);
    return f;
}

static bool flag(const tokenizer_file *f, const char *token, const char *name)
{
    const json_t *entry = tokenizer_file_added(f, tokenizer_file_find(f, token));
    assert_non_null(entry);
    return json_is_true(json_object_get(entry, name));
}

#define PAD "[{\"id\": 6, \"content\": \"<pad>\", \"lstrip\": true, \"normalized\": false, \"special\": false}]"

static void adds_tokens_behind_the_last(void **state)
{
    (void)state;
    error err = {0};
    put_tokenizer((parts){.added = PAD});
    tokenizer_file *f = must_open(), *copy = tokenizer_file_copy(f);
    assert_int_equal(tokenizer_file_size(f), 7);
    assert_int_equal(tokenizer_file_find(f, "<pad>"), 6);
    assert_null(tokenizer_file_added(f, tokenizer_file_find(f, "ab")));
    assert_int_equal(tokenizer_file_add(f, "new", NULL, &err), 0);
    assert_int_equal(tokenizer_file_add(f, "other", tokenizer_file_added(f, 6), &err), 0);
    assert_int_equal(tokenizer_file_add(f, "ab", NULL, &err), 0);
    assert_int_equal(tokenizer_file_find(f, "new"), 7);
    assert_int_equal(tokenizer_file_find(f, "other"), 8);
    assert_true(flag(f, "new", "normalized") && !flag(f, "new", "special") && flag(f, "other", "lstrip") && !flag(f, "other", "normalized"));
    assert_int_equal(tokenizer_file_size(copy), 7);
    /* what is written is read by the reader that encodes: "ab" is an added token now and stands as "new" does */
    char *json = tokenizer_file_json(f);
    tokenizer *t = tokenizer_parse(json, strlen(json), "written", &err);
    assert_non_null(t);
    token_list ids = {0};
    assert_int_equal(tokenizer_encode(t, "anewab<pad>", 11, false, &ids, &err), 0);
    const int32_t wanted[] = {0, 7, 3, 6};
    assert_int_equal(ids.count, 4);
    assert_memory_equal(ids.id, wanted, sizeof wanted);
    token_list_free(&ids);
    tokenizer_free(t);
    free(json);
    tokenizer_file_free(copy);
    tokenizer_file_free(f);
}

/* The order is that of transformers: what is listed by id, bos to mask, other names, the extra ones. */
static void knows_what_stands_beside_it(void **state)
{
    (void)state;
    put_tokenizer((parts){.added = PAD});
    put("tokenizer_config.json", "{\"model_max_length\": 1000000000000000019884624838656, \"size\": 12, \"mask_token\": \"<m>\", \"eos_token\": {\"content\": \"<e>\", \"rstrip\": true}, "
                                 "\"pad_token\": \"<pad>\", \"image_token\": \"<i>\", \"additional_special_tokens\": [\"<x>\", \"ab\"], \"chat_template\": \"T\", "
                                 "\"added_tokens_decoder\": {\"9\": {\"content\": \"late\"}, \"8\": {\"content\": \"early\", \"special\": true}}}");
    put("special_tokens_map.json", "{\"bos_token\": \"ignored\"}");
    tokenizer_file *f = must_open();
    const char *const order[] = {"early", "late", "<e>", "<m>", "<i>", "<x>"};
    for (int32_t i = 0; i < 6; i++)
        assert_string_equal(tokenizer_file_text(f, 7 + i), order[i]);
    assert_int_equal(tokenizer_file_size(f), 13);
    assert_true(flag(f, "<pad>", "special") && flag(f, "<pad>", "lstrip") && flag(f, "<e>", "rstrip") && flag(f, "ab", "special") && !flag(f, "late", "special"));
    char *with = tokenizer_file_config(f, true), *without = tokenizer_file_config(f, false);
    assert_non_null(strstr(with, "\"size\": 12,"));
    assert_non_null(strstr(with, "chat_template"));
    assert_null(strstr(without, "chat_template"));
    assert_null(strstr(with, "added_tokens_decoder"));
    free(with);
    free(without);
    tokenizer_file_free(f);

    put_tokenizer((parts){0});
    put("special_tokens_map.json", "{\"bos_token\": {\"content\": \"<s>\"}}");
    put("added_tokens.json", "{\"two\": 7, \"one\": 6}");
    f = must_open();
    assert_int_equal(tokenizer_file_find(f, "one"), 6);
    assert_int_equal(tokenizer_file_find(f, "two"), 7);
    assert_int_equal(tokenizer_file_find(f, "<s>"), 8);
    with = tokenizer_file_config(f, true);
    assert_non_null(strstr(with, "bos_token"));
    free(with);
    tokenizer_file_free(f);
}

static void strips_tokens_without_rows(void **state)
{
    (void)state;
    error err = {0};
    put_tokenizer((parts){.vocab = "{\"a\":0,\"b\":1,\"c\":2,\"bc\":3,\"ab\":4,\"abc\":5}", .merges = "[\"b c\", [\"a\", \"b\"], \"ab c\"]", .added = PAD});
    put("tokenizer_config.json", "{\"pad_token\": \"<pad>\", \"eos_token\": \"b\"}");
    tokenizer_file *f = must_open();
    assert_int_equal(tokenizer_file_strip(f, 7, &err), 0);
    assert_int_equal(tokenizer_file_size(f), 7);
    assert_int_equal(tokenizer_file_strip(f, 4, &err), 0);
    assert_int_equal(tokenizer_file_size(f), 4);
    assert_int_equal(tokenizer_file_find(f, "<pad>"), -1);
    char *json = tokenizer_file_json(f), *config = tokenizer_file_config(f, true);
    tokenizer *t = tokenizer_parse(json, strlen(json), "written", &err);
    if (!t)
        fail_msg("%s", err.text);
    assert_null(strstr(config, "pad_token"));
    assert_non_null(strstr(config, "eos_token"));
    tokenizer_free(t);
    free(config);
    free(json);
    tokenizer_file_free(f);
}

static void refuses(void **state)
{
    (void)state;
    static const struct { const char *tokenizer, *config, *tells; enum error_code code; } cases[] = {
        {"{\"model\": {\"type\": \"Unigram\", \"vocab\": []}}", NULL, "Unigram", ERROR_UNSUPPORTED},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 0}, \"merges\": []}}", NULL, "'b'", ERROR_FORMAT},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}, \"added_tokens\": [{\"id\": 0, \"content\": \"b\"}]}", NULL, "'b'", ERROR_FORMAT},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}}", "[]", "tokenizer_config.json", ERROR_FORMAT},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}}", "{\"bos_token\": 3", "not valid JSON", ERROR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err = {0};
        put_tokenizer((parts){0});
        put("tokenizer.json", cases[i].tokenizer);
        if (cases[i].config)
            put("tokenizer_config.json", cases[i].config);
        if (tokenizer_file_open(folder, &err))
            fail_msg("accepted: %s", cases[i].tokenizer);
        assert_error(&err, cases[i].code, cases[i].tells);
    }
}

static int setup(void **state)
{
    (void)state;
    folder = new_folder();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_tokens_behind_the_last),
        cmocka_unit_test(knows_what_stands_beside_it),
        cmocka_unit_test(strips_tokens_without_rows),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
