/* DIR/engine/CASE with `paths` in its golden.json: model_a, model_b, ... and paths through their layers ("A0", "B1", ...) with the
 * scale of each hop's input. Logits within 1e-4 and greedy tokens exactly, for f32 weights and for the same rounded to bf16, with every
 * kernel family of this CPU or the forced one. */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/memory.h"
#include "golden_answers.h"

#define MAX_MODELS 8
#define MAX_IDS 512

typedef struct paths {
    const golden_context *context;
    const char *name;
    const json_t *golden;
    const checkpoint *expected;                 /* logits.safetensors */
    checkpoint *models[MAX_MODELS];
    int n_models;
    const char *precision;                      /* "f32" or "bf16w" */
    int passed, failed;
} paths;

static void count(paths *t, bool good)
{
    if (good)
        t->passed++;
    else
        t->failed++;
}

static layer_path *path_of(const paths *t, const json_t *one)
{
    layer_path *p = path_new();
    char name[2] = "A";
    for (int i = 0; i < t->n_models; i++, name[0]++)
        path_add_source(p, name, t->models[i]->name);
    const json_t *hops = json_object_get(one, "path"), *scale = json_object_get(one, "scale");
    for (size_t i = 0; i < json_array_size(hops); i++) {
        const char *hop = json_string_value(json_array_get(hops, i));
        path_add_hop(p, hop ? hop[0] - 'A' : 0, hop ? atoi(hop + 1) : 0, json_number_value(json_array_get(scale, i)));
    }
    return p;
}

static void run_prompt(paths *t, engine *e, const plan *p, const char *family, const char *key, const json_t *one, size_t i)
{
    const json_t *prompt = json_array_get(json_object_get(t->golden, "prompts"), i);
    const json_t *greedy = json_object_get(json_array_get(json_object_get(json_object_get(one, "results"), t->precision), i), "greedy");
    char what[160], tensor_name[120];
    int32_t ids[MAX_IDS];
    size_t n = json_array_size(prompt);
    error err = {0};
    answer a = {0};
    for (size_t k = 0; k < n && k < MAX_IDS; k++)
        ids[k] = (int32_t)json_integer_value(json_array_get(prompt, k));
    request r = {.ids = ids, .n_ids = n, .max_new = (int)json_array_size(greedy), .ignore_stops = true};
    snprintf(what, sizeof what, "%s %s %s prompt %zu", family, t->precision, key, i);
    bool ran = n <= MAX_IDS && engine_run(e, &r, 1, &a, NULL, NULL, &err) == 0;
    if (!ran)
        golden_mismatch(t->name, "%s: %s", what, err.text);
    count(t, ran && golden_same_tokens(t->name, what, greedy, a.tokens, a.n_tokens));
    answers_free(&a, 1);
    snprintf(tensor_name, sizeof tensor_name, "%s.%s.p%zu.logits", key, t->precision, i);
    const tensor *expected = checkpoint_find(t->expected, tensor_name);
    if (expected && ran)
        count(t, golden_same_logits(t->name, e, what, &(request){.ids = ids, .n_ids = n}, p->config.vocab, expected, &err));
}

static void run_path(paths *t, const char *key, const json_t *one, const backend *family)
{
    error err = {0};
    layer_path *way = path_of(t, one);
    plan *p = plan_build_path(t->models, way, &err);
    engine *e = p ? engine_new(p, &(engine_options){.backend = family}, &err) : NULL;
    if (!e) {
        golden_mismatch(t->name, "%s: %s", key, err.text);
        count(t, false);
    }
    for (size_t i = 0; e && i < json_array_size(json_object_get(t->golden, "prompts")); i++)
        run_prompt(t, e, p, family->name, key, one, i);
    engine_free(e);
    plan_free(p);
    path_free(way);
}

static void run_paths(paths *t, const backend *family)
{
    const char *key;
    json_t *one;
    json_object_foreach(json_object_get(t->golden, "paths"), key, one)
        run_path(t, key, one, family);
}

static void run_precision(paths *t)
{
    error err = {0};
    if (t->context->backend) {
        const backend *family = backend_find(t->context->backend, &err);
        if (family)
            run_paths(t, family);
        else
            golden_mismatch(t->name, "%s", err.text);
        count(t, family != NULL);
        return;
    }
    for (const backend *const *family = backend_all(); *family; family++)
        if ((*family)->available())
            run_paths(t, *family);
}

void golden_layer_path(const golden_context *c, const char *name, const char *folder, const json_t *golden)
{
    paths t = {.context = c, .name = name, .golden = golden, .precision = "f32"};
    checkpoint *plain[MAX_MODELS] = {0}, *narrow[MAX_MODELS] = {0};
    error err = {0};
    char *logits = file_join(folder, "logits.safetensors");
    checkpoint *expected = checkpoint_open(logits, &err);
    t.expected = expected;
    bool whole = expected != NULL;
    for (; whole && t.n_models < MAX_MODELS; t.n_models++) {
        char model[16];
        snprintf(model, sizeof model, "model_%c", 'a' + t.n_models);
        char *path = file_join(folder, model);
        bool there = file_is_folder(path);
        plain[t.n_models] = there ? checkpoint_open(path, &err) : NULL;
        narrow[t.n_models] = plain[t.n_models] ? golden_rounded(plain[t.n_models], &err) : NULL;
        whole = !there || narrow[t.n_models];
        free(path);
        if (!there)
            break;
    }
    if (!whole) {
        golden_mismatch(name, "%s", err.text);
        count(&t, false);
    }
    for (int k = 0; whole && k < 2; k++) {
        t.precision = k ? "bf16w" : "f32";
        for (int i = 0; i < t.n_models; i++)
            t.models[i] = k ? narrow[i] : plain[i];
        run_precision(&t);
    }
    golden_report(c, name, t.passed, t.failed, 0);
    for (int i = 0; i < MAX_MODELS; i++) {
        checkpoint_free(plain[i]);
        checkpoint_free(narrow[i]);
    }
    checkpoint_free(expected);
    free(logits);
}
