#include "check.h"

#include "base/random.h"

#define LLAMA                                                                                                                    \
    "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"\u2581\"},\"content\":\" "             \
    "\"},{\"type\":\"ByteFallback\"},"                                                                                           \
    "{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}"

static string stream_all(const tokenizer *t, const int32_t *ids, size_t n, bool skip)
{
    token_stream *s = token_stream_new(t, skip);
    string all = {0};
    string_puts(&all, "");
    for (size_t i = 0; i < n; i++) {
        const char *more = token_stream_add(s, ids[i]);
        string_add(&all, more, token_stream_length(s));
        assert_true(utf8_valid(all.text, all.length));
    }
    const char *rest = token_stream_finish(s);
    string_add(&all, rest, token_stream_length(s));
    token_stream_free(s);
    return all;
}

static void check_steps(const tokenizer *t, const int32_t *ids, size_t n, bool skip, const char *const *wanted, const char *rest)
{
    token_stream *s = token_stream_new(t, skip);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(token_stream_add(s, ids[i]), wanted[i]);
    assert_string_equal(token_stream_finish(s), rest);
    token_stream_free(s);
}

static tokenizer *llama(void)
{
    return make_tokenizer((parts){.vocab = "{\"a\":0,\"\u2581b\":1,\"<0xE3>\":2,\"<0x81>\":3,\"<0x82>\":4,\"<0x20>\":5}",
                                  .merges = "[]",
                                  .decoder = LLAMA,
                                  .added = "[{\"id\":9,\"content\":\"<s>\",\"special\":true}]"});
}

static void test_whole_characters(void **state)
{
    (void)state;
    tokenizer *t = llama();
    check_steps(t, (int32_t[]){1, 2, 3, 4, 1}, 5, false, (const char *const[]){"b", "", "", "\u3042", " b"}, "");
    check_steps(t, (int32_t[]){9, 1}, 2, false, (const char *const[]){"<s>", " b"}, "");
    check_steps(t, (int32_t[]){9, 1, 1}, 3, true, (const char *const[]){"", "b", " b"}, "");
    check_steps(t, (int32_t[]){5, 5, 0}, 3, false, (const char *const[]){"", " ", "a"}, "");
    check_steps(t, (int32_t[]){2, 3, 0}, 3, false, (const char *const[]){"", "", "\ufffd\ufffda"}, "");   /* one for each byte */
    check_steps(t, (int32_t[]){3, 2}, 2, false, (const char *const[]){"\ufffd", ""}, "\ufffd");
    check_steps(t, (int32_t[]){7, -1, 1000}, 3, false, (const char *const[]){"", "", ""}, "");
    tokenizer_free(t);
}

static void test_other_chains(void **state)
{
    (void)state;
    parts p = {.vocab = "{\"a\":0,\"b</w>\":1,\"\u2581c\":2}", .merges = "[]"};
    tokenizer *t = make_tokenizer(p);
    check_steps(t, (int32_t[]){0, 0}, 2, false, (const char *const[]){"a", " a"}, "");
    tokenizer_free(t);
    p.decoder = "{\"type\":\"BPEDecoder\"}";
    t = make_tokenizer(p);
    check_steps(t, (int32_t[]){1, 0, 1}, 3, false, (const char *const[]){"", "", ""}, "b ab");
    tokenizer_free(t);
    p.decoder = "{\"type\":\"Metaspace\"}";
    t = make_tokenizer(p);
    check_steps(t, (int32_t[]){2, 2}, 2, false, (const char *const[]){"c", " c"}, "");
    tokenizer_free(t);
    p.decoder = "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\"aa\"},"
                "\"content\":\"-\"}]}";
    t = make_tokenizer(p);
    check_steps(t, (int32_t[]){0, 0, 0}, 3, false, (const char *const[]){"", "", ""}, "-a");
    tokenizer_free(t);
}

/* With a byte-level decoder the stream is decode() whatever the ids; every chain gives whole characters only. */
static void test_random_ids(void **state)
{
    (void)state;
    string vocab = {0};
    string_puts(&vocab, "{");
    for (int b = 0; b < 256; b++) {
        char bytes[5] = {0};
        utf8_put(byte_to_char((unsigned char)b), bytes);
        string_print(&vocab, "%s\"%s%s\":%d", b ? "," : "", bytes[0] == '"' || bytes[0] == '\\' ? "\\" : "", bytes, b);
    }
    string_puts(&vocab, ",\"\u00e3\u0123\":256,\"\u0124a\u00e3\":257,\"\u00f0\u0141\":258}");
    tokenizer *byte_level = make_tokenizer((parts){.vocab = vocab.text, .merges = "[]", .decoder = "{\"type\":\"ByteLevel\"}"}),
              *fallback = llama();
    random_stream r = random_stream_for(7, "ids", 0, 0);
    for (int round = 0; round < 2000; round++) {
        int32_t ids[30];
        size_t n = random_below(&r, 30), length;
        for (size_t i = 0; i < n; i++)
            ids[i] = random_below(&r, 2) ? (int32_t)random_below(&r, 260) : 128 + (int32_t)random_below(&r, 131);
        char *decoded = tokenizer_decode(byte_level, ids, n, false, &length);
        string streamed = stream_all(byte_level, ids, n, false);
        if (length != streamed.length || memcmp(decoded, streamed.text, length) != 0)
            fail_msg("round %d: '%s', wanted '%s'", round, streamed.text, decoded);
        free(decoded);
        free(streamed.text);
        for (size_t i = 0; i < n; i++)
            ids[i] %= 10;
        streamed = stream_all(fallback, ids, n, round % 2);
        free(streamed.text);
    }
    free(vocab.text);
    tokenizer_free(byte_level);
    tokenizer_free(fallback);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole_characters), cmocka_unit_test(test_other_chains),
                                       cmocka_unit_test(test_random_ids)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
