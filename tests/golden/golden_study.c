/* DIR/study/NAME.db as Optuna wrote it, with NAME.json (what Optuna reads back) and NAME.sql (its dump): our reader sees the
 * same, trial by trial; and the store refuses the file, which is not one of its own, in one line. */
#include "golden.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "study/optuna.h"
#include "study/store.h"

/* Equal, numbers by value (8 is 8.0); `where` gets the first difference. */
static bool same(const json_t *a, const json_t *b, string *where)
{
    if (json_is_number(a) && json_is_number(b))
        return json_number_value(a) == json_number_value(b);
    if (!a || !b || json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_array(a)) {
        bool equal = json_array_size(a) == json_array_size(b);
        for (size_t i = 0; equal && i < json_array_size(a); i++) {
            equal = same(json_array_get(a, i), json_array_get(b, i), where);
            if (!equal)
                string_print(where, "[%zu]", i);
        }
        return equal;
    }
    if (!json_is_object(a))
        return json_equal(a, b);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)b, key, value)
        if (!json_object_get(a, key)) {
            string_print(where, " %s", key);
            return false;
        }
    json_object_foreach((json_t *)a, key, value)
        if (!same(value, json_object_get(b, key), where)) {
            string_print(where, " %s", key);
            return false;
        }
    return true;
}

static void check(const char *name, const char *what, const json_t *ours, const json_t *theirs, int *passed, int *failed)
{
    string where = {0};
    if (same(ours, theirs, &where)) {
        ++*passed;
    } else {
        char *a = json_dumps(ours, JSON_ENCODE_ANY), *b = json_dumps(theirs, JSON_ENCODE_ANY);
        golden_mismatch(name, "%s:%s: ours %.300s, Optuna's %.300s", what, where.text ? where.text : "", a ? a : "none",
                        b ? b : "none");
        free(a);
        free(b);
        ++*failed;
    }
    free(where.text);
}

static void compare_study(const char *name, const json_t *ours, const json_t *theirs, int *passed, int *failed)
{
    static const char *const keys[] = {"name", "directions", "user_attrs", "metric_names", "best"};
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
        check(name, keys[k], json_object_get(ours, keys[k]), json_object_get(theirs, keys[k]), passed, failed);
    const json_t *a = json_object_get(ours, "trials"), *b = json_object_get(theirs, "trials");
    for (size_t i = 0; i < json_array_size(a) || i < json_array_size(b); i++) {
        char what[32];
        snprintf(what, sizeof what, "trial %zu", i);
        check(name, what, json_array_get(a, i), json_array_get(b, i), passed, failed);
    }
}

static void run_case(const golden_context *c, const char *folder, const char *file)
{
    size_t n = strlen(file) - 3;
    char *name = memory_print("study/%.*s", (int)n, file), *db = file_join(folder, file),
         *json = memory_print("%s/%.*s.json", folder, (int)n, file);
    if (golden_wanted(c, name) && file_exists(json)) {
        int passed = 0, failed = 0;
        error err = {0};
        json_t *expected = json_read(json, 0, &err), *studies = expected ? json_object_get(expected, "studies") : NULL;
        json_t *ours = expected ? optuna_read(db, &err) : NULL;
        if (!ours) {
            golden_mismatch(name, "%s", err.text);
            failed++;
        }
        for (size_t i = 0; ours && (i < json_array_size(ours) || i < json_array_size(studies)); i++)
            compare_study(name, json_array_get(ours, i), json_array_get(studies, i), &passed, &failed);
        store *s = store_open(db, true, &err);
        if (!s && strstr(err.text, "without this program's tables")) {
            passed++;
        } else {
            golden_mismatch(name, "the store took a file that is not its own (%s)", s ? "opened" : err.text);
            failed++;
        }
        store_close(s);
        json_decref(expected);
        json_decref(ours);
        golden_report(c, name, passed, failed, 0);
    }
    free(json);
    free(db);
    free(name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void golden_study(const golden_context *c)
{
    char *folder = file_join(c->root, "study"), **files = NULL;
    size_t count = 0;
    DIR *d = opendir(folder);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        size_t n = strlen(entry->d_name);
        if (n > 3 && strcmp(entry->d_name + n - 3, ".db") == 0) {
            files = memory_grow(files, count + 1, sizeof *files);
            files[count++] = memory_text(entry->d_name);
        }
    }
    if (d)
        closedir(d);
    if (count)
        qsort(files, count, sizeof *files, by_name);
    for (size_t i = 0; i < count; i++) {
        run_case(c, folder, files[i]);
        free(files[i]);
    }
    free(files);
    free(folder);
}
