#include "task/include.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static void set_key(yaml_value *map, const yaml_value *from, size_t i)
{
    size_t at = 0;
    while (at < map->count && strcmp(map->keys[at], from->keys[i]) != 0)
        at++;
    if (at == map->count) {
        map->count++;
        map->items = memory_grow(map->items, map->count, sizeof *map->items);
        map->keys = memory_grow(map->keys, map->count, sizeof *map->keys);
        map->key_lines = memory_grow(map->key_lines, map->count, sizeof *map->key_lines);
    }
    map->items[at] = from->items[i];
    map->keys[at] = from->keys[i];
    map->key_lines[at] = from->key_lines[i];
}

static int add(const yaml_value *root, included *out, error *err);

static int add_file(const yaml_value *v, included *out, error *err)
{
    const char *name = NULL;
    if (yaml_text(v, &name, err) != 0)
        return -1;
    if (!name || !*name)
        return yaml_fail(err, v, "'include' names no file");
    if (out->n == MAX_INCLUDES)
        return yaml_fail(err, v, "more than the limit of %d included files (or one that includes itself)", MAX_INCLUDES);
    char *folder = file_folder(v->file), *path = file_join(folder, name);
    yaml_value *root = yaml_read(path, err);
    free(path);
    free(folder);
    if (!root)
        return fail_in(err, "%s:%d: include", v->file, v->line);
    out->roots[out->n++] = root;
    return root->kind == YAML_MAP ? add(root, out, err) : yaml_fail(err, root, "a task file is a map of keys");
}

static int add(const yaml_value *root, included *out, error *err)
{
    const yaml_value *names = yaml_get(root, "include");
    size_t n = !names || names->kind == YAML_NULL ? 0 : names->kind == YAML_LIST ? names->count : 1;
    for (size_t i = 0; i < n; i++)
        if (add_file(names->kind == YAML_LIST ? names->items[i] : names, out, err) != 0)
            return -1;
    for (size_t i = 0; i < root->count; i++)
        set_key(&out->all, root, i);
    return 0;
}

int include_all(const yaml_value *root, included *out, error *err)
{
    *out = (included){.all = {.kind = YAML_MAP, .file = root->file, .line = root->line, .column = root->column}};
    if (add(root, out, err) == 0)
        return 0;
    included_clear(out);
    return -1;
}

void included_clear(included *in)
{
    for (size_t i = 0; i < in->n; i++)
        yaml_free(in->roots[i]);
    free(in->all.items);
    free(in->all.keys);
    free(in->all.key_lines);
    *in = (included){0};
}
