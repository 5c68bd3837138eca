#include "study/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "merge/fold.h"
#include "merge/passthrough.h"

#define DEEPEST 8       /* files that name files */

static int open_any(const char *what, int depth, const merge_options *options, source *out, error *err);

void source_close(source *s)
{
    for (size_t i = 0; i < s->n_models; i++)
        checkpoint_free(s->models[i]);
    free(s->models);
    path_free(s->path);
    *s = (source){0};
}

static int one_model(checkpoint *c, source *out)
{
    if (!c)
        return -1;
    out->models = memory_new(1, sizeof *out->models);
    out->models[0] = c;
    out->n_models = 1;
    return 0;
}

const char *source_trial(const char *what)
{
    const char *at = strstr(what, ".db@");
    return at && !file_exists(what) ? at + 3 : NULL;
}

static bool is_yaml(const char *what)
{
    return text_ends_with(what, ".yml") || text_ends_with(what, ".yaml");
}

bool source_is_made(const char *what)
{
    return !file_is_folder(what) && (is_yaml(what) || source_trial(what));
}

uint64_t source_memory(const source *s)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < s->n_models; i++)
        for (size_t k = 0; s->models[i] && k < s->models[i]->n_buffers; k++)
            bytes += buffer_is_mapped(s->models[i]->buffers[k]) ? 0 : buffer_size(s->models[i]->buffers[k]);
    return bytes;
}

/* The options for what is opened next to what there is already. */
static merge_options options_beside(const merge_options *options, const source *s)
{
    merge_options left = options ? *options : (merge_options){0};
    left.memory = source_leaves(s, left.memory);
    return left;
}

/* Tensors that have to be computed stand in memory. */
static checkpoint *open_model(const char *what, const merge_options *options, error *err)
{
    checkpoint *c = checkpoint_open_lazy(what, err);
    uint64_t bytes = 0, allowed = options ? options->memory : 0;
    char wanted[32], have[32];
    for (size_t i = 0; c && i < c->count; i++)
        bytes += c->items[i].tensor.data ? 0 : tensor_bytes(&c->items[i].tensor);
    int status = c ? 0 : -1;
    if (c && allowed && bytes > allowed)
        status = fail(err, ERROR_MEMORY, "%s: its computed tensors (of quants, of an adapter) take %s of memory (%llu bytes), and --memory leaves %s", c->name,
                      progress_bytes(wanted, (double)bytes), (unsigned long long)bytes, progress_bytes(have, (double)allowed));
    else if (c)
        status = checkpoint_make(c, options ? options->pool : NULL, err);
    if (status == 0)
        return c;
    checkpoint_free(c);
    return NULL;
}

static checkpoint *fold_source(source *s, const merge_options *options, error *err)
{
    checkpoint *c = NULL;
    const merge_options left = options_beside(options, s);
    if (s->path) {
        c = fold_path(s->models, s->path, &(fold_options){.dtype = -1, .pool = left.pool, .memory = left.memory}, err);
    } else {
        c = s->models[0];
        s->models[0] = NULL;
    }
    return c;
}

checkpoint *source_open_one(const char *what, int depth, const merge_options *options, error *err)
{
    source s = {0};
    checkpoint *c = open_any(what, depth, options, &s, err) == 0 ? fold_source(&s, options, err) : NULL;
    source_close(&s);
    return c;
}

static int check_digest(const checkpoint *model, const path_source *s, error *err)
{
    char hex[65];
    if (!s->digest)
        return 0;
    if (checkpoint_digest_sampled(model, hex, err) != 0)
        return -1;
    return strcmp(hex, s->digest) == 0
               ? 0
               : fail(err, ERROR_STATE, "%s: is another model than '%s' of the path (digest %.12s..., wanted %.12s...)", model->name, s->name, hex, s->digest);
}

/* Takes p over. */
static int open_path(layer_path *p, int depth, const merge_options *options, source *out, error *err)
{
    out->path = p;
    out->models = memory_new(p->n_sources, sizeof *out->models);
    for (size_t i = 0; i < p->n_sources; i++) {
        char *where = checkpoint_locate(p->sources[i].model, p->file);
        const merge_options left = options_beside(options, out);
        out->models[i] = source_open_one(where, depth + 1, &left, err);
        free(where);
        out->n_models = i + 1;
        if (!out->models[i] || check_digest(out->models[i], &p->sources[i], err) != 0)
            return fail_in(err, "source '%s'", p->sources[i].name);
    }
    return 0;
}

static int open_recipe(recipe *r, const merge_options *options, source *out, error *err)
{
    int status = r ? one_model(merge_in_memory(r, options, err), out) : -1;
    recipe_free(r);
    return status;
}

/* A path, or a passthrough recipe that says one: 1 where it has to be merged. */
static int try_path(const yaml_value *root, const char *file, int depth, const merge_options *options, source *out, error *err)
{
    int dtype;
    layer_path *p = passthrough_or_path_read(root, file, &dtype, err);
    bool mergeable = passthrough_is_yaml(root) && !passthrough_of_made(root);
    if (p && open_path(p, depth, options, out, err) != 0)
        return -1;
    if (p && (!passthrough_is_yaml(root) || passthrough_check(p, out->models, dtype, err) == 0))
        return 0;
    source_close(out);
    return mergeable && err->code == ERROR_UNSUPPORTED ? 1 : -1;
}

/* What a path cannot say, such as a scale of other tensors, is merged. */
static int open_yaml(const char *file, int depth, const merge_options *options, source *out, error *err)
{
    yaml_value *root = yaml_read(file, err);
    int status = !root ? -1 : passthrough_or_path(root) ? try_path(root, file, depth, options, out, err) : 1;
    if (status == 1)
        status = open_recipe(recipe_from_yaml(root, file, err), options, out, err);
    yaml_free(root);
    return status;
}

static int open_trial(const char *what, const char *at, int depth, const merge_options *options, source *out, error *err)
{
    char *db = memory_text_n(what, (size_t)(at - what));
    recipe *r = NULL;
    layer_path *p = NULL;
    int status = trial_find(db, at + 1, depth, &r, &p, err);
    free(db);
    if (status != 0)
        return -1;
    return p ? open_path(p, depth, options, out, err) : open_recipe(r, options, out, err);
}

static int open_any(const char *what, int depth, const merge_options *options, source *out, error *err)
{
    *out = (source){0};
    int status;
    if (depth > DEEPEST)
        return fail(err, ERROR_LIMIT, "%s: paths and recipes that name one another more than %d deep", what, DEEPEST);
    if (!source_is_made(what))
        status = one_model(open_model(what, options, err), out);
    else if (is_yaml(what))
        status = open_yaml(what, depth, options, out, err);
    else
        status = open_trial(what, source_trial(what), depth, options, out, err);
    if (status != 0)
        source_close(out);
    return status;
}

int source_open(const char *what, const merge_options *options, source *out, error *err)
{
    return open_any(what, 0, options, out, err);
}

int source_open_path(layer_path *p, const merge_options *options, source *out, error *err)
{
    *out = (source){0};
    int status = open_path(p, 0, options, out, err);
    if (status != 0)
        source_close(out);
    return status;
}
