#include "craft.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGES = 64, PAGE = 4096 };

static char *new_file(const char *folder, size_t n)
{
    char *bytes = memory_new(n, 1);
    memset(bytes, 'x', n);
    put_bytes(folder, "file", bytes, n);
    free(bytes);
    return file_join(folder, "file");
}

static void test_host_memory(void **state)
{
    (void)state;
    error err;
    buffer *b = buffer_new(1000, "weights", &err), *same = buffer_share(b);
    assert_ptr_equal(b, same);
    assert_int_equal((uintptr_t)buffer_bytes(b) % 64, 0);
    assert_int_equal(buffer_size(b), 1000);
    assert_false(buffer_is_mapped(b));
    assert_null(buffer_path(b));
    for (int i = 0; i < 1000; i++)
        assert_int_equal(((char *)buffer_bytes(b))[i], 0);
    buffer_free(b);
    memset(buffer_bytes(same), 1, 1000);
    assert_int_equal(buffer_check(same, &err), 0);
    buffer_release_pages(same, 0, 1000);
    assert_int_equal(((char *)buffer_bytes(same))[999], 1);
    buffer_free(same);
    buffer_free(NULL);
    assert_null(buffer_new(SIZE_MAX, "everything", &err));
    assert_error(&err, ERROR_MEMORY, "everything", "18446744073709551615");
}

static void test_map(void **state)
{
    (void)state;
    error err;
    char *folder = new_folder(), *path = new_file(folder, 5);
    buffer *b = buffer_map(path, &err);
    assert_non_null(b);
    assert_int_equal(buffer_size(b), 5);
    assert_memory_equal(buffer_bytes(b), "xxxxx", 5);
    assert_true(buffer_is_mapped(b));
    assert_string_equal(buffer_path(b), path);
    buffer_release_pages(b, 0, 5);
    assert_memory_equal(buffer_bytes(b), "xxxxx", 5);
    assert_int_equal(buffer_check(b, &err), 0);
    buffer_free(b);
    put_bytes(folder, "empty", "", 0);
    char *empty = file_join(folder, "empty");
    b = buffer_map(empty, &err);
    assert_int_equal(buffer_size(b), 0);
    buffer_free(b);
    free(empty);
    free(path);
    remove_folder(folder);
}

static void test_not_a_file(void **state)
{
    (void)state;
    error err;
    char *folder = new_folder(), *fifo = file_join(folder, "fifo"), *link = file_join(folder, "link");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(symlink("/dev/zero", link), 0);
    assert_null(buffer_map(fifo, &err));
    assert_error(&err, ERROR_IO, fifo, "FIFO");
    assert_null(buffer_map(link, &err));
    assert_error(&err, ERROR_IO, link, "device");
    assert_null(buffer_map(folder, &err));
    assert_error(&err, ERROR_IO, folder, "folder");
    free(fifo);
    free(link);
    remove_folder(folder);
}

static long sum(const buffer *b)
{
    const volatile unsigned char *bytes = buffer_bytes(b);
    long total = 0;
    for (size_t i = 0; i < buffer_size(b); i += 64)
        total += bytes[i];
    return total;
}

static void test_cut_short_while_mapped(void **state)
{
    (void)state;
    error err;
    char *folder = new_folder(), *path = new_file(folder, PAGES * PAGE);
    buffer *b = buffer_map(path, &err), *whole = buffer_map(path, &err);
    assert_int_equal(truncate(path, 3 * PAGE), 0);
    assert_int_equal(sum(b), 3 * PAGE / 64 * 'x');
    assert_int_equal(buffer_check(b, &err), -1);
    assert_error(&err, ERROR_IO, path, "262144", "12288");
    /* Its name gone, the hole is still known; a mapping that nobody read has none. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(buffer_check(b, &err), -1);
    assert_error(&err, ERROR_IO, path, "262144", "could not be read");
    assert_int_equal(buffer_check(whole, &err), 0);
    buffer_free(b);
    /* The place in the registry is used again, without the flag. */
    path = (free(path), new_file(folder, 2 * PAGE));
    b = buffer_map(path, &err);
    sum(b);
    assert_int_equal(buffer_check(b, &err), 0);
    buffer_free(b);
    buffer_free(whole);
    free(path);
    remove_folder(folder);
}

static void test_cut_inside_the_last_page(void **state)
{
    (void)state;
    error err;
    char *folder = new_folder(), *path = new_file(folder, 1000);
    buffer *b = buffer_map(path, &err);
    assert_int_equal(truncate(path, 999), 0);
    assert_int_equal(buffer_check(b, &err), -1);
    assert_error(&err, ERROR_IO, path, "1000", "999");
    buffer_free(b);
    free(path);
    remove_folder(folder);
}

/* The usual way to renew a file: the name means another one, the mapping stays what it was. */
static void test_replaced_by_rename(void **state)
{
    (void)state;
    error err;
    char *folder = new_folder(), *path = new_file(folder, 1000);
    buffer *b = buffer_map(path, &err);
    put_text(folder, "file", "other");
    assert_int_equal(sum(b), 16 * 'x');
    assert_int_equal(buffer_check(b, &err), 0);
    buffer_free(b);
    free(path);
    remove_folder(folder);
}

static void *read_all(void *context)
{
    return (void *)sum(context);
}

static void test_threads_meet_the_hole_together(void **state)
{
    (void)state;
    error err;
    char *folder = new_folder(), *path = new_file(folder, PAGES * PAGE);
    buffer *b = buffer_map(path, &err);
    assert_int_equal(truncate(path, PAGE), 0);
    pthread_t readers[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_all, b), 0);
    for (int i = 0; i < 4; i++) {
        void *total;
        assert_int_equal(pthread_join(readers[i], &total), 0);
        assert_int_equal((long)total, PAGE / 64 * 'x');
    }
    assert_int_equal(buffer_check(b, &err), -1);
    buffer_free(b);
    free(path);
    remove_folder(folder);
}

/* A bus error that is not ours still ends the process. */
static void test_other_bus_errors_are_fatal(void **state)
{
    (void)state;
    error err;
    char *folder = new_folder(), *path = new_file(folder, 2 * PAGE);
    for (int sent = 0; sent < 2; sent++) {
        pid_t child = fork();
        if (child == 0) {
            buffer *b = buffer_map(path, &err);
            int fd = open(path, O_RDWR);
            volatile char *p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
            if (!b || fd < 0 || p == MAP_FAILED || ftruncate(fd, 0) != 0)
                _exit(1);
            if (sent)
                raise(SIGBUS);
            else
                (void)p[PAGE];
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
#if defined(__SANITIZE_ADDRESS__)
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
#else
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGBUS);
#endif
        free(path);
        path = new_file(folder, 2 * PAGE);
    }
    free(path);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_memory),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_not_a_file),
        cmocka_unit_test(test_cut_short_while_mapped),
        cmocka_unit_test(test_cut_inside_the_last_page),
        cmocka_unit_test(test_replaced_by_rename),
        cmocka_unit_test(test_threads_meet_the_hole_together),
        cmocka_unit_test(test_other_bus_errors_are_fatal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
