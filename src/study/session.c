#include "study/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "model/config.h"
#include "text/tokenizer.h"

void session_close(session *s)
{
    if (!s)
        return;
    if (!s->options->evaluator)
        evaluator_free(s->evaluator);
    merge_free(s->merger);
    checkpoint_free(s->candidate);
    for (size_t i = 0; s->recipe && i < s->recipe->n_models; i++) {
        checkpoint_free(s->models[i]);
        free(s->names[i]);
    }
    free(s->models);
    free(s->names);
    free(s->digests);
    optimizer_free(s->optimizer);
    genome_free(s->genome);
    recipe_free(s->recipe);
    question_pool_free(&s->search);
    question_pool_free(&s->select);
    question_pool_free(&s->held_out);
    task_list_free(&s->tasks);
    store_close(s->store);
    json_decref(s->settings);
    study_file_free(s->file);
    threads_free(s->pool);
    free(s->dims);
    free(s->out);
    free(s->db);
    free(s->scratch);
    free(s);
}

/* The same tasks with another split, for what the study file leaves out; those whose task has no such split are left away. */
static int open_standard(session *s, question_pool *p, const char *what, const char *split, bool needed, error *err)
{
    const study_file *f = s->file;
    study_task *entries = memory_new(f->n_tasks, sizeof *entries);
    size_t n = 0;
    for (size_t i = 0; i < f->n_tasks; i++) {
        error ignored;
        const task *t = s->search.sets[i].task;
        bool twice = false;
        for (size_t k = 0; k < n; k++)
            twice = twice || strcmp(entries[k].path, f->tasks[i].path) == 0;
        if (!twice && task_split_find(t, split, &ignored))
            entries[n++] = (study_task){.path = f->tasks[i].path, .split = (char *)split, .weight = f->tasks[i].weight};
    }
    int status = 0;
    if (n == 0 && needed)
        status = fail(err, ERROR_USAGE,
                      "%s: '%s' is missing, and no task has a split of the name '%s': which questions make the final choice? "
                      "Write %s: [{task: %s, split: NAME}] with a split that the search does not use",
                      f->path, what, split, what, f->tasks[0].path);
    else
        status = question_pool_open(p, what, entries, n, &s->tasks, s->seed, err);
    free(entries);
    return status;
}

static int open_questions(session *s, error *err)
{
    const study_file *f = s->file;
    if (question_pool_open(&s->search, "tasks", f->tasks, f->n_tasks, &s->tasks, s->seed, err) != 0)
        return -1;
    int status = f->n_select ? question_pool_open(&s->select, "select", f->select, f->n_select, &s->tasks, s->seed, err)
                             : open_standard(s, &s->select, "select", "select", true, err);
    if (status == 0)
        status = f->n_held_out ? question_pool_open(&s->held_out, "held_out", f->held_out, f->n_held_out, &s->tasks, s->seed, err)
                               : open_standard(s, &s->held_out, "held_out", "test", false, err);
    if (status != 0 || question_pools_disjoint(&s->search, &s->select, err) != 0 ||
        question_pools_disjoint(&s->search, &s->held_out, err) != 0 ||
        question_pools_disjoint(&s->select, &s->held_out, err) != 0)
        return -1;
    for (size_t i = 0; i < s->tasks.count; i++) {
        const task *t = s->tasks.items[i];
        if (!t->splits_made)
            continue;
        string parts = {0};
        for (size_t k = 0; k < t->n_splits; k++)
            string_print(&parts, "%s%zu for '%s'", k ? ", " : "", t->splits[k].count, t->splits[k].name);
        progress_say("%s names no splits: its questions were cut into %s (by seed %llu)", t->file, parts.text,
                     (unsigned long long)s->seed);
        free(parts.text);
    }
    return 0;
}

size_t session_model_count(const study_search *search)
{
    return search->n_sources + (method_find(search->method)->needs_base ? 1 : 0);
}

const char *session_model_name(const study_search *search, size_t i)
{
    return i < search->n_sources ? search->sources[i] : search->base_model;
}

recipe *session_recipe(const study_search *search, const char *const *paths, uint64_t seed)
{
    recipe *r = recipe_new(search->method);
    size_t n = session_model_count(search);
    for (size_t i = 0; i < n; i++)
        recipe_add_model(r, paths[i]);
    r->base = n > search->n_sources ? (int)n - 1 : -1;
    r->base_listed = false;
    r->mode = strcmp(search->mode, "compat") == 0 ? MERGE_COMPAT : MERGE_EXACT;
    r->tokenizer_base = search->tokenizer_base;
    r->seed = seed;
    return r;
}

static int open_models(session *s, error *err)
{
    const study_file *f = s->file;
    const study_search *search = &f->search;
    const method *m = method_find(search->method);
    if (!m) {
        const char *near = text_nearest(search->method, method_names());
        return fail(err, ERROR_USAGE, "%s: unknown merge method '%s'%s%s%s", f->path, search->method,
                    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    if (m->needs_base && !search->base_model)
        return fail(err, ERROR_USAGE, "%s: method %s needs 'base_model: NAME', one of the models", f->path, m->name);
    if ((int)search->n_sources < m->min_models || (m->max_models && (int)search->n_sources > m->max_models))
        return fail(err, ERROR_USAGE, "%s: method %s takes %d%s sources, the study has %zu", f->path, m->name,
                    m->max_models ? m->max_models : m->min_models, m->max_models ? "" : " or more", search->n_sources);
    if (search->base_model && !m->needs_base)
        progress_say("%s: method %s has no base model: '%s' is left out", f->path, m->name, search->base_model);
    size_t n = session_model_count(search);
    const char **paths = memory_new(n, sizeof *paths);
    for (size_t i = 0; i < n; i++)
        paths[i] = f->models[study_file_model(f, session_model_name(search, i))].path;
    s->recipe = session_recipe(search, paths, s->seed);
    free(paths);
    s->names = memory_new(n, sizeof *s->names);
    s->models = memory_new(n, sizeof *s->models);
    s->digests = memory_new(n, sizeof *s->digests);
    for (size_t i = 0; i < n; i++) {
        s->names[i] = memory_text(session_model_name(search, i));
        s->models[i] = checkpoint_open(s->recipe->models[i].path, err);
        if (!s->models[i])
            return fail_in(err, "model '%s'", s->names[i]);
        if (checkpoint_digest_sampled(s->models[i], s->digests[i], err) != 0)
            return -1;
    }
    if (search->tokenizer_base && s->recipe->base < 0)
        return fail(err, ERROR_USAGE, "%s: 'tokenizer: base' needs a method with a base model", f->path);
    return 0;
}

/* A merge of models that number their tokens differently is noise. */
static int check_tokenizers(session *s, error *err)
{
    size_t n = s->recipe->n_models, first = s->recipe->base >= 0 ? (size_t)s->recipe->base : 0;
    char wanted[65] = "", hex[65];
    int32_t wanted_size = 0;
    for (size_t k = 0; k < n; k++) {
        size_t i = k == 0 ? first : k <= first ? k - 1 : k;     /* the base, whose tokenizer counts, before the others */
        const char *folder = s->models[i]->folder;
        if (!folder)
            return fail(err, ERROR_USAGE, "model '%s' (%s) is no folder with a tokenizer", s->names[i],
                        s->recipe->models[i].path);
        tokenizer *t = tokenizer_open(folder, err);
        if (!t)
            return fail_in(err, "model '%s'", s->names[i]);
        tokenizer_digest(t, hex);
        int32_t size = tokenizer_size(t);
        tokenizer_free(t);
        if (k == 0) {
            memcpy(wanted, hex, sizeof wanted);
            wanted_size = size;
        } else if (strcmp(hex, wanted) != 0 && !s->recipe->tokenizer_base) {
            return fail(err, ERROR_USAGE,
                        "the tokenizers of '%s' (%d tokens) and '%s' (%d tokens) differ; if one only has tokens added behind the "
                        "base's, write 'tokenizer: base' in the search to leave those out",
                        s->names[first], wanted_size, s->names[i], size);
        }
    }
    return 0;
}

genome *session_genome(const study_search *search, const recipe *r, const char *const *names, int layers, error *err)
{
    struct genome_bound *bounds = memory_new(search->n_bounds, sizeof *bounds);
    for (size_t i = 0; i < search->n_bounds; i++)
        bounds[i] = (struct genome_bound){search->bounds[i].parameter, search->bounds[i].low, search->bounds[i].high,
                                          search->bounds[i].start, search->bounds[i].spread};
    genome_options options = {.method = method_find(search->method),
                              .names = names,
                              .layers = layers,
                              .n_groups = search->n_ranges ? search->n_ranges : search->n_groups,
                              .ranges = (const int(*)[2])search->ranges,
                              .n_ranges = search->n_ranges,
                              .split_attention_mlp = search->split_attention_mlp,
                              .split_embeddings = search->split_embeddings,
                              .sigma = search->sigma,
                              .bounds = bounds,
                              .n_bounds = search->n_bounds};
    genome *g = genome_new(r, &options, err);
    free(bounds);
    return g;
}

static int open_genome(session *s, error *err)
{
    model_config config;
    const checkpoint *first = s->models[s->recipe->base >= 0 ? s->recipe->base : 0];
    if (!first->config)
        return fail(err, ERROR_FORMAT, "%s: has no config.json", first->name);
    if (config_read(first->config, first->name, &config, err) != 0)
        return -1;
    s->genome = session_genome(&s->file->search, s->recipe, (const char *const *)s->names, (int)config.layers, err);
    if (!s->genome)
        return fail_in(err, "%s", s->file->path);
    s->dims = memory_new(s->genome->count, sizeof *s->dims);
    for (size_t i = 0; i < s->genome->count; i++)
        s->dims[i] =
            (store_dimension){s->genome->dimensions[i].name, s->genome->dimensions[i].low, s->genome->dimensions[i].high};
    return 0;
}

/* `start:` moves the genome's start to a known recipe. */
static int take_start(session *s, error *err)
{
    if (!s->file->search.start)
        return 0;
    recipe *known = recipe_read(s->file->search.start, err);
    if (!known)
        return -1;
    double *x = memory_new(s->genome->count, sizeof *x);
    int status = genome_encode(s->genome, known, x, err);
    for (size_t i = 0; status == 0 && i < s->genome->count; i++) {
        dimension *d = &s->genome->dimensions[i];
        d->start = fmin(fmax(x[i], d->low), d->high);
    }
    free(x);
    recipe_free(known);
    return status == 0 ? 0 : fail_in(err, "start: %s", s->file->search.start);
}

static int open_merge(session *s, error *err)
{
    double *x = memory_new(s->genome->count, sizeof *x);
    for (size_t i = 0; i < s->genome->count; i++)
        x[i] = s->genome->dimensions[i].start;
    genome_decode(s->genome, x, s->recipe);
    free(x);
    s->merger = merge_prepare(s->recipe, s->models, &(merge_options){.pool = s->pool}, err);
    if (!s->merger)
        return -1;
    char *notes = merge_notes(s->merger);
    for (char *line = notes, *end; line && *line; line = end) {
        end = line + strcspn(line, "\n");
        char *next = *end ? end + 1 : end;
        *end = '\0';
        progress_say("%s", line);
        end = next;
    }
    free(notes);
    s->candidate = merge_allocate(s->merger, err);
    return s->candidate ? 0 : -1;
}

/* A fork reads the study that it will copy; the copy itself is made when everything else has been found right. */
static int open_forked(session *s, error *err)
{
    char *to = file_join(s->options->fork, "study.db");
    int status = 0;
    if (!file_exists(s->db))
        status = fail(err, ERROR_USAGE, "%s: there is no study to fork", s->db);
    else if (file_exists(to))
        status =
            fail(err, ERROR_STATE, "%s: exists already; go on with it by -o %s, or fork to another folder", to, s->options->fork);
    else
        status = outcome_check(s->options->fork, to, s->options->force, err);
    free(to);
    return status;
}

/* OUT's study when there is one. */
static int open_store(session *s, error *err)
{
    const study_run_options *o = s->options;
    if (outcome_check(s->out, s->db, o->force, err) != 0 || (o->fork && open_forked(s, err) != 0))
        return -1;
    if (!file_exists(s->db))
        return 0;
    s->store = store_open(s->db, o->dry_run || o->fork, err);
    if (!s->store || (!o->dry_run && !o->fork && store_lock(s->store, err) != 0))
        return -1;
    s->settings = store_settings(s->store, err);
    return s->settings ? 0 : -1;
}

/* The recorded family is forced: another rounds differently, and the study would no longer be one. */
static int choose_backend(session *s, error *err)
{
    const char *recorded = json_string_value(json_object_get(s->settings, "backend")), *wanted = s->options->backend;
    if (recorded && wanted && strcmp(recorded, wanted) != 0 && !s->options->fork)
        return fail(err, ERROR_USAGE,
                    "%s was begun with the kernel family '%s': leave --backend %s out, or go on in a copy with --fork OUT", s->db,
                    recorded, wanted);
    const char *name = wanted ? wanted : recorded;
    s->backend = name ? backend_find(name, err) : backend_best();
    if (s->backend)
        return 0;
    return recorded && !wanted
               ? fail_in(err, "%s was begun with the kernel family '%s' (to go on with another: --backend NAME --fork OUT)",
                         s->db, recorded)
               : -1;
}

static int resolve_size(session *s, error *err)
{
    json_t *recorded = json_object_get(s->settings, "population");
    s->population =
        json_is_integer(recorded) ? (int)json_integer_value(recorded) : settings_population(s->file, s->genome->count);
    s->generations = settings_generations(s->file, s->population, err);
    return s->generations < 0 ? -1 : 0;
}

session *session_open(const char *study_yml, const study_run_options *options, error *err)
{
    session *s = memory_new(1, sizeof *s);
    s->options = options;
    s->file = study_file_read(study_yml, err);
    if (!s->file)
        goto failed;
    s->seed = options->seed >= 0 ? (uint64_t)options->seed : s->file->seed;
    s->out = options->out ? memory_text(options->out) : memory_print("./%s", s->file->name);
    s->db = file_join(s->out, "study.db");
    s->pool = threads_new(options->threads > 0 ? options->threads : threads_available());
    s->progress = (session_progress){.best = NAN, .mean = NAN};
    if (open_store(s, err) != 0 || choose_backend(s, err) != 0 || open_questions(s, err) != 0 || open_models(s, err) != 0 ||
        check_tokenizers(s, err) != 0 || open_genome(s, err) != 0 || take_start(s, err) != 0 || resolve_size(s, err) != 0 ||
        open_merge(s, err) != 0)
        goto failed;
    if (s->settings && settings_check(s, s->settings, err) != 0)
        goto failed;
    return s;
failed:
    session_close(s);
    return NULL;
}
