/* A folded path on disk, with what it was made of beside it. */
#include <stdlib.h>

#include "base/memory.h"
#include "merge/card.h"
#include "merge/fold.h"
#include "merge/merge.h"
#include "merge/passthrough.h"

static char *path_card(const layer_path *p, const char *out, const char *yaml)
{
    struct card_model *models = memory_new(p->n_sources, sizeof *models);
    for (size_t i = 0; i < p->n_sources; i++)
        models[i] = (struct card_model){p->sources[i].model, i == 0 ? "embeddings, final norm, head and tokenizer" : NULL};
    char *way = path_text(p), *summary = memory_print("A path of %zu layers through models: %s", p->n_hops, way);
    char *text = model_card_text(&(model_card){.out = out, .summary = summary, .models = models, .n_models = p->n_sources, .recipe = yaml});
    free(summary);
    free(way);
    free(models);
    return text;
}

/* The one type of all float tensors, -1 where there are several. */
static int dtype_of(const checkpoint *c)
{
    int dtype = -1;
    for (size_t i = 0; i < c->count; i++) {
        enum dtype d = c->items[i].tensor.dtype;
        if (dtype_is_float(d) && dtype >= 0 && dtype != (int)d)
            return -1;
        dtype = dtype_is_float(d) ? (int)d : dtype;
    }
    return dtype;
}

static int check_out(checkpoint *const *sources, const layer_path *p, const char *out, bool replace, error *err)
{
    const char **folders = memory_new(p->n_sources, sizeof *folders);
    size_t n = 0;
    for (size_t i = 0; i < p->n_sources; i++)
        if (sources[i]->folder)
            folders[n++] = sources[i]->folder;
    int status = merge_check_out(folders, n, out, replace, err);
    free(folders);
    return status;
}

int fold_write(const checkpoint *folded, checkpoint *const *sources, const layer_path *p, const struct checkpoint_file *more, size_t n_more, const char *out,
               bool replace, error *err)
{
    if (check_out(sources, p, out, replace, err) != 0)
        return -1;
    char *yaml = path_yaml(p), *slices = passthrough_yaml(p, sources, dtype_of(folded)), *card = path_card(p, out, slices);
    struct checkpoint_file *files = memory_new(n_more + 3, sizeof *files);
    files[0] = (struct checkpoint_file){"path.yml", yaml};
    files[1] = (struct checkpoint_file){"recipe.yml", slices};
    files[2] = (struct checkpoint_file){"README.md", card};
    for (size_t i = 0; i < n_more; i++)
        files[3 + i] = more[i];
    size_t n_inputs;
    const char **inputs = merge_inputs(sources, p->n_sources, p->file, &n_inputs);
    int status = checkpoint_write(folded, out, &(checkpoint_write_options){.replace = replace, .files = files, .n_files = n_more + 3, .inputs = inputs, .n_inputs = n_inputs}, err);
    free(inputs);
    free(files);
    free(card);
    free(slices);
    free(yaml);
    return status;
}
