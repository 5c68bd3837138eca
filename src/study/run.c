#include "study/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "study/finish.h"
#include "study/report.h"
#include "study/session.h"

/* Decode, merge, run, score; then what became of it is committed. */
static int try_candidate(session *s, const trial *t, const question_set *sets, error *err)
{
    size_t n = s->search.count;
    evaluation e = {0};
    double began = progress_seconds();
    genome_decode(s->genome, t->x, s->recipe);
    if (score_recipe(s, s->merger, s->recipe, sets, n, &e, err) != 0)
        return -1;
    const char **ids = memory_new(e.count, sizeof *ids), **answers = memory_new(e.count, sizeof *answers);
    double *scores = memory_new(e.count, sizeof *scores);
    char *names = NULL;
    string all = {0};
    for (size_t i = 0, set = 0, left = n ? sets[0].count : 0; i < e.count; i++, left--) {
        while (left == 0)
            left = sets[++set].count;
        string_print(&all, "%s/%s", sets[set].task->name, e.results[i].question ? e.results[i].question->id : "");
        string_add(&all, "", 1);
        scores[i] = e.results[i].judged.score;
        answers[i] = e.results[i].answer;
    }
    names = all.text;
    for (size_t i = 0; i < e.count; i++, names += strlen(names) + 1)
        ids[i] = names;
    trial_outcome outcome = {.state = e.outcome == OUTCOME_COMPLETE ? "COMPLETE"
                                      : e.outcome == OUTCOME_PRUNED ? "PRUNED"
                                                                    : "FAIL",
                             .value = e.score,
                             .scores = scores,
                             .answers = answers,
                             .question_ids = ids,
                             .n_scores = e.count,
                             .reason = e.reason,
                             .seconds = progress_seconds() - began};
    int status = store_complete(s->store, t->id, t->fence, &outcome, err);
    if (status == 0 && e.outcome == OUTCOME_INVALID)
        progress_say("trial %lld is invalid: %s", (long long)t->number, e.reason ? e.reason : "");
    free(all.text);
    free(scores);
    free(answers);
    free(ids);
    evaluation_free(&e);
    return status;
}

static int run_generation(session *s, uint32_t g, error *err)
{
    question_set *sets = question_pool_draw(&s->search, s->seed, "questions", g, 0);
    score_label(s, "generation %u/%lld", g + 1, (long long)s->generations);
    int claimed = 0;
    do {
        trial t = {0};
        claimed = progress_interrupted() ? outcome_interrupted(s, err) : store_claim(s->store, g, &t, err);
        if (claimed == 1 && t.n != s->genome->count)
            claimed = fail(err, ERROR_FORMAT, "%s: trial %lld has %zu numbers, the genome %zu", s->db, (long long)t.number, t.n,
                           s->genome->count);
        if (claimed == 1 && try_candidate(s, &t, sets, err) != 0)
            claimed = -1;
        trial_clear(&t);
    } while (claimed == 1);
    question_sets_free(sets, s->search.count);
    return claimed;
}

/* Results in candidate order, whoever finished first. */
static int tell(session *s, uint32_t g, error *err)
{
    trial *list;
    size_t n, complete = 0;
    if (store_trials(s->store, g, true, &list, &n, err) != 0)
        return -1;
    fate *fates = memory_new((size_t)s->population, sizeof *fates);
    double sum = 0, best = -INFINITY;
    int status = n == (size_t)s->population ? 0
                                            : fail(err, ERROR_FORMAT, "%s: generation %u has %zu trials, the population is %d",
                                                   s->db, g, n, s->population);
    for (size_t i = 0; i < n && status == 0; i++) {
        const trial *t = &list[i];
        bool whole = strcmp(t->state, "COMPLETE") == 0;
        if (t->candidate >= n || (!whole && strcmp(t->state, "FAIL") != 0 && strcmp(t->state, "PRUNED") != 0)) {
            status = fail(err, ERROR_FORMAT, "%s: trial %lld (candidate %u) is %s", s->db, (long long)t->number, t->candidate,
                          t->state);
            break;
        }
        fates[t->candidate] = (fate){.state = whole ? FATE_COMPLETE : FATE_INVALID,
                                     .objective = t->value,
                                     .scores = t->scores,
                                     .n_scores = t->n_scores};
        if (whole) {
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

static int step(session *s, error *err)
{
    size_t n = (size_t)s->population, bytes;
    double *x = memory_new(n * s->genome->count, sizeof *x);
    void *state = optimizer_save(s->optimizer, &bytes);
    optimizer_ask(s->optimizer, x);
    int status = store_advance(s->store, optimizer_generation(s->optimizer), state, bytes, s->dims, s->genome->count, x, n, err);
    free(state);
    free(x);
    return status;
}

static bool finished(const session *s)
{
    return optimizer_generation(s->optimizer) >= s->generations || s->progress.mean >= s->file->target;
}

/* A study whose generations were cut down since stops where it stands, also in the middle of one. */
static int is_cut_short(session *s, bool *cut, error *err)
{
    trial *list;
    size_t n;
    uint32_t g = optimizer_generation(s->optimizer);
    *cut = false;
    if (g < s->generations)
        return 0;
    if (store_trials(s->store, g, false, &list, &n, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        *cut = *cut || strcmp(list[i].state, "WAITING") == 0 || strcmp(list[i].state, "RUNNING") == 0;
    trials_free(list, n);
    return 0;
}

/* Ask, evaluate, tell, commit. Returns 1 when the search is over, 0 where --generations stopped it before. */
static int search(session *s, error *err)
{
    bool cut;
    if (is_cut_short(s, &cut, err) != 0)
        return -1;
    for (int64_t ran = 1; !cut; ran++) {
        uint32_t g = optimizer_generation(s->optimizer);
        double began = progress_seconds();
        if (run_generation(s, g, err) != 0 || tell(s, g, err) != 0)
            return -1;
        char text[32];
        progress_say("generation %u/%lld: best %.4f, mean %.4f (%s)", g + 1, (long long)s->generations, s->progress.best,
                     s->progress.mean, progress_duration(text, progress_seconds() - began));
        if (finished(s))
            return 1;
        if (s->options->stop_after && ran >= s->options->stop_after)
            return 0;
        if (step(s, err) != 0)
            return -1;
    }
    return 1;
}

static int new_optimizer(session *s, error *err)
{
    size_t n = s->genome->count;
    double *v[4];
    for (int k = 0; k < 4; k++)
        v[k] = memory_new(n, sizeof *v[k]);
    for (size_t i = 0; i < n; i++) {
        const dimension *d = &s->genome->dimensions[i];
        v[0][i] = d->start;
        v[1][i] = d->low;
        v[2][i] = d->high;
        v[3][i] = d->spread;
    }
    optimizer_options options = {.n = n, .start = v[0], .low = v[1], .high = v[2], .spread = v[3],
                                 .population = s->population, .seed = s->seed, .active = 1};
    s->optimizer = optimizer_new(s->file->search.optimizer, &options, err);
    for (int k = 0; k < 4; k++)
        free(v[k]);
    return s->optimizer ? 0 : -1;
}

/* The newest optimiser state; a new optimiser where there is none. */
static int open_optimizer(session *s, error *err)
{
    size_t bytes = 0;
    uint32_t g = 0;
    error why = {0};
    void *state = s->store ? store_state(s->store, &bytes, &g, &why) : NULL;
    if (!state && why.code != ERROR_NONE) {
        *err = why;
        return -1;
    }
    if (!state)
        return new_optimizer(s, err);
    s->optimizer = optimizer_load(state, bytes, err);
    free(state);
    if (!s->optimizer)
        return fail_in(err, "%s", s->db);
    if (optimizer_generation(s->optimizer) != g || optimizer_dimensions(s->optimizer) != s->genome->count ||
        optimizer_population(s->optimizer) != s->population)
        return fail(err, ERROR_FORMAT,
                    "%s: the optimiser's state (generation %u, %zu numbers, population %d) is not this study's (%u, %zu, %d)",
                    s->db, optimizer_generation(s->optimizer), optimizer_dimensions(s->optimizer),
                    optimizer_population(s->optimizer), g, s->genome->count, s->population);
    return 0;
}

/* Generation 0 is committed with the optimiser's first state: a study that was killed before that has none. */
static int first_step(session *s, error *err)
{
    trial *list;
    size_t n;
    if (optimizer_generation(s->optimizer) > 0)
        return 0;
    if (store_trials(s->store, 0, false, &list, &n, err) != 0)
        return -1;
    trials_free(list, n);
    return n ? 0 : step(s, err);
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
    return status == 0 ? first_step(s, err) : -1;
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
        int over = begin(s, err) == 0 ? search(s, err) : -1;
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
