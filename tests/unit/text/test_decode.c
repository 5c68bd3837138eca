#include "check.h"

#define VOCAB                                                                                                                    \
    "{\"a\":0,\"\u2581b\":1,\"<0xE3>\":2,\"<0x81>\":3,\"<0x82>\":4,\"<0x41>\":5,\"</w>\":6,\"c</"                                \
    "w>\":7,\"\u2581\":8,\"<0x+A>\":9,\"aaa\":10}"

static void check(const char *chain, const char *ids, const char *wanted)
{
    tokenizer *t = make_tokenizer(
        (parts){.vocab = VOCAB, .merges = "[]", .decoder = chain, .added = "[{\"id\":20,\"content\":\"<s>\",\"special\":true}]"});
    token_list list = {0};
    for (const char *at = ids; *at; at += strspn(at, " ")) {
        char *end;
        token_list_add(&list, (int32_t)strtol(at, &end, 10));
        at = end;
    }
    size_t n;
    char *text = tokenizer_decode(t, list.id, list.count, false, &n);
    if (strcmp(text, wanted) != 0)
        fail_msg("%s: %s is '%s', wanted '%s'", chain, ids, text, wanted);
    assert_int_equal(n, strlen(wanted));
    free(text);
    token_list_free(&list);
    tokenizer_free(t);
}

static void test_steps(void **state)
{
    (void)state;
    check("null", "0 1 20", "a \u2581b <s>");
    check("{\"type\":\"Fuse\"}", "", "");
    check("{\"type\":\"Fuse\"}", "0 15 -1 99 0", "aa");   /* holes and what is out of range are skipped */
    check("{\"type\":\"ByteFallback\"}", "2 3 4 5", "\u3042A");
    check("{\"type\":\"ByteFallback\"}", "5 2 3 0 4",
          "\ufffd\ufffd\ufffda\ufffd"); /* a run that is ill-formed loses every byte, "A" too */
    check("{\"type\":\"ByteFallback\"}", "9", "\n");
    check("{\"type\":\"Replace\",\"pattern\":{\"String\":\"\u2581\"},\"content\":\" \"}", "1 1", " b b");
    check("{\"type\":\"Strip\",\"content\":\"a\",\"start\":1,\"stop\":1}", "10 0 10", "aa");
    check("{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\"a\",\"start\":2,\"stop\":0}"
          "]}",
          "0 10 0", "aaa");
    check("{\"type\":\"Metaspace\"}", "1 8 1", "b  b");
    check("{\"type\":\"Metaspace\",\"prepend_scheme\":\"never\"}", "1 1", " b b");
    check("{\"type\":\"Metaspace\",\"add_prefix_space\":false}", "1", " b");
    check("{\"type\":\"BPEDecoder\"}", "7 7 6", "c c ");
    check("{\"type\":\"BPEDecoder\",\"suffix\":\"\"}", "7", "c</w>");
    check("{\"type\":\"ByteLevel\"}", "0 1", "a\u2581b");   /* not in the alphabet: stands for itself */
}

static void test_byte_level(void **state)
{
    (void)state;
    tokenizer *t = make_tokenizer((parts){.vocab = "{\"\u00e3\":0,\"\u0123\":1,\"\u0124\":2,\"\u0120a\":3,\"\u0100\":4}",
                                          .merges = "[]",
                                          .decoder = "{\"type\":\"ByteLevel\"}"});
    static const struct { int32_t ids[6]; size_t n; const char *wanted; size_t length;
    } cases[] = {
        {{0, 1, 2, 3}, 4, "\u3042 a", 5}, {{0, 1, 3}, 3, "\ufffd a", 5}, {{1, 1}, 2, "\ufffd\ufffd", 6},
        {{0, 1}, 2, "\ufffd", 3},         {{3, 4, 3}, 3, " a\0 a", 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n;
        char *text = tokenizer_decode(t, cases[i].ids, cases[i].n, false, &n);
        assert_int_equal(n, cases[i].length);
        assert_memory_equal(text, cases[i].wanted, n + 1);
        free(text);
    }
    tokenizer_free(t);
}

static void test_refusals(void **state)
{
    (void)state;
    assert_refused(((parts){.decoder = "{\"type\":\"Strip\",\"start\":-1}"}), ERROR_FORMAT, "start");
    assert_refused(((parts){.decoder = "{\"type\":\"Strip\",\"content\":\"ab\"}"}), ERROR_FORMAT, "content");
    assert_refused(((parts){.decoder = "{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"}}"}), ERROR_FORMAT, "content");
    assert_refused(((parts){.decoder = "{\"type\":\"Sequence\"}"}), ERROR_FORMAT, "decoders");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps), cmocka_unit_test(test_byte_level),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
