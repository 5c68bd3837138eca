#include "check.h"

#include "base/threads.h"

/* Every kind of component against the library (tests/data/tokenizer). */
typedef struct components {
    json_t *models;
    int cases, tokenizers;
} components;

static void check_case(const tokenizer *t, const char *name, const json_t *c)
{
    const char *text = json_string_value(json_object_get(c, "text"));
    const json_t *plain = json_object_get(c, "ids"), *special = json_object_get(c, "ids_special");
    const json_t *decoded = json_object_get(c, "decoded"), *skip = json_object_get(c, "decoded_skip");
    token_list ids[2] = {{0}, {0}};
    error err;
    for (int i = 0; i < 2; i++) {
        if (tokenizer_encode(t, text, strlen(text), i == 1, &ids[i], &err) != 0)
            fail_msg("%s: '%s': %s", name, text, err.text);
        const json_t *wanted = i && special ? special : plain;
        if (ids[i].count != json_array_size(wanted))
            fail_msg("%s: '%s': %zu ids, wanted %zu", name, text, ids[i].count, json_array_size(wanted));
        for (size_t k = 0; k < ids[i].count; k++)
            if (ids[i].id[k] != json_integer_value(json_array_get(wanted, k)))
                fail_msg("%s: '%s': id %zu is %d, wanted %d", name, text, k, ids[i].id[k],
                         (int)json_integer_value(json_array_get(wanted, k)));
        const json_t *back = i && skip ? skip : decoded;
        char *made = tokenizer_decode(t, ids[i].id, ids[i].count, i == 1, NULL);
        if (back && strcmp(made, json_string_value(back)) != 0)
            fail_msg("%s: '%s' decodes to '%s', wanted '%s'", name, text, made, json_string_value(back));
        free(made);
        token_list_free(&ids[i]);
    }
}

static int check_line(void *context, const json_t *line, size_t number, error *err)
{
    (void)number;
    components *c = context;
    json_t *model = json_object_get(line, "model");
    if (model) {
        json_array_append(c->models, model);
        return 0;
    }
    const char *name = json_string_value(json_object_get(line, "name"));
    json_t *file = json_copy(json_object_get(line, "tokenizer"));
    json_object_set(file, "model", json_array_get(c->models, (size_t)json_integer_value(json_object_get(file, "model"))));
    char *text = json_dumps(file, 0);
    tokenizer *t = tokenizer_parse(text, strlen(text), name, err);
    free(text);
    json_decref(file);
    if (!t)
        return -1;
    for (size_t i = 0; i < json_array_size(json_object_get(line, "cases")); i++, c->cases++)
        check_case(t, name, json_array_get(json_object_get(line, "cases"), i));
    tokenizer_free(t);
    c->tokenizers++;
    return 0;
}

static void test_components(void **state)
{
    (void)state;
    components c = {.models = json_array()};
    error err;
    if (json_lines(SOURCE_DIR "/tests/data/tokenizer/components.jsonl", check_line, &c, &err) != 0)
        fail_msg("%s", err.text);
    assert_true(c.tokenizers >= 60);
    assert_int_equal(c.cases, c.tokenizers * 19);
    json_decref(c.models);
}

static void test_lookups(void **state)
{
    (void)state;
    tokenizer *t =
        make_tokenizer((parts){.vocab = "{\"a\":0,\"b\":7}",
                               .merges = "[]",
                               .added = "[{\"id\":9,\"content\":\"<s>\",\"special\":true},{\"id\":7,\"content\":\"b\"}]"});
    assert_int_equal(tokenizer_size(t), 10);
    assert_int_equal(tokenizer_find(t, "a"), 0);
    assert_int_equal(tokenizer_find(t, "<s>"), 9);
    assert_int_equal(tokenizer_find(t, "zz"), -1);
    assert_string_equal(tokenizer_text(t, 7), "b");
    assert_string_equal(tokenizer_text(t, 9), "<s>");
    for (int id = -2; id < 12; id++)
        if (id != 0 && id != 7 && id != 9)
            assert_null(tokenizer_text(t, id));
    assert_null(tokenizer_text(t, INT32_MAX));
    assert_null(tokenizer_text(t, INT32_MIN));
    assert_true(tokenizer_is_special(t, 9));
    assert_false(tokenizer_is_special(t, 7));
    assert_false(tokenizer_is_special(t, 8));
    assert_false(tokenizer_is_special(t, -1));
    assert_int_equal(tokenizer_bos(t), -1);
    tokenizer_free(t);
}

static void write_text(const char *folder, const char *name, const char *text)
{
    error err;
    char *path = file_join(folder, name);
    assert_int_equal(file_write(path, text, strlen(text), &err), 0);
    free(path);
}

static void test_folder(void **state)
{
    (void)state;
    static const struct { const char *config, *ids; int bos, eos; const char *tells;
    } cases[] = {
        {"{\"bos_token\":\"<s>\",\"eos_token\":{\"content\":\"</"
         "s>\",\"lstrip\":false},\"model_max_length\":1000000000000000019884624838656}",
         "10 3", 10, 11, NULL},
        {"{\"bos_token\":null,\"eos_token\":\"<nowhere>\"}", "10 3", -1, -1, NULL},
        {"{\"bos_token\":\"<s>\",\"add_bos_token\":true}", "10 3", 10, -1, NULL},
        {"{\"bos_token\":\"<s>\",\"add_bos_token\":false}", "3", 10, -1, NULL},
        {"{\"bos_token\":\"<s>\",\"eos_token\":\"</s>\",\"add_eos_token\":true}", "10 3 11", 10, 11, NULL},
        {"{\"add_bos_token\":false}", "10 3", -1, -1, NULL},
        {"[]", NULL, 0, 0, "an object"},
        {"{\"bos_token\":3}", NULL, 0, 0, "bos_token"},
        {"{\"add_bos_token\":\"yes\"}", NULL, 0, 0, "add_bos_token"},
        {"{\"a\":1,\"a\":2}", NULL, 0, 0, "duplicate"},
        {"{", NULL, 0, 0, "JSON"},
    };
    char *folder = new_folder();
    error err;
    char *json = make_json((parts){
        .added = "[{\"id\":10,\"content\":\"<s>\",\"special\":true},{\"id\":11,\"content\":\"</s>\",\"special\":true}]",
        .post = "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}}],"
                "\"special_tokens\":{\"<s>\":{\"ids\":[10]}}}"});
    assert_null(tokenizer_open(folder, &err));
    assert_error(&err, ERROR_IO, "tokenizer.json");
    write_text(folder, "tokenizer.model", "x");
    assert_null(tokenizer_open(folder, &err));
    assert_error(&err, ERROR_FORMAT, "tokenizer.model", "not a SentencePiece model");
    write_text(folder, "tokenizer.json", json);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_text(folder, "tokenizer_config.json", cases[i].config);
        tokenizer *t = tokenizer_open(folder, &err);
        if (cases[i].tells) {
            if (t)
                fail_msg("accepted: %s", cases[i].config);
            assert_error(&err, ERROR_FORMAT, "tokenizer_config.json", cases[i].tells);
            continue;
        }
        if (!t)
            fail_msg("%s: %s", cases[i].config, err.text);
        assert_ids(t, "ab", true, cases[i].ids);
        assert_int_equal(tokenizer_bos(t), cases[i].bos);
        assert_int_equal(tokenizer_eos(t), cases[i].eos);
        tokenizer_free(t);
    }
    free(json);
    remove_folder(folder);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct { const char *text, *tells; } cases[] = {
        {"", "JSON"}, {"[]", "object"}, {"{}", "model"}, {"{\"model\":3}", "model"}, {"{\"model\":{},\"model\":{}}", "duplicate"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\xff\":0}}}", "JSON"}, {"version https://git-lfs.github.com/spec/v1", "JSON"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\\ud800\":0},\"merges\":[]}}", "JSON"},
    };
    error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (tokenizer_parse(cases[i].text, strlen(cases[i].text), "t.json", &err))
            fail_msg("accepted: %s", cases[i].text);
        assert_error(&err, ERROR_FORMAT, "t.json", cases[i].tells);
    }
    string deep = {0};
    for (int i = 0; i < 100000; i++)
        string_puts(&deep, "{\"normalizer\":");
    assert_null(tokenizer_parse(deep.text, deep.length, "t.json", &err));
    assert_error(&err, ERROR_FORMAT, "t.json", "depth");
    free(deep.text);
    assert_refused(((parts){.model = ",\"type\":\"BPE\""}), ERROR_FORMAT, "duplicate");
    static const char *const models[] = {"WordPiece", "Unigram", "WordLevel"};
    for (size_t i = 0; i < 3; i++) {
        char *json = memory_print("{\"model\":{\"type\":\"%s\"}}", models[i]);
        assert_null(tokenizer_parse(json, strlen(json), "t.json", &err));
        assert_error(&err, ERROR_UNSUPPORTED, "t.json", models[i], "BPE");
        free(json);
    }
    assert_refused(((parts){.normalizer = "{\"type\":\"Precompiled\"}"}), ERROR_UNSUPPORTED, "normalizer", "Precompiled");
    assert_refused(((parts){.pre = "{\"type\":\"UnicodeScripts\"}"}), ERROR_UNSUPPORTED, "pre_tokenizer", "UnicodeScripts");
    assert_refused(((parts){.post = "{\"type\":\"Nothing\"}"}), ERROR_UNSUPPORTED, "post_processor", "Nothing");
    assert_refused(((parts){.decoder = "{\"type\":\"CTC\"}"}), ERROR_UNSUPPORTED, "decoder", "CTC");
    assert_refused(((parts){.decoder = "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"WordPiece\"}]}"}), ERROR_UNSUPPORTED,
                   "decoder", "WordPiece");
    assert_refused(((parts){.normalizer = "{\"type\":3}"}), ERROR_FORMAT, "normalizer");
    assert_refused(((parts){.pre = "{\"type\":\"Sequence\",\"pretokenizers\":3}"}), ERROR_FORMAT, "pretokenizers");
    assert_refused(((parts){.decoder = "\"Fuse\""}), ERROR_FORMAT, "decoder");
}

static void test_invalid_text(void **state)
{
    (void)state;
    tokenizer *t = make_tokenizer((parts){.vocab = "{\"a\":0,\"\uFFFD\":1,\"\u3042\":2}", .merges = "[]"});
    static const struct { const char *text, *ids;
    } cases[] = {
        {"\xff", "1"},
        {"a\xff"
         "a",
         "0 1 0"},
        {"\xe3\x81", "1 1"},
        {"\xe3\x81\x82\xe3\x81", "2 1 1"},
        {"\xe3"
         "a",
         "1 0"},
        {"\xc0\x80", "1 1"},
        {"\xed\xa0\x80", "1 1 1"},
        {"\xf4\x90\x80\x80", "1 1 1 1"},
        {"\xf8\x88\x80\x80\x80", "1 1 1 1 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_ids(t, cases[i].text, false, cases[i].ids);
    tokenizer_free(t);
}

static void test_digest(void **state)
{
    (void)state;
    static const parts same[] = {
        {0}, {.merges = "[[\"a\",\"b\"]]"}, {.model = ",\"fuse_unk\":false"}, {.decoder = "{\"type\":\"Fuse\"}"}};
    static const parts other[] = {
        {.merges = "[]"},
        {.vocab = "{\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\" \":5,\"x\":4}"},
        {.model = ",\"fuse_unk\":true"},
        {.normalizer = "{\"type\":\"NFC\"}"},
        {.pre = "{\"type\":\"WhitespaceSplit\"}"},
        {.added = "[{\"id\":9,\"content\":\"<s>\"}]"},
        {.added = "[{\"id\":9,\"content\":\"<s>\",\"lstrip\":true}]"},
        {.post = "{\"type\":\"BertProcessing\",\"cls\":[\"a\",0],\"sep\":[\"b\",1]}"},
        {.model = ",\"unk_token\":\"x\""},
    };
    char first[65], hex[65], seen[16][65];
    size_t n = 0;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        tokenizer *t = make_tokenizer(same[i]);
        tokenizer_digest(t, hex);
        tokenizer_free(t);
        if (i == 0)
            memcpy(first, hex, sizeof first);
        assert_string_equal(hex, first);
    }
    memcpy(seen[n++], first, sizeof first);
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        tokenizer *t = make_tokenizer(other[i]);
        tokenizer_digest(t, hex);
        tokenizer_free(t);
        for (size_t k = 0; k < n; k++)
            assert_string_not_equal(hex, seen[k]);
        memcpy(seen[n++], hex, sizeof hex);
    }
}

typedef struct shared { const tokenizer *t; char *ids[64]; } shared;

static void encode_piece(void *context, size_t at)
{
    shared *s = context;
    s->ids[at] = encode(s->t, "one two  three's 1234 \u65e5\u672c", true);
}

static void test_threads(void **state)
{
    (void)state;
    shared s = {.t = make_tokenizer((parts){.vocab = "{\"o\":0,\"n\":1,\"e\":2,\"on\":3,\"one\":4,\"\u0120\":5,\"t\":6}",
                                            .merges = "[\"o n\",\"on e\"]",
                                            .pre = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"})};
    threads *pool = threads_new(4);
    threads_run(pool, 64, encode_piece, &s);
    threads_free(pool);
    for (size_t i = 0; i < 64; i++) {
        assert_string_equal(s.ids[i], s.ids[0]);
        if (i)
            free(s.ids[i]);
    }
    free(s.ids[0]);
    tokenizer_free((tokenizer *)s.t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_components), cmocka_unit_test(test_lookups),      cmocka_unit_test(test_folder),
        cmocka_unit_test(test_refusals),   cmocka_unit_test(test_invalid_text), cmocka_unit_test(test_digest),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
