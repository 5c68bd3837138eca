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
    size_t masks, baselines = contenders_unsearched_count(s, &masks), models = s->recipe->n_models, search = 0;
    double select = (double)question_pool_asked(&s->select), held_out = (double)question_pool_asked(&s->held_out);
    for (size_t i = 0; i < s->search.count; i++)
        search += s->search.sets[i].count < FINISH_SEARCH_QUESTIONS ? s->search.sets[i].count : FINISH_SEARCH_QUESTIONS;
    double rows = (double)(models + baselines + 1), finalists = (double)(6 + models + masks);
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

/* Strictly better wins: merges stand before sources, and the mean before single trials. */
static size_t best_of(const contender_list *l, size_t from, size_t to)
{
    size_t best = from;
    for (size_t i = from; i < to; i++)
        if (contender_value(l->items[i].select) > contender_value(l->items[best].select))
            best = i;
    return best;
}

/* Rows keep their contenders; what is not shown is freed. */
static void keep_row(contender_list *rows, contender *c)
{
    rows->items = memory_grow(rows->items, rows->count + 1, sizeof *rows->items);
    rows->items[rows->count++] = *c;
    *c = (contender){.model = -1};
}

/* A source as a recipe, so that best/ and recipe.yml belong together whoever won. */
static recipe *recipe_of(const session *s, const contender *c)
{
    if (c->recipe)
        return recipe_copy(c->recipe);
    recipe *r = recipe_new("linear");
    recipe_set(r, recipe_add_model(r, s->recipe->models[c->model].path), "weight", 1);
    return r;
}

static int write_best(session *s, const contender *winner, error *err)
{
    recipe *r = recipe_of(s, winner);
    char *yaml = recipe_yaml(r), *best = file_join(s->out, "best"), *config = file_join(best, "config.json"),
         *file = file_join(s->out, "recipe.yml");
    json_t *digests = json_array(), *now, *before;
    for (size_t i = 0; i < s->recipe->n_models; i++)
        json_array_append_new(digests, json_string(s->digests[i]));
    now = json_pack("{s:s, s:o}", "recipe", yaml, "models", digests);
    error ignored;
    before = store_get(s->store, "best", &ignored);
    int status = 0;
    if (!json_equal(now, before) || !file_exists(config)) {
        /* Its memory is needed for the merge that is written: never two candidates at a time. */
        if (!s->options->evaluator)
            evaluator_free(s->evaluator);
        s->evaluator = NULL;
        checkpoint_free(s->candidate);
        s->candidate = NULL;
        status = merge_to_folder(r, best, true, &(merge_options){.pool = s->pool}, err);
        if (status == 0)
            status = store_put(s->store, "best", now, err);
    }
    if (status == 0)
        status = file_write(file, yaml, strlen(yaml), err);
    json_decref(now);
    json_decref(before);
    free(file);
    free(config);
    free(best);
    free(yaml);
    recipe_free(r);
    return status;
}

static int put(session *s, const char *name, json_t *value, error *err)
{
    int status = store_put(s->store, name, value, err);
    json_decref(value);
    return status;
}

/* The report lies beside what it names. */
static int write_report(session *s, error *err)
{
    json_t *places = json_pack("[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}]", "what", "the winner, a Hugging Face folder", "path",
                               "best", "what", "its recipe, a mergekit file", "path", "recipe.yml", "what",
                               "the study, which Optuna's tools open too", "path", "study.db");
    char *page = file_join(s->out, "report.html");
    int status = put(s, "places", places, err) == 0 ? report_html(s->store, page, err) : -1;
    free(page);
    return status;
}

static int put_mean(session *s, error *err)
{
    const double *mean = optimizer_mean(s->optimizer);
    json_t *x = json_array();
    for (size_t i = 0; mean && i < s->genome->count; i++)
        json_array_append_new(x, json_real(mean[i]));
    return put(s, "mean",
               mean ? json_pack("{s:I, s:o}", "generation", (json_int_t)optimizer_generation(s->optimizer), "x", x)
                    : (json_decref(x), json_null()),
               err);
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
               now = (json_int_t)optimizer_generation(s->optimizer);
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

int finish_run(session *s, error *err)
{
    contender_list all = {0}, rows = {0};
    json_t *notes = json_array();
    question_set *select = question_pool_draw(&s->select, s->seed, "select", 0, 0);
    question_set *search = question_pool_draw(&s->search, s->seed, "table", 0, FINISH_SEARCH_QUESTIONS);
    question_set *held_out = question_pool_draw(&s->held_out, s->seed, "held_out", 0, 0);
    finish_load load = finish_estimate(s);
    s->progress = (session_progress){.total = (uint64_t)load.questions, .best = NAN, .mean = NAN};
    progress_say("the final choice: the distribution's mean, the best trials and the sources on %zu select questions",
                 question_pool_asked(&s->select));
    int status = -1;
    if (put_mean(s, err) != 0 || contenders_evolved(s, &all, err) != 0)
        goto done;
    size_t merges = all.count;
    if (contenders_sources(s, &all, err) != 0)
        goto done;
    size_t models = all.count;
    if (score_all(s, &all, select, s->select.count, offsetof(contender, select), err) != 0)
        goto done;
    size_t evolved = best_of(&all, 0, merges), winner = best_of(&all, 0, models);
    if (winner < merges)
        winner = evolved;
    else
        json_array_append_new(notes,
                              json_sprintf("A source wins on select: '%s' is better than every merge, and best/ is that source.",
                                           all.items[winner].name));
    for (size_t i = merges; i < models; i++)
        keep_row(&rows, &all.items[i]);
    if (contenders_unsearched(s, &rows, notes, err) != 0)
        goto done;
    keep_row(&rows, &all.items[evolved]);
    const contender *won = &rows.items[winner < merges ? rows.count - 1 : winner - merges];
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
        status = write_best(s, won, err);
    if (status == 0)
        status = write_report(s, err);
done:
    json_decref(notes);
    contender_list_free(&all);
    contender_list_free(&rows);
    question_sets_free(select, s->select.count);
    question_sets_free(search, s->search.count);
    question_sets_free(held_out, s->held_out.count);
    return status;
}
