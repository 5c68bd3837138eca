#include "task/splits.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "task/space.h"

/* Paths are relative to the current folder, as mergekit has it, else to the file that names them. */
static char *resolve(const yaml_value *at, const char *path, error *err)
{
    if (file_exists(path))
        return memory_text(path);
    char *folder = file_folder(at->file), *beside = file_join(folder, path);
    if (!file_exists(beside)) {
        yaml_fail(err, at, "'%s' is neither in the current folder nor in %s; docs/data.md tells where data sets come from", path, folder);
        free(beside);
        beside = NULL;
    }
    free(folder);
    return beside;
}

static dataset *keep(task *t, dataset *d)
{
    t->datasets = memory_grow(t->datasets, t->n_datasets + 1, sizeof *t->datasets);
    return t->datasets[t->n_datasets++] = d;
}

dataset *splits_open(task *t, const char *path, const char *id_field, error *err)
{
    for (size_t i = 0; i < t->n_datasets; i++)
        if (file_same(t->datasets[i]->path, path))
            return t->datasets[i];
    dataset *d = dataset_read(path, id_field, err);
    return d ? keep(t, d) : NULL;
}

dataset *splits_own(task *t, size_t most)
{
    dataset *d = memory_new(1, sizeof *d);
    d->path = memory_text(t->file);
    d->items = memory_new(most, sizeof *d->items);
    return keep(t, d);
}

static dataset *open_dataset(task *t, const yaml_value *at, const char *id_field, error *err)
{
    const char *path = NULL;
    if (yaml_text(at, &path, err) != 0)
        return NULL;
    if (!path || !*path) {
        yaml_fail(err, at, "a JSONL file's name is missing");
        return NULL;
    }
    char *found = resolve(at, path, err);
    if (!found)
        return NULL;
    dataset *d = splits_open(t, found, id_field, err);
    free(found);
    return d;
}

task_split *splits_add(task *t, const char *name, size_t most)
{
    t->splits = memory_grow(t->splits, t->n_splits + 1, sizeof *t->splits);
    task_split *s = &t->splits[t->n_splits++];
    *s = (task_split){.name = memory_text(name), .questions = memory_new(most, sizeof *s->questions)};
    return s;
}

static bool good_name(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= 64 && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n;
}

int splits_read_part(task *t, const yaml_value *root, const yaml_value *at, const char *what, const question ***out, size_t *n, error *err)
{
    static const char *const keys[] = {"file", "range", NULL};
    const char *id_field = "id";
    if (yaml_text(yaml_get(root, "id"), &id_field, err) != 0)
        return -1;
    if (at->kind != YAML_MAP && at->kind != YAML_TEXT)
        return yaml_fail(err, at, "%s should be a file's name or {file: ..., range: [first, end]}", what);
    if (at->kind == YAML_MAP && yaml_known_keys(at, keys, err) != 0)
        return -1;
    const yaml_value *file = at->kind == YAML_TEXT ? at : yaml_get(at, "file");
    if (!file)
        file = yaml_get(root, "data");
    if (!file)
        return yaml_fail(err, at, "%s names no file, and there is no 'data' either", what);
    dataset *d = open_dataset(t, file, id_field, err);
    if (!d)
        return -1;
    int64_t begin = 0, end = (int64_t)d->count;
    const yaml_value *range = yaml_get(at, "range");
    if (range && range->kind != YAML_NULL) {
        if (range->kind != YAML_LIST || range->count != 2)
            return yaml_fail(err, range, "range should be [first, end]: questions counted from 0, the end not included");
        if (yaml_int(range->items[0], 0, INT64_MAX, &begin, err) != 0 || yaml_int(range->items[1], 0, INT64_MAX, &end, err) != 0)
            return -1;
        if (begin >= end || (uint64_t)end > d->count)
            return yaml_fail(err, range, "range [%lld, %lld] does not lie in the %zu questions of %s", (long long)begin,
                             (long long)end, d->count, d->path);
    }
    *n = (size_t)(end - begin);
    *out = memory_new(*n, sizeof **out);
    for (size_t i = 0; i < *n; i++)
        (*out)[i] = &d->items[begin + (int64_t)i];
    return 0;
}

static int read_split(task *t, const yaml_value *root, const yaml_value *at, const char *name, error *err)
{
    if (!good_name(name))
        return yaml_fail(err, at, "a split's name is 1 to 64 letters, digits, '_' or '-', not '%.80s'", name);
    char what[100];
    snprintf(what, sizeof what, "split '%.64s'", name);
    const question **questions;
    size_t n;
    if (splits_read_part(t, root, at, what, &questions, &n, err) != 0)
        return -1;
    task_split *s = splits_add(t, name, 0);
    free(s->questions);
    s->questions = questions;
    s->count = n;
    return 0;
}

/* What makes two questions the same: the question as the model sees it, white space folded. */
static char *question_key(const task *t, const question *q, error *err)
{
    char *text = task_question_key(t, q, err), *key = text ? space_fold(text) : NULL;
    free(text);
    const char *picture = key && t->image_field ? json_string_value(json_object_get(q->fields, t->image_field)) : NULL;
    if (picture) {      /* the same words about another picture are another question */
        char *both = memory_print("%s\n%s", picture, key);
        free(key);
        key = both;
    }
    return key;
}

struct keyed { char *key; const question *q; size_t split, group; };   /* key: owned */

static void keyed_free(struct keyed *k, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(k[i].key);
    free(k);
}

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    if (order == 0)
        order = (x->split > y->split) - (x->split < y->split);
    if (order == 0)
        order = strcmp(x->q->file, y->q->file);
    return order ? order : (x->q->line > y->q->line) - (x->q->line < y->q->line);
}

/* All questions of all splits, sorted by key. */
static struct keyed *collect(const task *t, size_t *count, error *err)
{
    size_t n = 0, k = 0;
    for (size_t s = 0; s < t->n_splits; s++)
        n += t->splits[s].count;
    struct keyed *all = memory_new(n, sizeof *all);
    for (size_t s = 0; s < t->n_splits; s++)
        for (size_t i = 0; i < t->splits[s].count; i++) {
            const question *q = t->splits[s].questions[i];
            all[k] = (struct keyed){.key = question_key(t, q, err), .q = q, .split = s};
            if (!all[k++].key) {
                keyed_free(all, k);
                return NULL;
            }
        }
    qsort(all, n, sizeof *all, by_key);
    *count = n;
    return all;
}

static int check_overlap(const task *t, error *err)
{
    size_t n;
    struct keyed *all = collect(t, &n, err);
    if (!all)
        return -1;
    int status = 0;
    for (size_t i = 1; i < n && status == 0; i++) {
        const struct keyed *a = &all[i - 1], *b = &all[i];
        if (a->split != b->split && strcmp(a->key, b->key) == 0)
            status = fail(err, ERROR_FORMAT,
                          "%s: splits '%s' and '%s' share a question: %s line %zu and %s line %zu; it may stand in one split only",
                          t->file, t->splits[a->split].name, t->splits[b->split].name, a->q->file, a->q->line, b->q->file,
                          b->q->line);
    }
    keyed_free(all, n);
    return status;
}

/* 60 / 20 / 20 %, drawn by seed. A question that stands in the file twice goes where its first copy goes. */
static int cut(task *t, dataset *d, uint64_t seed, error *err)
{
    static const char *const names[] = {"search", "select", "test"};
    task_split *whole = splits_add(t, "all", d->count);
    for (size_t i = 0; i < d->count; i++)
        whole->questions[whole->count++] = &d->items[i];
    size_t n;
    struct keyed *all = collect(t, &n, err);
    if (!all)
        return -1;
    /* Groups are numbered by their first line, so that the draw does not depend on the texts. */
    size_t *first = memory_new(n, sizeof *first), *where = memory_new(n, sizeof *where), groups = 0;
    for (size_t i = 0; i < n; i++) {
        size_t item = (size_t)(all[i].q - d->items);
        first[item] = i > 0 && strcmp(all[i].key, all[i - 1].key) == 0 ? all[i - 1].group : item;
        all[i].group = first[item];
    }
    size_t *order = memory_new(n, sizeof *order);
    for (size_t i = 0; i < n; i++)
        if (first[i] == i)
            order[groups++] = i;
    int status = 0;
    if (groups < 3) {
        status = fail(err, ERROR_FORMAT, "%s: %zu different questions are too few to be cut into search, select and test",
                      d->path, groups);
    } else {
        random_stream s = random_stream_for(seed, "splits", 0, 0);
        random_shuffle(&s, order, groups);
        size_t fifth = groups / 5 ? groups / 5 : 1;
        for (size_t i = 0; i < groups; i++)
            where[order[i]] = i < fifth ? 1 : i < 2 * fifth ? 2 : 0;
        free(t->splits[0].questions);
        free(t->splits[0].name);
        t->n_splits = 0;
        for (size_t k = 0; k < 3; k++) {
            task_split *split = splits_add(t, names[k], n);
            for (size_t i = 0; i < n; i++)
                if (where[first[i]] == k)
                    split->questions[split->count++] = &d->items[i];
        }
        t->splits_made = true;
    }
    free(order);
    free(where);
    free(first);
    keyed_free(all, n);
    return status;
}

/* A command without questions is asked one: what it scores. */
static void command_splits(task *t)
{
    static const char *const names[] = {"search", "select", "test"};
    dataset *d = splits_own(t, 1);
    d->items[d->count++] = (question){.fields = json_pack("{s:s}", "id", "score"), .id = memory_text("score"), .file = d->path,
                                      .line = 1};
    for (size_t k = 0; k < 3; k++) {
        task_split *s = splits_add(t, names[k], 1);
        s->questions[s->count++] = &d->items[0];
    }
}

/* Every picture must be there: better known now than after an hour. */
static int check_pictures(const task *t, error *err)
{
    for (size_t s = 0; t->image_field && s < t->n_splits; s++)
        for (size_t i = 0; i < t->splits[s].count; i++) {
            const question *q = t->splits[s].questions[i];
            const char *name = json_string_value(json_object_get(q->fields, t->image_field));
            if (!name || !*name)
                return fail(err, ERROR_FORMAT, "%s line %zu: no text in field '%s', which %s names as the picture's file", q->file, q->line, t->image_field, t->file);
            char *path = task_picture(t, q);
            int status = file_exists(path) ? 0 : fail(err, ERROR_IO, "%s line %zu: there is no picture %s", q->file, q->line, path);
            free(path);
            if (status != 0)
                return -1;
        }
    return task_check_gold(t, err);
}

int splits_read(task *t, const yaml_value *root, uint64_t seed, error *err)
{
    const yaml_value *data = yaml_get(root, "data"), *splits = yaml_get(root, "splits"), *id = yaml_get(root, "id");
    const char *id_field = "id";
    if (yaml_text(id, &id_field, err) != 0)
        return -1;
    t->has_questions = (splits && splits->kind != YAML_NULL) || (data && data->kind != YAML_NULL);
    if (splits && splits->kind != YAML_NULL) {
        if (splits->kind != YAML_MAP || splits->count == 0)
            return yaml_fail(err, splits, "splits should be {search: ..., select: ..., test: ...}");
        for (size_t i = 0; i < splits->count; i++)
            if (read_split(t, root, splits->items[i], splits->keys[i], err) != 0)
                return -1;
        return check_overlap(t, err) == 0 ? check_pictures(t, err) : -1;
    }
    if (data && data->kind != YAML_NULL) {
        dataset *d = open_dataset(t, data, id_field, err);
        return d && cut(t, d, seed, err) == 0 ? check_pictures(t, err) : -1;
    }
    if (!t->command)
        return fail(err, ERROR_FORMAT, "%s: names no questions: give 'data: FILE.jsonl' or 'splits'", t->file);
    command_splits(t);
    return 0;
}

/* Questions of another task under this task's prompt; one that lacks the prompt's fields is another kind of question. */
static size_t add_keys(const task *t, const task_split *split, struct keyed *all, size_t k, size_t side)
{
    for (size_t i = 0; i < split->count; i++) {
        char *key = question_key(t, split->questions[i], NULL);
        if (key)
            all[k++] = (struct keyed){.key = key, .q = split->questions[i], .split = side};
    }
    return k;
}

int task_splits_disjoint(const task *a, const task_split *x, const task *b, const task_split *y, error *err)
{
    if (!a->has_questions || !b->has_questions)
        return 0;
    struct keyed *all = memory_new(x->count + y->count, sizeof *all);
    size_t n = add_keys(a, x, all, 0, 0);
    n = add_keys(a, y, all, n, 1);
    qsort(all, n, sizeof *all, by_key);
    int status = 0;
    for (size_t i = 1; i < n && status == 0; i++) {
        const question *p = all[i - 1].q, *q = all[i].q;
        if (all[i - 1].split != all[i].split && strcmp(all[i - 1].key, all[i].key) == 0)
            status = fail(err, ERROR_FORMAT, "'%s' of %s and '%s' of %s share a question: %s line %zu and %s line %zu", x->name,
                          a->file, y->name, b->file, p->file, p->line, q->file, q->line);
    }
    keyed_free(all, n);
    return status;
}
