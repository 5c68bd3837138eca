/* From a recipe alone: its models opened and merged in memory, or written to disk with recipe and model card. */
#include <stdlib.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "merge/card.h"
#include "merge/merge.h"
#include "merge/method.h"

static char *merge_card(const recipe *r, const char *out, const char *yaml)
{
    char *summary = memory_print("A merge of models by `%s`: %s", r->method, method_find(r->method)->help);
    struct card_model *models = memory_new(r->n_models, sizeof *models);
    for (size_t i = 0; i < r->n_models; i++)
        models[i] = (struct card_model){r->models[i].path, (int)i == r->base ? "base" : NULL};
    char *text = model_card_text(&(model_card){.out = out, .summary = summary, .models = models, .n_models = r->n_models, .recipe = yaml});
    free(models);
    free(summary);
    return text;
}

static int write_merge(const recipe *r, checkpoint *merged, const char *out, bool replace, error *err)
{
    char *yaml = recipe_yaml(r), *card = merge_card(r, out, yaml);
    const struct checkpoint_file files[] = {{"recipe.yml", yaml}, {"README.md", card}};
    int status = checkpoint_write(merged, out, &(checkpoint_write_options){.replace = replace, .files = files, .n_files = 2}, err);
    free(card);
    free(yaml);
    return status;
}

static checkpoint *merge_open(const recipe *r, checkpoint **models, const merge_options *options, error *err)
{
    threads *pool = options ? options->pool : NULL;
    merger *m = merge_prepare(r, models, options, err);
    if (!m)
        return NULL;
    char *notes = merge_notes(m);
    if (notes[0])
        progress_say("%s", notes);
    free(notes);
    int status = 0;
    for (size_t i = 0; i < r->n_models && status == 0; i++)
        status = checkpoint_check_finite(models[i], pool, err);
    checkpoint *merged = status == 0 ? merge_allocate(m, err) : NULL;
    if (merged && (merge_run(m, r, merged, err) != 0 || checkpoint_check_finite(merged, pool, err) != 0)) {
        checkpoint_free(merged);
        merged = NULL;
    }
    merge_free(m);
    return merged;
}

checkpoint *merge_in_memory(const recipe *r, const merge_options *options, error *err)
{
    checkpoint *merged = NULL, **models = memory_new(r->n_models, sizeof *models);
    int status = 0;
    for (size_t i = 0; i < r->n_models && status == 0; i++) {
        char *folder = recipe_model_folder(r, (int)i);
        models[i] = checkpoint_open(folder, err);
        status = models[i] ? 0 : -1;
        free(folder);
    }
    if (status == 0)
        merged = merge_open(r, models, options, err);
    for (size_t i = 0; i < r->n_models; i++)
        checkpoint_free(models[i]);
    free(models);
    return merged;
}

int merge_check_out(const char *const *sources, size_t n, const char *out, bool replace, error *err)
{
    if (file_exists(out) && !replace)
        return fail(err, ERROR_USAGE, "%s exists already; give another name or --force", out);
    for (size_t i = 0; i < n; i++)
        if (file_same(sources[i], out))
            return fail(err, ERROR_USAGE, "%s is one of the sources: write the merge elsewhere", out);
    return 0;
}

static int check_recipe_out(const recipe *r, const char *out, bool replace, error *err)
{
    char **folders = memory_new(r->n_models, sizeof *folders);
    for (size_t i = 0; i < r->n_models; i++)
        folders[i] = recipe_model_folder(r, (int)i);
    int status = merge_check_out((const char *const *)folders, r->n_models, out, replace, err);
    for (size_t i = 0; i < r->n_models; i++)
        free(folders[i]);
    free(folders);
    return status;
}

int merge_to_folder(const recipe *r, const char *out, bool replace, const merge_options *options, error *err)
{
    if (check_recipe_out(r, out, replace, err) != 0)
        return -1;
    checkpoint *merged = merge_in_memory(r, options, err);
    int status = merged ? write_merge(r, merged, out, replace, err) : -1;
    checkpoint_free(merged);
    return status;
}
