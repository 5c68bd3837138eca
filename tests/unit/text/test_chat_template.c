#include "check.h"

#include "base/file.h"
#include "text/chat_template.h"

static void names_formats(void **state)
{
    (void)state;
    for (size_t i = 0; chat_template_names()[i]; i++)
        assert_non_null(strstr(chat_template_named(chat_template_names()[i]), "message"));
    assert_non_null(strstr(chat_template_named("chatml"), "<|im_start|>"));
    assert_null(chat_template_named("chatmi"));
}

static void reads_a_folder(void **state)
{
    (void)state;
    static const struct { const char *config, *jinja, *wanted, *processor; } cases[] = {
        {NULL, NULL, NULL, NULL},
        {NULL, NULL, "P", "{\"chat_template\": \"P\"}"},
        {"{\"chat_template\": \"C\"}", NULL, "C", "{\"chat_template\": \"P\"}"},
        {"{\"model_max_length\": 1000000000000000019884624838656}", NULL, NULL, NULL},
        {"{\"chat_template\": \"C\"}", NULL, "C", NULL},
        {"{\"chat_template\": [{\"name\": \"tool\", \"template\": \"A\"}, {\"name\": \"default\", \"template\": \"B\"}]}", NULL, "B", NULL},
        {"{\"chat_template\": [{\"name\": 3}]}", NULL, NULL, NULL},
        {"{\"chat_template\": \"C\"}", "J", "J", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err = {0};
        char *folder = new_folder(), *config = file_join(folder, "tokenizer_config.json"), *jinja = file_join(folder, "chat_template.jinja"),
             *processor = file_join(folder, "chat_template.json"), *text;
        if (cases[i].config)
            assert_int_equal(file_write(config, cases[i].config, strlen(cases[i].config), &err), 0);
        if (cases[i].jinja)
            assert_int_equal(file_write(jinja, cases[i].jinja, strlen(cases[i].jinja), &err), 0);
        if (cases[i].processor)
            assert_int_equal(file_write(processor, cases[i].processor, strlen(cases[i].processor), &err), 0);
        assert_int_equal(chat_template_read(folder, &text, &err), 0);
        if (cases[i].wanted)
            assert_string_equal(text, cases[i].wanted);
        else
            assert_null(text);
        free(text);
        assert_int_equal(file_write(config, "{", 1, &err), 0);
        if (!cases[i].jinja) {
            assert_int_equal(chat_template_read(folder, &text, &err), -1);
            assert_error(&err, ERROR_FORMAT, "tokenizer_config.json", "not valid JSON");
        }
        free(config);
        free(jinja);
        free(processor);
        remove_folder(folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_formats), cmocka_unit_test(reads_a_folder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
