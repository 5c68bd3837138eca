#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_write_and_read(void **state)
{
    (void)state;
    error err;
    size_t n;
    char *folder = new_folder(), *path = file_join(folder, "a"), *copy = file_join(folder, "b");
    assert_int_equal(file_write(path, "one\0two", 7, &err), 0);
    assert_int_equal(file_write(path, "three", 5, &err), 0);
    char *text = file_read(path, 5, &n, &err);
    assert_int_equal(n, 5);
    assert_string_equal(text, "three");
    free(text);
    assert_null(file_read(path, 4, &n, &err));
    assert_error(&err, ERROR_LIMIT, path, "5 bytes", "4");
    assert_int_equal(file_copy(path, copy, &err), 0);
    assert_int_equal(count_entries(folder), 2);
    char *large = memory_new(3 << 20, 1);       /* more than one piece, and not a whole number of them */
    for (size_t i = 0; i < (size_t)3 << 20; i++)
        large[i] = (char)(i * 2654435761u >> 13);
    assert_int_equal(file_write(path, large, (3 << 20) - 1, &err), 0);
    assert_int_equal(file_copy(path, copy, &err), 0);
    text = file_read(copy, 3 << 20, &n, &err);
    assert_int_equal(n, (3 << 20) - 1);
    assert_memory_equal(text, large, n);
    free(text);
    free(large);
    assert_int_equal(file_copy(folder, copy, &err), -1);
    assert_error(&err, ERROR_IO, folder, "folder");
    assert_int_equal(count_entries(folder), 2);
    assert_true(file_same(path, path));
    assert_false(file_same(path, copy));
    free(path);
    free(copy);
    remove_folder(folder);
}

static void test_only_regular_files_are_read(void **state)
{
    (void)state;
    error err;
    size_t n;
    char *folder = new_folder(), *fifo = file_join(folder, "fifo"), *link = file_join(folder, "link");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_null(file_read(fifo, 10, &n, &err));
    assert_error(&err, ERROR_IO, fifo, "FIFO");
    assert_int_equal(symlink("/dev/zero", link), 0);
    assert_null(file_read(link, 10, &n, &err));
    assert_error(&err, ERROR_IO, link, "device");
    assert_null(file_read(folder, 10, &n, &err));
    assert_error(&err, ERROR_IO, folder, "folder");
    assert_null(file_read("/nonexistent/x", 10, &n, &err));
    assert_error(&err, ERROR_IO, "/nonexistent/x", "No such file");
    free(fifo);
    free(link);
    remove_folder(folder);
}

static void test_a_failed_write_leaves_the_old(void **state)
{
    (void)state;
    error err;
    size_t n;
    char *folder = new_folder(), *path = file_join(folder, "a");
    assert_int_equal(file_write(path, "old", 3, &err), 0);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    char *big = memory_new(1000, 1);
    int status = file_write(path, big, 1000, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, -1);
    assert_error(&err, ERROR_IO, path, "File too large");
    char *text = file_read(path, 10, &n, &err);
    assert_string_equal(text, "old");
    assert_int_equal(count_entries(folder), 1);
    free(text);
    free(big);
    free(path);
    remove_folder(folder);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *path, *folder, *name;
    } cases[] = {{"a/b/c", "a/b", "c"}, {"c", ".", "c"}, {"/c", "/", "c"}, {"a//c", "a", "c"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *folder = file_folder(cases[i].path);
        assert_string_equal(folder, cases[i].folder);
        assert_string_equal(file_name(cases[i].path), cases[i].name);
        free(folder);
    }
    char *a = file_join("x", "y"), *b = file_join("x/", "y"), *c = file_join("x", "/y"), *p = file_partial("out/"), *up = file_folder("a/b/");
    assert_string_equal(a, "x/y");
    assert_string_equal(b, "x/y");
    assert_string_equal(c, "/y");
    assert_string_equal(p, "out.partial");
    assert_string_equal(up, "a");
    free(a);
    free(b);
    free(c);
    free(p);
    free(up);
}

static void put(const char *folder, const char *name, const char *text)
{
    error err;
    char *path = file_join(folder, name);
    assert_int_equal(file_make_folders(folder, &err), 0);
    assert_int_equal(file_write(path, text, strlen(text), &err), 0);
    free(path);
}

static void test_publish(void **state)
{
    (void)state;
    error err;
    char *folder = new_folder(), *out = file_join(folder, "out"), *partial = file_partial(out), *inner = file_join(out, "x");
    put(partial, "x", "1");
    assert_int_equal(file_publish(out, false, &err), 0);
    assert_true(file_exists(inner));
    assert_false(file_exists(partial));
    put(partial, "y", "2");
    assert_int_equal(file_publish(out, false, &err), -1);
    assert_error(&err, ERROR_IO, out, "exists already");
    assert_true(file_exists(inner));
    assert_int_equal(file_publish(out, true, &err), 0);
    assert_false(file_exists(inner));
    assert_int_equal(count_entries(out), 1);
    assert_int_equal(count_entries(folder), 1);
    free(inner);
    free(partial);
    free(out);
    remove_folder(folder);
}

static void test_trees(void **state)
{
    (void)state;
    error err;
    char *folder = new_folder(), *deep = file_join(folder, "a/b/c"), *outside = file_join(folder, "kept"), *a = file_join(folder, "a");
    put(outside, "x", "1");
    assert_int_equal(file_make_folders(deep, &err), 0);
    assert_int_equal(file_make_folders(deep, &err), 0);
    char *link = file_join(deep, "link"), *kept = file_join(outside, "x"), *below = file_join(kept, "y");
    assert_int_equal(symlink(outside, link), 0);
    assert_int_equal(file_remove_tree(a, &err), 0);
    assert_int_equal(file_remove_tree(a, &err), 0);
    assert_false(file_exists(a));
    assert_true(file_exists(kept));
    assert_int_equal(file_make_folders(below, &err), -1);
    uint64_t bytes = 0;
    assert_int_equal(file_free_bytes(deep, &bytes, &err), 0);
    assert_true(bytes > 0);
    free(below);
    free(kept);
    free(link);
    free(a);
    free(outside);
    free(deep);
    remove_folder(folder);
}

static void test_sha256(void **state)
{
    (void)state;
    error err;
    char hex[65];
    file_sha256("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    char *folder = new_folder(), *path = file_join(folder, "a");
    assert_int_equal(file_write(path, "abc", 3, &err), 0);
    memset(hex, 0, sizeof hex);
    assert_int_equal(file_sha256_path(path, hex, &err), 0);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(file_sha256_path("/nonexistent", hex, &err), -1);
    free(path);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_and_read),
        cmocka_unit_test(test_only_regular_files_are_read),
        cmocka_unit_test(test_a_failed_write_leaves_the_old),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_publish),
        cmocka_unit_test(test_trees),
        cmocka_unit_test(test_sha256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
