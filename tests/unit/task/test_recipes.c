/* The task recipes, to the byte where a paper states them. */
#include "scene.h"

#define RECIPES SOURCE_DIR "/recipes/tasks/"

static const char paper_prompt[] = "以下に、あるタスクを説明する指示があります。リクエストを適切に完了するための回答を日本語で記述してください。"
                                   "一歩一歩考えましょう。\n\n### 指示:\n{input}\n\n### 応答:";

static task *open_recipe(const char *name)
{
    error err = {0};
    char *path = file_join(RECIPES, name);
    task *t = task_read(path, 0, &err);
    if (!t)
        fail_msg("%s", err.text);
    free(path);
    return t;
}

static double gold_of(const task *t, size_t i)
{
    return json_number_value(json_object_get(t->splits[0].questions[i]->fields, "answer"));
}

static void test_mgsm(void **state)
{
    (void)state;
    static const char *const stops[] = {"Instruction:", "Instruction", "Response:", "Response"};
    error err = {0};
    task *t = open_recipe("mgsm-ja.yml");
    yaml_value *root = yaml_parse(t->text, strlen(t->text), "mgsm-ja.yml", &err);
    const char *written = NULL;
    assert_int_equal(yaml_text(yaml_get(root, "prompt"), &written, &err), 0);
    assert_string_equal(written, paper_prompt);
    yaml_free(root);
    assert_int_equal(t->n_stops, 4);
    for (int i = 0; i < 4; i++)
        assert_string_equal(t->stops[i], stops[i]);
    assert_int_equal(t->max_new, 1024);
    assert_true(t->temperature == 0);
    assert_string_equal(t->measures[0].scorer->metric->name, "number_paper");
    assert_string_equal(task_language(t), "ja");
    assert_int_equal(t->n_splits, 1);
    assert_string_equal(t->splits[0].name, "test");
    assert_int_equal(t->splits[0].count, 250);
    assert_true(gold_of(t, 0) == 18);
    static const double separated[] = {2125, 114200, 276000, 5600};   /* as MGSM writes them: "2,125" */
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < 250; i++) {
        sum += gold_of(t, i);
        for (int c = 0; c < 4; c++)
            n += gold_of(t, i) == separated[c];
    }
    assert_int_equal(n, 4);
    assert_true(sum == 794988);
    /* the prompt that the model reads */
    const question *q = t->splits[0].questions[1];
    char *filled = task_question_key(t, q, &err), *wanted, *place = strstr(paper_prompt, "{input}");
    assert_string_equal(task_question_text(t, q), "ローブを作成するには、青色の繊維を2巻分、白色の繊維をその半分用いる必要があります。全体で何巻必要ですか？");
    wanted = memory_print("%.*s%s%s", (int)(place - paper_prompt), paper_prompt, task_question_text(t, q),
                          place + strlen("{input}"));
    assert_string_equal(filled, wanted);
    free(filled);
    free(wanted);
    task_free(t);
}

static void test_miniature(void **state)
{
    (void)state;
    task *ja = open_recipe("mini-math-ja.yml"), *en = open_recipe("mini-math-en.yml");
    assert_int_equal(task_split_find(ja, "search", NULL)->count, 800);
    assert_int_equal(task_split_find(ja, "select", NULL)->count, 400);
    assert_int_equal(task_split_find(ja, "select", NULL)->questions[0]->line, 801);
    assert_int_equal(task_split_find(ja, "test", NULL)->count, 1200);
    assert_int_equal(task_split_find(en, "test", NULL)->count, 600);
    assert_int_equal(ja->max_new, 80);
    assert_string_equal(task_language(ja), "ja");
    assert_null(task_language(en));
    task_free(ja);
    task_free(en);
}

/* acc and acc_ja of transformers' recorded answers, as Python's re and fasttext count them. */
static void test_recorded_answers(void **state)
{
    (void)state;
    static const struct { const char *model; int right, japanese; } recorded[] = {
        {"base", 25, 25}, {"ja", 39, 39}, {"math-a", 96, 0}, {"math-b", 88, 0}};
    error err = {0};
    task *t = open_recipe("mini-math-ja.yml");
    const task_split *test = task_split_find(t, "test", NULL);
    language_model *lid = language_open(SOURCE_DIR "/data/lid.176.ftz", &err);
    assert_non_null(lid);
    for (size_t m = 0; m < sizeof recorded / sizeof *recorded; m++) {
        char *path = memory_print("%s/tests/data/answers/%s.math-ja-test.jsonl", SOURCE_DIR, recorded[m].model);
        dataset *answers = dataset_read(path, "id", &err);
        if (!answers)
            fail_msg("%s", err.text);
        int right = 0, japanese = 0;
        for (size_t i = 0; i < answers->count; i++) {
            judgement j;
            const char *text = json_string_value(json_object_get(answers->items[i].fields, "text"));
            assert_string_equal(answers->items[i].id, test->questions[i]->id);
            assert_int_equal(task_judge(t, test->questions[i], text, lid, &j, &err), 0);
            right += j.raw == 1;
            japanese += j.score == 1;
        }
        if (right != recorded[m].right || japanese != recorded[m].japanese)
            fail_msg("%s: %d right, %d of them Japanese; wanted %d and %d", recorded[m].model, right, japanese,
                     recorded[m].right, recorded[m].japanese);
        dataset_free(answers);
        free(path);
    }
    language_free(lid);
    task_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mgsm), cmocka_unit_test(test_miniature),
                                       cmocka_unit_test(test_recorded_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
