#include "scene.h"

#include "task/metric.h"
#include "task/picture.h"
#include "task/prompts.h"

#define HEAD "data: q.jsonl\nprompt: \"{question}\"\nmax_new_tokens: 8\nmetric: number\n"

static int open_with_questions(void **state)
{
    scene_open(state);
    scene_questions("q.jsonl", "q", 0, 10);
    return 0;
}

static void test_all_keys(void **state)
{
    (void)state;
    task *t = scene_good_task("name: sums\ndata: q.jsonl\nid: id\nprompt: \"Q: {question}\\nA:\"\nanswer: answer\n"
                              "max_new_tokens: 80\n"
                              "stop: [\"Q:\", 指示]\ntruncate: left\ntemperature: 0.5\ntop_p: 0.9\nrepetition_penalty: 1.5\n"
                              "metric: {name: number_paper, language: ja}\n", 1);
    assert_string_equal(t->name, "sums");
    assert_string_equal(phrase_source(t->wording.gold), "answer");
    assert_int_equal(t->max_new, 80);
    assert_int_equal(t->n_stops, 2);
    assert_string_equal(t->stops[0], "Q:");
    assert_string_equal(t->stops[1], "指示");
    assert_int_equal(t->truncation, TRUNCATE_LEFT);
    assert_true(t->temperature == 0.5f && t->top_p == 0.9f && t->repetition_penalty == 1.5f);
    assert_ptr_equal(t->measures[0].scorer->metric, metric_find("number_paper"));
    assert_string_equal(task_language(t), "ja");
    assert_null(t->command);
    assert_true(t->has_questions && t->splits_made);
    assert_non_null(strstr(t->text, "name: sums"));
    task_free(t);
}

static void test_defaults(void **state)
{
    (void)state;
    task *t = scene_good_task(HEAD "stop: END\n", 1);
    assert_string_equal(t->name, "task");
    assert_string_equal(phrase_source(t->wording.gold), "answer");
    assert_true(t->temperature == 0 && t->top_p == 1 && t->repetition_penalty == 1);
    assert_int_equal(t->truncation, TRUNCATE_NEVER);
    assert_null(task_language(t));
    assert_int_equal(t->n_stops, 1);
    task_free(t);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct { const char *yaml, *tells, *also; } bad[] = {
        {"[1]", "task.yml", "map of keys"},
        {"", "task.yml", "map of keys"},
        {HEAD "metrik: x\n", "unknown key 'metrik'", "'metric'"},
        {HEAD "data: q.jsonl\n", "duplicate key", "data"},
        {"prompt: \"{question}\"\nmax_new_tokens: 8\nmetric: number\n", "no questions", "data"},
        {"data: q.jsonl\nmax_new_tokens: 8\nmetric: number\n", "'prompt' is missing", ""},
        {"data: q.jsonl\nprompt: \"{question}\"\nmetric: number\n", "'max_new_tokens' is missing", ""},
        {"data: q.jsonl\nprompt: \"{question}\"\nmax_new_tokens: 8\n", "'metric' is missing", ""},
        {"data: q.jsonl\nprompt: \"\"\nmax_new_tokens: 8\nmetric: number\n", "'prompt' is empty", ""},
        {"data: q.jsonl\nprompt: \"{question\"\nmax_new_tokens: 8\nmetric: number\n", "prompt", ""},
        {"data: q.jsonl\nprompt: \"{qestion}\"\nmax_new_tokens: 8\nmetric: number\n", "line 1", "qestion"},
        {"data: q.jsonl\nprompt: \"{question}\"\nmax_new_tokens: 0\nmetric: number\n", "0 is outside", ""},
        {"data: q.jsonl\nprompt: \"{question}\"\nmax_new_tokens: 1e9\nmetric: number\n", "not a whole number", ""},
        {"data: q.jsonl\nprompt: \"{question}\"\nmax_new_tokens: 8\nmetric: exact_mach\n", "'exact_mach'", "'exact_match'"},
        {"data: q.jsonl\nprompt: \"{question}\"\nmax_new_tokens: 8\nmetric: {name: number, langage: ja}\n", "'langage'",
         "'language'"},
        {"data: q.jsonl\nprompt: \"{question}\"\nmax_new_tokens: 8\nmetric: {language: ja}\n", "'name' is missing", ""},
        {"data: q.jsonl\nprompt: \"{question}\"\nmax_new_tokens: 8\nmetric: {name: number, language: \"日本語\"}\n",
         "code such as ja", ""},
        {"data: q.jsonl\nprompt: \"{question}\"\nmax_new_tokens: 8\nmetric: [[number]]\n", "should be text", ""},
        {HEAD "temperature: -1\n", "temperature is -1", "[0, 100]"},
        {HEAD "temperature: .nan\n", "not a finite number", ""},
        {HEAD "top_p: 0\n", "top_p is 0", "(0, 1]"},
        {HEAD "top_p: 1.5\n", "top_p is 1.5", ""},
        {HEAD "repetition_penalty: 0\n", "repetition_penalty is 0", ""},
        {HEAD "truncate: right\n", "'left'", "'right'"},
        {HEAD "beams: 0\n", "0 is outside", ""},
        {HEAD "beams: 3\ntemperature: 1\n", "does not sample", "task.yml"},
        {HEAD "min_new_tokens: 9\n", "9 is outside", ""},
        {HEAD "tiles: false\n", "'image' names no field", ""},
        {HEAD "image: photo\n", "no text in field 'photo'", "line 1"},
        {HEAD "image: question\n", "there is no picture", "q what is 0?"},
        {HEAD "stop: [\"\"]\n", "stop string is empty", ""},
        {HEAD "stop: {a: b}\n", "list", ""},
        {HEAD "answer: gold\n", "no field 'gold'", "line 1"},
        {HEAD "name: \"\"\n", "'name' is empty", ""},
        {"data: absent.jsonl\nprompt: \"{question}\"\nmax_new_tokens: 8\nmetric: number\n", "'absent.jsonl' is neither",
         "task.yml:1:7"},
        {"data: words.jsonl\nprompt: \"{question}\"\nmax_new_tokens: 8\nmetric: number\n", "line 2", "'dog' is not a number"},
    };
    free(scene_write("words.jsonl", "{\"question\": \"a\", \"answer\": 1}\n{\"question\": \"b\", \"answer\": \"dog\"}\n"
                                    "{\"question\": \"c\", \"answer\": 1}\n"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error err;
        task *t = scene_task(bad[i].yaml, 1, &err);
        if (t || !strstr(err.text, bad[i].tells) || !strstr(err.text, bad[i].also) || strchr(err.text, '\n'))
            fail_msg("case %zu: '%s' does not tell '%s' and '%s'", i, t ? "(accepted)" : err.text, bad[i].tells, bad[i].also);
    }
}

static void test_too_many_stops(void **state)
{
    (void)state;
    string s = {0};
    string_puts(&s, HEAD "stop: [");
    for (int i = 0; i < 101; i++)
        string_print(&s, "%ss%d", i ? ", " : "", i);
    string_puts(&s, "]\n");
    error err;
    assert_null(scene_task(s.text, 1, &err));
    assert_error(&err, ERROR_FORMAT, "limit of 100");
    free(s.text);
}

static void test_commands(void **state)
{
    (void)state;
    task *t = scene_good_task("command: {run: \"score {model}\", seconds: 2.5}\n", 1);
    assert_string_equal(t->command, "score {model}");
    assert_true(t->command_seconds == 2.5);
    assert_false(t->has_questions);
    assert_int_equal(t->n_splits, 3);
    const task_split *s = task_split_find(t, "select", NULL);
    assert_int_equal(s->count, 1);
    assert_string_equal(s->questions[0]->id, "score");
    task_free(t);
    t = scene_good_task("data: q.jsonl\ncommand: {run: \"score {model} {questions}\"}\n", 1);
    assert_true(t->has_questions && t->command_seconds == 600);
    assert_int_equal(task_split_find(t, "search", NULL)->count, 6);
    task_free(t);
    static const struct { const char *yaml, *tells; } bad[] = {
        {"command: score\n", "{run:"},
        {"command: {seconds: 3}\n", "'run' is missing"},
        {"command: {run: score}\n", "{model}"},
        {"command: {run: \"s {model}\", seconds: 0}\n", "seconds is 0"},
        {"command: {run: \"s {model}\", seconds: 1e9}\n", "seconds is 1e9"},
        {"command: {run: \"s {model}\", second: 1}\n", "'seconds'"},
        {"command: {run: \"s {model}\"}\nprompt: x\n", "'prompt' does not go with a command"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error err;
        if (scene_task(bad[i].yaml, 1, &err) || !strstr(err.text, bad[i].tells))
            fail_msg("case %zu: '%s' does not tell '%s'", i, err.text, bad[i].tells);
    }
}

static void test_judging(void **state)
{
    (void)state;
    error err = {0};
    language_model *lid = language_open(SOURCE_DIR "/data/lid.176.ftz", &err);
    assert_non_null(lid);
    task *t = scene_good_task("data: q.jsonl\nprompt: \"{question}\"\nmax_new_tokens: 8\nmetric: {name: number, language: ja}\n",
                              1);
    const question *q = &t->datasets[0]->items[7];   /* its answer is 7 */
    judgement j;
    assert_int_equal(task_judge(t, q, "答えは7です。", lid, &j, &err), 0);
    assert_true(j.score == 1 && j.raw == 1 && j.language_ok);
    assert_int_equal(task_judge(t, q, "The answer is 7.", lid, &j, &err), 0);
    assert_true(j.score == 0 && j.raw == 1 && !j.language_ok);
    assert_int_equal(task_judge(t, q, "答えは8です。", lid, &j, &err), 0);
    assert_true(j.score == 0 && j.raw == 0 && j.language_ok);
    assert_int_equal(task_judge(t, q, "", lid, &j, &err), 0);
    assert_true(j.score == 0 && j.raw == 0 && !j.language_ok);
    assert_int_equal(task_judge(t, q, "7", NULL, &j, &err), -1);
    assert_error(&err, ERROR_STATE, "'ja'");
    task_free(t);
    language_free(lid);
    t = scene_good_task("data: q.jsonl\nprompt: \"{question}\"\nmax_new_tokens: 8\nmetric: exact_match\n", 1);
    assert_int_equal(task_judge(t, &t->datasets[0]->items[7], " \u30007\n", NULL, &j, &err), 0);
    assert_true(j.score == 1 && j.language_ok);
    task_free(t);
}

static void test_what_a_person_reads(void **state)
{
    (void)state;
    free(scene_write("odd.jsonl", "{\"id\": \"a\", \"zeta\": \"last\", \"input\": \"in\", \"answer\": \"x\"}\n{\"id\": \"b\", "
                                  "\"answer\": \"x\", \"zeta\": \"z\"}\n"
                                  "{\"id\": \"c\", \"answer\": \"x\", \"zeta\": 1}\n"));
    task *t = scene_good_task("data: odd.jsonl\nprompt: \"{zeta}\"\nmax_new_tokens: 8\nmetric: exact_match\n", 1);
    assert_string_equal(task_question_text(t, &t->datasets[0]->items[0]), "in");
    assert_string_equal(task_question_text(t, &t->datasets[0]->items[1]), "z");
    assert_string_equal(task_question_text(t, &t->datasets[0]->items[2]), "");
    task_free(t);
}

static void test_prompt_tokens(void **state)
{
    (void)state;
    error err = {0};
    tokenizer *tok = tokenizer_open(SOURCE_DIR "/miniature/models/base", &err);
    if (!tok)
        fail_msg("%s", err.text);
    task *t = scene_good_task("data: q.jsonl\nprompt: \"{{{question}}}\\n\"\nmax_new_tokens: 8\nmetric: number\n", 1);
    prompts *store = prompts_new();
    const token_list *ids = &prompts_get(store, t, &t->datasets[0]->items[3], tok, NULL, 1024, &err)->context;
    assert_int_equal(ids->id[0], tokenizer_bos(tok));
    char *back = tokenizer_decode(tok, ids->id, ids->count, true, NULL);
    assert_string_equal(back, "{q what is 3?}\n");
    free(back);
    prompts_free(store);
    task_free(t);
    tokenizer_free(tok);
}

/* The same words about other pictures are other questions; places of pictures, and no BOS, in the tokens. */
static void test_pictures(void **state)
{
    (void)state;
    error err = {0};
    free(scene_write("a.png", "a"));
    free(scene_write("b.png", "b"));
    free(scene_write("seen.jsonl", "{\"q\": \"what?\", \"photo\": \"a.png\", \"answer\": 1}\n{\"q\": \"what?\", \"photo\": \"b.png\", \"answer\": 2}\n"));
    task *t = scene_good_task("splits: {search: {file: seen.jsonl, range: [0, 1]}, test: {file: seen.jsonl, range: [1, 2]}}\nprompt: \"a<image>{q}\"\nimage: photo\ntiles: false\n"
                              "special_tokens: false\nmax_new_tokens: 8\nmin_new_tokens: 2\nbeams: 5\nmetric: number\n", 1);
    assert_true(t->one_view && t->no_special);
    assert_int_equal(t->beams, 5);
    assert_int_equal(t->min_new, 2);
    char *path = task_picture(t, t->splits[1].questions[0]);
    assert_true(text_ends_with(path, "b.png") && file_exists(path));
    free(path);
    tokenizer *tok = tokenizer_open(SOURCE_DIR "/miniature/models/base", &err);
    prompts *store = prompts_new();
    const prompt *asked = prompts_get(store, t, t->splits[0].questions[0], tok, NULL, 1024, &err);
    assert_non_null(asked);
    const token_list ids = asked->context;
    assert_true(ids.id[0] != tokenizer_bos(tok));
    size_t places = 0;
    for (size_t i = 0; i < ids.count; i++)
        places += ids.id[i] == PICTURE_PLACE;
    assert_int_equal(places, 1);
    prompts_free(store);
    tokenizer_free(tok);
    task_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_keys), cmocka_unit_test(test_defaults), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_many_stops),
        cmocka_unit_test(test_commands), cmocka_unit_test(test_judging), cmocka_unit_test(test_what_a_person_reads),
        cmocka_unit_test(test_prompt_tokens), cmocka_unit_test(test_pictures),
    };
    return cmocka_run_group_tests(tests, open_with_questions, scene_close);
}
