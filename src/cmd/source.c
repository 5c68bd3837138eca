#include "cmd/source.h"

#include <string.h>

#include "base/file.h"
#include "merge/merge.h"

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static checkpoint *merge_recipe(const char *path, threads *pool, error *err)
{
    recipe *r = recipe_read(path, err);
    checkpoint *merged = r ? merge_in_memory(r, &(merge_options){.pool = pool}, err) : NULL;
    recipe_free(r);
    return merged;
}

checkpoint *source_open(const char *path, threads *pool, error *err)
{
    if (!file_is_folder(path) && (ends_with(path, ".yml") || ends_with(path, ".yaml")))
        return merge_recipe(path, pool, err);
    return checkpoint_open(path, err);
}
