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
        path_free(c->path);
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
    if (c->model >= 0) {
        string_print(&all, "model %s\n", s->models[c->model].digest);
    } else {
        char *yaml = c->path ? path_yaml(c->path) : recipe_yaml(c->recipe);
        string_puts(&all, yaml);
        free(yaml);
        size_t n_models = c->path ? c->path->n_sources : c->recipe->n_models;
        for (size_t i = 0; i < n_models; i++)
            string_print(&all, "%s\n", session_digest(s, c->step, i));
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

/* What answers, where it is known before anything is merged. */
static const checkpoint *first_model(const session *s, const contender *c)
{
    return c->model >= 0 ? s->models[c->model].checkpoint : c->path ? c->step->models[0] : NULL;
}

static int run_contender(session *s, const contender *c, const question_set *sets, size_t n, evaluation *e, error *err)
{
    if (first_model(s, c) && shape_is_blind(first_model(s, c), sets, n)) {
        *e = (evaluation){.outcome = OUTCOME_INVALID, .score = NAN, .reason = memory_text("reads text only")};
        return 0;
    }
    if (c->model >= 0)
        return score_lineup(s, &(lineup){.models = &s->models[c->model].checkpoint}, sets, n, e, err);
    return c->path ? score_path(s, c->step, c->path, sets, n, e, err) : score_recipe(s, c->step, c->recipe, sets, n, e, err);
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
