#include "task/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"

#define MAX_QUESTIONS ((size_t)10000000)

struct reader {
    dataset *d;
    const char *id_field;
    size_t capacity;
};

static char *id_text(const json_t *id, size_t line)
{
    if (json_is_string(id))
        return memory_text(json_string_value(id));
    if (!id || json_is_null(id))
        return memory_print("%zu", line);
    char *dumped = json_dumps(id, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
    char *copy = memory_text(dumped ? dumped : "");
    free(dumped);
    return copy;
}

static int add_line(void *context, const json_t *value, size_t line, error *err)
{
    struct reader *r = context;
    dataset *d = r->d;
    if (!json_is_object(value))
        return fail(err, ERROR_FORMAT, "%s line %zu: should be a JSON object such as {\"question\": ..., \"answer\": ...}",
                    d->path, line);
    if (d->count == MAX_QUESTIONS)
        return fail(err, ERROR_LIMIT, "%s: more than the limit of %zu questions", d->path, MAX_QUESTIONS);
    if (d->count == r->capacity) {
        r->capacity = r->capacity ? 2 * r->capacity : 256;
        d->items = memory_grow(d->items, r->capacity, sizeof *d->items);
    }
    const json_t *id = r->id_field ? json_object_get(value, r->id_field) : NULL;
    d->items[d->count++] = (question){
        .fields = json_incref((json_t *)value), .id = id_text(id, line), .file = d->path, .line = line};
    return 0;
}

static int by_id(const void *a, const void *b)
{
    const question *x = *(const question *const *)a, *y = *(const question *const *)b;
    int order = strcmp(x->id, y->id);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

static int check_ids(const dataset *d, error *err)
{
    const question **sorted = memory_new(d->count, sizeof *sorted);
    for (size_t i = 0; i < d->count; i++)
        sorted[i] = &d->items[i];
    qsort(sorted, d->count, sizeof *sorted, by_id);
    int status = 0;
    for (size_t i = 1; i < d->count && status == 0; i++)
        if (strcmp(sorted[i - 1]->id, sorted[i]->id) == 0)
            status = fail(err, ERROR_FORMAT, "%s: lines %zu and %zu have the same id '%.100s'; ids should differ", d->path,
                          sorted[i - 1]->line, sorted[i]->line, sorted[i]->id);
    free(sorted);
    return status;
}

dataset *dataset_read(const char *path, const char *id_field, error *err)
{
    dataset *d = memory_new(1, sizeof *d);
    d->path = memory_text(path);
    struct reader r = {.d = d, .id_field = id_field};
    int status = json_lines(path, add_line, &r, err);
    if (status == 0 && d->count == 0)
        status = fail(err, ERROR_FORMAT, "%s: holds no questions", path);
    if (status == 0)
        status = check_ids(d, err);
    if (status == 0)
        return d;
    dataset_free(d);
    return NULL;
}

void dataset_free(dataset *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->count; i++) {
        json_decref(d->items[i].fields);
        free(d->items[i].id);
    }
    free(d->items);
    free(d->path);
    free(d);
}
