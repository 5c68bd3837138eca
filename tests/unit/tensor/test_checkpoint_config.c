#include "craft.h"

#include "base/json.h"

#define B(n) {.dtype = DTYPE_BF16, .rank = 2, .shape = {n, 2}}

/* The corrected config of a model with the tensors given (the last is {NULL}), as text; head_value fills lm_head. */
static char *corrected(const char *config, const checkpoint_item *items, int head_value, error *err)
{
    size_t count = 0;
    while (items[count].name)
        count++;
    json_t *json = config ? json_parse(config, strlen(config), "test", err) : NULL;
    checkpoint *c = checkpoint_new("m", NULL, json, items, count, err);
    json_decref(json);
    for (size_t i = 0; i < count; i++)
        if (strstr(c->items[i].name, "lm_head"))
            memset(c->items[i].tensor.data, head_value, tensor_bytes(&c->items[i].tensor));
    json_t *out = checkpoint_config(c, err);
    checkpoint_free(c);
    return out ? json_print(out, -1) : NULL;
}

static const checkpoint_item untied[] = {{"model.embed_tokens.weight", B(9)}, {"model.layers.0.mlp.x.weight", B(2)},
                                         {"model.layers.11.mlp.x.weight", B(2)}, {"lm_head.weight", B(9)}, {.name = NULL}};
static const checkpoint_item tied[] = {{"model.embed_tokens.weight", B(9)}, {"model.layers.0.mlp.x.weight", B(2)}, {.name = NULL}};
static const checkpoint_item seeing[] = {{"vision_tower.encoder.layers.40.x.weight", B(2)}, {"language_model.model.embed_tokens.weight", B(9)},
                                         {"language_model.model.layers.1.x.weight", B(2)}, {"language_model.lm_head.weight", B(9)}, {.name = NULL}};
static const checkpoint_item single[] = {{"model.embed_tokens.weight", {.dtype = DTYPE_F32, .rank = 2, .shape = {9, 2}}},
                                         {"lm_head.weight", {.dtype = DTYPE_F32, .rank = 2, .shape = {9, 2}}},
                                         {"model.norm.weight", {.dtype = DTYPE_BF16, .rank = 1, .shape = {2}}}, {.name = NULL}};

static void test_corrections(void **state)
{
    (void)state;
    static const struct {
        const checkpoint_item *items;
        int head_value;
        const char *config, *wanted;
    } cases[] = {
        /* What fits stays as it is, order and all. */
        {untied, 1, "{\"vocab_size\": 9, \"dtype\": \"bfloat16\", \"num_hidden_layers\": 12, \"tie_word_embeddings\": false, \"x\": 1e-05}",
         "{\"vocab_size\": 9, \"dtype\": \"bfloat16\", \"num_hidden_layers\": 12, \"tie_word_embeddings\": false, \"x\": 1e-05}"},
        {untied, 1, "{\"vocab_size\": 8, \"torch_dtype\": \"float32\", \"num_hidden_layers\": 3, \"tie_word_embeddings\": true}",
         "{\"vocab_size\": 9, \"torch_dtype\": \"bfloat16\", \"num_hidden_layers\": 12, \"tie_word_embeddings\": false}"},
        /* Stored twice with the same bytes: tied as it says. */
        {untied, 0, "{\"vocab_size\": 9, \"dtype\": \"bfloat16\", \"num_hidden_layers\": 12, \"tie_word_embeddings\": true}",
         "{\"vocab_size\": 9, \"dtype\": \"bfloat16\", \"num_hidden_layers\": 12, \"tie_word_embeddings\": true}"},
        {tied, 0, "{\"vocab_size\": 9, \"dtype\": \"bfloat16\", \"num_hidden_layers\": 1}",
         "{\"vocab_size\": 9, \"dtype\": \"bfloat16\", \"num_hidden_layers\": 1, \"tie_word_embeddings\": true}"},
        {seeing, 1, "{\"text_config\": {\"vocab_size\": 9, \"num_hidden_layers\": 4}, \"tie_word_embeddings\": false, \"torch_dtype\": \"float16\"}",
         "{\"text_config\": {\"vocab_size\": 9, \"num_hidden_layers\": 2}, \"tie_word_embeddings\": false, \"torch_dtype\": \"bfloat16\"}"},
        {single, 1, "{\"vocab_size\": 9, \"auto_map\": {\"AutoModel\": \"evil.py\"}, \"tie_word_embeddings\": false}",
         "{\"vocab_size\": 9, \"tie_word_embeddings\": false, \"dtype\": \"float32\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err;
        char *text = corrected(cases[i].config, cases[i].items, cases[i].head_value, &err);
        assert_string_equal(text, cases[i].wanted);
        free(text);
    }
}

static void test_lists_of_layers_must_fit(void **state)
{
    (void)state;
    error err;
    assert_null(corrected("{\"layer_types\": [\"full_attention\", \"full_attention\"]}", tied, 0, &err));
    assert_error(&err, ERROR_FORMAT, "m", "layer_types names 2", "hold 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_corrections), cmocka_unit_test(test_lists_of_layers_must_fit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
