/* From a recipe alone: its models opened and merged in memory, or written to disk with recipe and model card. */
#include <stdlib.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "merge/merge.h"
#include "merge/method.h"

/* JSON's quotes are YAML's. */
static void put_quoted(string *s, const char *text)
{
    json_t *value = json_string(text);
    char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    string_puts(s, quoted ? quoted : "\"\"");
    free(quoted);
    json_decref(value);
}

static char *model_card(const recipe *r, const char *out, const char *yaml)
{
    string card = {0};
    string_puts(&card, "---\nlibrary_name: transformers\ntags:\n- mergekit\n- merge\nbase_model:\n");
    for (size_t i = 0; i < r->n_models; i++) {
        string_puts(&card, "- ");
        put_quoted(&card, r->models[i].path);
        string_puts(&card, "\n");
    }
    string_print(&card, "---\n# %s\n\nA merge of models by `%s`: %s.\n\n", file_name(out), r->method, method_find(r->method)->help);
    for (size_t i = 0; i < r->n_models; i++)
        string_print(&card, "- `%s`%s\n", r->models[i].path, (int)i == r->base ? " (base)" : "");
    string_print(&card, "\n## Recipe\n\n```yaml\n%s```\n", yaml);
    return card.text;
}

static int write_merge(const recipe *r, checkpoint *merged, const char *out, bool replace, error *err)
{
    char *yaml = recipe_yaml(r), *card = model_card(r, out, yaml);
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

static int check_out(const recipe *r, const char *out, bool replace, error *err)
{
    if (file_exists(out) && !replace)
        return fail(err, ERROR_USAGE, "%s exists already; give another name or --force", out);
    for (size_t i = 0; i < r->n_models; i++) {
        char *folder = recipe_model_folder(r, (int)i);
        bool same = file_same(folder, out);
        free(folder);
        if (same)
            return fail(err, ERROR_USAGE, "%s is one of the sources: write the merge elsewhere", out);
    }
    return 0;
}

int merge_to_folder(const recipe *r, const char *out, bool replace, const merge_options *options, error *err)
{
    if (check_out(r, out, replace, err) != 0)
        return -1;
    checkpoint *merged = merge_in_memory(r, options, err);
    int status = merged ? write_merge(r, merged, out, replace, err) : -1;
    checkpoint_free(merged);
    return status;
}
