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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_binds), cmocka_unit_test(test_tied_with_biases),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
