#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cmd/eval_parts.h"

/* The questions of a split, or its first `limit` ones. */
static int choose_questions(const task *t, const char *split, int64_t limit, question_set *out, error *err)
{
    const task_split *s = task_split_find(t, split, err);
    if (!s)
        return -1;
    *out = (question_set){.task = t, .questions = s->questions, .count = s->count, .weight = 1};
    if (limit > 0 && (uint64_t)limit < s->count)
        out->count = (size_t)limit;
    return 0;
}

static int add_task(eval_run *r, const char *path, int64_t limit, uint64_t seed, error *err)
{
    r->tasks = memory_grow(r->tasks, r->n + 1, sizeof *r->tasks);
    r->sets = memory_grow(r->sets, r->n + 1, sizeof *r->sets);
    if (!(r->tasks[r->n] = task_read(path, seed, err)))
        return -1;
    r->n++;
    return choose_questions(r->tasks[r->n - 1], r->split, limit, &r->sets[r->n - 1], err);
}

static int add_group(eval_run *r, task_group *g, int64_t limit, uint64_t seed, error *err)
{
    r->groups = memory_grow(r->groups, r->n_groups + 1, sizeof *r->groups);
    r->groups[r->n_groups++] = *g;
    g = &r->groups[r->n_groups - 1];
    g->first = r->n;
    for (size_t i = 0; i < g->n; i++)
        if (add_task(r, g->paths[i], limit, seed, err) != 0)
            return fail_in(err, "group %s", g->name);
    return 0;
}

int eval_open(eval_run *r, const char *const *paths, size_t n_paths, int64_t limit, uint64_t seed, error *err)
{
    for (size_t i = 0; i < n_paths; i++) {
        task_group g;
        int is_group = group_read(paths[i], &g, err);
        if (is_group < 0 || (is_group ? add_group(r, &g, limit, seed, err) : add_task(r, paths[i], limit, seed, err)) != 0)
            return -1;
    }
    return 0;
}

void eval_close(eval_run *r)
{
    evaluation_free(&r->done);
    for (size_t i = 0; i < r->n; i++)
        task_free(r->tasks[i]);
    for (size_t i = 0; i < r->n_groups; i++)
        group_clear(&r->groups[i]);
    free(r->tasks);
    free(r->sets);
    free(r->groups);
    *r = (eval_run){0};
}
