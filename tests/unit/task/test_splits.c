#include "scene.h"

#include <unistd.h>

#define REST "prompt: \"{question}\"\nmax_new_tokens: 8\nmetric: number\n"

static void test_cut(void **state)
{
    (void)state;
    scene_questions("q.jsonl", "q", 0, 100);
    task *t = scene_good_task("data: q.jsonl\n" REST, 7), *same = scene_good_task("data: q.jsonl\n" REST, 7),
         *other = scene_good_task("data: q.jsonl\n" REST, 8);
    static const char *const names[] = {"search", "select", "test"};
    static const size_t counts[] = {60, 20, 20};
    int seen[100] = {0};
    size_t moved = 0;
    assert_int_equal(t->n_splits, 3);
    for (size_t s = 0; s < 3; s++) {
        assert_string_equal(t->splits[s].name, names[s]);
        assert_int_equal(t->splits[s].count, counts[s]);
        for (size_t i = 0; i < counts[s]; i++) {
            const question *q = t->splits[s].questions[i];
            seen[q - t->datasets[0]->items]++;
            assert_string_equal(q->id, same->splits[s].questions[i]->id);
            moved += strcmp(q->id, other->splits[s].questions[i]->id) != 0;
            assert_true(i == 0 || q > t->splits[s].questions[i - 1]);   /* in the file's order */
        }
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
    assert_true(moved > 50);
    task_free(t);
    task_free(same);
    task_free(other);
}

static void test_small_files(void **state)
{
    (void)state;
    error err;
    scene_questions("q.jsonl", "q", 0, 3);
    task *t = scene_good_task("data: q.jsonl\n" REST, 1);
    for (size_t s = 0; s < 3; s++)
        assert_int_equal(t->splits[s].count, 1);
    task_free(t);
    scene_questions("q.jsonl", "q", 0, 2);
    assert_null(scene_task("data: q.jsonl\n" REST, 1, &err));
    assert_error(&err, ERROR_FORMAT, "q.jsonl", "2 different questions");
}

/* Copies of a question, white space aside, go to one split. */
static void test_cut_with_copies(void **state)
{
    (void)state;
    string s = {0};
    for (int i = 0; i < 40; i++)
        string_print(&s, "{\"question\": \"what%s is %d\", \"answer\": %d}\n", i >= 20 ? " \u3000" : "", i % 20, i % 20);
    free(scene_write("q.jsonl", s.text));
    free(s.text);
    for (uint64_t seed = 0; seed < 5; seed++) {
        task *t = scene_good_task("data: q.jsonl\n" REST, seed);
        int where[20] = {0};
        for (size_t k = 0; k < 3; k++)
            for (size_t i = 0; i < t->splits[k].count; i++) {
                int *w = &where[json_integer_value(json_object_get(t->splits[k].questions[i]->fields, "answer"))];
                assert_true(*w == 0 || *w == (int)k + 1);
                *w = (int)k + 1;
            }
        assert_int_equal(t->splits[1].count, 8);
        task_free(t);
    }
}

static void test_named(void **state)
{
    (void)state;
    scene_questions("train.jsonl", "train", 0, 12);
    scene_questions("test.jsonl", "test", 0, 5);
    task *t = scene_good_task("data: train.jsonl\nsplits:\n  search: {range: [0, 8]}\n"
                              "  select: {file: train.jsonl, range: [8, 12]}\n  test: test.jsonl\n" REST, 1);
    assert_false(t->splits_made);
    assert_int_equal(t->n_datasets, 2);   /* a file named twice is read once */
    assert_int_equal(task_split_find(t, "search", NULL)->count, 8);
    assert_string_equal(task_split_find(t, "select", NULL)->questions[0]->id, "train-8");
    assert_int_equal(task_split_find(t, "test", NULL)->count, 5);
    error err;
    assert_null(task_split_find(t, "serach", &err));
    assert_error(&err, ERROR_USAGE, "'serach'", "'search'", "select, test");
    task_free(t);
}

static void refused(const char *splits, const char *tells, const char *also)
{
    error err;
    char *yaml = memory_print("splits: %s\n" REST, splits);
    if (scene_task(yaml, 1, &err))
        fail_msg("%s is accepted", splits);
    assert_error(&err, ERROR_FORMAT, tells, also);
    free(yaml);
}

static void test_refused(void **state)
{
    (void)state;
    scene_questions("train.jsonl", "train", 0, 12);
    refused("[1]", "task.yml:1", "splits should be");
    refused("{}", "task.yml:1", "splits should be");
    refused("{test: [train.jsonl]}", "split 'test'", "{file:");
    refused("{test: {range: [0, 4]}}", "'test' names no file", "");
    refused("{test: {file: train.jsonl, rang: [0, 4]}}", "'rang'", "'range'");
    refused("{test: {file: train.jsonl, range: [0, 13]}}", "[0, 13]", "12 questions");
    refused("{test: {file: train.jsonl, range: [4, 4]}}", "[4, 4]", "");
    refused("{test: {file: train.jsonl, range: [5, 4]}}", "[5, 4]", "");
    refused("{test: {file: train.jsonl, range: [-1, 4]}}", "-1", "");
    refused("{test: {file: train.jsonl, range: [0, 99999999999999999999]}}", "not a whole number", "");
    refused("{test: {file: train.jsonl, range: [0]}}", "range should be", "");
    refused("{\"a b\": train.jsonl}", "'a b'", "letters");
    refused("{test: absent.jsonl}", "absent.jsonl", "current folder");
    error err;
    assert_null(scene_task("splits: {test: /dev/zero}\n" REST, 1, &err));
    assert_error(&err, ERROR_IO, "/dev/zero", "regular file");
}

static void test_overlap(void **state)
{
    (void)state;
    scene_questions("train.jsonl", "train", 0, 12);
    refused("{a: {file: train.jsonl, range: [0, 6]}, b: {file: train.jsonl, range: [5, 12]}}", "'a' and 'b'",
            "train.jsonl line 6");
    free(scene_write("test.jsonl", "{\"question\": \"new\", \"answer\": 1}\n{\"question\": \" train\\n what  is 3?\", "
                                   "\"answer\": 3}\n"));
    refused("{search: train.jsonl, test: test.jsonl}", "train.jsonl line 4", "test.jsonl line 2");
    free(scene_write("test.jsonl", "{\"question\": \"train what is 33?\", \"answer\": 3}\n"));
    task_free(scene_good_task("splits: {search: train.jsonl, test: test.jsonl}\n" REST, 1));
}

static void test_overlap_between_tasks(void **state)
{
    (void)state;
    error err = {0};
    scene_questions("train.jsonl", "train", 0, 12);
    scene_questions("other.jsonl", "other", 0, 4);
    free(scene_write("strange.jsonl", "{\"problem\": \"train what is 3?\", \"answer\": 3}\n"));
    task *a = scene_good_task("splits: {search: {file: train.jsonl, range: [0, 8]}, test: {file: train.jsonl, range: [8, 12]}}\n"
                              REST, 1),
         *b = scene_good_task("splits: {test: {file: train.jsonl, range: [6, 12]}, far: other.jsonl}\nprompt: \"Q {question} "
                              "A\"\nmax_new_tokens: 8\nmetric: number\n", 1),
         *c = scene_good_task("splits: {test: strange.jsonl}\nprompt: \"{problem}\"\nmax_new_tokens: 8\nmetric: number\n", 1),
         *command = scene_good_task("command: {run: \"x {model}\"}\n", 1);
    assert_int_equal(task_splits_disjoint(a, &a->splits[0], b, &b->splits[0], &err), -1);
    assert_error(&err, ERROR_FORMAT, "'search'", "'test'", "train.jsonl line 7");
    assert_int_equal(task_splits_disjoint(a, &a->splits[0], b, &b->splits[1], &err), 0);
    assert_int_equal(task_splits_disjoint(a, &a->splits[0], c, &c->splits[0], &err), 0);
    assert_int_equal(task_splits_disjoint(a, &a->splits[0], a, &a->splits[1], &err), 0);
    assert_int_equal(task_splits_disjoint(command, &command->splits[0], command, &command->splits[1], &err), 0);
    task_free(a);
    task_free(b);
    task_free(c);
    task_free(command);
}

/* The current folder comes first, then the task file's. */
static void test_where_files_are_looked_for(void **state)
{
    (void)state;
    char *here = getcwd(NULL, 0), *folder = file_join(scene, "here");
    error err = {0};
    assert_non_null(here);
    assert_int_equal(file_make_folders(folder, &err), 0);
    scene_questions("q.jsonl", "beside", 0, 10);
    scene_questions("here/q.jsonl", "here", 0, 10);
    assert_int_equal(chdir(folder), 0);
    task *t = scene_good_task("data: q.jsonl\n" REST, 1);
    assert_string_equal(t->datasets[0]->items[0].id, "here-0");
    task_free(t);
    assert_int_equal(chdir(here), 0);
    t = scene_good_task("data: q.jsonl\n" REST, 1);
    assert_string_equal(t->datasets[0]->items[0].id, "beside-0");
    task_free(t);
    free(here);
    free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut), cmocka_unit_test(test_small_files), cmocka_unit_test(test_cut_with_copies),
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_overlap), cmocka_unit_test(test_overlap_between_tasks),
        cmocka_unit_test(test_where_files_are_looked_for),
    };
    return cmocka_run_group_tests(tests, scene_open, scene_close);
}
