#include "task/group.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define MAX_TASKS 1000

void group_clear(task_group *g)
{
    for (size_t i = 0; i < g->n; i++)
        free(g->paths[i]);
    free(g->paths);
    free(g->weights);
    free(g->version);
    free(g->name);
    *g = (task_group){0};
}

/* NAME, NAME.yml or NAME.yaml beside the group's file, else in the current folder. */
static char *find_task(const yaml_value *v, const char *name, error *err)
{
    static const char *const endings[] = {"", ".yml", ".yaml"};
    char *folder = file_folder(v->file), *found = NULL;
    for (size_t i = 0; i < 2 * sizeof endings / sizeof *endings && !found; i++) {
        char *file = memory_print("%s%s", name, endings[i / 2]), *path = file_join(i % 2 ? "." : folder, file);
        free(file);
        if (file_exists(path) && !file_is_folder(path))
            found = path;
        else
            free(path);
    }
    if (!found)
        yaml_fail(err, v, "there is no task file '%.100s', '%.100s.yml' or '%.100s.yaml' in %s", name, name, name, folder);
    free(folder);
    return found;
}

static int add_task(task_group *g, const yaml_value *v, error *err)
{
    static const char *const keys[] = {"task", "weight", NULL};
    const yaml_value *named = v->kind == YAML_MAP ? yaml_get(v, "task") : v;
    const char *name = NULL;
    double weight = 1;
    if (v->kind == YAML_MAP && (yaml_known_keys(v, keys, err) != 0 || yaml_real(yaml_get(v, "weight"), &weight, err) != 0))
        return -1;
    if (yaml_text(named, &name, err) != 0)
        return -1;
    if (!name || !*name)
        return yaml_fail(err, v, "a group's task should be a name or {task: NAME, weight: 1}");
    if (!(weight > 0 && weight <= 1e9))
        return yaml_fail(err, v, "weight is %g; it should be above 0", weight);
    g->paths[g->n] = find_task(v, name, err);
    g->weights[g->n] = weight;
    return g->paths[g->n] ? (g->n++, 0) : -1;
}

static int read_average(task_group *g, const yaml_value *v, const char *standard, error *err)
{
    static const char *const names[] = {"none", "plain", "weighted"};
    const char *name = standard;
    if (yaml_text(v, &name, err) != 0)
        return -1;
    for (int i = 0; i < 3; i++)
        if (strcmp(names[i], name) == 0) {
            g->average = (enum average)i;
            return 0;
        }
    return yaml_fail(err, v, "average is plain, weighted or none, not '%.60s'", name);
}

static int read_group(task_group *g, const yaml_value *root, error *err)
{
    static const char *const keys[] = {"group", "group_alias", "tasks", "task", "average", "metadata", "tag", NULL};
    const yaml_value *ours = yaml_get(root, "tasks"), *list = ours ? ours : yaml_get(root, "task");
    const char *name = NULL, *version = NULL;
    if (yaml_known_keys(root, keys, err) != 0 || yaml_text(yaml_get(root, "group"), &name, err) != 0 ||
        yaml_text(yaml_get(yaml_get(root, "metadata"), "version"), &version, err) != 0)
        return -1;
    if (!name || !*name)
        return yaml_fail(err, root, "'group' is empty");
    if (!list || list->kind != YAML_LIST || list->count == 0 || list->count > MAX_TASKS)
        return yaml_fail(err, list ? list : root, "a group should have 'tasks', a list of 1 to %d task files", MAX_TASKS);
    g->name = memory_text(name);
    g->version = memory_text(version);
    g->paths = memory_new(list->count, sizeof *g->paths);
    g->weights = memory_new(list->count, sizeof *g->weights);
    for (size_t i = 0; i < list->count; i++)
        if (add_task(g, list->items[i], err) != 0)
            return -1;
    return read_average(g, yaml_get(root, "average"), ours ? "plain" : "none", err);
}

int group_read(const char *path, task_group *out, error *err)
{
    yaml_value *root = yaml_read(path, err);
    *out = (task_group){0};
    if (!root)
        return -1;
    int status = yaml_get(root, "group") ? 1 : 0;
    if (status == 1 && read_group(out, root, err) != 0) {
        group_clear(out);
        status = -1;
    }
    yaml_free(root);
    return status;
}

double group_average(const task_group *g, const double *values, const size_t *counts)
{
    double sum = 0, weight = 0;
    for (size_t i = 0; i < g->n; i++) {
        double w = g->weights[i] * (g->average == AVERAGE_WEIGHTED ? (double)counts[i] : 1);
        sum += w * values[i];
        weight += w;
    }
    return sum / weight;
}
