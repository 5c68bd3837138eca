#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "study/finish.h"

contender *contender_add(contender_list *l, const char *kind, char *name)
{
    l->items = memory_grow(l->items, l->count + 1, sizeof *l->items);
    l->items[l->count] = (contender){.name = name, .kind = kind, .model = -1, .trial = -1};
    return &l->items[l->count++];
}

void contender_list_free(contender_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        contender *c = &l->items[i];
        free(c->name);
        recipe_free(c->recipe);
        json_decref(c->search);
        json_decref(c->select);
        json_decref(c->held_out);
    }
    free(l->items);
    *l = (contender_list){0};
}

double contender_value(const json_t *score)
{
    const json_t *value = json_object_get(score, "score");
    return json_is_number(value) ? json_number_value(value) : -INFINITY;
}

/* "evaluation/" and a digest of the merge or model, the models' bytes, the questions, and the kernel family. */
static char *key_of(const session *s, const contender *c, const question_set *sets, size_t n, error *err)
{
    string all = {0};
    char hex[65];
    string_print(&all, "%s\n", s->backend->name);
    for (size_t i = 0; i < n; i++) {
        if (question_set_digest(&sets[i], hex, err) != 0) {
            free(all.text);
            return NULL;
        }
        string_print(&all, "%s %.17g\n", hex, sets[i].weight);
    }
    if (c->model >= 0)
        string_print(&all, "model %s\n", s->digests[c->model]);
    else {
        char *yaml = recipe_yaml(c->recipe);
        string_puts(&all, yaml);
        free(yaml);
        for (size_t i = 0; i < c->recipe->n_models; i++)
            for (size_t k = 0; k < s->recipe->n_models; k++)
                if (s->models[k] == c->models[i])
                    string_print(&all, "%s\n", s->digests[k]);
    }
    file_sha256(all.text, all.length, hex);
    free(all.text);
    return memory_print("evaluation/%s", hex);
}

static json_t *text_json(const char *text)
{
    json_t *json = json_string(text ? text : "");
    return json ? json : json_string("(not UTF-8)");
}

static json_t *evaluation_json(const evaluation *e)
{
    if (e->outcome != OUTCOME_COMPLETE)
        return json_pack("{s:o}", "reason", text_json(e->reason));
    json_t *results = json_array(), *sets = json_array();
    for (size_t i = 0; i < e->n_sets; i++)
        json_array_append_new(sets, json_real(e->set_scores[i]));
    for (size_t i = 0; i < e->count; i++) {
        const result *r = &e->results[i];
        json_array_append_new(results, json_pack("{s:o, s:f, s:f, s:o}", "id", text_json(r->question ? r->question->id : ""),
                                                 "score", r->judged.score, "raw", r->judged.raw, "answer", text_json(r->answer)));
    }
    return json_pack("{s:f, s:o, s:o}", "score", e->score, "sets", sets, "results", results);
}

static bool same_layout(const checkpoint *a, const checkpoint *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i].name, b->items[i].name) != 0 || a->items[i].tensor.dtype != b->items[i].tensor.dtype ||
            !tensor_same_shape(&a->items[i].tensor, &b->items[i].tensor))
            return false;
    return true;
}

/* Merges go into the one candidate's memory; one of another layout takes its place, so there are never two. */
static int fit_candidate(session *s, const merger *m, error *err)
{
    checkpoint *fresh = merge_allocate(m, err);
    if (!fresh)
        return -1;
    if (s->candidate && same_layout(s->candidate, fresh)) {
        checkpoint_free(fresh);
        return 0;
    }
    checkpoint_free(s->candidate);
    s->candidate = fresh;
    return 0;
}

static int run_contender(session *s, const contender *c, const question_set *sets, size_t n, evaluation *e, error *err)
{
    if (c->model >= 0)
        return score_checkpoint(s, s->models[c->model], sets, n, e, err);
    merger *m = merge_prepare(c->recipe, c->models, &(merge_options){.pool = s->pool}, err);
    int status = m && fit_candidate(s, m, err) == 0 ? score_recipe(s, m, c->recipe, sets, n, e, err) : -1;
    merge_free(m);
    return status;
}

json_t *contender_score(session *s, const contender *c, const question_set *sets, size_t n, error *err)
{
    char *key = key_of(s, c, sets, n, err);
    if (!key)
        return NULL;
    error missing = {0};
    json_t *score = store_get(s->store, key, &missing);
    if (!score && missing.code != ERROR_NONE) {
        *err = missing;
    } else if (!score && progress_interrupted()) {
        outcome_interrupted(s, err);
    } else if (!score) {
        evaluation e;
        score_label(s, "%.60s", c->name);
        if (run_contender(s, c, sets, n, &e, err) == 0) {
            score = evaluation_json(&e);
            evaluation_free(&e);
            if (store_put(s->store, key, score, err) != 0) {
                json_decref(score);
                score = NULL;
            }
        }
    }
    free(key);
    return score;
}
