/* The end of a step: its winner is chosen on select and recorded by its vector, which is all that later steps and runs need. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "study/finish.h"

static json_t *vector_json(const double *x, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_real(x[i]));
    return list;
}

static int put_mean(session *s, error *err)
{
    const double *mean = optimizer_mean(s->optimizer);
    const step *st = &s->steps[s->at];
    json_t *value = mean ? json_pack("{s:i, s:I, s:o}", "step", st->index, "generation", (json_int_t)optimizer_generation(s->optimizer), "x",
                                     vector_json(mean, st->genome->count))
                         : json_null();
    int status = store_put(s->store, "mean", value, err);
    json_decref(value);
    return status;
}

/* Its vector: the mean's, or the trial's. */
static json_t *vector_of(session *s, int64_t number, error *err)
{
    const step *st = &s->steps[s->at];
    trial *list;
    size_t n;
    json_t *x = NULL;
    if (number < 0)
        return vector_json(optimizer_mean(s->optimizer), st->genome->count);
    if (store_trials(s->store, UINT32_MAX, false, &list, &n, err) != 0)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (list[i].number == number)
            x = vector_json(list[i].x, list[i].n);
    trials_free(list, n);
    return x ? x : (fail(err, ERROR_FORMAT, "%s: trial %lld is gone", s->db, (long long)number), NULL);
}

/* Strictly better wins: the mean stands before single trials. */
static int score_select(session *s, contender_list *l, size_t *best, error *err)
{
    question_set *sets = question_pool_draw(&s->select, s->seed, "select", 0, 0);
    int status = 0;
    *best = 0;
    for (size_t i = 0; i < l->count && status == 0; i++) {
        l->items[i].select = contender_score(s, &l->items[i], sets, s->select.count, err);
        status = l->items[i].select ? 0 : -1;
        if (status == 0 && contender_value(l->items[i].select) > contender_value(l->items[*best].select))
            *best = i;
    }
    question_sets_free(sets, s->select.count);
    return status;
}

int winners_choose(session *s, size_t index, error *err)
{
    const step *st = &s->steps[index];
    contender_list l = {0};
    size_t best;
    progress_say("%s%sthe choice: the distribution's mean and the best trials on %zu select questions", s->n_steps > 1 ? st->file->name : "",
                 s->n_steps > 1 ? ": " : "", question_pool_asked(&s->select));
    int status = put_mean(s, err) == 0 && contenders_evolved(s, &l, err) == 0 ? score_select(s, &l, &best, err) : -1;
    json_t *x = status == 0 ? vector_of(s, l.items[best].trial, err) : NULL;
    if (x) {
        char *name = step_result_name(st->index);
        json_t *value = json_pack("{s:s, s:s, s:I, s:I, s:o}", "step", st->file->name, "found", l.items[best].name, "trial",
                                  (json_int_t)l.items[best].trial, "generations", (json_int_t)optimizer_generation(s->optimizer), "x", x);
        status = store_put(s->store, name, value, err);
        json_decref(value);
        free(name);
    }
    contender_list_free(&l);
    return x ? status : -1;
}

int contenders_winner(session *s, size_t index, contender_list *l, error *err)
{
    const step *st = &s->steps[index];
    char *name = step_result_name(st->index);
    error missing = {0};
    json_t *value = store_get(s->store, name, &missing);
    const json_t *x = json_object_get(value, "x"), *found = json_object_get(value, "found"), *number = json_object_get(value, "trial");
    int status = 0;
    if (!value && missing.code != ERROR_NONE) {
        *err = missing;
        status = -1;
    } else if (json_array_size(x) != st->genome->count || !json_is_string(found)) {
        status = fail(err, ERROR_FORMAT, "%s: what step '%s' has found is not recorded", s->db, st->file->name);
    } else {
        size_t n;
        double *v = step_result_vector(value, &n);
        char *label = s->n_steps == 1 && !st->path ? memory_print("evolved (%s)", json_string_value(found))
                                                   : memory_print("%s (%s)", st->file->name, json_string_value(found));
        if (!contender_decode(l, st, label, v, json_integer_value(number)))
            status = fail(err, ERROR_FORMAT, "%s: what step '%s' has found breaks max_hops", s->db, st->file->name);
        free(v);
    }
    json_decref(value);
    free(name);
    return status;
}

static void digest_winner(session *s, size_t index, const contender *c)
{
    string all = {0};
    char *yaml = recipe_yaml(c->recipe);
    string_puts(&all, yaml);
    for (size_t i = 0; i < c->recipe->n_models; i++)
        string_print(&all, "%s\n", session_digest(s, c->step, i));
    file_sha256(all.text, all.length, s->winner_digests[index]);
    free(all.text);
    free(yaml);
}

/* The merge leaves the candidate's memory for a place of its own. */
static int open_winner(session *s, size_t index, error *err)
{
    contender_list l = {0};
    int status = contenders_winner(s, index, &l, err);
    if (status == 0)
        status = score_merge(s, l.items[0].step, l.items[0].recipe, err);
    if (status == 0) {
        digest_winner(s, index, &l.items[0]);
        s->winners[index] = s->candidate;
        s->candidate = NULL;
        score_drop_merger(s);
    }
    contender_list_free(&l);
    return status;
}

int winners_open(session *s, size_t index, error *err)
{
    step *st = &s->steps[index];
    for (size_t i = 0; i < st->n_models; i++) {
        int before = st->winner_of[i];
        if (before < 0)
            continue;
        if (!s->winners[before] && open_winner(s, (size_t)before, err) != 0)
            return fail_in(err, "step '%s'", st->file->name);
        st->models[i] = s->winners[before];
    }
    return 0;
}
