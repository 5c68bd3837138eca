#include "scene.h"

#include "task/prompts.h"

#define GOOD "splits: {test: q.jsonl}\nmax_new_tokens: 8\nmetric: number\n"

static checkpoint model_with(const char *template)
{
    checkpoint c = {.name = memory_text("m"), .folder = memory_text(SOURCE_DIR "/miniature/models/base")};
    checkpoint_put_file(&c, "chat_template.jinja", template);
    return c;
}

static void free_model(checkpoint *c)
{
    for (size_t i = 0; i < c->n_files; i++) {
        free((char *)c->files[i].name);
        free((char *)c->files[i].text);
    }
    free(c->files);
    free(c->folder);
    free(c->name);
}

static token_list ids_of(const tokenizer *tok, const char *text, bool special)
{
    error err;
    token_list ids = {0};
    assert_int_equal(tokenizer_encode(tok, text, strlen(text), special, &ids, &err), 0);
    return ids;
}

/* The prompt's text is what the template makes of it; its BOS is the only one. */
static void asks_by_the_template(void **state)
{
    (void)state;
    error err = {0};
    scene_questions("q.jsonl", "q", 0, 10);
    checkpoint m = model_with("{{ bos_token }}{% for m in messages %}[{{ m.role }}:{{ m.content }}]{% endfor %}");
    tokenizer *tok = tokenizer_of(&m, &err);
    chat *c = chat_of(&m, tok, true, &err);
    assert_non_null(c);
    static const struct { const char *keys, *wanted; } cases[] = {
        {"chat: true\nprompt: \"{question}!\"\n", "<s>[user:q what is 3?!]"},
        {"chat: true\nsystem: \"Say {answer}.\"\nprompt: \"{question}\"\n", "<s>[system:Say 3.][user:q what is 3?]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *yaml = memory_print("%s%s", GOOD, cases[i].keys);
        task *t = scene_good_task(yaml, 1);
        prompts *store = prompts_new();
        token_list wanted = ids_of(tok, cases[i].wanted, false);
        const prompt *asked = prompts_get(store, t, t->splits[0].questions[3], tok, c, 1024, &err);
        assert_non_null(asked);
        const token_list got = asked->context;
        assert_int_equal(got.count, wanted.count);
        assert_memory_equal(got.id, wanted.id, got.count * sizeof *got.id);
        assert_int_equal(got.id[0], tokenizer_bos(tok));
        assert_int_not_equal(got.id[1], tokenizer_bos(tok));
        prompts_free(store);
        token_list_free(&wanted);
        task_free(t);
        free(yaml);
    }
    chat_free(c);
    tokenizer_free(tok);
    free_model(&m);
}

static void pictures_stand_in_front(void **state)
{
    (void)state;
    error err = {0};
    scene_questions("q.jsonl", "q", 0, 10);
    checkpoint m = model_with("{{ messages[0].content }}");
    tokenizer *tok = tokenizer_of(&m, &err);
    chat *c = chat_of(&m, tok, true, &err);
    const message plain = {.chat = true};
    task *t = scene_good_task(GOOD "prompt: x\n", 1);
    static const struct { const char *said, *wanted; } cases[] = {{"what?", "<image>\nwhat?"}, {"see <image>?", "see <image>?"}};
    for (size_t i = 0; i < 2; i++) {
        char *text = memory_text(cases[i].said);
        size_t n;
        assert_int_equal(message_render(&plain, t->splits[0].questions[0], c, 1, &text, &n, &err), 0);
        assert_string_equal(text, cases[i].wanted);
        assert_int_equal(n, strlen(text));
        free(text);
    }
    task_free(t);
    chat_free(c);
    tokenizer_free(tok);
    free_model(&m);
}

static void refusals(void **state)
{
    (void)state;
    error err = {0};
    scene_questions("q.jsonl", "q", 0, 10);
    static const struct { const char *keys, *what; } cases[] = {
        {"prompt: x\nsystem: y\n", "'chat: true'"}, {"prompt: x\nchat: maybe\n", "task.yml:5:7"}, {"prompt: x\nchat: true\nsystem: \"{\"\n", "task.yml:6: system"},
        {"chat: true\n", "'prompt'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *yaml = memory_print("%s%s", GOOD, cases[i].keys);
        if (scene_task(yaml, 1, &err))
            fail_msg("accepted: %s", yaml);
        assert_error(&err, ERROR_FORMAT, cases[i].what);
        free(yaml);
    }
    checkpoint m = model_with("{{ raise_exception('no user') }}");
    tokenizer *tok = tokenizer_of(&m, &err);
    chat *c = chat_of(&m, tok, true, &err);
    task *t = scene_good_task(GOOD "chat: true\nprompt: \"{question}\"\n", 1);
    prompts *store = prompts_new();
    assert_null(prompts_get(store, t, t->splits[0].questions[3], tok, c, 1024, &err));
    assert_error(&err, ERROR_FORMAT, "q.jsonl line 4: m: chat template:1:19: no user");
    prompts_free(store);
    task_free(t);
    chat_free(c);
    tokenizer_free(tok);
    free_model(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(asks_by_the_template), cmocka_unit_test(pictures_stand_in_front), cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, scene_open, scene_close);
}
