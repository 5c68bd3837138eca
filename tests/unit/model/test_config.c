/* config.json as transformers 4 and 5 write it, and what strangers put into it. */
#include "../base/check.h"

#include "base/json.h"
#include "model/architecture.h"
#include "model/config.h"

#define SIZES "\"hidden_size\":32,\"num_hidden_layers\":3,\"num_attention_heads\":4,\"intermediate_size\":64,\"vocab_size\":96"

static int read_text(const char *text, model_config *out, error *err)
{
    json_t *json = json_parse(text, strlen(text), "config.json", err);
    if (!json)
        fail_msg("%s", err->text);
    int status = config_read(json, "config.json", out, err);
    json_decref(json);
    return status;
}

static model_config must(const char *text)
{
    error err = {0};
    model_config c = {0};
    if (read_text(text, &c, &err) != 0)
        fail_msg("%s", err.text);
    return c;
}

static void test_versions_agree(void **state)
{
    (void)state;
    model_config a =
        must("{\"model_type\":\"llama\"," SIZES ",\"max_position_embeddings\":128,\"rms_norm_eps\":1e-5,"
             "\"rope_parameters\":{\"rope_type\":\"linear\",\"factor\":2.5,\"rope_theta\":500000.0},\"dtype\":\"bfloat16\"}");
    model_config b =
        must("{\"model_type\":\"llama\"," SIZES ",\"max_position_embeddings\":128,\"rms_norm_eps\":1e-5,"
             "\"rope_theta\":500000.0,\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.5},\"torch_dtype\":\"bfloat16\"}");
    char text[256];
    assert_false(config_differences(&a, &b, text, sizeof text));
    assert_string_equal(text, "");
    assert_true(a.rope.kind == ROPE_LINEAR);
    assert_float_equal(b.rope.theta, 500000, 0);
    assert_float_equal(b.rope.factor, 2.5, 0);
    assert_int_equal(a.head_dim, 8);
    assert_int_equal(a.kv_heads, 4);   /* Llama: as many as heads where the file says nothing */
}

static void test_defaults(void **state)
{
    (void)state;
    model_config m = must("{\"model_type\":\"mistral\"," SIZES ",\"num_key_value_heads\":2}");
    assert_int_equal(m.window, 4096);
    assert_int_equal(m.max_positions, 131072);
    assert_float_equal(m.rope.theta, 10000, 0);
    assert_float_equal(m.norm_eps, 1e-6, 0);
    assert_int_equal(m.bos, 1);
    assert_int_equal(m.n_stops, 1);
    assert_int_equal(m.stops[0], 2);
    m = must("{\"architectures\":[\"MistralForCausalLM\"]," SIZES
             ",\"num_key_value_heads\":null,\"sliding_window\":null,\"eos_token_id\":[5,7,5],\"bos_token_id\":null,"
             "\"auto_map\":{\"AutoConfig\":\"evil.Config\"}}");
    assert_int_equal(m.window, 0);
    assert_int_equal(m.kv_heads, 4);
    assert_int_equal(m.n_stops, 2);
    assert_int_equal(m.stops[1], 7);
    assert_int_equal(m.bos, -1);
    /* Llama knows no window, Mistral no biases. */
    m = must("{\"model_type\":\"llama\"," SIZES ",\"sliding_window\":8,\"attention_bias\":true}");
    assert_int_equal(m.window, 0);
    assert_true(m.attention_bias);
    m = must("{\"model_type\":\"mistral\"," SIZES ",\"num_key_value_heads\":4,\"attention_bias\":true}");
    assert_false(m.attention_bias);
}

static void test_nested(void **state)
{
    (void)state;
    model_config m = must(
        "{\"model_type\":\"llava_next\",\"text_config\":{\"model_type\":\"mistral\",\"vocab_size\":32064,\"rope_theta\":1000000.0},\"vision_config\":{}}");
    assert_string_equal(m.type, "mistral");
    assert_int_equal(m.hidden, 4096);
    assert_int_equal(m.intermediate, 14336);
    assert_int_equal(m.layers, 32);
    assert_int_equal(m.kv_heads, 8);
    assert_int_equal(m.head_dim, 128);
    assert_int_equal(m.vocab, 32064);
    assert_int_equal(m.window, 4096);
}

static void test_position_limit(void **state)
{
    (void)state;
    model_config m = must("{\"model_type\":\"llama\"," SIZES ",\"max_position_embeddings\":24}");
    assert_int_equal(config_position_limit(&m), 24);
    m = must("{\"model_type\":\"llama\"," SIZES
             ",\"max_position_embeddings\":24,\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2.0}}");
    assert_true(config_position_limit(&m) > 1000000);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct { const char *text; enum error_code code; const char *part;
    } bad[] = {
        {"[]", ERROR_FORMAT, "should hold a JSON object"},
        {"{}", ERROR_FORMAT, "names no model_type"},
        {"{\"model_type\":\"bert\"}", ERROR_UNSUPPORTED,
         "model type 'bert' is not known; known are gemma2, gemma3_text, gpt2, gpt_neox, llama, mistral, mixtral, olmo2, phi3, qwen2, qwen3, stablelm"},
        {"{\"model_type\":\"evil\",\"auto_map\":{\"AutoModel\":\"evil.Model\"}," SIZES "}", ERROR_UNSUPPORTED, "'evil'"},
        {"{\"model_type\":7}", ERROR_FORMAT, "'model_type' should be a string"},
        {"{\"model_type\":\"llama\",\"text_config\":3}", ERROR_FORMAT, "'text_config' should be an object"},
        {"{\"model_type\":\"llama\",\"num_hidden_layers\":3,\"num_attention_heads\":4,\"intermediate_size\":64,\"vocab_size\":96}",
         ERROR_FORMAT, "'hidden_size' is missing"},
        {"{\"model_type\":\"llama\",\"hidden_size\":32,\"num_hidden_layers\":2147483648,\"num_attention_heads\":4,\"intermediate_size\":64,\"vocab_size\":96}",
         ERROR_FORMAT, "'num_hidden_layers' is 2147483648"},
        {"{\"model_type\":\"llama\",\"hidden_size\":32,\"num_hidden_layers\":-1,\"num_attention_heads\":4,\"intermediate_size\":64,\"vocab_size\":96}",
         ERROR_FORMAT, "'num_hidden_layers' is -1"},
        {"{\"model_type\":\"llama\",\"hidden_size\":33,\"num_hidden_layers\":3,\"num_attention_heads\":4,\"intermediate_size\":64,\"vocab_size\":96}",
         ERROR_FORMAT, "hidden_size 33 is not a multiple of 4"},
        {"{\"model_type\":\"llama\",\"hidden_size\":12,\"num_hidden_layers\":3,\"num_attention_heads\":4,\"intermediate_size\":64,\"vocab_size\":96}",
         ERROR_FORMAT, "head_dim 3 is odd"},
        {"{\"model_type\":\"llama\"," SIZES ",\"num_key_value_heads\":3}", ERROR_FORMAT,
         "4 attention heads are not a multiple of 3"},
        {"{\"model_type\":\"llama\"," SIZES ",\"num_key_value_heads\":0}", ERROR_FORMAT, "'num_key_value_heads' is 0"},
        {"{\"model_type\":\"llama\"," SIZES ",\"head_dim\":\"8\"}", ERROR_FORMAT, "'head_dim' should be a whole number"},
        {"{\"model_type\":\"llama\"," SIZES ",\"hidden_act\":\"relu\"}", ERROR_UNSUPPORTED, "hidden_act 'relu'"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rms_norm_eps\":-1}", ERROR_FORMAT, "'rms_norm_eps' is -1"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rope_theta\":0}", ERROR_FORMAT, "'rope_theta' is 0, outside [1, 1e18]"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rope_scaling\":{\"type\":\"su\",\"factor\":2}}", ERROR_UNSUPPORTED,
         "rope type 'su'"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rope_scaling\":{\"type\":\"linear\"}}", ERROR_FORMAT, "needs a factor"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":2}}", ERROR_FORMAT,
         "low_freq_factor"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rope_scaling\":[1]}", ERROR_FORMAT, "should be an object"},
        {"{\"model_type\":\"llama\"," SIZES ",\"partial_rotary_factor\":1.5}", ERROR_FORMAT, "'partial_rotary_factor' is 1.5"},
        {"{\"model_type\":\"llama\"," SIZES ",\"partial_rotary_factor\":0.4}", ERROR_FORMAT, "head_dim 8 is 3, which is odd"},
        {"{\"model_type\":\"llama\"," SIZES ",\"eos_token_id\":[1,\"2\"]}", ERROR_FORMAT, "'eos_token_id'"},
        {"{\"model_type\":\"llama\"," SIZES ",\"eos_token_id\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}", ERROR_LIMIT,
         "more than 16"},
        {"{\"model_type\":\"llama\"," SIZES ",\"eos_token_id\":99999999999}", ERROR_FORMAT, "99999999999 is too large"},
        {"{\"model_type\":\"mistral\"," SIZES ",\"num_key_value_heads\":4,\"sliding_window\":0}", ERROR_FORMAT,
         "'sliding_window' is 0"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error err = {0};
        model_config c;
        if (read_text(bad[i].text, &c, &err) == 0)
            fail_msg("accepted: %s", bad[i].text);
        assert_error(&err, bad[i].code, "config.json", bad[i].part);
    }
}

static void test_differences(void **state)
{
    (void)state;
    model_config a =
        must("{\"model_type\":\"mistral\"," SIZES ",\"num_key_value_heads\":2,\"rope_theta\":10000.0,\"sliding_window\":4096}");
    model_config b =
        must("{\"model_type\":\"mistral\"," SIZES ",\"num_key_value_heads\":2,\"rope_theta\":1000000.0,\"sliding_window\":null}");
    char text[256], tiny[8];
    assert_true(config_differences(&a, &b, text, sizeof text));
    assert_string_equal(text, "sliding_window 4096 / none; rope_theta 10000 / 1000000");
    assert_true(config_differences(&a, &b, tiny, sizeof tiny));
    assert_string_equal(tiny, "sliding");
}

#define SLIDING ",\"sliding_window\":8,\"max_position_embeddings\":128"

/* Which layers slide, as a text. */
static void assert_windows(const model_config *c, const char *wanted)
{
    char have[16] = "";
    for (int64_t i = 0; i < c->layers && i < 15; i++)
        have[i] = config_window(c, i) ? 's' : 'f';
    assert_string_equal(have, wanted);
}

static void test_windows(void **state)
{
    (void)state;
    static const struct { const char *text, *wanted; } cases[] = {
        {"{\"model_type\":\"mistral\"," SIZES ",\"num_key_value_heads\":2" SLIDING "}", "sss"},
        {"{\"model_type\":\"gemma2\"," SIZES SLIDING "}", "sfs"},
        {"{\"model_type\":\"gemma2\"," SIZES SLIDING ",\"layer_types\":[\"full_attention\",\"full_attention\",\"sliding_attention\"]}", "ffs"},
        {"{\"model_type\":\"gemma2\"," SIZES ",\"sliding_window\":null}", "fff"},
        {"{\"model_type\":\"gemma3_text\"," SIZES SLIDING "}", "sss"},
        {"{\"model_type\":\"gemma3_text\"," SIZES SLIDING ",\"sliding_window_pattern\":2}", "sfs"},
        {"{\"model_type\":\"qwen2\"," SIZES ",\"num_key_value_heads\":2" SLIDING "}", "fff"},
        {"{\"model_type\":\"qwen2\"," SIZES ",\"num_key_value_heads\":2" SLIDING ",\"use_sliding_window\":true,\"max_window_layers\":1}", "fss"},
        {"{\"model_type\":\"llama\"," SIZES SLIDING "}", "fff"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model_config c = must(cases[i].text);
        assert_windows(&c, cases[i].wanted);
    }
    model_config c = must("{\"model_type\":\"gemma3_text\"," SIZES SLIDING ",\"sliding_window_pattern\":3,\"rope_local_base_freq\":5000,\"rope_theta\":70000}");
    assert_float_equal(config_rope(&c, 0)->theta, 5000, 0);
    assert_float_equal(config_rope(&c, 2)->theta, 70000, 0);
    c = must("{\"model_type\":\"gemma3_text\"," SIZES SLIDING ",\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"linear\",\"factor\":8,\"rope_theta\":70000},"
             "\"sliding_attention\":{\"rope_theta\":5000}}}");
    assert_true(c.rope.kind == ROPE_LINEAR && c.local_rope.kind == ROPE_DEFAULT);
    assert_float_equal(c.local_rope.theta, 5000, 0);
}

static void test_own_keys(void **state)
{
    (void)state;
    model_config c = must("{\"model_type\":\"gpt2\",\"n_embd\":32,\"n_layer\":3,\"n_head\":4,\"n_positions\":64,\"n_inner\":null,\"vocab_size\":96,"
                          "\"activation_function\":\"gelu_new\",\"layer_norm_epsilon\":0.001,\"scale_attn_weights\":false}");
    assert_true(c.hidden == 32 && c.layers == 3 && c.heads == 4 && c.max_positions == 64 && c.intermediate == 128 && c.head_dim == 8);
    assert_true(c.learned_positions && c.attention_bias && c.output_bias && c.mlp_bias && c.tied && c.norm == NORM_LAYER);
    assert_float_equal(c.norm_eps, 0.001, 0);
    assert_float_equal(c.query_scale, 1, 0);
    assert_null(config_rope(&c, 0));
    c = must("{\"model_type\":\"gpt_neox\"," SIZES ",\"rotary_pct\":0.5,\"rotary_emb_base\":5000,\"layer_norm_eps\":0.01}");
    assert_true(c.rope.dims == 4 && c.parallel && c.output_bias);
    assert_float_equal(c.rope.theta, 5000, 0);
    c = must("{\"model_type\":\"gemma2\"," SIZES ",\"head_dim\":16,\"query_pre_attn_scalar\":64,\"attn_logit_softcapping\":null}");
    assert_float_equal(c.query_scale, 0.125, 0);
    assert_float_equal(c.attention_softcap, 0, 0);
    assert_float_equal(c.logit_softcap, 30, 0);
    assert_float_equal(c.norm_offset, 1, 0);
    assert_float_equal(c.embedding_scale, 5.656854249492381, 1e-12);
    c = must("{\"model_type\":\"mixtral\"," SIZES ",\"num_key_value_heads\":4,\"num_local_experts\":6,\"num_experts_per_tok\":3}");
    assert_true(c.experts == 6 && c.experts_used == 3);
    c = must("{\"model_type\":\"gemma3\",\"text_config\":{\"model_type\":\"gemma3_text\",\"num_hidden_layers\":7},\"vision_config\":{}}");
    assert_true(c.hidden == 2304 && c.head_dim == 256 && c.tied);
    assert_windows(&c, "sssssfs");
}

static void test_own_refusals(void **state)
{
    (void)state;
    static const struct { const char *text; enum error_code code; const char *part; } bad[] = {
        {"{\"model_type\":\"gemma2\"," SIZES ",\"layer_types\":[\"full_attention\"]}", ERROR_FORMAT, "list of 3"},
        {"{\"model_type\":\"gemma2\"," SIZES ",\"layer_types\":[\"full_attention\",\"odd\",\"odd\"]}", ERROR_UNSUPPORTED, "layer 1 'odd'"},
        {"{\"model_type\":\"gemma2\"," SIZES ",\"query_pre_attn_scalar\":0}", ERROR_FORMAT, "'query_pre_attn_scalar' is 0"},
        {"{\"model_type\":\"gemma2\"," SIZES ",\"final_logit_softcapping\":-1}", ERROR_FORMAT, "'final_logit_softcapping' is -1"},
        {"{\"model_type\":\"gemma3_text\"," SIZES ",\"use_bidirectional_attention\":true}", ERROR_UNSUPPORTED, "'use_bidirectional_attention'"},
        {"{\"model_type\":\"gemma3_text\"," SIZES ",\"sliding_window_pattern\":0}", ERROR_FORMAT, "'sliding_window_pattern' is 0"},
        {"{\"model_type\":\"stablelm\"," SIZES ",\"num_key_value_heads\":4,\"partial_rotary_factor\":0.5,\"qk_layernorm\":true}", ERROR_UNSUPPORTED,
         "'qk_layernorm'"},
        {"{\"model_type\":\"mixtral\"," SIZES ",\"num_key_value_heads\":4,\"num_local_experts\":2,\"num_experts_per_tok\":3}", ERROR_FORMAT,
         "'num_experts_per_tok' is 3"},
        {"{\"model_type\":\"mixtral\"," SIZES ",\"num_key_value_heads\":4,\"num_local_experts\":99999}", ERROR_FORMAT, "'num_local_experts' is 99999"},
        {"{\"model_type\":\"gpt2\"," SIZES "}", ERROR_FORMAT, "'n_embd' is missing"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rope_parameters\":{\"full_attention\":{}}}", ERROR_UNSUPPORTED, "differ between layers"},
        {"{\"model_type\":\"phi3\"," SIZES ",\"rope_scaling\":{\"type\":\"longrope\"}}", ERROR_UNSUPPORTED, "'longrope'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error err = {0};
        model_config c;
        if (read_text(bad[i].text, &c, &err) == 0)
            fail_msg("accepted: %s", bad[i].text);
        assert_error(&err, bad[i].code, "config.json", bad[i].part);
    }
}

static void test_architectures(void **state)
{
    (void)state;
    assert_string_equal(architecture_find("llama", NULL)->class_name, "LlamaForCausalLM");
    assert_string_equal(architecture_find(NULL, "MistralForCausalLM")->type, "mistral");
    assert_null(architecture_find("bert", "MistralForCausalLM"));
    assert_null(architecture_find(NULL, NULL));
    assert_non_null(strstr(architecture_list(), "mistral"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions_agree), cmocka_unit_test(test_defaults), cmocka_unit_test(test_nested),
        cmocka_unit_test(test_position_limit), cmocka_unit_test(test_refusals), cmocka_unit_test(test_differences),
        cmocka_unit_test(test_architectures), cmocka_unit_test(test_windows), cmocka_unit_test(test_own_keys), cmocka_unit_test(test_own_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
