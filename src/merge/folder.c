/* From a recipe alone: its models opened and merged in memory, or written to disk, as a folder with recipe and model card or as a GGUF file. */
#include <stdlib.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "merge/card.h"
#include "merge/merge.h"
#include "merge/method.h"

void merge_close_models(const recipe *r, checkpoint **models)
{
    for (size_t i = 0; models && i < r->n_models; i++)
        checkpoint_free(models[i]);
    free(models);
}

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

checkpoint **merge_open_models(const recipe *r, error *err)
{
    checkpoint **models = memory_new(r->n_models, sizeof *models);
    int status = 0;
    for (size_t i = 0; i < r->n_models && status == 0; i++) {
        char *folder = recipe_model_folder(r, (int)i);
        models[i] = checkpoint_open_lazy(folder, err);
        status = models[i] ? 0 : -1;
        free(folder);
    }
    if (status == 0)
        return models;
    merge_close_models(r, models);
    return NULL;
}

static void say_notes(const merger *m)
{
    char *notes = merge_notes(m);
    if (notes[0])
        progress_say("%s", notes);
    free(notes);
}

/* With the check for finite numbers. */
static merger *prepare(const recipe *r, checkpoint **models, const merge_options *options, error *err)
{
    merge_options checked = options ? *options : (merge_options){0};
    checked.check_finite = true;
    merger *m = models ? merge_prepare(r, models, &checked, err) : NULL;
    if (m)
        say_notes(m);
    return m;
}

checkpoint *merge_in_memory(const recipe *r, const merge_options *options, error *err)
{
    checkpoint **models = merge_open_models(r, err), *merged = NULL;
    merger *m = prepare(r, models, options, err);
    if (m && (merged = merge_allocate(m, err)) && merge_run(m, r, merged, err) != 0) {
        checkpoint_free(merged);
        merged = NULL;
    }
    merge_free(m);
    merge_close_models(r, models);
    return merged;
}

const char **merge_inputs(checkpoint *const *models, size_t n, const char *file, size_t *count)
{
    size_t most = 1;
    for (size_t i = 0; i < n; i++)
        most += 1 + models[i]->n_buffers;
    const char **inputs = memory_new(most, sizeof *inputs);
    *count = 0;
    if (file)
        inputs[(*count)++] = file;
    for (size_t i = 0; i < n; i++) {
        if (models[i]->folder)
            inputs[(*count)++] = models[i]->folder;
        for (size_t k = 0; k < models[i]->n_buffers; k++)
            if (buffer_path(models[i]->buffers[k]))
                inputs[(*count)++] = buffer_path(models[i]->buffers[k]);
    }
    return inputs;
}

int merge_check_out(const char *const *sources, size_t n, const char *out, bool replace, error *err)
{
    if (file_exists(out) && !replace)
        return fail(err, ERROR_USAGE, "%s exists already; give another name or --force", out);
    for (size_t i = 0; i < n; i++)
        if (checkpoint_reads(sources[i], out))
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

/* Says of a shard what it was made of: the recipe, its models and their tokenizers. */
static int make_key(const recipe *r, checkpoint *const *models, const checkpoint *outline, const char *yaml, uint64_t shard_bytes, char key[65], error *err)
{
    string s = {0};
    int status = 0;
    string_print(&s, "merganser %s\n%s\n%llu\n", MERGANSER_VERSION, yaml, (unsigned long long)shard_bytes);
    for (size_t i = 0; i < r->n_models && status == 0; i++) {
        char digest[65];
        status = checkpoint_digest_sampled(models[i], digest, err);
        string_print(&s, "%s %s\n", r->models[i].path, status == 0 ? digest : "");
    }
    for (size_t i = 0; i < outline->n_files; i++)
        string_print(&s, "%s\n%s\n", outline->files[i].name, outline->files[i].text ? outline->files[i].text : "");
    file_sha256(s.text, s.length, key);
    free(s.text);
    return status;
}

static int write_folder(merger *m, const recipe *r, const checkpoint *outline, const char *out, const checkpoint_write_options *options, error *err)
{
    folder_writer *w = folder_begin(outline, out, options, err);
    int status = w ? merge_write(m, r, w, err) : -1;
    if (status == 0)
        status = folder_finish(w, err);
    if (status != 0 && w && folder_can_resume(w) && err) {
        char *partial = file_partial(out);
        error told = *err;
        fail(err, told.code, "%s; the shards that are complete stay in %s, --resume goes on behind them", told.text, partial);
        free(partial);
    }
    folder_free(w);
    return status;
}

static int write_merge(merger *m, const recipe *r, checkpoint *const *models, const merge_output *output, error *err)
{
    char *yaml = recipe_yaml(r), *card = merge_card(r, output->path, yaml), key[65];
    const struct checkpoint_file files[] = {{"recipe.yml", yaml}, {"README.md", card}};
    size_t n_inputs;
    const char **inputs = merge_inputs(models, r->n_models, r->file, &n_inputs);
    checkpoint_write_options options = {.replace = output->replace, .resume = output->resume, .shard_bytes = output->shard_bytes, .key = key, .files = files, .n_files = 2,
                                        .inputs = inputs, .n_inputs = n_inputs};
    checkpoint *outline = merge_outline(m, err);
    int status = outline ? make_key(r, models, outline, yaml, output->shard_bytes, key, err) : -1;
    if (status == 0)
        status = write_folder(m, r, outline, output->path, &options, err);
    checkpoint_free(outline);
    free(inputs);
    free(card);
    free(yaml);
    return status;
}

int merge_to_folder(const recipe *r, const merge_output *output, const merge_options *options, error *err)
{
    if (check_recipe_out(r, output->path, output->replace, err) != 0)
        return -1;
    checkpoint **models = merge_open_models(r, err);
    merger *m = prepare(r, models, options, err);
    int status = m ? write_merge(m, r, models, output, err) : -1;
    merge_free(m);
    merge_close_models(r, models);
    return status;
}

static int write_gguf(merger *m, const recipe *r, checkpoint *const *models, const char *out, const gguf_options *gguf, error *err)
{
    size_t n_inputs;
    const char **inputs = merge_inputs(models, r->n_models, r->file, &n_inputs);
    checkpoint *outline = merge_outline(m, err);
    gguf_options own = *gguf;
    own.inputs = inputs;
    own.n_inputs = n_inputs;
    gguf_writer *w = outline ? gguf_begin(outline, out, &own, err) : NULL;
    int status = w && merge_write_gguf(m, r, w, err) == 0 ? gguf_finish(w, err) : -1;
    gguf_writer_free(w);
    checkpoint_free(outline);
    free(inputs);
    return status;
}

int merge_to_gguf(const recipe *r, const char *out, const gguf_options *gguf, const merge_options *options, error *err)
{
    if (check_recipe_out(r, out, gguf->replace, err) != 0)
        return -1;
    checkpoint **models = merge_open_models(r, err);
    merger *m = prepare(r, models, options, err);
    int status = m ? write_gguf(m, r, models, out, gguf, err) : -1;
    merge_free(m);
    merge_close_models(r, models);
    return status;
}
