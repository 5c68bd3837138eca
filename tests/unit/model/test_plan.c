/* Binding tensors: what is borrowed, what is widened, and what is said of tensors that do not fit. */
#include "tiny.h"

#include "model/plan.h"

static void refused(tiny t, enum error_code code, const char *part, const char *also)
{
    error err = {0};
    checkpoint *c = tiny_checkpoint(t);
    if (plan_build(c, &err))
        fail_msg("accepted");
    assert_error(&err, code, "tiny", part, also);
    checkpoint_free(c);
}

static void test_binds(void **state)
{
    (void)state;
    error err = {0};
    checkpoint *c = tiny_checkpoint((tiny){0});
    plan *p = plan_build(c, &err);
    if (!p)
        fail_msg("%s", err.text);
    assert_int_equal(p->n_hops, 2);
    assert_ptr_equal(p->head.data, checkpoint_find(c, "lm_head.weight")->data);
    assert_ptr_equal(p->hops[1].blocks[0].attention.k.data, checkpoint_find(c, "model.layers.1.self_attn.k_proj.weight")->data);
    assert_int_equal(p->hops[1].blocks[0].attention.k.n, 16);
    assert_int_equal(p->hops[1].blocks[0].attention.k.k, 32);
    assert_null(p->hops[1].blocks[0].attention.k.bias);
    assert_int_equal(p->hops[1].blocks[1].mlp.down.k, 48);
    assert_true(p->hops[0].blocks[1].mlp.up.dtype == DTYPE_BF16);
    assert_true(p->hops[1].scale == 1.0f);
    /* vectors are copies: the next candidate's come with plan_refresh */
    uint16_t *norm = checkpoint_find(c, "model.layers.1.input_layernorm.weight")->data;
    const float *value = p->hops[1].blocks[0].norm.weight.value;
    assert_true(value[3] == bf16_to_f32(norm[3]));
    norm[3] = bf16_from_f32(7);
    assert_true(value[3] != 7.0f);
    plan_refresh(p);
    assert_true(value[3] == 7.0f);
    plan_free(p);
    checkpoint_free(c);
}

static void test_tied_with_biases(void **state)
{
    (void)state;
    error err = {0};
    checkpoint *c = tiny_checkpoint((tiny){.type = "llama", .tied = true, .biases = true});
    plan *p = plan_build(c, &err);
    if (!p)
        fail_msg("%s", err.text);
    assert_ptr_equal(p->head.data, p->embedding->data);
    const plan_block *attention = &p->hops[0].blocks[0];
    assert_ptr_equal(attention->attention.o.bias, attention->attention.o_bias.value);
    assert_int_equal(attention->attention.q_bias.n, 32);
    const uint16_t *stored = checkpoint_find(c, "model.layers.0.mlp.down_proj.bias")->data;
    assert_true(p->hops[0].blocks[1].mlp.down.bias[5] == bf16_to_f32(stored[5]));
    plan_free(p);
    checkpoint_free(c);
}

static void test_refusals(void **state)
{
    (void)state;
    refused((tiny){.without = "model.layers.1.mlp.up_proj.weight"}, ERROR_FORMAT,
            "'model.layers.1.mlp.up_proj.weight' is missing", "");
    refused((tiny){.without = "lm_head.weight"}, ERROR_FORMAT, "'lm_head.weight' is missing", "");
    checkpoint *c = tiny_checkpoint((tiny){0});
    error err = {0};
    json_object_set_new(c->config, "vocab_size", json_integer(41));
    assert_null(plan_build(c, &err));
    assert_error(&err, ERROR_FORMAT, "'model.embed_tokens.weight' has shape [40, 32]", "[41, 32]");
    json_object_set_new(c->config, "vocab_size", json_integer(40));
    json_object_set_new(c->config, "num_hidden_layers", json_integer(3));
    assert_null(plan_build(c, &err));
    assert_error(&err, ERROR_FORMAT, "'model.layers.2.input_layernorm.weight' is missing");
    json_object_set_new(c->config, "num_hidden_layers", json_integer(2));
    c->items[0].tensor.dtype = DTYPE_I16;
    assert_null(plan_build(c, &err));
    assert_error(&err, ERROR_UNSUPPORTED, "is I16", "F32, F16 or BF16");
    json_decref(c->config);
    c->config = NULL;
    assert_null(plan_build(c, &err));
    assert_error(&err, ERROR_FORMAT, "has no config.json");
    checkpoint_free(c);
}

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

static plan *must_build(const checkpoint *c)
{
    error err = {0};
    plan *p = plan_build(c, &err);
    if (!p)
        fail_msg("%s", err.text);
    return p;
}

/* q, k and v of one tensor, gate and up of another: the rows that are meant, nothing copied. */
static void test_stacked_rows(void **state)
{
    (void)state;
    checkpoint *c = golden("phi3");
    plan *p = must_build(c);
    const float *qkv = checkpoint_find(c, "model.layers.1.self_attn.qkv_proj.weight")->data, *both = checkpoint_find(c, "model.layers.1.mlp.gate_up_proj.weight")->data;
    const plan_attention *a = &p->hops[1].blocks[0].attention;
    const plan_mlp *m = &p->hops[1].blocks[1].mlp;
    assert_true(a->q.data == qkv && a->k.data == qkv + 32 * 32 && a->v.data == qkv + (32 + 16) * 32);
    assert_true(a->q.n == 32 && a->k.n == 16 && a->v.n == 16);
    assert_true(m->gate.data == both && m->up.data == both + 64 * 32 && m->up.n == 64);
    plan_free(p);
    checkpoint_free(c);
}

/* Matrices stored [in][out] are turned round once for all hops that use them, and again by plan_refresh. */
static void test_transposed(void **state)
{
    (void)state;
    error err = {0};
    checkpoint *c = golden("gpt2"), *const models[] = {c};
    layer_path *way = path_new();
    path_add_source(way, "gpt", "gpt");
    path_add_layers(way, 0, 0, 3);
    path_add_layers(way, 0, 1, 3);
    plan *p = plan_build_path(models, way, &err);
    assert_non_null(p);
    assert_int_equal(p->n_transposed, 3 * 4);
    assert_ptr_equal(p->hops[1].blocks[1].mlp.gate.data, p->hops[3].blocks[1].mlp.gate.data);
    const tensor *t = checkpoint_find(c, "transformer.h.1.mlp.c_fc.weight");
    const float *turned = p->hops[1].blocks[1].mlp.gate.data;
    float stored[32 * 128];
    memcpy(stored, t->data, sizeof stored);
    assert_true(turned[100 * 32 + 7] == stored[7 * 128 + 100]);
    const float *v_bias = checkpoint_find(c, "transformer.h.1.attn.c_attn.bias")->data;
    assert_true(p->hops[1].blocks[0].attention.v.bias[3] == v_bias[64 + 3]);
    float *changed = memory_new(32 * 128, sizeof *changed);
    changed[7 * 128 + 100] = 5;
    ((tensor *)t)->data = changed;
    plan_refresh(p);
    assert_true(turned[100 * 32 + 7] == 5 && turned[0] == 0);
    free(changed);
    plan_free(p);
    path_free(way);
    checkpoint_free(c);
}

/* Every tensor's `from` at its start becomes `to`. */
static void rename_all(checkpoint *c, const char *from, const char *to)
{
    error err = {0};
    for (size_t i = 0; i < c->count; i++) {
        char *name = c->items[i].name;
        if (strncmp(name, from, strlen(from)) != 0)
            continue;
        c->items[i].name = memory_print("%s%s", to, name + strlen(from));
        free(name);
    }
    assert_int_equal(checkpoint_sort(c, &err), 0);
}

static void test_spellings(void **state)
{
    (void)state;
    static const struct { const char *model, *from, *to; } ways[] = {
        {"gpt2", "transformer.", ""}, {"qwen3", "model.", ""}, {"gemma3", "model.", "language_model.model."}, {"gemma3", "model.", "model.language_model."}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        checkpoint *c = golden(ways[i].model);
        rename_all(c, ways[i].from, ways[i].to);
        plan_free(must_build(c));
        checkpoint_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_binds), cmocka_unit_test(test_tied_with_biases),
                                       cmocka_unit_test(test_refusals), cmocka_unit_test(test_stacked_rows),
                                       cmocka_unit_test(test_transposed), cmocka_unit_test(test_spellings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
