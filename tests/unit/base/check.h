/* What the tests of base share, and those of other folders include. */
#ifndef TESTS_UNIT_BASE_CHECK_H
#define TESTS_UNIT_BASE_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* cmocka's name for giving up is ours for filling an error. */
#undef fail
#undef fail_msg
#define fail_msg(...)                    \
    do {                                 \
        print_error("ERROR: " __VA_ARGS__); \
        print_error("\n");               \
        _fail(__FILE__, __LINE__);       \
    } while (0)

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

/* The error is one line and tells each of the things named (NULL-terminated). */
static inline void assert_tells(const error *err, enum error_code code, const char *const *things)
{
    if (err->code != code)
        fail_msg("code %d, wanted %d: %s", err->code, code, err->text);
    if (strchr(err->text, '\n'))
        fail_msg("more than one line: %s", err->text);
    for (; *things; things++)
        if (!strstr(err->text, *things))
            fail_msg("'%s' does not tell '%s'", err->text, *things);
}
#define assert_error(err, code, ...) assert_tells(err, code, (const char *const[]){__VA_ARGS__, NULL})

static inline char *new_folder(void)
{
    const char *place = getenv("TMPDIR");
    char *folder = memory_print("%s/merganser-test-XXXXXX", place ? place : "/tmp");
    assert_non_null(mkdtemp(folder));
    return folder;
}

static inline void remove_folder(char *folder)
{
    error err;
    assert_int_equal(file_remove_tree(folder, &err), 0);
    free(folder);
}

/* How many entries a folder has, hidden ones left out. */
static inline int count_entries(const char *folder)
{
    int n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

#endif
