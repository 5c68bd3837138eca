#include "../base/check.h"

#include <math.h>

#include "base/threads.h"
#include "task/language.h"

#define MODEL SOURCE_DIR "/data/lid.176.ftz"

static language_model *lid;

static int open_model(void **state)
{
    (void)state;
    error err = {0};
    lid = language_open(NULL, &err);
    if (!lid)
        fail_msg("%s", err.text);
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    language_free(lid);
    return 0;
}

static void test_papers_condition(void **state)
{
    (void)state;
    assert_true(language_is(lid, "ケンは最初38冊持っています。計算すると38 + 34 = 72です。", "ja"));
    assert_true(language_is(lid, "18です", "ja"));
    assert_true(language_is(lid, "Ken starts with 38. The answer is 72.", "en"));
    assert_false(language_is(lid, "18", "ja"));            /* no known n-gram: English at .12 */
    assert_false(language_is(lid, "18", "en"));            /* the best label, but not above a half */
    assert_false(language_is(lid, "答え：18", "ja"));      /* zh .527 */
    assert_true(language_is(lid, "先生", "ja"));           /* .526 */
    assert_false(language_is(lid, "", "ja"));
}

static void test_top(void **state)
{
    (void)state;
    language_guess top[3];
    assert_int_equal(language_guess_top(lid, "答え：18", strlen("答え：18"), top, 3), 3);
    assert_string_equal(top[0].label, "zh");
    assert_true(fabsf(top[0].probability - 0.52686f) < 1e-4f);
    assert_string_equal(top[1].label, "ja");
    assert_int_equal(language_guess_top(lid, "", 0, top, 1), 1);
    assert_string_equal(top[0].label, "en");
}

static void test_newlines_are_deleted(void **state)
{
    (void)state;
    language_guess a, b;
    language_guess_top(lid, "hello\nworld", 11, &a, 1);
    language_guess_top(lid, "helloworld", 10, &b, 1);
    assert_string_equal(a.label, b.label);
    assert_true(a.probability == b.probability);
}

static void test_labels(void **state)
{
    (void)state;
    assert_true(language_knows(lid, "ja"));
    assert_true(language_knows(lid, "en"));
    assert_false(language_knows(lid, "jp"));
    assert_false(language_knows(lid, ""));
}

static void guess(void *context, size_t piece)
{
    bool *good = context;
    good[piece] = language_is(lid, piece % 2 ? "これは日本語の文章です。" : "This is an English sentence.", piece % 2 ? "ja" : "en");
}

static void test_threads(void **state)
{
    (void)state;
    bool good[400] = {false};
    threads *pool = threads_new(4);
    threads_run(pool, 400, guess, good);
    threads_free(pool);
    for (int i = 0; i < 400; i++)
        assert_true(good[i]);
}

static void test_only_the_known_file(void **state)
{
    (void)state;
    error err = {0};
    char *folder = new_folder(), *path = file_join(folder, "lid.176.ftz");
    assert_null(language_open(path, &err));
    assert_error(&err, ERROR_IO, "lid.176.ftz");
    size_t n;
    char *bytes = file_read(MODEL, (size_t)1 << 24, &n, &err);
    assert_non_null(bytes);
    bytes[n / 2] ^= 1;
    assert_int_equal(file_write(path, bytes, n, &err), 0);
    assert_null(language_open(path, &err));
    assert_error(&err, ERROR_FORMAT, "is not lid.176.ftz");
    free(bytes);
    setenv("MERGANSER_LID", path, 1);
    assert_null(language_open(NULL, &err));
    setenv("MERGANSER_LID", MODEL, 1);
    language_model *m = language_open(NULL, &err);
    assert_non_null(m);
    language_free(m);
    unsetenv("MERGANSER_LID");
    free(path);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_papers_condition), cmocka_unit_test(test_top), cmocka_unit_test(test_newlines_are_deleted),
        cmocka_unit_test(test_labels), cmocka_unit_test(test_threads), cmocka_unit_test(test_only_the_known_file),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
