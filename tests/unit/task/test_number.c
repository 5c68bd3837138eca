#include "../base/check.h"

#include <math.h>

#include "task/scorer.h"

static const double none = -12345;   /* no number */

static void check(const char *text, double paper, double corrected)
{
    double value = 0;
    bool has = number_paper(text, &value);
    if (has ? value != paper : paper != none)
        fail_msg("'%s': the paper's rule gives %g, wanted %g", text, has ? value : none, paper);
    has = number_corrected(text, &value);
    if (has ? value != corrected : corrected != none)
        fail_msg("'%s': the corrected rule gives %g, wanted %g", text, has ? value : none, corrected);
}

static void test_plain(void **state)
{
    (void)state;
    check("答えは18です。", 18, 18);
    check("16 - 3 - 4 = 9", 9, 9);
    check("", none, none);
    check("分かりません。", none, none);
    check("...", none, none);
    check("3.", 3, 3);
    check(".5", .5, .5);
    check("1.2.3", .3, .3);
    check("5...6", .6, .6);
    check("1e3", 3, 3);
    check("007", 7, 7);
    check("9007199254740993", 9007199254740992, 9007199254740992);
}

static void test_separators(void **state)
{
    (void)state;
    check("1,000円", 0, 1000);
    check("1,234,567.25", 567.25, 1234567.25);
    check("1,00", 0, 0);
    check("1,0000", 0, 0);
    check("1,000,00", 0, 0);
    check("1,000,0000", 0, 0);   /* "1,000" then "0000" */
    check("12345,678", 678, 678);
    check("10,20,30", 30, 30);
}

static void test_signs(void **state)
{
    (void)state;
    check("-5", 5, -5);
    check("\u22125度", 5, -5);
    check("16-3", 3, 3);
    check("16 -3", 3, 3);
    check("(16+2)-3", 3, 3);
    check("50%-3", 3, 3);
    check("x = -3", 3, -3);
    check("-$1,500", 500, -1500);
    check("$-20", 20, -20);
    check("-\u00a520", 20, -20);
    check("-\u20ac20", 20, -20);
    check("マイナス5", 5, -5);
    check("マイナス$5", 5, -5);
    check("-", none, none);
}

static void test_digits_of_every_script(void **state)
{
    (void)state;
    check("１８", 18, 18);
    check("1２3", 123, 123);
    check("٣٤٥", 345, 345);
    check("१२", 12, 12);
    check("\U0001D7D8\U0001D7DF", 7, 7);                        /* double-struck 0 and 7, in a run of fifty */
    check("\U0001D7CE\U0001D7E1\U0001D7FF", 99, 99);      /* bold 0, double-struck 9, monospace 9 */
    check("３．５", 5, 3.5);
    check("１，０００", 0, 1000);
    check("x² ½ ① 十", none, none);
}

static void test_where_the_answer_stands(void **state)
{
    (void)state;
    check("#### 1,080\n追加の説明: 3日間", 3, 1080);
    check("#### 答えなし\n答えは4です", 4, 4);
    check("####\n12", 12, 12);
    check("\\boxed{42}です。3回確認しました。", 3, 42);
    check("\\boxed{", none, none);
    check("答えは36ドル（18×2）です。", 2, 36);
    check("答えは 9 * 2 = 18 です。3回", 3, 18);
    check("答えは = 7 = です。", 7, 7);
    check("答えは次の通りです。\n40 と 50", 50, 40);
    check("答えは5です。答えは6です。", 6, 6);
    check("答え：２５個 と 3", 3, 25);
    check("THE ANSWER IS: 3/4? no, 12", 12, 3);
    check("Answer: 8 or 9", 9, 8);
    check("8 9 answer is", 9, 9);
}

static void test_infinity(void **state)
{
    (void)state;
    char digits[401];
    memset(digits, '9', 400);
    digits[400] = '\0';
    check(digits, INFINITY, INFINITY);
    double score;
    error err;
    json_t *one = json_integer(1);
    assert_int_equal(number_paper_score(NULL, digits, one, &score, &err), 0);
    json_decref(one);
    assert_true(score == 0);
}

static void test_bytes_that_are_not_text(void **state)
{
    (void)state;
    double value;
    check("\xff\xfe 12 \xe3\x81", 12, 12);
    check("\xf0\x9d\x9f", none, none);
    assert_true(number_paper_n("1\0002", 3, &value) && value == 2);
    assert_true(number_corrected_n("-1\0", 3, &value) && value == -1);
    assert_false(number_paper_n("123", 0, &value));
}

/* A score, or -1 where gold is refused. */
static double scored(const char *metric_name, const char *answer, const char *gold, error *err)
{
    json_t *json = json_loads(gold, JSON_DECODE_ANY, NULL);
    scorer *by = scorer_new(&(scorer_options){.metric = metric_name}, err);
    assert_true(json && by);
    judgement j = {0};
    *err = (error){0};
    int status = scorer_judge(by, answer, json, NULL, &j, err);
    assert_int_equal(scorer_check(by, json, NULL), status);
    scorer_free(by);
    json_decref(json);
    return status == 0 ? j.score : -1;
}

static void test_gold(void **state)
{
    (void)state;
    error err;
    assert_true(scored("number_paper", "18", "18", &err) == 1);
    assert_true(scored("number_paper", "18", "18.0", &err) == 1);
    assert_true(scored("number_paper", "18", "\"18\"", &err) == 1);
    assert_true(scored("number_paper", "2125", "\"2,125\"", &err) == 1);
    assert_true(scored("number", "2,125", "\" 2125\\n\"", &err) == 1);
    assert_true(scored("number", "-5", "\"-5\"", &err) == 1);
    assert_true(scored("number_paper", "19", "[18, \"19\"]", &err) == 1);
    assert_true(scored("number_paper", "20", "[18, \"19\"]", &err) == 0);
    assert_true(scored("number_paper", "なし", "0", &err) == 0);
    const char *const bad[] = {"\"dog\"", "\"\"", "\"nan\"", "\"inf\"", "\"1e999\"", "\"0x10\"", "\"1 2\"", "null", "true", "{}",
                               "[]", "[[1]]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (scored("number_paper", "1", bad[i], &err) != -1 || !strstr(err.text, "gold"))
            fail_msg("gold %s is not refused", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain), cmocka_unit_test(test_separators), cmocka_unit_test(test_signs),
        cmocka_unit_test(test_digits_of_every_script), cmocka_unit_test(test_where_the_answer_stands),
        cmocka_unit_test(test_infinity),
        cmocka_unit_test(test_bytes_that_are_not_text), cmocka_unit_test(test_gold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
