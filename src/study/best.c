/* OUT/best: the winner as a model folder, and the files that make it again: recipe.yml, one more a step whose merge it stands on, and
 * path.yml for a path. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "merge/passthrough.h"
#include "study/finish.h"
#include "study/fold_folder.h"
#include "study/source.h"

/* A source as a recipe, so that best/ and recipe.yml belong together whoever won. */
static recipe *recipe_of(const session *s, const contender *c)
{
    if (c->recipe)
        return recipe_copy(c->recipe);
    recipe *r = recipe_new("linear");
    recipe_set(r, recipe_add_model(r, s->models[c->model].path), "weight", 1);
    return r;
}

static int write_text(const session *s, const char *name, const char *text, error *err)
{
    char *path = file_join(s->out, name);
    int status = text ? file_write(path, text, strlen(text), err) : 0;
    free(path);
    return status;
}

static void set_digests(const session *s, const step *st, layer_path *p)
{
    for (size_t i = 0; i < st->n_models; i++)
        if (st->model[i] >= 0)
            p->sources[i].digest = memory_text(session_digest(s, st, i));
}

/* Nothing is merged twice: what best/ was made of is in the store. */
static bool is_written(session *s, const json_t *now, const char *file)
{
    error ignored;
    json_t *before = store_get(s->store, "best", &ignored);
    char *path = file_join(s->out, file);
    bool same = json_equal(now, before) && file_exists(path);
    free(path);
    json_decref(before);
    return same;
}

/* The candidate's memory is needed for what is written: never two at a time. */
static void drop_candidate(session *s)
{
    if (!s->options->evaluator)
        evaluator_free(s->evaluator);
    s->evaluator = NULL;
    score_drop_merger(s);
    checkpoint_free(s->candidate);
    s->candidate = NULL;
}

static json_t *what_is_best(const session *s, const char *kind, const char *text)
{
    json_t *digests = json_array();
    for (size_t i = 0; i < s->n_models; i++)
        json_array_append_new(digests, json_string(s->models[i].digest));
    return json_pack("{s:s, s:o}", kind, text, "models", digests);
}

static void add_place(json_t *places, const char *what, const char *path)
{
    json_array_append_new(places, json_pack("{s:s, s:s}", "what", what, "path", path));
}

/* A model that was made in memory (from a recipe, a path, a trial) is written as it is; the study keeps it as the path through all of it. */
static int write_made(const session *s, const contender *winner, const char *best, json_t *places, error *err)
{
    const session_model *m = &s->models[winner->model];
    layer_path *p = path_new();
    path_add_layers(p, path_add_source(p, m->name, m->path), 0, m->layers);
    p->sources[0].digest = memory_text(m->digest);
    char *yaml = path_yaml(p);
    json_t *now = what_is_best(s, "path", yaml);
    int status = checkpoint_write(m->checkpoint, best, &(checkpoint_write_options){.replace = true}, err);
    if (status == 0)
        status = store_put(s->store, "best", now, err);
    add_place(places, "the winner, a Hugging Face folder", "best");
    json_decref(now);
    free(yaml);
    path_free(p);
    return status;
}

static int write_merge(session *s, const contender *winner, const char *best, json_t *places, error *err)
{
    recipe *r = recipe_of(s, winner);
    char *yaml = recipe_yaml(r);
    json_t *now = what_is_best(s, "recipe", yaml);
    int status = 0;
    if (!is_written(s, now, "best/config.json")) {
        drop_candidate(s);
        status = merge_to_folder(r, &(merge_output){.path = best, .replace = true}, &(merge_options){.pool = s->pool, .memory = s->merge_memory}, err);
        if (status == 0)
            status = store_put(s->store, "best", now, err);
    }
    if (status == 0)
        status = write_text(s, "recipe.yml", yaml, err);
    add_place(places, "the winner, a Hugging Face folder", "best");
    add_place(places, "its recipe, a mergekit file", "recipe.yml");
    json_decref(now);
    free(yaml);
    recipe_free(r);
    return status;
}

static int write_folded(session *s, checkpoint *const *models, const layer_path *p, const struct checkpoint_file *recipes, size_t n, const char *best,
                        error *err)
{
    drop_candidate(s);
    return fold_folder(models, p, &(fold_options){.dtype = -1, .pool = s->pool}, s->backend, recipes, n, best, true, err);
}

/* best/ of a path that no config can describe is the path itself, with its sources' digests. */
static int write_unfolded(const char *best, const char *yaml, const error *why, error *err)
{
    char *file = file_join(best, "path.yml"), *text = memory_print("# No plain checkpoint: %s.\n%s", why->text, yaml);
    progress_say("the winner cannot be folded into a plain checkpoint: %s; best/ is its path", why->text);
    int status = file_remove_tree(best, err) == 0 && file_make_folders(best, err) == 0 ? file_write(file, text, strlen(text), err) : -1;
    free(text);
    free(file);
    return status;
}

static int write_path(session *s, const contender *winner, const char *best, json_t *places, error *err)
{
    const step *st = winner->step;
    layer_path *p = path_copy(winner->path);
    struct checkpoint_file *recipes = NULL;
    size_t n = 0;
    step_name_winners(st, s->db, p);     /* which become files of recipes */
    set_digests(s, st, p);
    int status = trial_recipes(p, &recipes, &n, err);
    for (size_t i = 0; i < n && status == 0; i++)
        status = write_text(s, recipes[i].name, recipes[i].text, err);
    error why = {0};
    bool plain = status == 0 && fold_possible(st->models, p, &why);
    char *yaml = path_yaml(p), *recipe_text = plain ? passthrough_yaml(p, st->models, -1) : NULL;
    json_t *now = what_is_best(s, "path", yaml);
    if (status == 0)
        status = write_text(s, "path.yml", yaml, err);
    if (status == 0 && recipe_text)
        status = write_text(s, "recipe.yml", recipe_text, err);
    if (status == 0 && !is_written(s, now, plain ? "best/config.json" : "best/path.yml")) {
        status = plain ? write_folded(s, st->models, p, recipes, n, best, err) : write_unfolded(best, yaml, &why, err);
        if (status == 0)
            status = store_put(s->store, "best", now, err);
    }
    add_place(places, plain ? "the winner, folded into a Hugging Face folder" : "the winner, as its path (its models' configs differ)", "best");
    add_place(places, "its path, for eval and generate without copies of the weights", "path.yml");
    if (recipe_text)
        add_place(places, "the same as a mergekit file", "recipe.yml");
    for (size_t i = 0; i < n; i++)
        add_place(places, "the merge that it leads through", recipes[i].name);
    trial_recipes_free(recipes, n);
    json_decref(now);
    free(recipe_text);
    free(yaml);
    path_free(p);
    return status;
}

/* A file of an earlier winner would be taken for this one's. */
static int remove_stale(const session *s, error *err)
{
    int status = 0;
    for (int i = -2; i < (int)s->file->n_models + (int)s->n_steps && status == 0; i++) {
        char *name = i == -2 ? memory_text("recipe.yml") : i == -1 ? memory_text("path.yml") : memory_print("recipe-%d.yml", i + 1);
        char *path = file_join(s->out, name);
        free(name);
        if (file_exists(path) && unlink(path) != 0)
            status = fail_errno(err, "%s", path);
        free(path);
    }
    return status;
}

int best_write(session *s, const contender *winner, json_t **places, error *err)
{
    char *best = file_join(s->out, "best");
    bool is_made = winner->model >= 0 && source_is_made(s->models[winner->model].path);
    *places = json_array();
    int status = remove_stale(s, err);
    if (status == 0)
        status = winner->path ? write_path(s, winner, best, *places, err)
                 : is_made    ? write_made(s, winner, best, *places, err)
                              : write_merge(s, winner, best, *places, err);
    free(best);
    return status;
}
