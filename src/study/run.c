#include "study/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "study/finish.h"
#include "study/generation.h"
#include "study/report.h"
#include "study/session.h"

static step *current(session *s)
{
    return &s->steps[s->at];
}

/* Results in candidate order, whoever finished first. */
static int tell(session *s, uint32_t g, error *err)
{
    trial *list;
    step *st = current(s);
    size_t n, complete = 0;
    if (store_trials(s->store, g, true, &list, &n, err) != 0)
        return -1;
    fate *fates = memory_new((size_t)st->population, sizeof *fates);
    double sum = 0, best = -INFINITY;
    int status = n == (size_t)st->population ? 0
                                             : fail(err, ERROR_FORMAT, "%s: generation %u has %zu trials, the population is %d",
                                                    s->db, g, n, st->population);
    for (size_t i = 0; i < n && status == 0; i++) {
        const trial *t = &list[i];
        bool whole = strcmp(t->state, "COMPLETE") == 0;
        if (t->n != st->genome->count || t->candidate >= n || (!whole && strcmp(t->state, "FAIL") != 0 && strcmp(t->state, "PRUNED") != 0)) {
            status = fail(err, ERROR_FORMAT, "%s: trial %lld (candidate %u) is %s with %zu numbers", s->db, (long long)t->number, t->candidate,
                          t->state, t->n);
            break;
        }
        bool pruned = strcmp(t->state, "PRUNED") == 0;
        fates[t->candidate] = (fate){.state = whole ? FATE_COMPLETE : pruned ? FATE_PRUNED : FATE_INVALID,
                                     .objective = t->value,
                                     .round = (int)t->n_scores,
                                     .partial = t->value,
                                     .violation = whole || pruned || !st->path ? 0 : step_decode(st, t->x),
                                     .scores = t->scores,
                                     .n_scores = t->n_scores};
        if (whole || pruned) {
            complete++;
            sum += t->value;
            best = fmax(best, t->value);
        }
    }
    if (status == 0)
        status = optimizer_tell(s->optimizer, fates, err);
    if (status == 0 && complete) {
        s->progress.best = best;
        s->progress.mean = sum / (double)complete;
    }
    free(fates);
    trials_free(list, n);
    return status;
}

/* The optimiser counts generations from its step's first. */
static uint32_t generation(const session *s)
{
    return (uint32_t)s->steps[s->at].first + optimizer_generation(s->optimizer);
}

static int advance(session *s, error *err)
{
    const step *st = current(s);
    size_t n = (size_t)st->population, bytes;
    double *x = memory_new(n * st->genome->count, sizeof *x);
    void *state = optimizer_save(s->optimizer, &bytes);
    optimizer_ask(s->optimizer, x);
    int status = store_advance(s->store, (uint32_t)st->index, generation(s), state, bytes, st->dims, st->genome->count, x, n, err);
    free(state);
    free(x);
    return status;
}

static bool finished(const session *s)
{
    return optimizer_generation(s->optimizer) >= s->steps[s->at].generations || s->progress.mean >= s->file->target;
}

/* A study whose generations were cut down since stops where it stands, also in the middle of one. */
static int is_cut_short(session *s, bool *cut, error *err)
{
    trial *list;
    size_t n;
    *cut = false;
    if (optimizer_generation(s->optimizer) < current(s)->generations)
        return 0;
    if (store_trials(s->store, generation(s), false, &list, &n, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        *cut = *cut || trial_is_open(&list[i]);
    trials_free(list, n);
    return 0;
}

/* Ask, evaluate, tell, commit. Returns 1 when the step's search is over, 0 where --generations stopped it before; *ran counts generations. */
static int search(session *s, int64_t *ran, error *err)
{
    bool cut;
    if (is_cut_short(s, &cut, err) != 0)
        return -1;
    while (!cut) {
        const step *st = current(s);
        uint32_t g = generation(s);
        double began = progress_seconds();
        if ((st->racing ? generation_race(s, g, err) : generation_run(s, g, err)) != 0 || tell(s, g, err) != 0)
            return -1;
        char text[32];
        progress_say("%s%sgeneration %lld/%lld: best %.4f, mean %.4f (%s)", s->n_steps > 1 ? st->file->name : "", s->n_steps > 1 ? ": " : "",
                     (long long)g - st->first + 1, (long long)st->generations, s->progress.best, s->progress.mean,
                     progress_duration(text, progress_seconds() - began));
        ++*ran;
        if (finished(s))
            return 1;
        if (s->options->stop_after && *ran >= s->options->stop_after)
            return 0;
        if (advance(s, err) != 0)
            return -1;
    }
    return 1;
}

/* The newest optimiser state tells the step, too; a new optimiser for the first step where there is none. */
static int open_optimizer(session *s, error *err)
{
    size_t bytes = 0;
    uint32_t g = 0, at = 0;
    error why = {0};
    void *state = s->store ? store_state(s->store, &bytes, &at, &g, &why) : NULL;
    if (!state && why.code != ERROR_NONE) {
        *err = why;
        return -1;
    }
    if (!state) {
        s->optimizer = step_new_optimizer(current(s), s->seed, err);
        return s->optimizer ? 0 : -1;
    }
    s->optimizer = optimizer_load(state, bytes, err);
    free(state);
    if (!s->optimizer)
        return fail_in(err, "%s", s->db);
    if (at >= s->n_steps)
        return fail(err, ERROR_STATE, "%s: step %u has begun, %s has %zu", s->db, at + 1, s->file->path, s->n_steps);
    s->at = at;
    step *st = current(s);
    if (st->path)
        optimizer_set_move(s->optimizer, flow_move, st->genome);
    for (size_t k = 0; k <= at; k++)
        if (store_step_first(s->store, (uint32_t)k, &s->steps[k].first, err) != 0)
            return -1;
    if (st->first < 0 || generation(s) != g || optimizer_dimensions(s->optimizer) != st->genome->count ||
        optimizer_population(s->optimizer) != st->population)
        return fail(err, ERROR_FORMAT,
                    "%s: the optimiser's state (generation %u, %zu numbers, population %d) is not this study's (%u, %zu, %d)",
                    s->db, generation(s), optimizer_dimensions(s->optimizer), optimizer_population(s->optimizer), g, st->genome->count,
                    st->population);
    return 0;
}

/* A step's first generation is committed with the optimiser's first state: a study that was killed before that has none. */
static int first_advance(session *s, error *err)
{
    step *st = current(s);
    if (st->first >= 0)
        return 0;
    return store_next_generation(s->store, &st->first, err) == 0 ? advance(s, err) : -1;
}

/* The next step begins: what earlier ones have found is there, and its optimiser is new. */
static int next_step(session *s, error *err)
{
    optimizer_free(s->optimizer);
    s->at++;
    s->progress.best = s->progress.mean = NAN;
    s->optimizer = step_new_optimizer(current(s), s->seed, err);
    if (!s->optimizer || winners_open(s, s->at, err) != 0)
        return -1;
    progress_say("%s: %zu numbers, %lld generations of %d", current(s)->file->name, current(s)->genome->count,
                 (long long)current(s)->generations, current(s)->population);
    return first_advance(s, err);
}

/* Later steps stand on what a step that is over has found, so more generations of it would be another study. A target may have ended it. */
static void say_closed(const session *s)
{
    for (size_t k = 0; k < s->at; k++) {
        const step *st = &s->steps[k];
        int64_t ran = s->steps[k + 1].first - st->first;
        if (ran != st->generations && isnan(s->file->target))
            progress_say("step '%s' is over (generations: %lld), and later steps stand on it: 'generations: %lld' in %s changes nothing; to search on, begin a new study from what it "
                         "found (start: recipe.yml)", st->file->name, (long long)ran, (long long)st->generations, s->file->path);
    }
}

/* All steps from the one that stands. Returns 1 when the last is over, 0 where --generations stopped it before. */
static int run_steps(session *s, error *err)
{
    int64_t ran = 0;
    say_closed(s);
    for (size_t k = 0; k <= s->at; k++)
        if (winners_open(s, k, err) != 0)
            return -1;
    for (;;) {
        int over = search(s, &ran, err);
        if (over != 1)
            return over;
        if (winners_choose(s, s->at, err) != 0)
            return -1;
        if (s->at + 1 == s->n_steps)
            return 1;
        if (next_step(s, err) != 0)
            return -1;
        if (s->options->stop_after && ran >= s->options->stop_after)
            return 0;
    }
}

static int make_copy(session *s, error *err)
{
    char *to = file_join(s->options->fork, "study.db");
    int status = file_make_folders(s->options->fork, err);
    if (status == 0)
        status = store_copy(s->store, to, err);
    store_close(s->store);
    s->store = status == 0 ? store_open(to, false, err) : NULL;
    free(s->db);
    free(s->out);
    s->db = to;
    s->out = memory_text(s->options->fork);
    return s->store ? store_lock(s->store, err) : -1;
}

/* From here on there is a study on disk, and this process holds it. */
static int begin(session *s, error *err)
{
    if (s->options->fork && make_copy(s, err) != 0)
        return -1;
    json_t *settings = settings_new(s, err);
    int status = settings ? 0 : -1;
    if (status == 0 && s->store) {
        status = json_equal(settings, s->settings) ? 0 : store_set_settings(s->store, settings, err);
    } else if (status == 0) {
        status = file_make_folders(s->out, err);
        s->store = status == 0
                       ? store_create(s->db, s->file->name, json_string_value(json_object_get(settings, "metric")), settings, err)
                       : NULL;
        status = s->store ? store_lock(s->store, err) : -1;
    }
    json_decref(s->settings);
    s->settings = settings;
    return status == 0 ? first_advance(s, err) : -1;
}

static int conclude(session *s, int over, error *err)
{
    if (over)
        return finish_run(s, err);
    char *page = file_join(s->out, "report.html");
    int status = report_html(s->store, page, err);
    free(page);
    progress_say("stopped as asked; to go on: merganser evolve %s -o %s", s->file->path, s->out);
    return status;
}

int study_run(const char *study_yml, const study_run_options *options, error *err)
{
    session *s = contenders_check_option(options->baselines, err) == 0 ? session_open(study_yml, options, err) : NULL;
    int status = s && outcome_apart(s, err) == 0 && open_optimizer(s, err) == 0 ? estimate_run(s, err) : -1;
    if (status == 0 && !options->dry_run) {
        int over = begin(s, err) == 0 ? run_steps(s, err) : -1;
        status = over < 0 ? -1 : conclude(s, over, err);
        progress_clear();
        if (s->scratch)
            file_remove_tree(s->scratch, NULL);
        if (status == -1 && err && err->code == ERROR_INTERRUPTED)
            outcome_interrupted(s, err);
        else if (status == 0)
            status = study_print_table(s->db, options->json, err);
    }
    session_close(s);
    return status;
}
