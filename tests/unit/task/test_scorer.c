#include "../base/check.h"

#include <math.h>

#include "task/scorer.h"

static language_model *lid;

/* metric: YAML -> a scorer, or NULL and *err. */
static scorer *read(const char *yaml, error *err)
{
    *err = (error){0};
    yaml_value *root = yaml_parse(yaml, strlen(yaml), "t.yml", err);
    if (!root)
        fail_msg("%s", err->text);
    scorer *s = scorer_read(yaml_get(root, "metric"), err);
    yaml_free(root);
    return s;
}

static judgement judge(const char *yaml, const char *answer, const char *gold)
{
    error err;
    judgement j = {.score = -1};
    scorer *s = read(yaml, &err);
    if (!s)
        fail_msg("%s", err.text);
    json_t *json = json_loads(gold, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    if (scorer_judge(s, answer, json, lid, &j, &err) != 0)
        j = (judgement){.score = -1};
    json_decref(json);
    scorer_free(s);
    return j;
}

static void check(const char *yaml, const char *answer, const char *gold, double wanted)
{
    judgement j = judge(yaml, answer, gold);
    if (fabs(j.score - wanted) > 1e-12)
        fail_msg("%s: '%s' against %s is %.17g, wanted %.17g", yaml, answer, gold, j.score, wanted);
}

static void test_exact_match(void **state)
{
    (void)state;
    const char *plain = "metric: exact_match";
    check(plain, "台所", "\"台所\"", 1);
    check(plain, "台所。", "\"台所\"", 0);
    check(plain, " 台所\n", "\"台所\"", 1);
    check(plain, "台所", "\" 台所\"", 0);
    check(plain, "UFO", "\"ufo\"", 0);
    check(plain, "42", "42", 1);
    check(plain, "42.0", "42", 0);
    check(plain, "", "\"\"", 1);
    check(plain, "a", "[]", -1);
    check(plain, "a", "null", -1);
    check(plain, "a", "1.5", -1);
    check(plain, "a", "[[\"a\"]]", -1);
    check(plain, "a", "[\"a\", {}]", -1);
}

static void test_several_references(void **state)
{
    (void)state;
    check("metric: exact_match", "b", "[\"a\", \"b\"]", 1);
    check("metric: exact_match", "c", "[\"a\", \"b\"]", 0);
    check("metric: {name: exact_match, references: best}", "b", "[\"a\", \"b\"]", 1);
    check("metric: {name: exact_match, references: first}", "b", "[\"a\", \"b\"]", 0);
    check("metric: {name: exact_match, references: first}", "a", "[\"a\", \"b\"]", 1);
    check("metric: f1_char", "東京", "[\"東京都\", \"京\"]", 0.8);
}

/* What lm-eval 0.4.13's exact_match gives. */
static void test_ignores(void **state)
{
    (void)state;
    check("metric: {name: exact_match, ignore_case: true}", "Bse Ä", "\"BSE ä\"", 1);
    check("metric: {name: exact_match, ignore_punctuation: true}", "a.b!", "\"ab\"", 1);
    check("metric: {name: exact_match, ignore_punctuation: true}", "ＯＫ，", "\"ＯＫ\"", 0);
    check("metric: {name: exact_match, ignore_numbers: true}", "7年間", "\"12年間\"", 1);
    check("metric: {name: exact_match, regexes_to_ignore: [\",\", \"\\\\s+\"]}", "1,0 00", "\"1000\"", 1);
    check("metric: {name: exact_match, regexes_to_ignore: \"^#+ \"}", "## a # b", "\"a # b\"", 1);
    check("metric: {name: exact_match, regexes_to_ignore: \"(a|aa)+$\"}", "xaaa", "\"x\"", 1);
    check("metric: {name: exact_match, regexes_to_ignore: \"(a*)*b\"}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", "\"x\"", 0);
}

static void test_normalised(void **state)
{
    (void)state;
    check("metric: exact_match_ja", "ﾄｳｷｮｳ 都 😀", "\"トウキョウ都\"", 1);
    check("metric: exact_match_ja", "東京。", "\"東京\"", 0);
    check("metric: exact_match_nfkc", "「㈱東芝」 。", "\"(株) 東芝\"", 1);
    check("metric: exact_match_nfkc", "\xff", "\"a\"", 0);
}

/* The paper's rule on numbers: the answer itself. The authors' on texts: only beside a reference in the language. */
static void test_language(void **state)
{
    (void)state;
    judgement j = judge("metric: {name: number_paper, language: ja}", "The answer is 18.", "18");
    assert_true(j.score == 0 && j.raw == 1 && !j.language_ok);
    j = judge("metric: {name: number_paper, language: ja}", "答えは18です。", "18");
    assert_true(j.score == 1 && j.raw == 1 && j.language_ok);
    j = judge("metric: {name: f1_char, language: ja}", "The sign says STOP.", "\"標識には STOP と書かれています。\"");
    assert_true(j.score == 0 && j.raw > 0 && !j.language_ok);
    j = judge("metric: {name: f1_char, language: ja}", "18", "\"18\"");
    assert_true(j.score == 1 && j.language_ok);
    j = judge("metric: {name: exact_match, language: ja}", "STOP", "[\"止まれと書いてあります\", \"STOP\"]");
    assert_true(j.score == 1 && !j.language_ok);
    error err;
    scorer *s = read("metric: {name: number, language: ja}", &err);
    json_t *gold = json_integer(1);
    assert_int_equal(scorer_judge(s, "1", gold, NULL, &j, &err), -1);
    assert_error(&err, ERROR_STATE, "'ja'", "no language model");
    json_decref(gold);
    scorer_free(s);
}

static void test_words(void **state)
{
    (void)state;
    error err;
    scorer *s = read("metric: rougeL", &err);
    if (!s) {
        if (!strstr(err.text, "MeCab"))
            fail_msg("%s", err.text);
        print_message("no MeCab or no dictionary: %s\n", err.text);
        skip();
    }
    scorer_free(s);
    check("metric: rouge1", "今日は雨です。", "\"今日は天気がいいです。\"", 2.0 / 3);
    check("metric: rouge2", "今日は雨です。", "\"今日は天気がいいです。\"", 0.4);
    check("metric: rougeL", "今日は雨です。", "\"今日は天気がいいです。\"", 2.0 / 3);
    check("metric: rougeL", "", "\"\"", 0);
    check("metric: rougeL", "二つ目", "[\"一つ目\", \"二つ目\"]", 1);
    check("metric: f1", "「雨」", "\"雨\"", 1);
    check("metric: f1", "。", "\"\"", 1);
}

static void test_bad_options(void **state)
{
    (void)state;
    static const struct { const char *yaml, *first, *second; } cases[] = {
        {"metric: exact_mach", "'exact_mach'", "'exact_match'"},
        {"metric: {name: number, dictionary: /d}", "t.yml:1", "'dictionary' does not go with number"},
        {"metric: {name: number, ignore_case: true}", "do not go with number", "exact_match"},
        {"metric: {name: exact_match, references: second}", "'best' or 'first'", "'second'"},
        {"metric: {name: exact_match, regexes_to_ignore: [\"(\"]}", "regexes_to_ignore", "'('"},
        {"metric: {name: exact_match, regexes_to_ignore: [\"\\\\q\"]}", "'\\q'", "Python"},
        {"metric: {name: exact_match, regexes_to_ignore: {a: b}}", "t.yml:1", "list"},
        {"metric: {name: exact_match, ignore_case: 3}", "t.yml:1", "true or false"},
        {"metric: {name: exact_match, ignore: 3}", "'ignore'", ""},
        {"metric: {language: ja}", "'name' is missing", ""},
        {"metric: \"\"", "'metric' is empty", ""},
        {"metric: {name: number, language: Japanese}", "'Japanese'", "ja or en"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err;
        if (read(cases[i].yaml, &err))
            fail_msg("%s is taken", cases[i].yaml);
        if (!strstr(err.text, cases[i].first) || !strstr(err.text, cases[i].second))
            fail_msg("%s: %s", cases[i].yaml, err.text);
    }
}

static void test_describe(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"metric: number", "number"},
        {"metric: {name: exact_match, references: best}", "exact_match"},
        {"metric: {name: exact_match, references: first, ignore_case: true, ignore_numbers: true, regexes_to_ignore: x}",
         "exact_match references=first regexes_to_ignore=x ignore_case ignore_numbers"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err;
        scorer *s = read(cases[i][0], &err);
        assert_non_null(s);
        char *text = scorer_describe(s);
        assert_string_equal(text, cases[i][1]);
        free(text);
        scorer_free(s);
    }
}

static int open_lid(void **state)
{
    (void)state;
    error err;
    lid = language_open(NULL, &err);
    return lid ? 0 : -1;
}

static int close_lid(void **state)
{
    (void)state;
    language_free(lid);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_match), cmocka_unit_test(test_several_references), cmocka_unit_test(test_ignores),
        cmocka_unit_test(test_normalised), cmocka_unit_test(test_language), cmocka_unit_test(test_words),
        cmocka_unit_test(test_bad_options), cmocka_unit_test(test_describe),
    };
    return cmocka_run_group_tests(tests, open_lid, close_lid);
}
