#include "task/lmeval_data.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "task/splits.h"

/* A data set's name becomes a path: nothing in it may lead out of the folders that are searched. */
static int check_name(const yaml_value *v, const char *name, error *err)
{
    if (!*name || *name == '/' || strstr(name, "..") || strlen(name) > 300)
        return yaml_fail(err, v, "'%.80s' is no name of a data set", name);
    return 0;
}

static int read_name(const yaml_value *root, const char *key, const char **out, error *err)
{
    const yaml_value *v = yaml_get(root, key);
    *out = NULL;
    if (yaml_text(v, out, err) != 0)
        return -1;
    return *out ? check_name(v, *out, err) : 0;
}

static char *find(const task *t, const char *place, string *looked)
{
    char *beside = file_folder(t->file), *near = file_join(beside, "../../data"), *found = NULL;
    const char *folders[] = {getenv("MERGANSER_DATASETS"), ".", beside, "recipes/data", near};
    for (size_t i = 0; i < sizeof folders / sizeof *folders && !found; i++) {
        if (!folders[i] || !*folders[i])
            continue;
        char *path = file_join(folders[i], place);
        string_print(looked, "%s%s", looked->length ? ", " : "", folders[i]);
        if (file_exists(path))
            found = path;
        else
            free(path);
    }
    free(near);
    free(beside);
    return found;
}

/* dataset_kwargs: {data_files: {SPLIT: FILE}}, relative to the current folder, else to the task file. */
static const yaml_value *own_file(const yaml_value *root, const char *split)
{
    const yaml_value *files = yaml_get(yaml_get(root, "dataset_kwargs"), "data_files");
    return files && files->kind == YAML_TEXT ? files : yaml_get(files, split);
}

dataset *lmeval_dataset(task *t, const yaml_value *root, const char *split, error *err)
{
    const yaml_value *file = own_file(root, split);
    const char *path, *name;
    if (file) {
        const question **questions = NULL;
        size_t n;
        if (splits_read_part(t, root, file, split, &questions, &n, err) != 0)
            return NULL;
        dataset *d = NULL;
        for (size_t i = 0; i < t->n_datasets && !d; i++)
            if (t->datasets[i]->items == questions[0])
                d = t->datasets[i];
        free(questions);
        return d;
    }
    if (read_name(root, "dataset_path", &path, err) != 0 || read_name(root, "dataset_name", &name, err) != 0 ||
        check_name(root, split, err) != 0)
        return NULL;
    if (!path) {
        yaml_fail(err, root, "'dataset_path' is missing");
        return NULL;
    }
    string looked = {0};
    char *place = memory_print("%s%s%s/%s.jsonl", path, name ? "/" : "", name ? name : "", split), *found = find(t, place, &looked);
    dataset *d = found ? splits_open(t, found, NULL, err) : NULL;
    if (!found)
        yaml_fail(err, yaml_get(root, "dataset_path"), "no file %s in %s; docs/data.md tells where data sets come from (MERGANSER_DATASETS names a folder of them)", place,
                  looked.text);
    free(looked.text);
    free(place);
    free(found);
    return d;
}
