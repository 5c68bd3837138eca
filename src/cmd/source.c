#include "cmd/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "merge/merge.h"

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static checkpoint *merge_in_memory(const char *path, threads *pool, error *err)
{
    checkpoint *out = NULL, **models = NULL;
    merger *m = NULL;
    recipe *r = recipe_read(path, err);
    if (!r)
        return NULL;
    models = memory_new(r->n_models, sizeof *models);
    for (size_t i = 0; i < r->n_models; i++) {
        char *folder = recipe_model_folder(r, (int)i);
        models[i] = checkpoint_open(folder, err);
        free(folder);
        if (!models[i])
            goto done;
    }
    m = merge_prepare(r, models, &(merge_options){.pool = pool}, err);
    if (!m)
        goto done;
    char *notes = merge_notes(m);
    if (notes[0])
        progress_say("%s", notes);
    free(notes);
    out = merge_allocate(m, err);
    if (out && merge_run(m, r, out, err) != 0) {
        checkpoint_free(out);
        out = NULL;
    }
done:
    merge_free(m);
    for (size_t i = 0; i < r->n_models; i++)
        checkpoint_free(models[i]);
    free(models);
    recipe_free(r);
    return out;
}

checkpoint *source_open(const char *path, threads *pool, error *err)
{
    if (!file_is_folder(path) && (ends_with(path, ".yml") || ends_with(path, ".yaml")))
        return merge_in_memory(path, pool, err);
    return checkpoint_open(path, err);
}
