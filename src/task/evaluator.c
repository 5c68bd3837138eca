/* The built-in evaluator: a checkpoint, questions, the engine (or the user's command), judged answers.
 *
 * Invariants
 * 1. The tokenizer belongs to `folder`; plan and engine to the models of which `models` is the fingerprint and the path of `path`.
 *    Anything else makes them anew.
 * 2. The prompt store belongs to the tokenizer whose digest is `digest`, to a model of `positions`, and to the chat template `template` where a task has
 *    asked for one.
 * 3. A bad candidate is OUTCOME_INVALID with a reason; -1 leaves *out empty. */
#include "task/evaluator.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "task/command_sets.h"
#include "task/picture.h"
#include "task/prompts.h"
#include "task/shown.h"

struct builtin {
    evaluator self;
    evaluator_options options;
    uint64_t models, path;         /* fingerprints */
    json_t *config;                /* of the first model; one reference, so that no other is born in its place */
    plan *plan;
    engine *engine;
    tokenizer *tokenizer;
    char *folder;                  /* where it came from; owned */
    bool built;                    /* the tokenizer is one that a merge built, which the folder does not have */
    char digest[65];
    chat *chat;                    /* of the tokenizer's model; NULL while no task asked for it */
    char *template;                /* the text of the last one; owned */
    int32_t end;                   /* the tokenizer's end of text, which ends a chat's answer beside the model's own */
    prompts *prompts;
    int64_t positions;
    language_model *lid;           /* opened by us; NULL while nobody needed it */
    feature_store *features;
};

void evaluation_free(evaluation *e)
{
    if (!e)
        return;
    for (size_t i = 0; e->results && i < e->count; i++) {
        free(e->results[i].answer);
        free(e->results[i].scores);
        preference_clear(&e->results[i].preference);
        free(e->results[i].tokens);
    }
    free(e->results);
    free(e->set_scores);
    free(e->reason);
    *e = (evaluation){0};
}

static int invalid(evaluation *out, const char *reason)
{
    size_t n_sets = out->n_sets;
    char *kept = memory_text(reason);
    evaluation_free(out);
    *out = (evaluation){.outcome = OUTCOME_INVALID, .reason = kept, .score = NAN, .n_sets = n_sets};
    out->set_scores = memory_new(n_sets, sizeof *out->set_scores);
    for (size_t i = 0; i < n_sets; i++)
        out->set_scores[i] = NAN;
    return 0;
}

/* ---- what is kept from candidate to candidate */

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9E3779B97F4A7C15;
    return h ^ (h >> 32);
}

/* Another checkpoint may be born at the address of one that is gone: what the plan points at must be where it was. */
static uint64_t mix_checkpoint(uint64_t h, const checkpoint *c)
{
    h = mix(mix(mix(mix(h, (uintptr_t)c), c->count), (uintptr_t)c->items), (uintptr_t)c->config);
    for (size_t i = 0; i < c->count; i++) {
        const tensor *t = &c->items[i].tensor;
        h = mix(mix(mix(h, (uintptr_t)t->data), (uint64_t)t->dtype), (uint64_t)t->rank);
        for (int k = 0; k < t->rank; k++)
            h = mix(h, (uint64_t)t->shape[k]);
        for (const char *name = c->items[i].name; *name; name++)
            h = mix(h, (unsigned char)*name);
    }
    return h;
}

static uint64_t models_fingerprint(const lineup *l)
{
    uint64_t h = lineup_count(l);
    for (size_t i = 0; i < lineup_count(l); i++)
        h = mix_checkpoint(h, l->models[i]);
    return h;
}

static uint64_t path_fingerprint(const layer_path *p)
{
    uint64_t h = p ? p->n_hops : 0;
    for (size_t i = 0; p && i < p->n_hops; i++) {
        union { double scale; uint64_t bits; } scale = {p->hops[i].scale};
        h = mix(mix(mix(h, (uint64_t)p->hops[i].source), (uint64_t)p->hops[i].layer), scale.bits);
    }
    return h;
}

static void drop_plan(struct builtin *b)
{
    engine_free(b->engine);
    plan_free(b->plan);
    b->engine = NULL;
    b->plan = NULL;
}

static void drop_models(struct builtin *b)
{
    drop_plan(b);
    chat_free(b->chat);
    tokenizer_free(b->tokenizer);
    b->chat = NULL;
    json_decref(b->config);
    free(b->folder);
    b->tokenizer = NULL;
    b->config = NULL;
    b->folder = NULL;
}

/* The first model's tokenizer; the prompts stay where it is the same. */
static int take_models(struct builtin *b, const lineup *l, uint64_t seen, error *err)
{
    const checkpoint *first = l->models[0];
    drop_plan(b);
    json_decref(b->config);
    b->config = NULL;
    if (!first->folder)
        return fail(err, ERROR_STATE, "%s: has no folder with a tokenizer, so no prompt can be made for it", first->name);
    if (!b->tokenizer || strcmp(b->folder, first->folder) != 0 || b->built || checkpoint_file(first, "tokenizer.json")) {
        drop_models(b);
        b->built = checkpoint_file(first, "tokenizer.json") != NULL;
        b->tokenizer = tokenizer_of(first, err);
        if (!b->tokenizer)
            return -1;
        b->folder = memory_text(first->folder);
    }
    char digest[65];
    tokenizer_digest(b->tokenizer, digest);
    if (strcmp(digest, b->digest) != 0)
        prompts_clear(b->prompts);
    memcpy(b->digest, digest, sizeof digest);
    b->models = seen;
    b->config = json_incref(first->config);
    return 0;
}

static int64_t positions_of(const struct builtin *b)
{
    return config_position_limit(&b->plan->config);
}

static int take_candidate(struct builtin *b, const lineup *l, error *err)
{
    uint64_t models = models_fingerprint(l), path = path_fingerprint(l->path);
    bool known = b->config && b->models == models && b->config == l->models[0]->config;
    if (known && b->engine && b->path == path) {
        plan_refresh(b->plan);
        return 0;
    }
    if (!known && take_models(b, l, models, err) != 0)
        return -1;
    drop_plan(b);
    b->plan = lineup_plan(l, err);
    if (!b->plan)
        return -1;
    if (positions_of(b) != b->positions)
        prompts_clear(b->prompts);
    b->positions = positions_of(b);
    engine_options options = {.backend = b->options.backend, .pool = b->options.pool, .tokenizer = b->tokenizer,
                              .slots = b->options.slots, .kv_bytes = b->options.kv_bytes,
                              .no_prefix_sharing = b->options.no_prefix_sharing};
    b->engine = engine_new(b->plan, &options, err);
    if (!b->engine)
        return -1;
    b->path = path;
    return 0;
}

static int want_chat(struct builtin *b, const task *t, const checkpoint *first, error *err)
{
    if (!t->message.chat || b->chat)
        return 0;
    b->chat = chat_of(first, b->tokenizer, true, err);
    if (!b->chat)
        return fail_in(err, "task '%s'", t->name);
    b->end = tokenizer_eos(b->tokenizer);
    if (!b->template || strcmp(b->template, chat_template_text(b->chat)) != 0)
        prompts_clear(b->prompts);
    free(b->template);
    b->template = memory_text(chat_template_text(b->chat));
    return 0;
}

static const language_model *lid_of(struct builtin *b)
{
    return b->options.lid ? b->options.lid : b->lid;
}

static int want_language(struct builtin *b, const task *t, error *err)
{
    for (size_t i = 0; i < t->n_measures; i++) {
        const char *language = t->measures[i].scorer ? t->measures[i].scorer->language : NULL;
        if (!language)
            continue;
        if (!lid_of(b) && !(b->lid = language_open(NULL, err)))
            return -1;
        if (!language_knows(lid_of(b), language))
            return fail(err, ERROR_USAGE, "%s: language '%s' is not one that lid.176.ftz knows (Japanese is ja)", t->file, language);
    }
    return 0;
}

/* ---- sets that the engine runs */

/* The requests of all sets in one run: a slot that one task frees is the next task's. A question with choices is one request a choice,
 * side by side, so that they share what stands before them. */
struct batch {
    request *requests;             /* [n], owned, as answers */
    answer *answers;
    size_t n, capacity;
    size_t questions;
    shown *shown;                  /* [pictures] prompts with their pictures in; owned */
    size_t pictures, n_pictures;   /* looked at, to be looked at */
    feature_counts before;
};

static void batch_close(struct batch *r)
{
    answers_free(r->answers, r->n);
    for (size_t i = 0; i < r->pictures; i++)
        shown_free(&r->shown[i]);
    free(r->shown);
    free(r->answers);
    free(r->requests);
}

/* lm-eval cuts from the left whatever stands there; the engine's own way keeps BOS. */
static void cut_left(request *r, int64_t room)
{
    if (room > 0 && (int64_t)r->n_ids > room) {
        r->ids += (int64_t)r->n_ids - room;
        r->n_ids = (size_t)room;
    }
}

/* The prompt's tokens with a picture's features in their place. */
static int show_picture(struct builtin *b, struct batch *all, const task *t, const question *q, const token_list *marked, request *r, error *err)
{
    char *path = task_picture(t, q);
    const int32_t token = picture_token(b->tokenizer, feature_store_image_token(b->features), b->plan->config.vocab);
    shown *with = &all->shown[all->pictures];
    if (feature_store_counts(b->features).computed > all->before.computed)
        progress_bar("pictures", all->pictures, all->n_pictures, "");
    all->pictures++;
    int status = shown_make(with, b->features, (const char *const[]){path}, 1, t->one_view ? FEATURES_ONE_VIEW : FEATURES_AS_CONFIGURED, marked, token, err);
    free(path);
    if (status != 0)
        return fail_in(err, "%s line %zu", q->file, q->line);
    r->ids = with->ids.id;
    r->n_ids = with->ids.count;
    r->pictures = with->pictures;
    r->n_pictures = with->n;
    return progress_interrupted() ? fail(err, ERROR_INTERRUPTED, "interrupted while pictures were looked at") : 0;
}

static size_t count_pictures(const question_set *sets, size_t n_sets)
{
    size_t n = 0;
    for (size_t s = 0; s < n_sets; s++)
        n += sets[s].task->image_field ? sets[s].count : 0;
    return n;
}

/* What was done for the pictures of this evaluation. */
static void tell_pictures(const struct builtin *b, feature_counts before, evaluation *out)
{
    feature_counts now = feature_store_counts(b->features);
    const char *folder = feature_store_folder(b->features);
    out->pictures = (feature_counts){now.computed - before.computed, now.found - before.found};
    if (folder && (out->pictures.computed || out->pictures.found))
        progress_say("features of pictures: %llu computed, %llu found in %s", (unsigned long long)out->pictures.computed,
                     (unsigned long long)out->pictures.found, folder);
    else if (out->pictures.computed)
        progress_say("features of pictures: %llu computed", (unsigned long long)out->pictures.computed);
}

static request *add_request(struct batch *all, const task *t, const prompt *p)
{
    if (all->n == all->capacity) {
        all->capacity = all->capacity ? 2 * all->capacity : 256;
        all->requests = memory_grow(all->requests, all->capacity, sizeof *all->requests);
    }
    request *r = &all->requests[all->n++];
    *r = (request){.ids = p->context.id, .n_ids = p->context.count, .truncate_left = t->truncation == TRUNCATE_LEFT};
    return r;
}

static int add_question(struct builtin *b, struct batch *all, const task *t, const question *q, const prompt *p, error *err)
{
    all->questions++;
    for (size_t i = 0; i < p->asked.n; i++) {
        request *r = add_request(all, t, p);
        r->continuation = p->continuations[i].id;
        r->n_continuation = p->continuations[i].count;
        if (t->truncation == TRUNCATE_LEFT_WITH_BOS)
            cut_left(r, positions_of(b) - (int64_t)r->n_continuation + 1);
    }
    if (t->kind == TASK_CHOICE)
        return 0;
    request *r = add_request(all, t, p);
    r->max_new = p->max_new;
    r->min_new = t->min_new;
    r->beams = b->options.beams ? b->options.beams : t->beams;
    r->stop_strings = (const char *const *)t->stops;
    r->n_stop_strings = t->n_stops;
    r->stops = &b->end;
    r->n_stops = t->message.chat && b->end >= 0;
    r->temperature = t->temperature;
    r->top_p = t->top_p;
    r->repetition_penalty = t->repetition_penalty;
    r->seed = b->options.seed;
    r->question = (uint32_t)q->line;
    if (t->image_field)
        return show_picture(b, all, t, q, &p->context, r, err);
    if (t->truncation == TRUNCATE_LEFT_WITH_BOS)
        cut_left(r, positions_of(b) - p->max_new);
    return 0;
}

static int add_set(struct builtin *b, struct batch *all, const question_set *set, error *err)
{
    if (set->task->command)
        return 0;
    for (size_t i = 0; i < set->count; i++) {
        const prompt *p = prompts_get(b->prompts, set->task, set->questions[i], b->tokenizer, b->chat, positions_of(b), err);
        if (!p || add_question(b, all, set->task, set->questions[i], p, err) != 0)
            return -1;
    }
    return 0;
}

struct watched { const struct builtin *b; const struct batch *batch; };

/* The engine counts requests, people questions. */
static bool on_step(void *context, size_t done, size_t n, const engine_stats *stats)
{
    const struct watched *w = context;
    size_t questions = n ? done * w->batch->questions / n : 0;
    bool more = !w->b->options.progress || w->b->options.progress(w->b->options.progress_context, questions, w->batch->questions, stats);
    return more && !progress_interrupted();
}

/* 1 where the logits were not finite. */
static int check_answer(const answer *a, error *err)
{
    if (a->finish == FINISH_INTERRUPTED || a->finish == FINISH_NONE)
        return fail(err, ERROR_INTERRUPTED, "interrupted while questions were answered");
    return a->finish == FINISH_NOT_FINITE;
}

/* The text as lm-eval cuts it: all that was generated, split at each stop string in turn, the end token's text the last of them. */
static char *cut_in_turn(const struct builtin *b, const task *t, const answer *a)
{
    size_t n;
    char *decoded = tokenizer_decode(b->tokenizer, a->tokens, a->n_tokens, true, &n), *text = task_answer_text(t, decoded, n);
    free(decoded);
    const char *end = tokenizer_eos(b->tokenizer) >= 0 ? tokenizer_text(b->tokenizer, tokenizer_eos(b->tokenizer)) : NULL;
    task_cut_in_turn(t, end, text);
    return text;
}

/* Judges one generated answer into r, whose tokens it takes over. */
static int judge_text(struct builtin *b, const task *t, answer *a, result *r, error *err)
{
    r->answer = t->stops_in_turn ? cut_in_turn(b, t, a) : memory_text(a->text ? a->text : "");
    r->tokens = a->tokens;
    r->n_tokens = (int)a->n_tokens;
    r->min_margin = a->min_margin;
    r->finish = a->finish;
    a->tokens = NULL;
    return task_judge_text(t, r->asked->gold, r->answer, lid_of(b), r->scores, &r->judged, err);
}

static void judge_choices(const task *t, const answer *answers, result *r)
{
    const asking *q = r->asked;
    r->preference = (preference){.loglik = memory_new(q->n, sizeof(double)), .greedy = memory_new(q->n, sizeof(bool)), .n = q->n};
    for (size_t i = 0; i < q->n; i++) {
        r->preference.loglik[i] = answers[i].loglik_sum;
        r->preference.greedy[i] = answers[i].loglik_greedy;
    }
    r->finish = answers[0].finish;
    task_judge_choices(t, q->choices, q->gold, &r->preference, r->scores, &r->judged);
    r->picked = (int)preference_pick(&r->preference, q->choices, t->measures[0].rule);
    r->gold = (int)wording_gold_index(q->gold, q->choices);
    r->answer = memory_text(json_string_value(json_array_get(q->choices, (size_t)r->picked)));
    r->min_margin = (float)preference_margin(&r->preference);
}

/* 1 where the logits were not finite. */
static int judge(struct builtin *b, const task *t, const question *q, answer *answers, size_t *at, result *r, error *err)
{
    const prompt *p = prompts_get(b->prompts, t, q, b->tokenizer, b->chat, positions_of(b), err);
    if (!p)
        return -1;
    size_t n = t->kind == TASK_CHOICE ? p->asked.n : 1;
    answer *own = answers + *at;
    *at += n;
    for (size_t i = 0; i < n; i++) {
        int status = check_answer(&own[i], err);
        if (status != 0)
            return status;
    }
    *r = (result){.question = q, .asked = &p->asked, .scores = memory_new(t->n_measures, sizeof(double)), .gold = -1, .picked = -1};
    if (t->kind == TASK_GENERATE)
        return judge_text(b, t, own, r, err) == 0 ? 0 : fail_in(err, "%s line %zu", q->file, q->line);
    judge_choices(t, own, r);
    return 0;
}

static int judge_all(struct builtin *b, const question_set *sets, size_t n_sets, struct batch *all, evaluation *out, error *err)
{
    int status = 0;
    for (size_t s = 0, base = 0, at = 0; s < n_sets && status == 0; base += sets[s++].count) {
        double sum = 0;
        if (sets[s].task->command)
            continue;
        for (size_t i = 0; i < sets[s].count && status == 0; i++) {
            const question *q = sets[s].questions[i];
            status = judge(b, sets[s].task, q, all->answers, &at, &out->results[base + i], err);
            sum += out->results[base + i].judged.score;
            if (status == 1)
                fail(err, ERROR_NOT_FINITE, "logits are not finite on %s line %zu (id %.80s)", q->file, q->line, q->id);
        }
        out->set_scores[s] = sum / (double)sets[s].count;
    }
    return status;
}

static int run_engine(struct builtin *b, const lineup *c, const question_set *sets, size_t n_sets, evaluation *out,
                      error *err)
{
    size_t n = 0;
    for (size_t s = 0; s < n_sets; s++)
        n += sets[s].task->command ? 0 : sets[s].count;
    if (n == 0)
        return 0;
    struct batch all = {.n_pictures = count_pictures(sets, n_sets), .before = feature_store_counts(b->features)};
    if (take_candidate(b, c, err) != 0 || (all.n_pictures && feature_store_take(b->features, c->models[0], b->options.backend ? b->options.backend : backend_best(), b->options.pool, err) != 0))
        return -1;
    int status = 0;
    all.shown = memory_new(all.n_pictures, sizeof *all.shown);
    for (size_t s = 0; s < n_sets && status == 0; s++)      /* all before any prompt is taken: another chat template empties their store */
        status = sets[s].task->command || (want_language(b, sets[s].task, err) == 0 && want_chat(b, sets[s].task, c->models[0], err) == 0) ? 0 : -1;
    for (size_t s = 0; s < n_sets && status == 0; s++)
        status = add_set(b, &all, &sets[s], err);
    if (all.n_pictures) {
        feature_store_take(b->features, NULL, NULL, NULL, NULL);   /* the model may be gone before the next is taken */
        if (status == 0)
            tell_pictures(b, all.before, out);
    }
    all.answers = memory_new(all.n, sizeof *all.answers);
    if (status == 0) {
        status = engine_run(b->engine, all.requests, all.n, all.answers, on_step, &(struct watched){b, &all}, err);
        out->stats = engine_statistics(b->engine);
    }
    if (status == 0)
        status = judge_all(b, sets, n_sets, &all, out, err);
    batch_close(&all);
    return status;
}

/* ---- the evaluator */

static int check_sets(const question_set *sets, size_t n_sets, size_t *count, double *weight, error *err)
{
    *count = 0;
    *weight = 0;
    for (size_t s = 0; s < n_sets; s++) {
        if (sets[s].count == 0)
            return fail(err, ERROR_USAGE, "task '%s': no questions to ask", sets[s].task->name);
        if (!(sets[s].weight >= 0) || !isfinite(sets[s].weight))
            return fail(err, ERROR_USAGE, "task '%s': weight %g should be a number of at least 0", sets[s].task->name,
                        sets[s].weight);
        *count += sets[s].count;
        *weight += sets[s].weight;
    }
    if (!(*weight > 0) || !isfinite(*weight))
        return fail(err, ERROR_USAGE, "the tasks' weights sum to %g, which should be above 0", *weight);
    return 0;
}

/* Weights of one model; those that a path leads through are looked at once, when they are new. */
static int check_weights(struct builtin *b, const lineup *l, error *err)
{
    if (!b->options.check_finite || (l->path && b->config && b->models == models_fingerprint(l)))
        return 0;
    for (size_t i = 0; i < lineup_count(l); i++)
        if (checkpoint_check_finite(l->models[i], b->options.pool, err) != 0)
            return -1;
    return 0;
}

static int check_read(const lineup *l, error *err)
{
    for (size_t i = 0; i < lineup_count(l); i++)
        if (checkpoint_check(l->models[i], err) != 0)
            return -1;
    return 0;
}

static int run(evaluator *self, const lineup *candidate, const question_set *sets, size_t n_sets, evaluation *out, error *err)
{
    struct builtin *b = self->context;
    error why = {0};
    double weight;
    *out = (evaluation){.n_sets = n_sets};
    if (check_sets(sets, n_sets, &out->count, &weight, err) != 0) {
        *out = (evaluation){0};
        return -1;
    }
    out->results = memory_new(out->count, sizeof *out->results);
    out->set_scores = memory_new(n_sets, sizeof *out->set_scores);
    int status = check_weights(b, candidate, &why);
    if (status == 0)
        status = run_engine(b, candidate, sets, n_sets, out, &why);
    if (status == 0)
        status = command_sets_run(&b->options, candidate, sets, n_sets, out, &why);
    if (check_read(candidate, err) != 0) {   /* a file cut short while it was read: nothing seen above counts */
        evaluation_free(out);
        return -1;
    }
    if (status > 0 || (status < 0 && why.code == ERROR_NOT_FINITE))
        return invalid(out, why.text);
    if (status < 0) {
        evaluation_free(out);
        if (err)
            *err = why;
        return -1;
    }
    double sum = 0;
    for (size_t s = 0; s < n_sets; s++)
        sum += sets[s].weight * out->set_scores[s];
    out->score = sum / weight;
    out->outcome = OUTCOME_COMPLETE;
    return 0;
}

static void free_builtin(evaluator *self)
{
    struct builtin *b = self->context;
    drop_models(b);
    free(b->template);
    prompts_free(b->prompts);
    language_free(b->lid);
    feature_store_free(b->features);
    free(b);
}

evaluator *evaluator_new(const evaluator_options *options, error *err)
{
    (void)err;
    struct builtin *b = memory_new(1, sizeof *b);
    b->self = (evaluator){.context = b, .run = run, .free = free_builtin};
    b->options = *options;
    b->prompts = prompts_new();
    b->features = feature_store_new(options->features);
    return &b->self;
}

void evaluator_free(evaluator *e)
{
    if (e)
        e->free(e);
}
