/* A folder of its own for a fuzzer whose reader takes files; gone when it ends. */
#ifndef TESTS_FUZZ_FOLDER_H
#define TESTS_FUZZ_FOLDER_H

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/memory.h"

static char *folder;     /* once begun */

static void must(int holds)
{
    if (!holds)
        abort();
}

static void remove_folder(void)
{
    file_remove_tree(folder, NULL);
    free(folder);
}

static void begin(void)
{
    const char *place = getenv("TMPDIR");
    folder = memory_print("%s/merganser-fuzz-XXXXXX", place ? place : "/tmp");
    must(mkdtemp(folder) != NULL);
    atexit(remove_folder);
}

/* file_write would fsync: thousands of times a second that is too slow. */
static void put(const char *name, const uint8_t *bytes, size_t n)
{
    char *path = file_join(folder, name);
    FILE *f = fopen(path, "wb");
    must(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
    free(path);
}

#endif
