#include "study/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "merge/fold.h"
#include "merge/merge.h"
#include "merge/passthrough.h"

#define DEEPEST 8       /* files that name files */

static int open_any(const char *what, int depth, threads *pool, source *out, error *err);

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

static checkpoint *fold_source(source *s, threads *pool, error *err)
{
    checkpoint *c = NULL;
    if (s->path) {
        c = fold_path(s->models, s->path, &(fold_options){.dtype = -1, .pool = pool}, err);
    } else {
        c = s->models[0];
        s->models[0] = NULL;
    }
    return c;
}

checkpoint *source_open_one(const char *what, int depth, threads *pool, error *err)
{
    source s = {0};
    checkpoint *c = open_any(what, depth, pool, &s, err) == 0 ? fold_source(&s, pool, err) : NULL;
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
static int open_path(layer_path *p, int depth, threads *pool, source *out, error *err)
{
    out->path = p;
    out->models = memory_new(p->n_sources, sizeof *out->models);
    for (size_t i = 0; i < p->n_sources; i++) {
        char *where = checkpoint_locate(p->sources[i].model, p->file);
        out->models[i] = source_open_one(where, depth + 1, pool, err);
        free(where);
        out->n_models = i + 1;
        if (!out->models[i] || check_digest(out->models[i], &p->sources[i], err) != 0)
            return fail_in(err, "source '%s'", p->sources[i].name);
    }
    return 0;
}

static int open_recipe(recipe *r, threads *pool, source *out, error *err)
{
    int status = r ? one_model(merge_in_memory(r, &(merge_options){.pool = pool}, err), out) : -1;
    recipe_free(r);
    return status;
}

static int open_yaml(const char *file, int depth, threads *pool, source *out, error *err)
{
    yaml_value *root = yaml_read(file, err);
    layer_path *p = NULL;
    int status = -1;
    if (root && passthrough_or_path(root))
        p = passthrough_or_path_read(root, file, NULL, err);
    /* What a path cannot say, such as a scale of other tensors, is merged. */
    bool merged = root && !p && (!passthrough_or_path(root) || (passthrough_is_yaml(root) && err->code == ERROR_UNSUPPORTED));
    if (p)
        status = open_path(p, depth, pool, out, err);
    else if (merged)
        status = open_recipe(recipe_from_yaml(root, file, err), pool, out, err);
    yaml_free(root);
    return status;
}

static int open_trial(const char *what, const char *at, int depth, threads *pool, source *out, error *err)
{
    char *db = memory_text_n(what, (size_t)(at - what));
    recipe *r = NULL;
    layer_path *p = NULL;
    int status = trial_find(db, at + 1, depth, &r, &p, err);
    free(db);
    if (status != 0)
        return -1;
    return p ? open_path(p, depth, pool, out, err) : open_recipe(r, pool, out, err);
}

static int open_any(const char *what, int depth, threads *pool, source *out, error *err)
{
    *out = (source){0};
    int status;
    if (depth > DEEPEST)
        return fail(err, ERROR_LIMIT, "%s: paths and recipes that name one another more than %d deep", what, DEEPEST);
    if (!source_is_made(what))
        status = one_model(checkpoint_open(what, err), out);
    else if (is_yaml(what))
        status = open_yaml(what, depth, pool, out, err);
    else
        status = open_trial(what, source_trial(what), depth, pool, out, err);
    if (status != 0)
        source_close(out);
    return status;
}

int source_open(const char *what, threads *pool, source *out, error *err)
{
    return open_any(what, 0, pool, out, err);
}

int source_open_path(layer_path *p, threads *pool, source *out, error *err)
{
    *out = (source){0};
    int status = open_path(p, 0, pool, out, err);
    if (status != 0)
        source_close(out);
    return status;
}
