#include "check.h"

#include "text/chat.h"

#define TOKENS "[{\"id\":6,\"content\":\"<s>\",\"special\":true},{\"id\":7,\"content\":\"</s>\",\"special\":true}]"
#define BOS_POST "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}]," \
                 "\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[6],\"tokens\":[\"<s>\"]}}}"

/* A model of files only. */
static checkpoint model_of(const char *template, const char *config)
{
    checkpoint c = {.name = memory_text("m")};
    checkpoint_put_file(&c, "chat_template.jinja", template);
    checkpoint_put_file(&c, "tokenizer_config.json", config);
    return c;
}

static void free_model(checkpoint *c)
{
    for (size_t i = 0; i < c->n_files; i++) {
        free((char *)c->files[i].name);
        free((char *)c->files[i].text);
    }
    free(c->files);
    free(c->name);
}

static tokenizer *tokenizer_with_special(void)
{
    return make_tokenizer((parts){.added = TOKENS, .post = BOS_POST});
}

/* The template's BOS is one token, and no second one is put before it. */
static void prompts_are_tokens(void **state)
{
    (void)state;
    error err = {0};
    tokenizer *t = tokenizer_with_special();
    checkpoint m = model_of("{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}x{% endif %}",
                            "{\"bos_token\": {\"content\": \"<s>\"}, \"eos_token\": \"</s>\"}");
    chat *c = chat_of(&m, t, true, &err);
    if (!c)
        fail_msg("%s", err.text);
    json_t *messages = json_array();
    chat_say(messages, "user", "ab");
    chat_say(messages, "assistant", "c\xff");
    size_t n;
    char *text = chat_text(c, messages, &n, &err);
    assert_string_equal(text, "<s>ab</s>c\xef\xbf\xbd</s>x");
    assert_int_equal(n, strlen(text));
    free(text);
    json_array_remove(messages, 1);
    token_list ids = {0};
    assert_int_equal(chat_prompt(c, messages, t, &ids, &err), 0);
    static const int32_t wanted[] = {6, 3, 7, 5};
    assert_int_equal(ids.count, 4);
    assert_memory_equal(ids.id, wanted, sizeof wanted);
    token_list_free(&ids);
    json_decref(messages);
    chat_free(c);
    tokenizer_free(t);
    free_model(&m);
}

static void what_it_may_ask(void **state)
{
    (void)state;
    static const struct { const char *template, *wanted; } cases[] = {
        {"{{ strftime_now('%Y-%m-%d') }}", "2024-07-26"}, {"{{ tools is none }}{{ documents is none }}", "TrueTrue"}, {"{{ pad_token }}", "<p>"}, {"[{{ unk_token }}]", "[]"},
    };
    tokenizer *t = tokenizer_with_special();
    json_t *messages = json_array();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err = {0};
        checkpoint m = model_of(cases[i].template, "{\"pad_token\": \"<p>\", \"unk_token\": null}");
        chat *c = chat_of(&m, t, true, &err);
        char *text = c ? chat_text(c, messages, NULL, &err) : NULL;
        if (!text)
            fail_msg("%s", err.text);
        assert_string_equal(text, cases[i].wanted);
        assert_string_equal(chat_template_text(c), cases[i].template);
        free(text);
        chat_free(c);
        free_model(&m);
    }
    json_decref(messages);
    tokenizer_free(t);
}

static void refusals(void **state)
{
    (void)state;
    error err = {0};
    tokenizer *t = tokenizer_with_special();
    checkpoint m = model_of(NULL, "{}");
    assert_null(chat_of(&m, t, true, &err));
    assert_error(&err, ERROR_UNSUPPORTED, "m: has no chat template");
    free_model(&m);
    m = model_of("{% if %}", "{}");
    assert_null(chat_of(&m, t, true, &err));
    assert_error(&err, ERROR_FORMAT, "m: chat template:1:7:");
    free_model(&m);
    m = model_of("{{ raise_exception('no') }}", "{}");
    chat *c = chat_of(&m, t, true, &err);
    json_t *messages = json_array();
    token_list ids = {0};
    assert_int_equal(chat_prompt(c, messages, t, &ids, &err), -1);
    assert_error(&err, ERROR_FORMAT, "m: chat template:1:19: no");
    json_decref(messages);
    chat_free(c);
    free_model(&m);
    tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(prompts_are_tokens), cmocka_unit_test(what_it_may_ask), cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
