#include "../base/check.h"

#include "task/japanese.h"

static void check_neologdn(const char *text, const char *wanted)
{
    string out = {0};
    japanese_neologdn(&out, text, strlen(text));
    if (strcmp(out.text ? out.text : "", wanted) != 0)
        fail_msg("'%s' becomes '%s', wanted '%s'", text, out.text ? out.text : "", wanted);
    free(out.text);
}

/* What neologdn 0.5.6 gives. */
static void test_neologdn(void **state)
{
    (void)state;
    check_neologdn("", "");
    check_neologdn("ｶﾞｷﾞｸﾞﾊﾟﾋﾟｳﾞﾜﾞ", "ガギグパピヴワﾞ");
    check_neologdn("か゛ハ゜う゛", "かﾞパゔ");
    check_neologdn("－‐‑–—―−﹣", "ー-ー-ー");
    check_neologdn("5〜10", "510");
    check_neologdn("あ ﾞ カ ﾞ", "あﾞガ");
    check_neologdn("a ~あ", "aあ");
    check_neologdn("* a", "*a");
    check_neologdn("東京 2020 大会", "東京2020大会");
    check_neologdn("café au lait", "caféau lait");
    check_neologdn("　Ａ　あ　Ｂ　", "AあB");
    check_neologdn("a\xff ", "a\xff");
}

static void test_emoji(void **state)
{
    (void)state;
    string out = {0};
    const char *text = "👨\u200d👩 ☕\ufe0f☆©🇯🇵1\u20e3";
    japanese_no_emoji(&out, text, strlen(text));
    assert_string_equal(out.text, "\u200d \ufe0f☆1\u20e3");
    free(out.text);
}

static void test_whole(void **state)
{
    (void)state;
    char *out = japanese_normalize(" コーヒーー\t と\u00a0 😀ケーキ\n");
    assert_string_equal(out, "コーヒー と ケーキ");
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_neologdn), cmocka_unit_test(test_emoji), cmocka_unit_test(test_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
