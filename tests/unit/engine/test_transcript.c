/* Text as it comes: characters of several bytes, stop strings across tokens, what may be shown when. */
#include "../base/check.h"

#include "engine/transcript.h"
#include "words.h"

static int32_t id(const char *token)
{
    int32_t i = tokenizer_find(words, token);
    if (i < 0)
        fail_msg("no token %s", token);
    return i;
}

static void test_stop_string_across_tokens(void **state)
{
    (void)state;
    const char *const stops[] = {"zz", "bcd", "cx"};
    transcript t;
    transcript_open(&t, words, stops, 3);
    assert_false(transcript_add(&t, id("a")));
    assert_false(transcript_add(&t, id("ab")));
    assert_false(transcript_add(&t, id("c")));
    assert_true(transcript_add(&t, id("d")));
    assert_string_equal(t.text.text, "aa");
    assert_true(transcript_add(&t, id("e")));   /* stays stopped */
    assert_string_equal(t.text.text, "aa");
    transcript_close(&t);
}

static void test_first_stop_wins(void **state)
{
    (void)state;
    const char *const stops[] = {"b", "ab"};
    transcript t;
    transcript_open(&t, words, stops, 2);
    assert_false(transcript_add(&t, id("x")));
    assert_true(transcript_add(&t, id("ab")));
    assert_string_equal(t.text.text, "x");
    transcript_close(&t);
}

static void test_characters_stay_whole(void **state)
{
    (void)state;
    transcript t;
    transcript_open(&t, words, NULL, 0);
    const char *const bytes[] = {"<0xE3>", "<0x81>", "<0x82>", "<0xE6>", "<0x97>"};
    for (int i = 0; i < 2; i++)
        transcript_add(&t, id(bytes[i]));
    assert_string_equal(t.text.text, "");
    transcript_add(&t, id(bytes[2]));
    transcript_add(&t, id("</s>"));   /* special tokens are not text */
    assert_string_equal(t.text.text, "\xE3\x81\x82");
    transcript_add(&t, id(bytes[3]));
    transcript_add(&t, id(bytes[4]));
    transcript_finish(&t);
    assert_true(t.text.length > 3);   /* what stayed incomplete is told as U+FFFD */
    assert_non_null(strstr(t.text.text, "\xEF\xBF\xBD"));
    transcript_close(&t);
}

static void test_news_hold_back(void **state)
{
    (void)state;
    const char *const stops[] = {"abc"};
    transcript t;
    string scratch = {0}, told = {0};
    const char *const tokens[] = {"x", "y", "a", "b", "d", "ab", "c"};
    transcript_open(&t, words, stops, 1);
    string_puts(&told, "");
    for (int i = 0; i < 7; i++) {
        bool stopped = transcript_add(&t, id(tokens[i]));
        const char *news = transcript_news(&t, stopped, &scratch);
        string_puts(&told, news ? news : "");
    }
    assert_string_equal(told.text, "xyabd");
    assert_string_equal(t.text.text, "xyabd");
    assert_null(transcript_news(&t, true, &scratch));
    free(scratch.text);
    free(told.text);
    transcript_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stop_string_across_tokens), cmocka_unit_test(test_first_stop_wins),
                                       cmocka_unit_test(test_characters_stay_whole), cmocka_unit_test(test_news_hold_back)};
    return cmocka_run_group_tests(tests, open_words, close_words);
}
