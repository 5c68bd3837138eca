#include "check.h"

#include "base/random.h"

/* The definition: look at every pair, merge the leftmost of the lowest rank, start again. */
static void merge_plainly(const bpe *b, token_list *ids)
{
    for (;;) {
        const merge *best = NULL;
        size_t at = 0;
        for (size_t i = 0; i + 1 < ids->count; i++) {
            const merge *m = merges_find(&b->merges, ids->id[i], ids->id[i + 1]);
            if (m && (!best || m->rank < best->rank)) {
                best = m;
                at = i;
            }
        }
        if (!best)
            return;
        ids->id[at] = best->id;
        memmove(ids->id + at + 1, ids->id + at + 2, (ids->count - at - 2) * sizeof *ids->id);
        ids->count--;
    }
}

static void check_words(const tokenizer *t, const char *alphabet, size_t letters)
{
    random_stream r = random_stream_for(1, "words", 0, 0);
    bpe_scratch *scratch = bpe_scratch_new();
    error err;
    for (size_t round = 0; round < 400; round++) {
        size_t n = 1 + random_below(&r, round % 10 ? 60 : 400);
        string word = {0};
        token_list wanted = {0}, got = {0};
        for (size_t i = 0; i < n; i++) {
            char letter[2] = {alphabet[random_below(&r, letters)], 0};
            string_puts(&word, letter);
            token_list_add(&wanted, tokenizer_find(t, letter));
        }
        merge_plainly(&t->bpe, &wanted);
        assert_int_equal(bpe_encode(&t->bpe, word.text, word.length, scratch, "t.json", &got, &err), 0);
        assert_int_equal(got.count, wanted.count);
        assert_memory_equal(got.id, wanted.id, got.count * sizeof *got.id);
        free(word.text);
        token_list_free(&wanted);
        token_list_free(&got);
    }
    bpe_scratch_free(scratch);
}

static void test_merging_is_the_definition(void **state)
{
    (void)state;
    tokenizer *t = make_tokenizer((parts){
        .vocab = "{\"a\":0,\"b\":1,\"aa\":2,\"ab\":3,\"aab\":4,\"ba\":5,\"bab\":6,\"abab\":7,\"aaaa\":8,\"bb\":9,\"bba\":10}",
        .merges = "[\"b a\",\"a a\",\"aa b\",\"a b\",\"ab ab\",\"ba b\",\"aa aa\",\"b b\",\"bb a\",\"b ba\",\"a ab\"]"});
    check_words(t, "ab", 2);
    tokenizer_free(t);
}

static void test_equal_pairs_take_the_last_rank(void **state)
{
    (void)state;
    /* The library's habit: of two equal pairs the later rank counts, so "b c" comes first here. */
    tokenizer *t =
        make_tokenizer((parts){.vocab = "{\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"bc\":4}", .merges = "[\"a b\",\"b c\",\"a b\"]"});
    assert_ids(t, "abc", false, "0 4");
    tokenizer_free(t);
}

static void test_pairs_in_a_circle_end(void **state)
{
    (void)state;
    tokenizer *t = make_tokenizer(
        (parts){.vocab = "{\"a\":0,\"b\":1,\"ab\":2,\"ba\":3,\"aba\":4,\"bab\":5,\"abab\":6,\"baba\":7}",
                .merges = "[\"a b\",\"b a\",\"ab a\",\"ba b\",\"a ba\",\"b ab\",\"ab ab\",\"ba ba\",\"aba b\",\"bab a\"]"});
    check_words(t, "ab", 2);
    tokenizer_free(t);
}

static void test_long_words(void **state)
{
    (void)state;
    tokenizer *t = make_tokenizer(
        (parts){.vocab = "{\"a\":0,\"aa\":1,\"aaaa\":2,\"aaaaaaaa\":3}", .merges = "[\"a a\",\"aa aa\",\"aaaa aaaa\"]"});
    size_t n = 1000001;
    char *text = memory_new(n + 1, 1);
    memset(text, 'a', n);
    token_list ids = {0};
    error err;
    assert_int_equal(tokenizer_encode(t, text, n, false, &ids, &err), 0);
    assert_int_equal(ids.count, n / 8 + 1);
    assert_int_equal(ids.id[n / 8 - 1], 3);
    assert_int_equal(ids.id[n / 8], 0);
    token_list_free(&ids);
    free(text);
    tokenizer_free(t);
}

/* Cutting before U+2581 is only done where no token reaches over one. */
static void test_words(void **state)
{
    (void)state;
    tokenizer *t = make_tokenizer((parts){.vocab = "{\"a\":0,\"\u2581\":1,\"\u2581a\":2,\"\u2581\u2581\":3}",
                                          .merges = "[\"\u2581 \u2581\",\"\u2581 a\"]"});
    assert_true(t->bpe.words);
    assert_ids(t, "\u2581a\u2581\u2581a\u2581", false, "2 3 0 1");
    tokenizer_free(t);
    t = make_tokenizer((parts){.vocab = "{\"a\":0,\"\u2581\":1,\"a\u2581\":2}", .merges = "[\"a \u2581\"]"});
    assert_false(t->bpe.words);
    assert_ids(t, "\u2581a\u2581", false, "1 2");
    tokenizer_free(t);
    t = make_tokenizer((parts){.vocab = "{\"a\":0,\"<\":1}", .merges = "[]", .model = ",\"unk_token\":\"<\",\"fuse_unk\":true"});
    assert_false(t->bpe.words);   /* an unknown U+2581 fuses with its neighbours */
    assert_ids(t, "az\u2581za", false, "0 1 0");
    tokenizer_free(t);
}

static void test_unknown(void **state)
{
    (void)state;
    tokenizer *t = make_tokenizer((parts){0});
    assert_ids(t, "a?b", false, "3");   /* no unk_token: the character vanishes before pairs are looked at */
    tokenizer_free(t);
    t = make_tokenizer((parts){.model = ",\"unk_token\":\"<nowhere>\""});
    token_list ids = {0};
    error err;
    assert_ids(t, "ab", false, "3");
    assert_int_equal(tokenizer_encode(t, "a?b", 3, false, &ids, &err), -1);
    assert_error(&err, ERROR_FORMAT, "t.json", "'?'", "<nowhere>");
    token_list_free(&ids);
    tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merging_is_the_definition), cmocka_unit_test(test_equal_pairs_take_the_last_rank),
        cmocka_unit_test(test_pairs_in_a_circle_end),     cmocka_unit_test(test_long_words),
        cmocka_unit_test(test_words),                     cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
