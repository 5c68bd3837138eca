/* Where a prompt has its pictures: <image> as a token, as text between texts, or nowhere. */
#include "../base/check.h"

#include "base/memory.h"
#include "task/picture.h"

#define HEAD "{\"version\":\"1.0\",\"normalizer\":null,\"pre_tokenizer\":null,\"decoder\":null,\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":" \
             "{\"id\":\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[1],\"tokens\":[\"<s>\"]}}}," \
             "\"added_tokens\":[{\"id\":1,\"content\":\"<s>\",\"special\":true,\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false}"
#define IMAGE ",{\"id\":9,\"content\":\"<image>\",\"special\":true,\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false}"
#define TAIL "],\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"vocab\":{\"<unk>\":0,\"<s>\":1,\"a\":2,\"b\":3,\"<\":4,\">\":5},\"merges\":[]}}"

static tokenizer *open_text(const char *text)
{
    error err = {0};
    tokenizer *t = tokenizer_parse(text, strlen(text), "tokenizer.json", &err);
    if (!t)
        fail_msg("%s", err.text);
    return t;
}

static void check(const tokenizer *t, const char *text, bool special, int pictures, const char *wanted)
{
    error err = {0};
    token_list ids = {0};
    string all = {0};
    if (picture_encode(t, text, special, pictures, &ids, &err) != 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < ids.count; i++)
        string_print(&all, "%s%d", i ? " " : "", (int)ids.id[i]);
    assert_string_equal(all.text, wanted);
    free(all.text);
    token_list_free(&ids);
}

static void test_places(void **state)
{
    (void)state;
    tokenizer *kinds[] = {open_text(HEAD IMAGE TAIL), open_text(HEAD TAIL)};   /* with <image>, and without: the same */
    for (size_t i = 0; i < 2; i++) {
        check(kinds[i], "a<image>b", true, 1, "1 2 -1 3");
        check(kinds[i], "<image>ab", true, 1, "1 -1 2 3");
        check(kinds[i], "<image>ab", false, 1, "-1 2 3");
        check(kinds[i], "a<image><image>", true, 2, "1 2 -1 -1");
        check(kinds[i], "ab", false, 1, "-1 2 3");
        tokenizer_free(kinds[i]);
    }
}

static void test_other_number(void **state)
{
    (void)state;
    error err = {0};
    token_list ids = {0};
    tokenizer *t = open_text(HEAD IMAGE TAIL);
    assert_int_equal(picture_encode(t, "<image>a<image>", true, 1, &ids, &err), -1);
    assert_error(&err, ERROR_USAGE, "<image> 2 times", "1 picture", NULL);
    assert_int_equal(picture_token(t, 7, 10), 7);
    assert_int_equal(picture_token(t, -1, 10), 9);
    assert_int_equal(picture_token(t, 32000, 9), 0);
    tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_other_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
