/* What config.json says of the part that sees: nested and named, with defaults, and what strangers put into it. */
#include "../base/check.h"

#include "base/json.h"
#include "model/config.h"
#include "model/vision_config.h"

#define TEXT "\"text_config\":{\"model_type\":\"mistral\"}"

static int read_text(const char *text, vision_config *out, error *err)
{
    json_t *json = json_parse(text, strlen(text), "config.json", err);
    if (!json)
        fail_msg("%s", err->text);
    int status = vision_config_read(json, "config.json", out, err);
    json_decref(json);
    return status;
}

static vision_config must(const char *text)
{
    error err = {0};
    vision_config c = {0};
    if (read_text(text, &c, &err) != 0)
        fail_msg("%s", err.text);
    return c;
}

static void refused(const char *text, enum error_code code, const char *part)
{
    error err = {0};
    vision_config c;
    if (read_text(text, &c, &err) == 0)
        fail_msg("accepted: %s", text);
    assert_error(&err, code, "config.json", part, part);
}

static void test_nested(void **state)
{
    (void)state;
    vision_config c = must("{\"model_type\":\"llava\"," TEXT ",\"vision_config\":{\"hidden_size\":1024,\"num_hidden_layers\":24,\"num_attention_heads\":16,"
                           "\"intermediate_size\":4096,\"image_size\":336,\"patch_size\":14}}");
    assert_int_equal(c.used_layers, 23);     /* -2: what goes into the last */
    assert_int_equal(vision_config_features(&c), 576);
    assert_int_equal(c.image_token, 32000);
    assert_true(c.activation == ACTIVATION_QUICK_GELU && c.projector_activation == ACTIVATION_GELU && c.projector_bias && !c.tiled);
    c = must("{\"model_type\":\"llava_next\"," TEXT ",\"vision_config\":{},\"vision_feature_layer\":[-1],\"image_token_id\":7,\"multimodal_projector_bias\":false}");
    assert_int_equal(c.layers, 12);          /* CLIP's own defaults */
    assert_int_equal(c.used_layers, 12);
    assert_int_equal(c.patch_size, 32);
    assert_int_equal(c.image_token, 7);
    assert_true(c.tiled && !c.projector_bias);
    c = must("{\"model_type\":\"of_its_own\"," TEXT ",\"vision_config\":{\"image_size\":28,\"patch_size\":14},\"vision_feature_select_strategy\":\"full\",\"vision_feature_layer\":3}");
    assert_int_equal(vision_config_features(&c), 5);
    assert_int_equal(c.used_layers, 3);
}

static void test_named(void **state)
{
    (void)state;
    vision_config c = must("{\"model_type\":\"llava_mistral\",\"mm_vision_tower\":\"openai/clip-vit-large-patch14-336\",\"mm_vision_select_layer\":-2,"
                           "\"mm_vision_select_feature\":\"patch\",\"mm_projector_type\":\"mlp2x_gelu\",\"image_aspect_ratio\":\"anyres\"}");
    assert_int_equal(c.layers, 24);
    assert_int_equal(c.image_size, 336);
    assert_int_equal(c.image_token, -1);
    assert_string_equal(c.tower, "openai/clip-vit-large-patch14-336");
    assert_true(c.tiled);
    c = must("{\"model_type\":\"llava_llama\",\"mm_vision_tower\":\"openai/clip-vit-large-patch14\",\"mm_vision_select_feature\":\"cls_patch\"}");
    assert_int_equal(c.image_size, 224);
    assert_int_equal(vision_config_features(&c), 257);
    assert_false(c.tiled);
}

static void test_refuses(void **state)
{
    (void)state;
    refused("{\"model_type\":\"mistral\"}", ERROR_UNSUPPORTED, "reads text only");
    refused("{" TEXT ",\"vision_config\":{\"model_type\":\"siglip_vision_model\"}}", ERROR_UNSUPPORTED, "siglip_vision_model");
    refused("{" TEXT ",\"vision_config\":{},\"vision_feature_layer\":[-2,-5]}", ERROR_UNSUPPORTED, "lists 2 layers");
    refused("{" TEXT ",\"vision_config\":{},\"vision_feature_layer\":-14}", ERROR_FORMAT, "layer -14");
    refused("{" TEXT ",\"vision_config\":{},\"vision_feature_layer\":13}", ERROR_FORMAT, "layer 13");
    refused("{" TEXT ",\"vision_config\":{},\"vision_feature_select_strategy\":\"some\"}", ERROR_UNSUPPORTED, "'some'");
    refused("{" TEXT ",\"vision_config\":{\"hidden_size\":10,\"num_attention_heads\":4}}", ERROR_FORMAT, "not a multiple of 4");
    refused("{" TEXT ",\"vision_config\":{\"patch_size\":300}}", ERROR_FORMAT, "patch_size 300");
    refused("{" TEXT ",\"vision_config\":{\"num_channels\":4}}", ERROR_FORMAT, "num_channels");
    refused("{" TEXT ",\"vision_config\":{\"layer_norm_eps\":-1}}", ERROR_FORMAT, "layer_norm_eps");
    refused("{" TEXT ",\"vision_config\":{\"hidden_act\":\"relu6\"}}", ERROR_UNSUPPORTED, "relu6");
    refused("{\"model_type\":\"llava_next\"," TEXT ",\"vision_config\":{},\"vision_feature_select_strategy\":\"full\"}", ERROR_UNSUPPORTED, "class token");
    refused("{\"mm_vision_tower\":\"x\",\"mm_projector_type\":\"resampler\"}", ERROR_UNSUPPORTED, "resampler");
    refused("{\"mm_vision_tower\":3}", ERROR_FORMAT, "mm_vision_tower");
}

/* The language part of checkpoints of LLaVA's authors: its keys stand at the top. */
static void test_language_part(void **state)
{
    (void)state;
    static const struct { const char *type, *is; } cases[] = {{"llava_mistral", "mistral"}, {"llava_llama", "llama"}, {"llava_qwen", "qwen2"}, {"llava", "llama"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err = {0};
        model_config c;
        char text[400];
        snprintf(text, sizeof text, "{\"model_type\":\"%s\",\"hidden_size\":32,\"num_hidden_layers\":3,\"num_attention_heads\":8,\"num_key_value_heads\":2,\"intermediate_size\":64,\"vocab_size\":96}", cases[i].type);
        json_t *json = json_parse(text, strlen(text), "config.json", &err);
        if (config_read(json, "config.json", &c, &err) != 0)
            fail_msg("%s", err.text);
        assert_string_equal(c.type, cases[i].is);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_language_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
