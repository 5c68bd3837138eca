#include "world.h"

static study_task entry(const char *path, const char *split, int64_t n)
{
    return (study_task){.path = (char *)path, .split = (char *)split, .questions = n, .weight = 1};
}

static void a_generation_draws_without_replacement_and_repeats(void **state)
{
    (void)state;
    char *path = world_path("task.yml");
    study_task entries[] = {entry(path, "search", 12), entry(path, "select", 0)};
    task_list tasks = {0};
    question_pool p;
    assert_int_equal(question_pool_open(&p, "search", entries, 2, &tasks, 1, &world_error), 0);
    assert_int_equal(tasks.count, 1);       /* one file, read once */
    assert_int_equal(question_pool_asked(&p), 12 + 15);
    int seen[31] = {0};
    for (uint32_t g = 0; g < 40; g++) {
        question_set *a = question_pool_draw(&p, 7, "questions", g, 0), *b = question_pool_draw(&p, 7, "questions", g, 0);
        question_set *other = question_pool_draw(&p, 7, "questions", g + 1, 0);
        assert_int_equal(a[0].count, 12);
        assert_int_equal(a[1].count, 15);
        assert_memory_equal(a[0].questions, b[0].questions, 12 * sizeof *a[0].questions);
        assert_true(memcmp(a[0].questions, other[0].questions, 12 * sizeof *a[0].questions) != 0);
        for (size_t i = 0; i < 12; i++) {
            seen[a[0].questions[i]->line]++;
            for (size_t k = 0; k < i; k++)
                assert_ptr_not_equal(a[0].questions[i], a[0].questions[k]);
        }
        for (size_t i = 0; i < 15; i++)
            assert_int_equal(a[1].questions[i]->line, 31 + i);      /* all of a split: as it stands */
        question_sets_free(a, 2);
        question_sets_free(b, 2);
        question_sets_free(other, 2);
    }
    for (int i = 1; i <= 30; i++)
        assert_in_range(seen[i], 4, 30);    /* 16 expected */
    question_set *some = question_pool_draw(&p, 7, "table", 0, 20);
    assert_int_equal(some[0].count, 20);
    assert_int_equal(some[1].count, 15);
    question_sets_free(some, 2);
    question_pool_free(&p);
    task_list_free(&tasks);
    free(path);
}

static void more_than_there_is_is_refused_with_both_numbers(void **state)
{
    (void)state;
    char *path = world_path("task.yml");
    study_task many = entry(path, "search", 31), unknown = entry(path, "serch", 0);
    task_list tasks = {0};
    question_pool p;
    assert_int_equal(question_pool_open(&p, "tasks", &many, 1, &tasks, 1, &world_error), -1);
    assert_non_null(strstr(world_error.text, "31 questions wanted"));
    assert_non_null(strstr(world_error.text, "which has 30"));
    question_pool_free(&p);
    assert_int_equal(question_pool_open(&p, "tasks", &unknown, 1, &tasks, 1, &world_error), -1);
    assert_non_null(strstr(world_error.text, "did you mean 'search'?"));
    question_pool_free(&p);
    task_list_free(&tasks);
    free(path);
}

static void a_digest_is_of_what_decides_scores(void **state)
{
    (void)state;
    static const char *const variants[] = {
        "name: sums\nsplits:\n  search: {file: questions.jsonl, range: [0, 30]}\nprompt: \"{question}\"\nmax_new_tokens: "
        "8\nmetric: number\n",
        "# a comment changes nothing\nname: other\nsplits:\n  search: {file: questions.jsonl, range: [0, 30]}\n  more: {file: "
        "questions.jsonl, range: "
        "[40, 50]}\nprompt: \"{question}\"\nmax_new_tokens: 8\nmetric: number\n",
        "name: sums\nsplits:\n  search: {file: questions.jsonl, range: [0, 30]}\nprompt: \"{question} \"\nmax_new_tokens: "
        "8\nmetric: number\n",
        "name: sums\nsplits:\n  search: {file: questions.jsonl, range: [0, 30]}\nprompt: \"{question}\"\nmax_new_tokens: "
        "9\nmetric: number\n",
        "name: sums\nsplits:\n  search: {file: questions.jsonl, range: [0, 30]}\nprompt: \"{question}\"\nmax_new_tokens: "
        "8\nmetric: number_paper\n",
        "name: sums\nsplits:\n  search: {file: questions.jsonl, range: [0, 29]}\nprompt: \"{question}\"\nmax_new_tokens: "
        "8\nmetric: number\n",
        "name: sums\nsplits:\n  search: {file: questions.jsonl, range: [0, 30]}\nprompt: \"{question}\"\nmax_new_tokens: "
        "8\nmetric: number\nstop: [x]\n",
    };
    char *path = world_path("variant.yml"), digests[7][65];
    for (int i = 0; i < 7; i++) {
        world_write("variant.yml", variants[i]);
        study_task e = entry(path, "search", 0);
        task_list tasks = {0};
        question_pool p;
        if (question_pool_open(&p, "tasks", &e, 1, &tasks, 1, &world_error) != 0 ||
            question_set_digest(&p.sets[0], digests[i], &world_error) != 0)
            fail_msg("%s", world_error.text);
        question_pool_free(&p);
        task_list_free(&tasks);
    }
    assert_string_equal(digests[0], digests[1]);
    for (int i = 2; i < 7; i++)
        assert_string_not_equal(digests[0], digests[i]);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_generation_draws_without_replacement_and_repeats),
        cmocka_unit_test(more_than_there_is_is_refused_with_both_numbers),
        cmocka_unit_test(a_digest_is_of_what_decides_scores),
    };
    return cmocka_run_group_tests(tests, world_open, world_close);
}
