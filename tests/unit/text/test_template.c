#include "check.h"

#include "text/template.h"

static void check(const char *text, const char *fields, const char *wanted)
{
    error err = {0};
    json_t *object = json_parse(fields, strlen(fields), "q", &err);
    prompt_template *t = template_parse(text, "task.yml", &err);
    if (!t)
        fail_msg("%s", err.text);
    char *got = template_fill(t, object, "q.jsonl line 3", &err);
    if (!got)
        fail_msg("%s", err.text);
    assert_string_equal(got, wanted);
    free(got);
    template_free(t);
    json_decref(object);
}

static void test_filling(void **state)
{
    (void)state;
    check("", "{}", "");
    check("plain\n", "{}", "plain\n");
    check("### {question}\n{question}", "{\"question\":\"1 + 1 = ?\"}", "### 1 + 1 = ?\n1 + 1 = ?");
    check("{{\"a\": {a}}}", "{\"a\":3}", "{\"a\": 3}");
    check("{{}}{{{a}}}", "{\"a\":\"{b}\"}", "{}{{b}}");
    check("{\u8cea\u554f} {two words}", "{\"\u8cea\u554f\":\"x\",\"two words\":\"y\"}", "x y");
    check("{a} {b} {c} {d} {e}", "{\"a\":0.1,\"b\":-7,\"c\":1.0,\"d\":1e300,\"e\":0.30000000000000004}",
          "0.1 -7 1.0 1e+300 0.30000000000000004");
}

static void test_refusals(void **state)
{
    (void)state;
    static const char *const texts[] = {"{", "}", "a\n{b", "{}", "{a{b}}", "{a\nb}", "a } b", "{{a}"};
    error err;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (template_parse(texts[i], "task.yml", &err))
            fail_msg("accepted: %s", texts[i]);
        assert_error(&err, ERROR_FORMAT, "task.yml", "line", "{field}");
    }
    json_t *fields = json_parse("{\"a\":[1],\"b\":null,\"c\":true}", 28, "q", &err);
    static const char *const fields_of[] = {"{a}", "{b}", "{c}", "{d}"};
    for (size_t i = 0; i < 4; i++) {
        prompt_template *t = template_parse(fields_of[i], "task.yml", &err);
        assert_null(template_fill(t, fields, "q.jsonl line 3", &err));
        char name[4] = {'\'', fields_of[i][1], '\'', 0};
        assert_error(&err, ERROR_FORMAT, "q.jsonl line 3", name);
        template_free(t);
    }
    json_decref(fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_filling), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
