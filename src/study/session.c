#include "study/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "model/config.h"
#include "study/source.h"
#include "tensor/names.h"
#include "text/tokenizer.h"

void session_close(session *s)
{
    if (!s)
        return;
    if (!s->options->evaluator)
        evaluator_free(s->evaluator);
    merge_free(s->merger);
    checkpoint_free(s->candidate);
    for (size_t i = 0; i < s->n_models; i++) {
        checkpoint_free(s->models[i].checkpoint);
        free(s->models[i].name);
        free(s->models[i].path);
    }
    for (size_t k = 0; k < s->n_steps; k++) {
        checkpoint_free(s->winners[k]);
        step_close(&s->steps[k]);
    }
    free(s->models);
    free(s->steps);
    free(s->winners);
    free(s->winner_digests);
    optimizer_free(s->optimizer);
    question_pool_free(&s->search);
    question_pool_free(&s->select);
    question_pool_free(&s->held_out);
    task_list_free(&s->tasks);
    store_close(s->store);
    json_decref(s->settings);
    study_file_free(s->file);
    threads_free(s->pool);
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
        if (!twice && task_split_find(t, split, &ignored) && !(t->test_is_whole && strcmp(split, "test") == 0))
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

/* A mergekit-evolve file says by what its tasks are scored; their files decide. */
static int check_metrics(const session *s, error *err)
{
    for (size_t i = 0; i < s->search.count; i++) {
        const study_task *named = &s->file->tasks[i];
        const task *t = s->search.sets[i].task;
        if (named->metric && (t->command || strcmp(task_metric_name(t), named->metric) != 0))
            return fail(err, ERROR_USAGE, "%s:%d: the metric is '%s', and %s is scored by %s: leave 'metric' out or change the task file", s->file->path, named->line,
                        named->metric, t->file, t->command ? "a command" : task_metric_name(t));
    }
    return 0;
}

static int open_questions(session *s, error *err)
{
    const study_file *f = s->file;
    if (question_pool_open(&s->search, "tasks", f->tasks, f->n_tasks, &s->tasks, s->seed, err) != 0 || check_metrics(s, err) != 0)
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
        for (size_t k = t->test_is_whole; k < t->n_splits; k++)
            string_print(&parts, "%s%zu for '%s'", parts.length ? ", " : "", t->splits[k].count, t->splits[k].name);
        progress_say("%s names no splits: its questions were cut into %s (by seed %llu)", t->file, parts.text,
                     (unsigned long long)s->seed);
        free(parts.text);
    }
    return 0;
}

static session_model *find_model(const session *s, int index)
{
    for (size_t i = 0; i < s->n_models; i++)
        if (s->models[i].index == index)
            return &s->models[i];
    return NULL;
}

const char *session_digest(const session *s, const step *st, size_t i)
{
    return st->model[i] >= 0 ? find_model(s, st->model[i])->digest : s->winner_digests[st->winner_of[i]];
}

/* The file's models that some step names, in the order in which the steps do. */
static int open_model(session *s, int index, error *err)
{
    const study_model *named = &s->file->models[index];
    model_config config;
    if (find_model(s, index))
        return 0;
    session_model *m = &s->models[s->n_models++];
    *m = (session_model){.name = memory_text(named->name), .path = memory_text(named->path), .index = index};
    m->checkpoint = source_open_one(m->path, 0, &(merge_options){.pool = s->pool, .memory = s->options->memory}, err);
    if (!m->checkpoint)
        return fail_in(err, "model '%s'", m->name);
    if (checkpoint_digest_sampled(m->checkpoint, m->digest, err) != 0)
        return -1;
    if (!m->checkpoint->folder)
        return fail(err, ERROR_USAGE, "model '%s' (%s) is no folder with a tokenizer", m->name, m->path);
    if (!m->checkpoint->config)
        return fail(err, ERROR_FORMAT, "%s: has no config.json", m->checkpoint->name);
    if (config_read(m->checkpoint->config, m->checkpoint->name, &config, err) != 0)
        return -1;
    m->layers = (int)config.layers;
    m->architecture = architecture_find(config.type, NULL);
    return 0;
}

static int open_steps(session *s, error *err)
{
    const study_file *f = s->file;
    const char **paths = memory_new(f->n_models, sizeof *paths);
    for (size_t i = 0; i < f->n_models; i++)
        paths[i] = f->models[i].path;
    s->models = memory_new(f->n_models, sizeof *s->models);
    s->steps = memory_new(f->n_steps, sizeof *s->steps);
    s->winners = memory_new(f->n_steps, sizeof *s->winners);
    s->winner_digests = memory_new(f->n_steps, sizeof *s->winner_digests);
    int status = 0;
    for (size_t k = 0; k < f->n_steps && status == 0; k++) {
        step *st = &s->steps[s->n_steps++];
        status = step_open(st, f, (int)k, paths, s->seed, err);
        for (size_t i = 0; i < st->n_models && status == 0; i++)
            if (st->recipe && source_is_made(paths[st->model[i]]))
                status = fail(err, ERROR_USAGE, "model '%s' (%s) of a merge should be a model's folder; write it as one first: merganser merge or export",
                              st->names[i], paths[st->model[i]]);
            else if (st->model[i] >= 0 && (status = open_model(s, st->model[i], err)) == 0)
                st->models[i] = find_model(s, st->model[i])->checkpoint;
        if (status == 0 && st->file->base_model && st->recipe->base < 0)
            progress_say("%s: method %s has no base model: '%s' is left out", f->path, st->recipe->method, st->file->base_model);
    }
    free(paths);
    return status;
}

/* A merge of models that number their tokens differently is noise. A path takes its first source's tokens only. */
static int check_tokenizers(const session *s, const step *st, error *err)
{
    /* of a component the rows that all have are found one by one */
    size_t n = st->recipe && !st->recipe->language_only ? st->n_models : 0, first = st->recipe && st->recipe->base >= 0 ? (size_t)st->recipe->base : 0;
    char wanted[65] = "", hex[65];
    int32_t wanted_size = 0;
    for (size_t k = 0; k < n; k++) {
        size_t i = k == 0 ? first : k <= first ? k - 1 : k;     /* the base, whose tokenizer counts, before the others */
        tokenizer *t = tokenizer_open(find_model(s, st->model[i])->checkpoint->folder, err);
        if (!t)
            return fail_in(err, "model '%s'", st->names[i]);
        tokenizer_digest(t, hex);
        int32_t size = tokenizer_size(t);
        tokenizer_free(t);
        if (k == 0) {
            memcpy(wanted, hex, sizeof wanted);
            wanted_size = size;
        } else if (strcmp(hex, wanted) != 0 && names_sees(st->models[i]) != names_sees(st->models[first])) {
            return fail(err, ERROR_USAGE, "of '%s' and '%s' one also sees, and their tokenizers differ: 'component: language_model' in the search merges what both have", st->names[first],
                        st->names[i]);
        } else if (strcmp(hex, wanted) != 0 && st->recipe->tokenizer.source == TOKENIZER_KEPT) {
            return fail(err, ERROR_USAGE,
                        "the tokenizers of '%s' (%d tokens) and '%s' (%d tokens) differ; if one only has tokens added behind the "
                        "base's, write 'tokenizer: base' in the search to leave those out",
                        st->names[first], wanted_size, st->names[i], size);
        }
    }
    return 0;
}

static int open_genome(session *s, step *st, error *err)
{
    int *layers = memory_new(st->n_models, sizeof *layers);
    for (size_t i = 0; i < st->n_models; i++)
        layers[i] = st->model[i] >= 0 ? find_model(s, st->model[i])->layers : shape_of(s, st->winner_of[i])->layers;
    st->architecture = st->model[0] >= 0 ? find_model(s, st->model[0])->architecture : shape_of(s, st->winner_of[0])->architecture;
    int status = step_open_genome(st, layers, err) == 0 ? step_take_start(st, err) : -1;
    free(layers);
    if (status != 0)
        return fail_in(err, "%s", s->file->path);
    st->racing = settings_racing(s->settings, (size_t)st->index);
    return step_resolve_size(st, s->file, settings_population(s->settings, (size_t)st->index), err);
}

static void say_lines(char *notes)
{
    for (char *line = notes, *end; line && *line; line = end) {
        end = line + strcspn(line, "\n");
        char *next = *end ? end + 1 : end;
        *end = '\0';
        progress_say("%s", line);
        end = next;
    }
}

/* A path must be possible through all its sources, not only those that it starts with. A winner that is not known yet has the shapes of the
 * model whose config it takes. */
static int try_path(const session *s, const step *st, error *err)
{
    checkpoint **models = memory_new(st->n_models, sizeof(checkpoint *));
    layer_path *all = path_copy(st->path);
    for (size_t i = 0; i < st->n_models; i++) {
        models[i] = st->models[i] ? st->models[i] : shape_of(s, st->winner_of[i])->checkpoint;
        path_add_hop(all, (int)i, 0, 1);
    }
    plan *p = lineup_plan(&(lineup){.models = models, .path = all}, err);
    plan_free(p);
    path_free(all);
    free(models);
    return p ? 0 : fail_in(err, "%s: step '%s'", s->file->path, st->file->name);
}

/* What the search starts from must be possible: a merge of these models, a path through these. */
static int try_start(session *s, step *st, error *err)
{
    double *x = memory_new(st->genome->count, sizeof *x);
    for (size_t i = 0; i < st->genome->count; i++)
        x[i] = st->genome->dimensions[i].start;
    double excess = step_decode(st, x);
    free(x);
    if (excess > 0)
        return fail(err, ERROR_USAGE, "%s: step '%s' starts with a path that breaks its limits by %g hops: see max_hops, start_on and pin_ends", s->file->path,
                    st->file->name, excess);
    int status = 0;
    if (st->recipe) {
        merger *m = merge_prepare(st->recipe, st->models, &(merge_options){.pool = s->pool}, err);
        char *notes = m ? merge_notes(m) : NULL;
        say_lines(notes);
        free(notes);
        checkpoint *outline = m ? merge_outline(m, err) : NULL;
        st->bytes = outline ? checkpoint_bytes(outline) : 0;
        status = outline ? 0 : -1;
        checkpoint_free(outline);
        merge_free(m);
    } else {
        status = try_path(s, st, err);
        st->bytes = st->winner_of[0] >= 0 ? s->steps[st->winner_of[0]].bytes : checkpoint_bytes(st->models[0]);
    }
    return status;
}

static int open_searches(session *s, error *err)
{
    for (size_t k = 0; k < s->n_steps; k++) {
        step *st = &s->steps[k];
        if (check_tokenizers(s, st, err) != 0 || open_genome(s, st, err) != 0 || try_start(s, st, err) != 0 || shape_check(s, st, err) != 0)
            return -1;
    }
    return 0;
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

session *session_open(const char *study_yml, const study_run_options *options, error *err)
{
    session *s = memory_new(1, sizeof *s);
    s->options = options;
    s->file = study_file_read(study_yml, options->task_paths, options->n_task_paths, err);
    if (!s->file)
        goto failed;
    s->seed = options->seed >= 0 ? (uint64_t)options->seed : s->file->seed;
    s->out = options->out ? memory_text(options->out) : memory_print("./%s", s->file->name);
    s->db = file_join(s->out, "study.db");
    s->pool = threads_new(options->threads > 0 ? options->threads : threads_available());
    s->progress = (session_progress){.best = NAN, .mean = NAN};
    if (open_store(s, err) != 0 || choose_backend(s, err) != 0 || open_questions(s, err) != 0 || open_steps(s, err) != 0 ||
        open_searches(s, err) != 0)
        goto failed;
    if (s->settings && settings_check(s, s->settings, err) != 0)
        goto failed;
    return s;
failed:
    session_close(s);
    return NULL;
}
