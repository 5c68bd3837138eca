#include "golden_lines.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

json_t *golden_rows(const char *path, error *err)
{
    size_t n, number = 0;
    char *text = file_read(path, (size_t)1 << 30, &n, err);
    if (!text)
        return NULL;
    json_t *rows = json_array();
    for (char *at = text, *end = text + n; at < end && rows;) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((stop ? stop : end) - at);
        json_t *line = json_loadb(at, length, JSON_ALLOW_NUL, NULL);
        number++;
        if (line) {
            json_array_append_new(rows, line);
        } else {
            fail(err, ERROR_FORMAT, "%s: line %zu is not JSON", path, number);
            json_decref(rows);
            rows = NULL;
        }
        at += length + 1;
    }
    free(text);
    return rows;
}

static void run_file(const golden_context *c, const char *path, const char *name, golden_line *check)
{
    golden_tally t = {0};
    error err = {0};
    json_t *rows = golden_rows(path, &err), *row;
    size_t i;
    if (!rows) {
        golden_mismatch(name, "%s", err.text);
        t.failed++;
    }
    json_array_foreach(rows, i, row)
        check(row, i + 1, name, &t);
    json_decref(rows);
    golden_report(c, name, t.passed, t.failed, t.unsupported);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void golden_lines(const golden_context *c, const char *folder, const golden_kind *kinds, size_t n)
{
    char *place = file_join(c->root, folder), **names = NULL;
    size_t count = 0;
    DIR *d = opendir(place);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        size_t k = strlen(entry->d_name);
        if (k <= 6 || strcmp(entry->d_name + k - 6, ".jsonl") != 0)
            continue;
        names = memory_grow(names, count + 1, sizeof *names);
        names[count++] = memory_text(entry->d_name);
    }
    if (d)
        closedir(d);
    if (count)
        qsort(names, count, sizeof *names, by_name);
    for (size_t i = 0; i < count; i++) {
        char *name = memory_print("%s/%.*s", folder, (int)(strlen(names[i]) - 6), names[i]), *path = file_join(place, names[i]);
        for (size_t k = 0; golden_wanted(c, name) && k < n; k++)
            if (strncmp(names[i], kinds[k].begins, strlen(kinds[k].begins)) == 0) {
                run_file(c, path, name, kinds[k].check);
                break;
            }
        free(path);
        free(name);
        free(names[i]);
    }
    free(names);
    free(place);
}
