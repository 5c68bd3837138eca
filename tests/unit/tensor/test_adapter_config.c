#include "../base/check.h"

#include "base/json.h"
#include "tensor/adapter_config.h"

static json_t *parse(const char *members)
{
    error err = {0};
    char *text = memory_print("{\"peft_type\": \"LORA\", %s}", members);
    json_t *json = json_parse(text, strlen(text), "a.json", &err);
    if (!json)
        fail_msg("%s", err.text);
    free(text);
    return json;
}

static void assert_module(const char *members, const char *module, int64_t rank, double scale)
{
    error err = {0};
    adapter_config c;
    json_t *json = parse(members);
    int64_t r;
    double s;
    if (adapter_config_read(json, "a.json", &c, &err) != 0 || adapter_config_module(&c, module, &r, &s, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(r, rank);
    assert_true(s == scale);
    json_decref(json);
}

static void test_ranks_and_scales(void **state)
{
    (void)state;
#define PATTERNS "\"r\": 4, \"lora_alpha\": 8, \"rank_pattern\": {\"q_proj\": 2, \"layers.1.v\": 16}, \"alpha_pattern\": {\"layers\\\\.\\\\d+\\\\.v\": 1, \"^a.q_proj\": 3}"
    assert_module("\"r\": 4, \"lora_alpha\": 8", "a", 4, 2);
    assert_module("\"r\": 4, \"lora_alpha\": 8, \"use_rslora\": true", "a", 4, 4);
    assert_module("\"r\": 3, \"lora_alpha\": 0.5, \"use_rslora\": false, \"rank_pattern\": null", "a", 3, 0.5 / 3);
    assert_module(PATTERNS, "a.q_proj", 2, 1.5);
    assert_module(PATTERNS, "b.a.q_proj", 2, 4);
    assert_module(PATTERNS, "xq_proj", 4, 2);
    assert_module(PATTERNS, "q_proj.x", 4, 2);
    assert_module(PATTERNS, "m.layers.1.v", 16, 0.0625);
    assert_module(PATTERNS, "m.layers.12.v", 4, 0.25);
}

static void assert_refused(const char *members, const char *a, const char *b)
{
    error err = {0};
    adapter_config c;
    json_t *json = parse(members);
    int64_t r;
    double s;
    if (adapter_config_read(json, "a.json", &c, &err) == 0 && adapter_config_module(&c, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &r, &s, &err) == 0)
        fail_msg("accepted: %s", members);
    assert_error(&err, err.code, "a.json", a, b);
    json_decref(json);
}

static void test_refused(void **state)
{
    (void)state;
#define FINE "\"r\": 4, \"lora_alpha\": 8, "
    assert_refused("\"lora_alpha\": 8", "no 'r'", "");
    assert_refused("\"r\": 8", "no 'lora_alpha'", "");
    assert_refused("\"r\": 0, \"lora_alpha\": 8", "'r' is 0", "");
    assert_refused("\"r\": null, \"lora_alpha\": 8", "'r' is null", "");
    assert_refused("\"r\": -1, \"lora_alpha\": 8", "'r' is -1", "");
    assert_refused("\"r\": 2147483648, \"lora_alpha\": 8", "'r' is 2147483648", "65536");
    assert_refused("\"r\": 1.5, \"lora_alpha\": 8", "'r'", "whole number");
    assert_refused("\"r\": 1, \"lora_alpha\": \"8\"", "'lora_alpha'", "number");
    assert_refused(FINE "\"bias\": \"some\"", "bias is 'some'", "");
    assert_refused(FINE "\"use_dora\": 1", "'use_dora'", "");
    assert_refused(FINE "\"use_qalora\": true", "'use_qalora'", "merge_and_unload");
    assert_refused(FINE "\"layer_replication\": [[0, 2], [1, 3]]", "'layer_replication'", "");
    assert_refused(FINE "\"target_parameters\": [\"x\"]", "'target_parameters'", "");
    assert_refused(FINE "\"trainable_token_indices\": [1]", "'trainable_token_indices'", "");
    assert_refused(FINE "\"from_the_future\": {\"x\": 1}", "'from_the_future'", "");
    assert_refused(FINE "\"init_lora_weights\": \"pissa_niter_4\"", "'pissa_niter_4'", "convert");
    assert_refused(FINE "\"init_lora_weights\": \"olora\"", "'olora'", "convert");
    assert_refused(FINE "\"rank_pattern\": [1]", "'rank_pattern'", "map");
    assert_refused(FINE "\"rank_pattern\": {\"a+\": 0}", "rank 0", "");
    assert_refused(FINE "\"rank_pattern\": {\"a+\": 2147483648}", "rank 2.14748e+09", "");
    assert_refused(FINE "\"rank_pattern\": {\"a+\": \"4\"}", "'a+'", "number");
    assert_refused(FINE "\"rank_pattern\": {\"(\": 4}", "'('", "cannot be read");
    assert_refused(FINE "\"rank_pattern\": {\"(a|aa)+[bc]\": 4}", "'(a|aa)+[bc]'", "gives up");
    assert_refused("\"r\": 1, \"lora_alpha\": 1e308, \"rank_pattern\": {\"(\": 4}", "'('", "");
}

static void test_other_kinds(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"peft_type\": \"LOHA\", \"r\": 1}", "{\"r\": 1, \"lora_alpha\": 1}", "{\"peft_type\": \"PREFIX_TUNING\"}", "[1]"};
    static const char *const tells[] = {"'LOHA'", "'missing'", "'PREFIX_TUNING'", "object"};
    for (size_t i = 0; i < 4; i++) {
        error err = {0};
        adapter_config c;
        json_t *json = json_parse(texts[i], strlen(texts[i]), "a.json", &err);
        assert_int_equal(adapter_config_read(json, "a.json", &c, &err), -1);
        assert_error(&err, err.code, "a.json", tells[i]);
        json_decref(json);
    }
}

static void test_training_options_are_passed_over(void **state)
{
    (void)state;
    assert_module("\"r\": 4, \"lora_alpha\": 8, \"lora_dropout\": 0.1, \"target_modules\": [\"x\"], \"peft_version\": \"1\", \"init_lora_weights\": true, "
                  "\"use_qalora\": false, \"qalora_group_size\": 16, \"alora_invocation_tokens\": null, \"layer_replication\": [], \"modules_to_save\": [\"y\"]",
                  "a", 4, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ranks_and_scales), cmocka_unit_test(test_refused), cmocka_unit_test(test_other_kinds),
                                       cmocka_unit_test(test_training_options_are_passed_over)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
