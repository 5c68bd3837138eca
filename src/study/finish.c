/* The end of a study: choose on select, report, write. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "study/finish.h"
#include "study/report.h"

finish_load finish_estimate(const session *s)
{
    size_t masks, baselines = contenders_unsearched_count(s, &masks), models = s->n_models, search = 0, steps = s->n_steps;
    double select = (double)question_pool_asked(&s->select), held_out = (double)question_pool_asked(&s->held_out);
    for (size_t i = 0; i < s->search.count; i++)
        search += s->search.sets[i].count < FINISH_SEARCH_QUESTIONS ? s->search.sets[i].count : FINISH_SEARCH_QUESTIONS;
    double rows = (double)(models + baselines + steps), finalists = (double)(6 * steps + models + masks);
    return (finish_load){.merges = 6 + (double)masks + 2 * (double)(baselines + 1) + 1, .evaluations = finalists + 2 * rows,
                         .questions = finalists * select + rows * ((double)search + held_out)};
}

static int score_all(session *s, contender_list *l, const question_set *sets, size_t n, size_t member, error *err)
{
    for (size_t i = 0; n && i < l->count; i++) {
        json_t **slot = (json_t **)((char *)&l->items[i] + member);
        if (!*slot && !(*slot = contender_score(s, &l->items[i], sets, n, err)))
            return -1;
    }
    return 0;
}

static int put(session *s, const char *name, json_t *value, error *err)
{
    int status = store_put(s->store, name, value, err);
    json_decref(value);
    return status;
}

/* The report lies beside what it names. Takes places over. */
static int write_report(session *s, json_t *places, error *err)
{
    json_array_append_new(places, json_pack("{s:s, s:s}", "what", "the study, which Optuna's tools open too", "path", "study.db"));
    char *page = file_join(s->out, "report.html");
    int status = put(s, "places", places, err) == 0 ? report_html(s->store, page, err) : -1;
    free(page);
    return status;
}

/* Held-out results are to be seen once; a search that goes on after them is told so for ever. */
static int note_held_out(session *s, json_t *notes, error *err)
{
    error missing = {0};
    json_t *seen = store_get(s->store, "held_out_seen", &missing);
    if (!seen && missing.code != ERROR_NONE) {
        *err = missing;
        return -1;
    }
    json_int_t first = json_integer_value(json_object_get(seen, "generations")),
               now = (json_int_t)(s->steps[s->at].first + optimizer_generation(s->optimizer));
    int status = 0;
    if (!seen && s->held_out.count)
        status = put(s, "held_out_seen", json_pack("{s:I}", "generations", now), err);
    else if (seen && now > first)
        json_array_append_new(
            notes,
            json_sprintf("Held-out results had been seen after generation %lld: the search went on afterwards, so they no longer "
                         "are a test that nobody had looked at.",
                         (long long)first));
    json_decref(seen);
    return status;
}

/* The same path with all scales 1 shows what they contribute. */
static void add_ablation(contender_list *rows, size_t of)
{
    const contender *c = &rows->items[of];
    bool scaled = false;
    for (size_t i = 0; c->path && i < c->path->n_hops; i++)
        scaled = scaled || c->path->hops[i].scale != 1;
    if (!scaled)
        return;
    layer_path *p = path_copy(c->path);
    const step *st = c->step;
    for (size_t i = 0; i < p->n_hops; i++)
        p->hops[i].scale = 1;
    contender *added = contender_add(rows, "ablation", memory_print("%s, all scales 1", st->file->name));
    added->step = st;
    added->path = p;
}

/* Every row of the table: models, what is made of them without search, what the steps have found. */
static int gather(session *s, contender_list *rows, size_t *first_evolved, json_t *notes, error *err)
{
    if (contenders_sources(s, rows, err) != 0 || contenders_unsearched(s, rows, notes, err) != 0)
        return -1;
    *first_evolved = rows->count;
    for (size_t k = 0; k < s->n_steps; k++)
        if (contenders_winner(s, k, rows, err) != 0)
            return -1;
    for (size_t k = 0; k < s->n_steps; k++)
        add_ablation(rows, *first_evolved + k);
    return 0;
}

/* Strictly better on select wins; what steps have found stands before sources, and an earlier step before a later one. */
static size_t choose(const contender_list *rows, size_t first_evolved, size_t n_steps, json_t *notes)
{
    size_t best = first_evolved;
    for (size_t i = first_evolved; i < first_evolved + n_steps; i++)
        if (contender_value(rows->items[i].select) > contender_value(rows->items[best].select))
            best = i;
    for (size_t i = 0; i < first_evolved; i++)
        if (strcmp(rows->items[i].kind, "source") == 0 && contender_value(rows->items[i].select) > contender_value(rows->items[best].select))
            best = i;
    if (best < first_evolved)
        json_array_append_new(notes, json_sprintf("A source wins on select: '%s' is better than everything found, and best/ is that source.",
                                                  rows->items[best].name));
    return best;
}

/* Only sources and what steps have found are asked select questions. */
static int score_select(session *s, contender_list *rows, const question_set *sets, error *err)
{
    for (size_t i = 0; i < rows->count; i++) {
        contender *c = &rows->items[i];
        bool candidate = strcmp(c->kind, "source") == 0 || strcmp(c->kind, "evolved") == 0;
        if (candidate && !(c->select = contender_score(s, c, sets, s->select.count, err)))
            return -1;
    }
    return 0;
}

int finish_run(session *s, error *err)
{
    contender_list rows = {0};
    json_t *notes = json_array(), *places = NULL;
    question_set *select = question_pool_draw(&s->select, s->seed, "select", 0, 0);
    question_set *search = question_pool_draw(&s->search, s->seed, "table", 0, FINISH_SEARCH_QUESTIONS);
    question_set *held_out = question_pool_draw(&s->held_out, s->seed, "held_out", 0, 0);
    finish_load load = finish_estimate(s);
    size_t first_evolved = 0;
    s->progress = (session_progress){.total = (uint64_t)load.questions, .best = NAN, .mean = NAN};
    progress_say("the final choice and the table: sources, unsearched merges, what was found");
    int status = gather(s, &rows, &first_evolved, notes, err);
    if (status == 0)
        status = score_select(s, &rows, select, err);
    const contender *won = status == 0 ? &rows.items[choose(&rows, first_evolved, s->n_steps, notes)] : NULL;
    if (status == 0)
        status = score_all(s, &rows, search, s->search.count, offsetof(contender, search), err);
    if (status == 0)
        status = score_all(s, &rows, held_out, s->held_out.count, offsetof(contender, held_out), err);
    if (status == 0)
        status = note_held_out(s, notes, err);
    if (status == 0)
        status = put(s, "table", finish_table(s, &rows, won, notes), err);
    if (status == 0)
        status = s->held_out.count ? put(s, "worked", finish_worked(s, &rows, won, held_out, s->held_out.count), err)
                                   : put(s, "worked", finish_worked(s, &rows, won, select, s->select.count), err);
    progress_clear();
    if (status == 0)
        status = best_write(s, won, &places, err);
    if (status == 0)
        status = write_report(s, places, err);
    json_decref(notes);
    contender_list_free(&rows);
    question_sets_free(select, s->select.count);
    question_sets_free(search, s->search.count);
    question_sets_free(held_out, s->held_out.count);
    return status;
}
