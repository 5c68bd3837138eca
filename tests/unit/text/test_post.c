#include "check.h"

#define ITEM(id) "{\"SpecialToken\":{\"id\":\"" id "\",\"type_id\":0}}"
#define TEXT "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"
#define TEMPLATE(items, specials) "{\"type\":\"TemplateProcessing\",\"single\":[" items "],\"special_tokens\":{" specials "}}"
#define S "\"<s>\":{\"ids\":[8,9]}"

static void check(const char *post, const char *wanted, const char *plain)
{
    tokenizer *t = make_tokenizer((parts){.post = post});
    assert_ids(t, "ab", true, wanted);
    assert_ids(t, "ab", false, plain);
    tokenizer_free(t);
}

static void test_templates(void **state)
{
    (void)state;
    check("null", "3", "3");
    check("{\"type\":\"ByteLevel\"}", "3", "3");
    check(TEMPLATE(ITEM("<s>") "," TEXT, S), "8 9 3", "3");
    check(TEMPLATE(TEXT "," ITEM("<s>") "," TEXT, S), "3 8 9 3", "3 3");
    check(TEMPLATE(ITEM("<s>"), S), "8 9", "");
    check("{\"type\":\"RobertaProcessing\",\"cls\":[\"<s>\",6],\"sep\":[\"</s>\",7]}", "6 3 7", "3");
    check("{\"type\":\"Sequence\",\"processors\":[" TEMPLATE(
              ITEM("<s>") "," TEXT, S) ",{\"type\":\"BertProcessing\",\"cls\":[\"<s>\",6],\"sep\":[\"</s>\",7]}]}",
          "6 8 9 3 7", "3");
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct { const char *post, *tells;
    } cases[] = {
        {"{\"type\":\"TemplateProcessing\"}", "single"},
        {TEMPLATE("{\"Sequence\":{\"id\":\"B\"}}", ""), "'B'"},
        {TEMPLATE("3", ""), "single"},
        {TEMPLATE(ITEM("<s>"), ""), "'<s>'"},
        {TEMPLATE(ITEM("<s>"), "\"<s>\":{\"ids\":[-1]}"), "id"},
        {TEMPLATE(ITEM("<s>"), "\"<s>\":{\"ids\":[99999999999]}"), "id"},
        {TEMPLATE(ITEM("<s>"), "\"<s>\":{\"ids\":[\"a\"]}"), "id"},
        {"{\"type\":\"RobertaProcessing\",\"cls\":3}", "id"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(((parts){.post = cases[i].post}), ERROR_FORMAT, "post_processor", cases[i].tells);
    /* Templates that double the text, each in the next. */
    string bomb = {0};
    string_puts(&bomb, "{\"type\":\"Sequence\",\"processors\":[");
    for (int i = 0; i < 60; i++)
        string_print(&bomb, "%s" TEMPLATE(TEXT "," TEXT, ""), i ? "," : "");
    string_puts(&bomb, "]}");
    assert_refused(((parts){.post = bomb.text}), ERROR_LIMIT, "10000");
    free(bomb.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_templates), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
