#include "scene.h"

#include "task/prompts.h"

static void test_store(void **state)
{
    (void)state;
    error err = {0};
    scene_questions("q.jsonl", "q", 0, 1000);
    tokenizer *tok = tokenizer_open(SOURCE_DIR "/miniature/models/base", &err);
    assert_non_null(tok);
    task *t = scene_good_task("splits: {test: q.jsonl}\nprompt: \"{question}\"\nmax_new_tokens: 8\nmetric: number\n", 1),
         *u = scene_good_task("splits: {test: q.jsonl}\nprompt: \"!{question}\"\nmax_new_tokens: 8\nmetric: number\n", 1);
    const question **q = t->splits[0].questions;
    prompts *p = prompts_new();
    const prompt *kept[1000];
    for (size_t i = 0; i < 1000; i++)
        assert_non_null(kept[i] = prompts_get(p, t, q[i], tok, NULL, 1024, &err));
    for (size_t i = 0; i < 1000; i++) {
        token_list fresh = {0};
        const char *text = json_string_value(json_object_get(q[i]->fields, "question"));
        assert_ptr_equal(prompts_get(p, t, q[i], tok, NULL, 1024, &err), kept[i]);
        assert_int_equal(tokenizer_encode(tok, text, strlen(text), true, &fresh, &err), 0);
        assert_int_equal(kept[i]->context.count, fresh.count);
        assert_memory_equal(kept[i]->context.id, fresh.id, fresh.count * sizeof *fresh.id);
        token_list_free(&fresh);
    }
    assert_ptr_not_equal(prompts_get(p, u, q[0], tok, NULL, 1024, &err), kept[0]);   /* the same question in another task */
    prompts_clear(p);
    assert_non_null(prompts_get(p, t, q[0], tok, NULL, 1024, &err));
    prompts_free(p);
    prompts_free(NULL);
    task_free(t);
    task_free(u);
    tokenizer_free(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_store)};
    return cmocka_run_group_tests(tests, scene_open, scene_close);
}
