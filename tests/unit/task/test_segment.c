#include "../base/check.h"

#include <sys/stat.h>
#include <unistd.h>

#include "task/segment.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#define LEAKS_OFF() __lsan_disable()
#define LEAKS_ON() __lsan_enable()
#else
#define LEAKS_OFF() ((void)0)
#define LEAKS_ON() ((void)0)
#endif

#define IPADIC "/var/lib/mecab/dic/ipadic-utf8"

/* MeCab forgets parts of a dictionary that it cannot open. */
static segmenter *open_damaged(const char *folder, error *err)
{
    LEAKS_OFF();
    segmenter *s = segmenter_open(folder, err);
    LEAKS_ON();
    return s;
}

/* Without MeCab, or without a dictionary, there is nothing to test but that it says so. */
static segmenter *open_or_skip(void)
{
    error err = {0};
    segmenter *s = segmenter_open(NULL, &err);
    if (s)
        return s;
    if (!strstr(err.text, "MeCab"))
        fail_msg("%s", err.text);
    print_message("%s\n", err.text);
    skip();
    return NULL;
}

static void check(segmenter *s, const char *text, const char *const *wanted)
{
    word_list got;
    error err;
    size_t i = 0;
    assert_int_equal(segmenter_cut(s, text, &got, &err), 0);
    for (; wanted[i]; i++)
        if (i >= got.count || got.items[i].n != strlen(wanted[i]) || memcmp(got.items[i].text, wanted[i], got.items[i].n) != 0)
            fail_msg("'%s': word %zu should be '%s'", text, i, wanted[i]);
    assert_int_equal(got.count, i);
    word_list_clear(&got);
}

static void test_words(void **state)
{
    (void)state;
    segmenter *s = open_or_skip();
    check(s, "", (const char *const[]){NULL});
    check(s, "今日は天気がいいです。", (const char *const[]){"今日", "は", "天気", "が", "いい", "です", "。", NULL});
    check(s, "Coding the Matrix", (const char *const[]){"Coding", "the", "Matrix", NULL});
    check(s, "\xff\xfe", (const char *const[]){"\xff\xfe", NULL});
    assert_non_null(segmenter_dictionary(s));
    segmenter_free(s);
}

static void test_folders_that_are_no_dictionary(void **state)
{
    (void)state;
    segmenter_free(open_or_skip());
    error err = {0};
    char *folder = new_folder();
    assert_null(segmenter_open(folder, &err));
    assert_error(&err, ERROR_IO, folder, "dicrc", "mecab-ipadic-utf8");
    static const char *const files[] = {"dicrc", "sys.dic", "unk.dic", "matrix.bin", "char.bin"};
    for (size_t i = 0; i < 5; i++) {
        char *path = file_join(folder, files[i]);
        assert_int_equal(file_write(path, "not one", 7, &err), 0);
        free(path);
    }
    assert_null(open_damaged(folder, &err));
    assert_error(&err, ERROR_FORMAT, folder, "cannot open");
    char *path = file_join(folder, "matrix.bin");
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(segmenter_open(folder, &err));
    assert_error(&err, ERROR_IO, folder, "no file matrix.bin");
    free(path);
    remove_folder(folder);
}

/* A dictionary in a folder with a space in its name, cut short in several places: an error, never a crash. */
static void test_damaged(void **state)
{
    (void)state;
    segmenter_free(open_or_skip());
    if (!file_is_folder(IPADIC))
        skip();
    error err = {0};
    char *scene = new_folder(), *folder = file_join(scene, "my dictionary");
    assert_int_equal(file_make_folders(folder, &err), 0);
    static const char *const files[] = {"dicrc", "sys.dic", "unk.dic", "matrix.bin", "char.bin"};
    char *to[5];
    for (size_t i = 0; i < 5; i++) {
        char *from = file_join(IPADIC, files[i]);
        to[i] = file_join(folder, files[i]);
        assert_int_equal(symlink(from, to[i]), 0);
        free(from);
    }
    segmenter *s = segmenter_open(folder, &err);
    if (!s)
        fail_msg("%s", err.text);
    assert_string_equal(segmenter_dictionary(s), folder);
    segmenter_free(s);
    for (size_t i = 1; i < 5; i++) {
        size_t n;
        char *whole = file_read(to[i], (size_t)1 << 30, &n, &err), *target = file_join(IPADIC, files[i]);
        unlink(to[i]);
        assert_int_equal(file_write(to[i], whole, n / 2, &err), 0);
        assert_null(open_damaged(folder, &err));
        assert_error(&err, ERROR_FORMAT, "my dictionary", "cannot open");
        unlink(to[i]);
        assert_int_equal(symlink(target, to[i]), 0);
        free(whole);
        free(target);
        free(to[i]);
    }
    free(to[0]);
    free(folder);
    remove_folder(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words), cmocka_unit_test(test_folders_that_are_no_dictionary), cmocka_unit_test(test_damaged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
