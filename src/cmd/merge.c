#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "cmd/gguf_output.h"
#include "cmd/options.h"
#include "merge/merge.h"
#include "merge/passthrough.h"
#include "study/fold_folder.h"
#include "study/source.h"

typedef struct merge_command {
    const char *file, *out;
    const gguf_options *gguf;   /* of a GGUF file; NULL: a folder */
    bool force, compat, resume;
    uint64_t shard_bytes, memory;
    int64_t seed;               /* -1: the recipe's */
    int dtype;                  /* -1: the file's, else the sources' */
    const backend *backend;
    threads *pool;
    bool json;
    double began;
} merge_command;

/* Of an output that is no folder; merging into one looks for itself. */
static int check_source(const merge_command *c, const char *model, error *err)
{
    if (model && file_same(model, c->out))
        return fail(err, ERROR_USAGE, "%s is one of the sources: write the merge elsewhere", c->out);
    return 0;
}

/* ---- recipes */

static int check_models(const merge_command *c, const recipe *r, error *err)
{
    int status = 0;
    for (size_t i = 0; i < r->n_models && status == 0; i++) {
        char *folder = recipe_model_folder(r, (int)i);
        status = check_source(c, folder, err);
        free(folder);
    }
    return status;
}

static int merge_recipe(const merge_command *c, const yaml_value *root, error *err)
{
    recipe *r = recipe_from_yaml(root, c->file, err);
    if (!r)
        return -1;
    if (c->compat) {
        r->mode = MERGE_COMPAT;
        r->mask = MERGE_MASK_MT19937;
    }
    if (c->seed >= 0)
        r->seed = (uint64_t)c->seed;
    if (c->dtype >= 0)
        r->out_dtype = c->dtype;
    const merge_output output = {.path = c->out, .replace = c->force, .resume = c->resume, .shard_bytes = c->shard_bytes};
    progress_catch_interrupts();
    int status = check_models(c, r, err);
    const merge_options merging = {.pool = c->pool, .memory = c->memory};
    if (status == 0)
        status = c->gguf ? merge_to_gguf(r, c->out, c->gguf, &merging, err) : merge_to_folder(r, &output, &merging, err);
    double seconds = progress_seconds() - c->began;
    if (status == 0 && c->json)
        printf("{\"method\": \"%s\", \"models\": %zu, \"seconds\": %.3f}\n", r->method, r->n_models, seconds);
    else if (status == 0)
        printf("%s: %s of %zu models, %.1f s\n", c->out, r->method, r->n_models, seconds);
    recipe_free(r);
    return status;
}

/* ---- paths */

static void say_limits(const layer_path *p, checkpoint *const *sources)
{
    char *limits = passthrough_limits(p, sources);
    if (limits[0])
        progress_say("%s", limits);
    free(limits);
}

static int fold_sources(const merge_command *c, const source *s, int dtype, error *err)
{
    checkpoint *const *sources = s->models;
    const layer_path *p = s->path;
    const fold_options folding = {.dtype = dtype, .pool = c->pool, .memory = source_leaves(s, c->memory)};
    int status = c->gguf ? fold_gguf(sources, p, &folding, c->backend, c->out, c->gguf, err) : fold_folder(sources, p, &folding, c->backend, NULL, 0, c->out, c->force, err);
    if (status == 0)
        say_limits(p, sources);
    double seconds = progress_seconds() - c->began;
    if (status == 0 && c->json)
        printf("{\"method\": \"path\", \"models\": %zu, \"layers\": %zu, \"seconds\": %.3f}\n", p->n_sources, p->n_hops, seconds);
    else if (status == 0)
        printf("%s: a path of %zu layers of %zu models, %.1f s\n", c->out, p->n_hops, p->n_sources, seconds);
    return status;
}

/* Takes p over. own: written as a path, not as mergekit's recipe, whose dtype is what is written. */
static int merge_path(const merge_command *c, layer_path *p, bool own, int dtype, error *err)
{
    source s = {0};
    int status = 0;
    if (c->compat || c->seed >= 0 || c->resume || c->shard_bytes)
        status = fail(err, ERROR_USAGE, "%s: --compat, --seed, --resume and --shard-size are for recipes that merge, not for paths", c->file);
    else
        status = merge_check_out(NULL, 0, c->out, c->force, err);
    if (status != 0) {
        path_free(p);
        return -1;
    }
    status = source_open_path(p, &(merge_options){.pool = c->pool, .memory = c->memory}, &s, err);
    for (size_t i = 0; i < s.n_models && status == 0; i++)
        status = check_source(c, s.models[i]->folder, err);
    if (status == 0 && !own)
        status = passthrough_check(s.path, s.models, -1, err);
    if (status == 0)
        status = fold_sources(c, &s, c->dtype >= 0 ? c->dtype : dtype, err);
    source_close(&s);
    return status;
}

/* ---- */

static int merge_file(const merge_command *c, error *err)
{
    yaml_value *root = yaml_read(c->file, err);
    if (!root)
        return -1;
    int status = -1, dtype = -1;
    /* mergekit's passthrough is a recipe like the others, unless it stacks what is no folder: a recipe's merge, a study's trial. */
    if (path_is_yaml(root) || passthrough_of_made(root)) {
        layer_path *p = passthrough_or_path_read(root, c->file, &dtype, err);
        status = p ? merge_path(c, p, path_is_yaml(root), dtype, err) : -1;
    } else {
        status = merge_recipe(c, root, err);
    }
    yaml_free(root);
    return status;
}

static int merge_gguf(merge_command *c, const char *type, error *err)
{
    gguf_options options = {.replace = c->force};
    if (c->resume || c->shard_bytes)
        return fail(err, ERROR_USAGE, "--resume and --shard-size are for folders, not for %s", c->out);
    if (gguf_read_type(type, c->out, &options.type, err) != 0)
        return -1;
    c->gguf = &options;
    return merge_file(c, err);
}

static int read_dtype(const char *text, int *out, error *err)
{
    *out = text ? dtype_find(text) : -1;
    if (text && (*out < 0 || !dtype_is_float((enum dtype)*out)))
        return fail(err, ERROR_USAGE, "--dtype is '%s'; it should be float32, bfloat16 or float16", text);
    return 0;
}

static int run(const command *self, int argc, char **argv)
{
    common_options common = {0};
    merge_command c = {.seed = -1};
    const char *dtype = NULL, *gguf_type = NULL;
    const option options[] = {
        {"force", 'f', OPTION_FLAG, &c.force, NULL, "replace OUT where it exists"},
        {"dtype", 0, OPTION_TEXT, &dtype, "TYPE", "write float32, bfloat16 or float16 (default: the file's out_dtype, else the sources')"},
        {"gguf-type", 0, OPTION_TEXT, &gguf_type, "TYPE", GGUF_TYPE_OPTION},
        {"compat", 0, OPTION_FLAG, &c.compat, NULL, "round where mergekit 0.1.5 rounds, with its masks"},
        {"resume", 0, OPTION_FLAG, &c.resume, NULL, "go on behind the shards that a run of this merge finished before it was cut short"},
        {"shard-size", 0, OPTION_SIZE, &c.shard_bytes, "SIZE", "the most bytes of a file of tensors (default 5GB)"},
        {"seed", 0, OPTION_INT, &c.seed, "N", "of the random masks (default: the recipe's, else 0)"},
    };
    const char *words[2];
    int stop = options_parse(self, options, sizeof options / sizeof *options, argc, argv, words, 2, 2, &common);
    if (stop)
        return stop - 1;

    error err = {0};
    c.file = words[0];
    c.out = words[1];
    c.json = common.json;
    c.memory = common.memory;
    c.began = progress_seconds();
    c.backend = options_backend(&common, &err);
    if (!c.backend || read_dtype(dtype, &c.dtype, &err) != 0)
        return options_fail(&err);
    c.pool = options_pool(&common);
    int status = gguf_is_output(c.out) || gguf_type ? merge_gguf(&c, gguf_type, &err) : merge_file(&c, &err);
    threads_free(c.pool);
    return status == 0 ? 0 : options_fail(&err);
}

const command command_merge = {
    "merge", "RECIPE.yml|PATH.yml OUT",
    "Write a Hugging Face folder, or a GGUF file where OUT ends in .gguf: models merged as a mergekit recipe says, or a path through layers of several models (path.yml, or mergekit's passthrough) folded into one.",
    "  merganser merge recipes/ties.yml merged\n  merganser merge path.yml folded --dtype float32\n", run,
};
