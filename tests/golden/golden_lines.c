#include "golden_lines.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

static void run_file(const golden_context *c, const char *path, const char *name, golden_line *check)
{
    golden_tally t = {0};
    error err = {0};
    size_t n;
    char *text = file_read(path, (size_t)1 << 30, &n, &err);
    if (!text) {
        golden_mismatch(name, "%s", err.text);
        golden_report(c, name, 0, 1, 0);
        return;
    }
    size_t number = 0;
    for (char *at = text, *end = text + n; at < end;) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((stop ? stop : end) - at);
        number++;
        if (strspn(at, " \t\r\n") < length) {
            json_t *line = json_loadb(at, length, JSON_ALLOW_NUL, NULL);
            if (line) {
                check(line, number, name, &t);
            } else {
                t.failed++;
                golden_mismatch(name, "line %zu is not JSON", number);
            }
            json_decref(line);
        }
        at += length + 1;
    }
    free(text);
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
