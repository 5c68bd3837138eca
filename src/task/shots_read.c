/* The key `shots` of a task file. */
#include <stdlib.h>
#include <string.h>

#include "task/splits.h"
#include "task/task_keys.h"
#include "task/yaml_json.h"

static bool given(const yaml_value *v)
{
    return v && v->kind != YAML_NULL;
}

static int pool_from_split(task *t, const yaml_value *v, error *err)
{
    const char *name = NULL;
    if (yaml_text(v, &name, err) != 0)
        return -1;
    const task_split *s = task_split_find(t, name ? name : "", err);
    if (!s)
        return -1;
    t->shots.pool = memory_new(s->count, sizeof *t->shots.pool);
    memcpy(t->shots.pool, s->questions, s->count * sizeof *s->questions);
    t->shots.n_pool = s->count;
    return 0;
}

/* Examples written into the task file: each a map of fields, all of them texts. */
static int pool_from_examples(task *t, const yaml_value *v, error *err)
{
    if (v->kind != YAML_LIST || v->count == 0)
        return yaml_fail(err, v, "examples should be a list of questions with their fields");
    dataset *d = splits_own(t, v->count);
    for (size_t i = 0; i < v->count; i++) {
        json_t *fields = yaml_json(v->items[i], err);
        if (!fields || !json_is_object(fields)) {
            json_decref(fields);
            return fields ? yaml_fail(err, v->items[i], "an example should be a map of fields") : -1;
        }
        d->items[d->count++] = (question){.fields = fields, .id = memory_print("%d", v->items[i]->line), .file = d->path, .line = (size_t)v->items[i]->line};
    }
    t->shots.pool = memory_new(d->count, sizeof *t->shots.pool);
    for (; t->shots.n_pool < d->count; t->shots.n_pool++)
        t->shots.pool[t->shots.n_pool] = &d->items[t->shots.n_pool];
    return 0;
}

static int read_pool(task *t, const yaml_value *root, const yaml_value *v, error *err)
{
    const yaml_value *from = yaml_get(v, "from"), *split = yaml_get(v, "split"), *examples = yaml_get(v, "examples");
    if (given(from) + given(split) + given(examples) != 1)
        return yaml_fail(err, v, "shots come 'from' a file, from a 'split' of this task, or from 'examples' written here: one of the three");
    if (given(split))
        return pool_from_split(t, split, err);
    if (given(examples))
        return pool_from_examples(t, examples, err);
    return splits_read_part(t, root, from, "shots: from", &t->shots.pool, &t->shots.n_pool, err);
}

/* Only these of the pool, in this order. */
static int choose(shots *s, const yaml_value *v, error *err)
{
    if (!given(v))
        return 0;
    if (v->kind != YAML_LIST || v->count == 0)
        return yaml_fail(err, v, "indices should be a list of places in the pool, counted from 0");
    const question **chosen = memory_new(v->count, sizeof *chosen);
    for (size_t i = 0; i < v->count; i++) {
        int64_t at = 0;
        if (yaml_int(v->items[i], 0, (int64_t)s->n_pool - 1, &at, err) != 0) {
            free(chosen);
            return -1;
        }
        chosen[i] = s->pool[at];
    }
    free(s->pool);
    s->pool = chosen;
    s->n_pool = v->count;
    return 0;
}

static const struct { const char *name; enum draw_kind kind; bool shuffled; int64_t seed; } draws[] = {
    {"lm-eval", DRAW_SAMPLE, false, 1234},
    {"stability", DRAW_SAMPLE, true, 42},
    {"first", DRAW_FIRST, false, 0},
};

static int read_draw(shots *s, const yaml_value *v, const char *standard, error *err)
{
    const yaml_value *at = yaml_get(v, "draw");
    const char *name = standard;
    if (yaml_text(at, &name, err) != 0)
        return -1;
    for (size_t i = 0; i < sizeof draws / sizeof *draws; i++)
        if (strcmp(draws[i].name, name) == 0) {
            s->kind = draws[i].kind;
            s->shuffled = draws[i].shuffled;
            s->seed = draws[i].seed;
            return yaml_int(yaml_get(v, "seed"), INT64_MIN + 1, INT64_MAX, &s->seed, err);
        }
    return yaml_fail(err, at, "draw is lm-eval, stability or first, not '%.60s'", name);
}

int task_read_shots(task *t, const yaml_value *root, error *err)
{
    static const char *const keys[] = {"count", "from", "split", "examples", "indices", "draw", "seed", "stratify", "exclude", "redraw", "prompt", "target",
                                       "delimiter", "target_delimiter", NULL};
    const yaml_value *v = yaml_get(root, "shots"), *indices = yaml_get(v, "indices");
    shots *s = &t->shots;
    if (!given(v))
        return 0;
    if (v->kind != YAML_MAP)
        return yaml_fail(err, v, "shots should be {count: 3, from: FILE.jsonl, draw: lm-eval}");
    bool named = given(indices) || given(yaml_get(v, "examples"));
    const char *stratify = NULL;
    int64_t count = 0;
    if (yaml_known_keys(v, keys, err) != 0 || read_pool(t, root, v, err) != 0 || choose(s, indices, err) != 0)
        return -1;
    count = named ? (int64_t)s->n_pool : 1;
    s->exclude = given(yaml_get(v, "split"));
    if (read_draw(s, v, named ? "first" : "lm-eval", err) != 0 || yaml_int(yaml_get(v, "count"), 0, MAX_SHOTS, &count, err) != 0 ||
        yaml_text(yaml_get(v, "stratify"), &stratify, err) != 0 || yaml_bool(yaml_get(v, "exclude"), &s->exclude, err) != 0 ||
        yaml_bool(yaml_get(v, "redraw"), &s->refit, err) != 0 || task_read_wording(&s->wording, root, v, err) != 0)
        return -1;
    s->count = (size_t)count;
    if (s->count + s->exclude > s->n_pool)
        return yaml_fail(err, v, "%zu examples are to be shown%s, and there are %zu", s->count, s->exclude ? " beside the question itself" : "", s->n_pool);
    return stratify ? shots_stratify(s, stratify, err) : 0;
}
