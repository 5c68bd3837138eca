#include "study/costs.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "merge/preview.h"
#include "model/vision_config.h"
#include "study/speed.h"

#define PROBE_QUESTIONS 8

/* ---- tried */

/* A lineup on k questions: the decoded tokens, the longest answer, the time. */
static int probe(session *s, const lineup *l, const question_set *all, size_t k, evaluation *e, double *seconds, size_t *asked, error *err)
{
    question_set *sets = memory_new(s->search.count, sizeof *sets);
    for (size_t i = 0; i < s->search.count; i++) {
        sets[i] = all[i];
        if (sets[i].count > k)
            sets[i].count = k;
    }
    double began = progress_seconds();
    int status = s->evaluator->run(s->evaluator, l, sets, s->search.count, e, err);
    *seconds = progress_seconds() - began;
    *asked = question_sets_count(sets, s->search.count);
    free(sets);
    return status;
}

static void learn(const evaluation *one, double one_seconds, size_t one_asked, const evaluation *more, double seconds,
                  size_t asked, costs *c)
{
    double tokens = 0, single = 0;
    for (size_t i = 0; i < more->count; i++) {
        tokens += more->results[i].n_tokens;
        if (more->results[i].n_tokens > c->longest)
            c->longest = more->results[i].n_tokens;
    }
    for (size_t i = 0; i < one->count; i++)
        single += one->results[i].n_tokens;
    c->tokens = asked ? tokens / (double)asked : 0;
    if (more->stats.decode_tokens == 0 || more->stats.decode_seconds <= 0 ||
        tokens == 0) { /* not the engine's: all in proportion */
        c->prefill = asked > one_asked && seconds > one_seconds ? (seconds - one_seconds) / (double)(asked - one_asked)
                                                                : seconds / (double)(asked ? asked : 1);
        return;
    }
    c->prefill = more->stats.prefill_seconds / (double)asked;
    double per_token = more->stats.decode_seconds / tokens, alone = single > 0 ? one->stats.decode_seconds / single : per_token;
    /* a L + c T = seconds of the larger run, a + c = seconds a token of the single one */
    double steps = c->longest,
           slope = tokens > steps ? (more->stats.decode_seconds - alone * steps) / (tokens - steps) : per_token;
    c->token = fmin(fmax(slope, 0), alone);
    c->step = alone - c->token;
}

double costs_questions(const costs *c, double questions)
{
    double tokens = questions * c->tokens, steps = fmax(c->longest, tokens / c->slots);
    return questions * c->prefill + steps * c->step + tokens * c->token;
}

int costs_measure(session *s, costs *c, error *err)
{
    step *st = &s->steps[0];
    double began = progress_seconds(), first = 0, second = 0;
    if (st->recipe && score_merge(s, st, st->recipe, err) != 0)
        return fail_in(err, "the merge that the search starts from");
    c->merge = st->recipe ? progress_seconds() - began : 0;
    lineup l = st->recipe ? (lineup){.models = &s->candidate} : (lineup){.models = st->models, .path = st->path};
    question_set *sets = question_pool_draw(&s->search, s->seed, "questions", 0, 0);
    evaluation one = {0}, more = {0};
    size_t one_asked = 0, asked = 0;
    int status = probe(s, &l, sets, 1, &one, &first, &one_asked, err);
    if (status == 0)
        status = probe(s, &l, sets, PROBE_QUESTIONS, &more, &second, &asked, err);
    if (status == 0)
        learn(&one, first, one_asked, &more, second, asked, c);
    evaluation_free(&one);
    evaluation_free(&more);
    question_sets_free(sets, s->search.count);
    return status;
}

int costs_recall(session *s, costs *c, size_t *finished, error *err)
{
    trial *list = NULL;
    size_t n = 0, timed = 0;
    double sum = 0;
    *finished = 0;
    if (!s->store)
        return 0;
    if (store_trials(s->store, UINT32_MAX, false, &list, &n, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        *finished += !trial_is_open(&list[i]);
        if (strcmp(list[i].state, "COMPLETE") == 0 && list[i].seconds > 0 && isfinite(list[i].seconds)) {
            sum += list[i].seconds;
            timed++;
        }
    }
    trials_free(list, n);
    if (timed)
        *c = (costs){.prefill = sum / (double)timed / (double)question_pool_asked(&s->search)};
    return timed > 0;
}

/* ---- counted */

static int read_vision(const session *s, vision_config *out, error *err)
{
    const checkpoint *c = shape_of(s, 0)->checkpoint;
    return vision_config_read(c->config, c->name, out, err);
}

/* The whole view, then the tiles of the largest grid, a newline behind each row. */
static int64_t tiled_rows(const vision_config *v, const json_t *config)
{
    const json_t *grids = json_object_get(config, "image_grid_pinpoints"), *grid;
    int64_t side = v->image_size / v->patch_size, most = 0;
    size_t i;
    json_array_foreach(grids, i, grid) {
        int64_t a = json_integer_value(json_array_get(grid, 0)) / v->image_size, b = json_integer_value(json_array_get(grid, 1)) / v->image_size;
        int64_t rows = a * side * (b * side + 1);
        most = rows > most ? rows : most;
    }
    return vision_config_features(v) + most;
}

int costs_picture_rows(const session *s, const task *t, int64_t *rows, error *err)
{
    vision_config v;
    *rows = 0;
    if (!t->image_field)
        return 0;
    if (read_vision(s, &v, err) != 0)
        return -1;
    *rows = v.tiled && !t->one_view ? tiled_rows(&v, shape_of(s, 0)->checkpoint->config) : vision_config_features(&v);
    return 0;
}

/* Weights of a block: q, k, v, o and the MLP's two. */
static double vision_weights(const vision_config *v)
{
    return (double)v->used_layers * (double)v->hidden * (4.0 * (double)v->hidden + 2.0 * (double)v->intermediate);
}

/* Decoded tokens of a question if every answer takes all it may, over all beams. */
static void count_answers(const session *s, costs *c)
{
    double asked = 0;
    for (size_t i = 0; i < s->search.count; i++) {
        const task *t = s->search.sets[i].task;
        double tokens = (double)t->max_new * (t->beams > 1 ? t->beams : 1);
        c->tokens += tokens * (double)s->search.asked[i];
        c->longest = fmax(c->longest, t->max_new);
        asked += (double)s->search.asked[i];
    }
    c->tokens /= fmax(asked, 1);
}

static int count_merge(session *s, costs *c, error *err)
{
    step *st = &s->steps[0];
    if (!st->recipe)
        return 0;
    merger *m = merge_prepare(st->recipe, st->models, &(merge_options){.pool = s->pool}, err);
    c->merge = m ? merge_estimate(m, st->recipe, err) : -1;
    merge_free(m);
    return c->merge < 0 ? -1 : 0;
}

int costs_count(session *s, const prompt_sizes *prompts, costs *c, error *err)
{
    step *st = &s->steps[0];
    const checkpoint *shape = shape_of(s, 0)->checkpoint;
    lineup l = st->recipe || !st->models[0] ? (lineup){.models = (checkpoint *const *)&shape} : (lineup){.models = st->models, .path = st->path};
    plan *p = lineup_plan(&l, err);
    if (!p || count_merge(s, c, err) != 0) {
        plan_free(p);
        return -1;
    }
    speed v = speed_measure(s->backend, s->pool);
    double layers = speed_layer_weights(p), head = speed_head_weights(p);
    plan_free(p);
    c->prefill = prompts->count > 0 ? prompts->tokens / prompts->count * layers * v.row : 0;
    c->step = (layers + head) * v.fixed;
    c->token = (layers + head) * v.row;
    count_answers(s, c);
    vision_config eyes;
    if (prompts->pictures > 0 && read_vision(s, &eyes, err) != 0)
        return -1;
    if (prompts->pictures > 0)
        c->pictures = prompts->pictures * (double)(vision_config_features(&eyes) + 1) * vision_weights(&eyes) * v.row;
    c->counted = true;
    return 0;
}
