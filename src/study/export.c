/* A trial of a study as a model folder. */
#include <string.h>

#include "merge/merge.h"
#include "study/fold_folder.h"
#include "study/run.h"
#include "study/source.h"

static int export_path(layer_path *p, const char *out, bool replace, const merge_options *options, error *err)
{
    source s;
    struct checkpoint_file *recipes = NULL;
    size_t n = 0;
    if (source_open_path(p, options, &s, err) != 0)
        return -1;
    const fold_options folding = {.dtype = -1, .pool = options ? options->pool : NULL, .memory = source_leaves(&s, options ? options->memory : 0)};
    int status = trial_recipes(s.path, &recipes, &n, err);
    if (status == 0)
        status = fold_folder(s.models, s.path, &folding, backend_best(), recipes, n, out, replace, err);
    trial_recipes_free(recipes, n);
    source_close(&s);
    return status;
}

int study_export(const char *study_db, const char *which, const char *out, bool replace, const merge_options *options, error *err)
{
    recipe *r;
    layer_path *p;
    if (trial_find(study_db, which, 0, &r, &p, err) != 0)
        return -1;
    int status = p ? export_path(p, out, replace, options, err) : merge_to_folder(r, &(merge_output){.path = out, .replace = replace}, options, err);
    recipe_free(r);
    return status;
}
