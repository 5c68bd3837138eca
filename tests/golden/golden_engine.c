/* DIR/engine/CASE: a checkpoint, prompts, and what transformers computes with them (the README of those files tells how).
 * Logits within 1e-4, tokens exactly, log-likelihoods within 1e-4, beam scores within 1e-5, for f32 weights and for the
 * same rounded to bf16, with every kernel family of this CPU or the forced one. All requests of a case run in one batch. */
#include "golden_answers.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "engine/engine.h"
#include "golden_vision.h"
#include "model/architecture.h"

#define LOGLIK_TOLERANCE 1e-4
#define SCORE_TOLERANCE 1e-5
#define MAX_REQUESTS 512

typedef struct tally { int passed, failed, unsupported; } tally;

/* One expected result: which prompt, which key, and the request that should give it. */
typedef struct check {
    char what[96];
    bool beam;
    size_t prompt;
    const json_t *expected;
    request request;
} check;

typedef struct test {
    const golden_context *context;
    char name[160];             /* engine/CASE */
    char *folder;
    json_t *golden;
    checkpoint *expected;       /* logits.safetensors; NULL where there is none */
    bool plain, beams;          /* which of the two lines is wanted */
    tally plain_tally, beam_tally;
    const checkpoint *weights;  /* of the precision at work; borrowed */
    golden_vision *pictures;  /* of the precision and family at work; NULL: a text-only model */
    check checks[MAX_REQUESTS];
    size_t n_checks;
    int32_t *lists[2 * MAX_REQUESTS];   /* owned token lists */
    size_t n_lists;
} test;

static void count(test *t, bool beam, bool good)
{
    tally *to = beam ? &t->beam_tally : &t->plain_tally;
    if (good)
        to->passed++;
    else
        to->failed++;
}

static const int32_t *tokens_of(test *t, const json_t *list, size_t *n)
{
    *n = json_array_size(list);
    int32_t *ids = memory_new(*n, sizeof *ids);
    for (size_t i = 0; i < *n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    if (t->n_lists < sizeof t->lists / sizeof *t->lists)
        t->lists[t->n_lists++] = ids;
    return ids;
}

static void set_stops(test *t, request *r, const json_t *list)
{
    size_t n;
    r->stops = tokens_of(t, list, &n);
    r->n_stops = (int)n;
}

/* "greedy", "greedy_eos", "greedy_rep1.5"; "beam5", "beam5_eos", "beam5_eos2", "beam5_rep1.5" (which stops at eos too). */
static bool request_for(test *t, const char *key, const json_t *one, request *r, bool *beam)
{
    const json_t *settings = json_object_get(t->golden, "settings");
    const char *rest;
    *beam = strncmp(key, "beam", 4) == 0;
    if (*beam) {
        r->beams = (int)strtol(key + 4, (char **)&rest, 10);
        r->max_new = (int)json_integer_value(json_object_get(settings, "new_tokens_beam"));
    } else if (strncmp(key, "greedy", 6) == 0) {
        rest = key + 6;
        r->max_new = (int)json_integer_value(json_object_get(settings, "new_tokens_greedy"));
    } else {
        return false;
    }
    r->ignore_stops = true;
    if (strncmp(rest, "_rep", 4) == 0) {
        char *end;
        r->repetition_penalty = strtof(rest + 4, &end);
        if (*beam)
            set_stops(t, r, json_object_get(one, "eos"));
        return *end == '\0';
    }
    if (rest[0] == '_')
        set_stops(t, r, json_object_get(one, rest + 1));
    return rest[0] == '\0' || strcmp(rest, "_eos") == 0 || strcmp(rest, "_eos2") == 0;
}

static void add_check(test *t, bool beam, const json_t *expected, const request *r, const char *what, size_t prompt)
{
    if ((beam ? !t->beams : !t->plain) || t->n_checks == MAX_REQUESTS)
        return;
    check *c = &t->checks[t->n_checks++];
    *c = (check){.beam = beam, .prompt = prompt, .expected = expected, .request = *r};
    snprintf(c->what, sizeof c->what, "prompt %zu %s", prompt, what);
}

/* The requests of one prompt. */
static void collect_prompt(test *t, const json_t *one, json_t *result, size_t i)
{
    const json_t *value;
    const char *key;
    size_t n;
    const int32_t *ids = tokens_of(t, json_object_get(one, "ids"), &n);
    json_object_foreach (result, key, value) {
        request r = {.ids = ids, .n_ids = n};
        bool beam = false;
        if (strcmp(key, "loglik") == 0) {
            for (size_t k = 0; k < json_array_size(value); k++) {
                r.continuation = tokens_of(t, json_array_get(json_object_get(one, "conts"), k), &r.n_continuation);
                add_check(t, false, json_array_get(value, k), &r, "loglik", i);
            }
        } else if (!strstr(key, "_margin") && request_for(t, key, one, &r, &beam)) {
            add_check(t, beam, value, &r, key, i);
        }
    }
}

/* All requests of one precision; `which` is "f32" or "bf16w". The prompt that takes the model as plain LLaVA has the number behind the last. */
static void collect(test *t, const char *which)
{
    const json_t *cases = json_object_get(t->golden, "cases"),
                 *results = json_object_get(json_object_get(t->golden, "results"), which);
    t->n_checks = 0;
    for (size_t i = 0; i < json_array_size(results); i++)
        collect_prompt(t, json_array_get(cases, i), json_array_get(results, i), i);
    const json_t *plain = strcmp(which, "f32") == 0 ? json_object_get(t->golden, "plain_llava") : NULL;
    if (plain)
        collect_prompt(t, plain, json_object_get(plain, "results"), json_array_size(cases));
    const json_t *stories = strcmp(which, "f32") == 0 ? json_object_get(t->golden, "stories") : NULL;
    for (size_t i = 0; i < json_array_size(stories); i++) {
        const json_t *story = json_array_get(stories, i);
        request r = {.ignore_stops = true, .max_new = (int)json_array_size(json_object_get(story, "new"))};
        r.ids = tokens_of(t, json_object_get(story, "ids"), &r.n_ids);
        set_stops(t, &r, json_object_get(story, "eos"));
        add_check(t, false, json_object_get(story, "new"), &r, "story", i);
    }
}

static bool close_to(const char *name, const char *what, double have, double want, double tolerance)
{
    if (fabs(have - want) <= tolerance)
        return true;
    golden_mismatch(name, "%s: %.9g, expected %.9g, tolerance %g", what, have, want, tolerance);
    return false;
}

static bool compare(const char *name, const char *what, const check *c, const answer *a)
{
    if (json_is_object(c->expected)) {   /* a log-likelihood */
        bool good = close_to(name, what, a->loglik_sum, json_number_value(json_object_get(c->expected, "sum")), LOGLIK_TOLERANCE);
        if (a->loglik_greedy == json_is_true(json_object_get(c->expected, "is_greedy")))
            return good;
        golden_mismatch(name, "%s: is_greedy is %d", what, a->loglik_greedy);
        return false;
    }
    if (!c->beam)
        return golden_same_tokens(name, what, c->expected, a->tokens, a->n_tokens);
    if ((size_t)a->n_beams != json_array_size(c->expected)) {
        golden_mismatch(name, "%s: %d hypotheses, expected %zu", what, a->n_beams, json_array_size(c->expected));
        return false;
    }
    for (int i = 0; i < a->n_beams; i++) {
        const json_t *h = json_array_get(c->expected, (size_t)i);
        if (!golden_same_tokens(name, what, json_object_get(h, "tokens"), a->beams[i].tokens, a->beams[i].n) ||
            !close_to(name, what, a->beams[i].score, json_number_value(json_object_get(h, "score")), SCORE_TOLERANCE))
            return false;
    }
    return true;
}

static void run_logits(test *t, engine *e, const plan *p, const char *which, const char *family)
{
    const json_t *cases = json_object_get(t->golden, "cases");
    char name[96], what[160];
    error err = {0};
    for (size_t i = 0; t->plain && t->expected && i < json_array_size(cases); i++) {
        size_t n;
        const int32_t *ids = tokens_of(t, json_object_get(json_array_get(cases, i), "ids"), &n);
        request r = {.ids = ids, .n_ids = n};
        golden_vision_give(t->pictures, i, &r);
        snprintf(name, sizeof name, "%s.p%zu.logits", which, i);
        snprintf(what, sizeof what, "%s %s", family, name);
        const tensor *expected = checkpoint_find(t->expected, name);
        if (expected)
            count(t, false, golden_same_logits(t->name, e, what, &r, p->config.vocab, expected, &err));
    }
    const json_t *alone = strcmp(which, "f32") == 0 ? json_object_get(t->golden, "plain_llava") : NULL;
    if (t->plain && t->expected && alone) {
        request r = {0};
        r.ids = tokens_of(t, json_object_get(alone, "ids"), &r.n_ids);
        golden_vision_give(t->pictures, json_array_size(cases), &r);
        snprintf(what, sizeof what, "%s plain.logits", family);
        const tensor *expected = checkpoint_find(t->expected, "plain.logits");
        count(t, false, expected && golden_same_logits(t->name, e, what, &r, p->config.vocab, expected, &err));
    }
    const tensor *story = t->expected && strcmp(which, "f32") == 0 ? checkpoint_find(t->expected, "story0.logits.last") : NULL;
    if (t->plain && story) {
        const json_t *first = json_array_get(json_object_get(t->golden, "stories"), 0);
        int32_t ids[128] = {1};
        size_t n = 1;
        for (; n < 128 && n <= json_array_size(json_object_get(first, "new")); n++)
            ids[n] = (int32_t)json_integer_value(json_array_get(json_object_get(first, "new"), n - 1));
        snprintf(what, sizeof what, "%s story logits", family);
        count(t, false, golden_same_logits(t->name, e, what, &(request){.ids = ids, .n_ids = n}, p->config.vocab, story, &err));
    }
}

static void run_family(test *t, const plan *p, const char *which, const backend *family)
{
    error err = {0};
    char what[160];
    if (json_object_get(json_array_get(json_object_get(t->golden, "cases"), 0), "images")) {
        int passed = 0, failed = 0;
        t->pictures = golden_vision_new(t->name, t->folder, t->golden, t->expected, t->weights, which, family, &passed, &failed);
        t->plain_tally.passed += t->plain ? passed : 0;
        t->plain_tally.failed += t->plain ? failed : 0;
    }
    engine *e = engine_new(p, &(engine_options){.backend = family}, &err);
    answer *answers = memory_new(t->n_checks, sizeof *answers);
    request *requests = memory_new(t->n_checks, sizeof *requests);
    for (size_t i = 0; i < t->n_checks; i++) {
        requests[i] = t->checks[i].request;
        golden_vision_give(t->pictures, t->checks[i].prompt, &requests[i]);
    }
    bool ran = e && engine_run(e, requests, t->n_checks, answers, NULL, NULL, &err) == 0;
    if (!ran)
        golden_mismatch(t->name, "%s %s: %s", family->name, which, err.text);
    for (size_t i = 0; i < t->n_checks; i++) {
        snprintf(what, sizeof what, "%s %s %s", family->name, which, t->checks[i].what);
        count(t, t->checks[i].beam, ran && compare(t->name, what, &t->checks[i], &answers[i]));
    }
    if (ran)
        run_logits(t, e, p, which, family->name);
    answers_free(answers, t->n_checks);
    free(answers);
    free(requests);
    engine_free(e);
    golden_vision_free(t->pictures);
    t->pictures = NULL;
}

static checkpoint *open_weights(const test *t, const char *which, error *err)
{
    char *plain = file_join(t->folder, "model"), *bf16 = file_join(t->folder, "model_bf16");
    bool round = strcmp(which, "bf16w") == 0 && !file_is_folder(bf16);
    checkpoint *c = checkpoint_open(strcmp(which, "bf16w") == 0 && !round ? bf16 : plain, err);
    if (c && round) {
        checkpoint *narrow = golden_rounded(c, err);
        checkpoint_free(c);
        c = narrow;
    }
    free(plain);
    free(bf16);
    return c;
}

/* config.legacy.json says the same model in the words of transformers 4. */
static void run_legacy(test *t)
{
    char *new_path = file_join(t->folder, "model/config.json"), *old_path = file_join(t->folder, "model/config.legacy.json"),
         text[512];
    error err = {0};
    if (t->plain && file_exists(old_path)) {
        json_t *a = json_read(new_path, 0, &err), *b = json_read(old_path, 0, &err);
        model_config x = {0}, y = {0};
        bool read = a && b && config_read(a, "config.json", &x, &err) == 0 && config_read(b, "config.legacy.json", &y, &err) == 0;
        bool same = read && !config_differences(&x, &y, text, sizeof text) && x.vocab == y.vocab && x.bos == y.bos &&
                    x.n_stops == y.n_stops && memcmp(x.stops, y.stops, sizeof x.stops) == 0;
        if (!same)
            golden_mismatch(t->name, "config.legacy.json: %s", read ? text : err.text);
        count(t, false, same);
        json_decref(a);
        json_decref(b);
    }
    free(new_path);
    free(old_path);
}

static void run_precision(test *t, const char *which)
{
    error err = {0};
    checkpoint *c = open_weights(t, which, &err);
    plan *p = c ? plan_build(c, &err) : NULL;
    t->weights = c;
    collect(t, which);
    if (!p) {
        golden_mismatch(t->name, "%s", err.text);
        count(t, !t->plain, false);
    } else if (t->context->backend) {
        const backend *family = backend_find(t->context->backend, &err);
        if (family)
            run_family(t, p, which, family);
        else
            golden_mismatch(t->name, "%s", err.text);
        if (!family)
            count(t, !t->plain, false);
    } else {
        for (const backend *const *family = backend_all(); *family; family++)
            if ((*family)->available())
                run_family(t, p, which, *family);
    }
    plan_free(p);
    checkpoint_free(c);
}

/* What this program does not know yet is counted, result by result, and named. */
static void count_unsupported(test *t, const char *which)
{
    collect(t, which);
    for (size_t i = 0; i < t->n_checks; i++) {
        tally *to = t->checks[i].beam ? &t->beam_tally : &t->plain_tally;
        to->unsupported++;
    }
}

static void run_case(const golden_context *context, const char *folder, const char *case_name)
{
    test *t = memory_new(1, sizeof *t);
    char pseudo[200], beam_name[200];
    error err = {0};
    t->context = context;
    t->folder = file_join(folder, case_name);
    snprintf(t->name, sizeof t->name, "engine/%s", case_name);
    snprintf(beam_name, sizeof beam_name, "%s/beam", t->name);
    snprintf(pseudo, sizeof pseudo, "%s/plain", t->name);   /* so that CASE/beam alone does not select the rest of CASE */
    t->plain = golden_wanted(context, pseudo);
    t->beams = golden_wanted(context, beam_name);
    char *path = file_join(t->folder, "golden.json"), *logits = file_join(t->folder, "logits.safetensors");
    if ((!t->plain && !t->beams) || !file_exists(path))
        goto done;
    t->golden = json_read(path, 0, &err);
    if (!t->golden) {
        golden_mismatch(t->name, "%s", err.text);
        count(t, !t->plain, false);
        goto report;
    }
    if (json_object_get(t->golden, "paths")) {
        golden_layer_path(context, t->name, t->folder, t->golden);
        goto done;
    }
    const json_t *results = json_object_get(t->golden, "results");
    const char *type = json_string_value(json_object_get(t->golden, "model_type"));
    if (!results || !type || (!architecture_find(type, NULL) && strncmp(type, "llava", 5) != 0)) {
        if (!context->quiet)
            golden_mismatch(t->name, "not supported: %s; known are %s", type ? type : "a case without results", architecture_list());
        count_unsupported(t, "f32");
        count_unsupported(t, "bf16w");
        goto report;
    }
    t->expected = file_exists(logits) ? checkpoint_open(logits, &err) : NULL;
    if (!t->expected && t->plain) {
        golden_mismatch(t->name, "%s", file_exists(logits) ? err.text : "logits.safetensors is missing");
        count(t, false, false);
    }
    run_legacy(t);
    run_precision(t, "f32");
    if (json_object_get(results, "bf16w"))
        run_precision(t, "bf16w");
report:
    if (t->plain)
        golden_report(context, t->name, t->plain_tally.passed, t->plain_tally.failed, t->plain_tally.unsupported);
    if (t->beams && t->beam_tally.passed + t->beam_tally.failed + t->beam_tally.unsupported)
        golden_report(context, beam_name, t->beam_tally.passed, t->beam_tally.failed, t->beam_tally.unsupported);
done:
    free(path);
    free(logits);
    for (size_t i = 0; i < t->n_lists; i++)
        free(t->lists[i]);
    checkpoint_free(t->expected);
    json_decref(t->golden);
    free(t->folder);
    free(t);
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

void golden_engine(const golden_context *c)
{
    char *folder = file_join(c->root, "engine");
    struct dirent **entries;
    int n = scandir(folder, &entries, not_hidden, alphasort);
    for (int i = 0; i < n; i++) {
        char *path = file_join(folder, entries[i]->d_name);
        if (file_is_folder(path))
            run_case(c, folder, entries[i]->d_name);
        free(path);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    free(folder);
}
