/* A path of every architecture, run as it is and folded into one checkpoint: the same logits. */
#include "../base/check.h"

#include <math.h>

#include "base/memory.h"
#include "engine/engine.h"
#include "merge/fold.h"

#define IDS 20
#define VOCAB 96

static checkpoint *golden(const char *name)
{
    error err = {0};
    char *path = memory_print(SOURCE_DIR "/tests/goldens/golden/engine/%s/model", name);
    checkpoint *c = checkpoint_open(path, &err);
    if (!c)
        fail_msg("%s", err.text);
    free(path);
    return c;
}

/* Layers repeated and out of order; every hop but the last gets its scale from the one behind it. */
static layer_path *winding(bool scaled)
{
    static const path_hop hops[] = {{0, 1, 1.2}, {0, 0, 0.7}, {0, 2, 1.4}, {0, 2, -0.5}, {0, 1, 1}, {0, 0, 0}, {0, 2, 1.1}};
    layer_path *p = path_new();
    path_add_source(p, "model", "model");
    for (size_t i = 0; i < sizeof hops / sizeof *hops; i++)
        path_add_hop(p, 0, hops[i].layer, scaled || i == 0 ? hops[i].scale : 1);
    return p;
}

static float *logits_of(plan *p)
{
    static const int32_t ids[IDS] = {1, 5, 9, 40, 33, 7, 7, 90, 12, 64, 3, 28, 51, 77, 18, 6, 83, 45, 22, 11};
    error err = {0};
    float *out = memory_new(IDS * VOCAB, sizeof *out);
    engine *e = p ? engine_new(p, &(engine_options){0}, &err) : NULL;
    if (!e || engine_logits(e, ids, IDS, out, &err) != 0)
        fail_msg("%s", err.text);
    engine_free(e);
    plan_free(p);
    return out;
}

static void assert_near(const char *name, const float *a, const float *b)
{
    float largest = 0;
    for (int i = 0; i < IDS * VOCAB; i++) {
        assert_true(isfinite(a[i]));
        largest = fabsf(a[i] - b[i]) > largest ? fabsf(a[i] - b[i]) : largest;
    }
    if (!(largest <= 1e-4f))
        fail_msg("%s: folded and direct logits differ by %g", name, (double)largest);
}

static checkpoint *check_fold(const char *name, checkpoint *model, const layer_path *p)
{
    error err = {0};
    checkpoint *const models[] = {model};
    checkpoint *folded = fold_path(models, p, NULL, &err);
    if (!folded)
        fail_msg("%s: %s", name, err.text);
    float *direct = logits_of(plan_build_path(models, p, &err)), *plain = logits_of(plan_build(folded, &err));
    assert_near(name, direct, plain);
    free(plain);
    free(direct);
    return folded;
}

static void every_architecture(void **state)
{
    (void)state;
    static const char *const names[] = {"gemma2", "gemma3", "gpt2", "llama_tied", "mistral_sw8", "mixtral", "olmo2", "phi3", "qwen2", "qwen3", "stablelm"};
    layer_path *p = winding(true);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        checkpoint *model = golden(names[i]);
        checkpoint_free(check_fold(names[i], model, p));
        checkpoint_free(model);
    }
    path_free(p);
}

/* Attention and MLP side by side put out one sum: nothing to fold a scale into, but for the embeddings. */
static void parallel_residuals(void **state)
{
    (void)state;
    error err = {0};
    checkpoint *model = golden("gptneox"), *const models[] = {model};
    layer_path *scaled = winding(true), *plain = winding(false);
    assert_null(fold_path(models, scaled, NULL, &err));
    assert_error(&err, ERROR_UNSUPPORTED, "scale 0.7 of hop 1", "gpt_neox with parallel residual");
    assert_false(fold_possible(models, scaled, &err));
    free(logits_of(plan_build_path(models, scaled, &err)));
    checkpoint_free(check_fold("gptneox", model, plain));
    /* one after the other they fold like any */
    json_object_set_new(model->config, "use_parallel_residual", json_false());
    checkpoint_free(check_fold("gptneox", model, scaled));
    path_free(plain);
    path_free(scaled);
    checkpoint_free(model);
}

/* One norm for both, as StableLM has it side by side. */
static void parallel_with_one_norm(void **state)
{
    (void)state;
    checkpoint *model = golden("stablelm");
    layer_path *p = winding(false);
    json_object_set_new(model->config, "use_parallel_residual", json_true());
    checkpoint_free(check_fold("stablelm", model, p));
    path_free(p);
    checkpoint_free(model);
}

/* A layer's window goes where the layer goes, listed or not. */
static void windows_move(void **state)
{
    (void)state;
    static const char *const names[] = {"gemma2", "gemma3"};
    layer_path *p = winding(true);
    p->hops[3].layer = 3;
    for (size_t i = 0; i < 2; i++)
        for (int listed = 0; listed < 2; listed++) {
            checkpoint *model = golden(names[i]);
            if (!listed)
                json_object_del(model->config, "layer_types");
            checkpoint *folded = check_fold(names[i], model, p);
            const json_t *types = json_object_get(folded->config, "layer_types");
            assert_int_equal(json_array_size(types), p->n_hops);
            for (size_t h = 0; h < p->n_hops; h++) {
                int layer = p->hops[h].layer;
                bool full = i == 0 ? layer % 2 == 1 : layer % 3 == 2;
                assert_string_equal(json_string_value(json_array_get(types, h)), full ? "full_attention" : "sliding_attention");
            }
            checkpoint_free(folded);
            checkpoint_free(model);
        }
    path_free(p);
}

/* Through two architectures: each hop runs as its own model's layer. */
static void mixed_architectures(void **state)
{
    (void)state;
    error err = {0};
    checkpoint *models[] = {golden("qwen2"), golden("gemma2"), golden("mixtral"), golden("gpt2")};
    layer_path *p = path_new();
    const char *const names[] = {"qwen", "gemma", "mixtral", "gpt"};
    for (int i = 0; i < 4; i++)
        path_add_source(p, names[i], names[i]);
    path_add_hop(p, 0, 0, 1);
    path_add_hop(p, 1, 1, 0.8);
    path_add_hop(p, 2, 2, 1.1);
    free(logits_of(plan_build_path(models, p, &err)));
    assert_false(fold_possible(models, p, &err));
    assert_error(&err, ERROR_UNSUPPORTED, "model_type qwen2 / gemma2", "the path itself runs as it is");
    path_add_hop(p, 3, 0, 1);
    assert_null(plan_build_path(models, p, &err));
    assert_error(&err, ERROR_UNSUPPORTED, "gpt2 is told positions by its embeddings", "(qwen2) in every layer");
    path_free(p);
    for (int i = 0; i < 4; i++)
        checkpoint_free(models[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_architecture), cmocka_unit_test(parallel_residuals),
                                       cmocka_unit_test(parallel_with_one_norm), cmocka_unit_test(windows_move),
                                       cmocka_unit_test(mixed_architectures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
