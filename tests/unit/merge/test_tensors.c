#include "models.h"

#include "merge/tensors.h"

static recipe *linear(int n, const char *more)
{
    string text = {0};
    string_puts(&text, "models:\n");
    for (int i = 0; i < n; i++)
        string_print(&text, "- {model: model-%d, parameters: {weight: 0.5}}\n", i);
    string_print(&text, "merge_method: linear\n%s", more);
    recipe *r = must_parse(text.text);
    free(text.text);
    return r;
}

static void set_config(checkpoint *c, const char *text)
{
    json_decref(c->config);
    c->config = json_loads(text, 0, NULL);
    assert_non_null(c->config);
}

/* A model of the tensors named: all of one shape. */
static checkpoint *model_of(const char *name, enum dtype d, int64_t rows, const char *const *names, size_t n)
{
    error err = {0};
    checkpoint_item items[8];
    for (size_t i = 0; i < n; i++)
        items[i] = (checkpoint_item){(char *)names[i], {.dtype = d, .rank = 2, .shape = {rows, 4}}};
    checkpoint *c = checkpoint_new(name, NULL, NULL, items, n, &err);
    assert_non_null(c);
    for (size_t i = 0; i < n; i++)
        memset(c->items[i].tensor.data, 0x3c, tensor_bytes(&c->items[i].tensor));
    return c;
}
#define MODEL_OF(name, d, rows, ...) \
    model_of(name, d, rows, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void expect(const recipe *r, checkpoint *a, checkpoint *b, enum error_code code, const char *tells, const char *also)
{
    error err = {0};
    checkpoint *models[] = {a, b};
    must_fail(r, models, &err);
    assert_error(&err, code, tells, also);
    checkpoint_free(a);
    checkpoint_free(b);
}

static void refuses_what_does_not_fit(void **state)
{
    (void)state;
    recipe *r = linear(2, "");
    expect(r, MODEL_OF("one", DTYPE_F32, 3, "a", "b"), MODEL_OF("two", DTYPE_F32, 3, "a"), ERROR_FORMAT, "'b' is not in two", "another");
    expect(r, MODEL_OF("one", DTYPE_F32, 3, "a"), MODEL_OF("two", DTYPE_F32, 5, "a"), ERROR_FORMAT, "'a' is [3, 4] in one", "[5, 4] in two");
    expect(r, MODEL_OF("one", DTYPE_F32, 3, "model.embed_tokens.weight"), MODEL_OF("two", DTYPE_F32, 5, "model.embed_tokens.weight"), ERROR_FORMAT,
           "3 rows in one and 5 in two", "tokenizer_source: base");
    checkpoint *differs = MODEL_OF("two", DTYPE_I64, 3, "a");
    *(char *)differs->items[0].tensor.data ^= 1;
    expect(r, MODEL_OF("one", DTYPE_I64, 3, "a"), differs, ERROR_UNSUPPORTED, "'a' is I64 in one", "two");
    expect(r, MODEL_OF("one", DTYPE_I64, 3, "a"), MODEL_OF("two", DTYPE_F32, 3, "a"), ERROR_UNSUPPORTED, "'a'", "two");
    recipe_free(r);
    r = linear(2, "base_model: model-1\ntokenizer_source: base\n");
    expect(r, MODEL_OF("one", DTYPE_F32, 3, "lm_head.weight"), MODEL_OF("two", DTYPE_F32, 5, "lm_head.weight"), ERROR_FORMAT, "5 rows in two", "only 3 in one");
    recipe_free(r);
}

static void carries_equal_tensors_of_other_types(void **state)
{
    (void)state;
    recipe *r = linear(2, "");
    checkpoint *models[] = {MODEL_OF("one", DTYPE_I64, 3, "a"), MODEL_OF("two", DTYPE_I64, 3, "a")};
    checkpoint *out = must_merge(r, models, NULL);
    assert_same(out, models[0], "carried");
    checkpoint_free(out);
    checkpoint_free(models[0]);
    checkpoint_free(models[1]);
    recipe_free(r);
}

static void cuts_vocabularies_to_the_base(void **state)
{
    (void)state;
    recipe *r = linear(2, "base_model: model-0\ntokenizer_source: base\n");
    error err = {0};
    checkpoint *models[] = {tiny_model(0, DTYPE_BF16, 1, 30), tiny_model(1, DTYPE_BF16, 1, 33)};
    set_config(models[0], "{\"vocab_size\": 30, \"num_hidden_layers\": 1}");
    merger *m = merge_prepare(r, models, NULL, &err);
    assert_non_null(m);
    char *notes = merge_notes(m);
    assert_non_null(strstr(notes, "model-1: rows 30 to 32 of 'lm_head.weight' are dropped"));
    free(notes);
    checkpoint *out = merge_allocate(m, &err);
    assert_int_equal(merge_run(m, r, out, &err), 0);
    const tensor *words = checkpoint_find(out, "model.embed_tokens.weight");
    assert_int_equal(words->shape[0], 30);
    assert_int_equal(json_integer_value(json_object_get(out->config, "vocab_size")), 30);
    double want = 0.5 * element(find(models[0], "model.embed_tokens.weight"), 719) + 0.5 * element(find(models[1], "model.embed_tokens.weight"), 719);
    assert_true(element(words, 719) == bf16_to_f32(bf16_from_f32((float)want)));
    checkpoint_free(out);
    merge_free(m);
    checkpoint_free(models[0]);
    checkpoint_free(models[1]);
    recipe_free(r);
}

static void tells_of_mixed_types(void **state)
{
    (void)state;
    error err = {0};
    for (int with_type = 0; with_type < 2; with_type++) {
        recipe *r = linear(2, with_type ? "dtype: bfloat16\n" : "");
        checkpoint *models[] = {MODEL_OF("one", DTYPE_F16, 3, "a"), MODEL_OF("two", DTYPE_BF16, 3, "a")};
        merger *m = merge_prepare(r, models, NULL, &err);
        assert_non_null(m);
        char *notes = merge_notes(m);
        assert_int_equal(strstr(notes, "'a' is F16 in one source and BF16 in another") != NULL, !with_type);
        free(notes);
        merge_free(m);
        checkpoint_free(models[0]);
        checkpoint_free(models[1]);
        recipe_free(r);
    }
}

static const char TIED[] = "{\"tie_word_embeddings\": true}", UNTIED[] = "{\"tie_word_embeddings\": false}";
static const char WORDS[] = "model.embed_tokens.weight", HEAD[] = "lm_head.weight";

static void tied_heads(void **state)
{
    (void)state;
    recipe *r = linear(2, "");
    error err = {0};
    /* one stores a head, the other's head is its embedding: the result has a head and is not tied */
    checkpoint *models[] = {MODEL_OF("one", DTYPE_BF16, 3, WORDS), MODEL_OF("two", DTYPE_BF16, 3, WORDS, HEAD)};
    set_config(models[0], TIED);
    set_config(models[1], UNTIED);
    set_element(find(models[0], WORDS), 5, 1);
    set_element(find(models[1], HEAD), 5, 3);
    checkpoint *out = must_merge(r, models, NULL);
    assert_true(element(find(out, HEAD), 5) == 2);
    assert_true(json_is_false(json_object_get(out->config, "tie_word_embeddings")));
    checkpoint_free(out);
    /* the same without a tied config is a missing tensor */
    set_config(models[0], UNTIED);
    must_fail(r, models, &err);
    assert_error(&err, ERROR_FORMAT, "lm_head.weight", "not in one");
    checkpoint_free(models[0]);
    checkpoint_free(models[1]);
    /* tied and stored twice: the copy stays out, lest a random mask part the two */
    models[0] = MODEL_OF("one", DTYPE_BF16, 3, WORDS, HEAD);
    models[1] = MODEL_OF("two", DTYPE_BF16, 3, WORDS);
    set_config(models[0], TIED);
    set_config(models[1], TIED);
    out = must_merge(r, models, NULL);
    assert_null(find(out, HEAD));
    assert_true(json_is_true(json_object_get(out->config, "tie_word_embeddings")));
    checkpoint_free(out);
    checkpoint_free(models[0]);
    checkpoint_free(models[1]);
    recipe_free(r);
}

static void types_places_and_notes(void **state)
{
    (void)state;
    recipe *r = linear(2, "");
    error err = {0};
    tensor_plan plan;
    checkpoint *models[] = {MODEL_OF("one", DTYPE_F16, 3, "model.layers.0.a", "model.layers.1.a", "model.layers.2.a", "transformer.h.1.b", "z"),
                            MODEL_OF("two", DTYPE_BF16, 3, "model.layers.0.a", "model.layers.1.a", "model.layers.2.a", "transformer.h.1.b", "z",
                                     "model.layers.0.self_attn.rotary_emb.inv_freq")};
    assert_int_equal(tensors_plan(r, models, 0, &(component){-1, -1}, &(token_plan){0}, &plan, &err), 0);
    assert_int_equal(plan.count, 5);
    static const double places[] = {0, 0.5, 1, 1, 0};
    for (size_t i = 0; i < 5; i++) {
        assert_true(plan.items[i].place == places[i]);
        assert_int_equal(plan.items[i].shape.dtype, DTYPE_F32);   /* f16 and bf16 meet in f32 */
    }
    assert_non_null(strstr(plan.notes.text, "two: 1 tables"));
    tensors_free(&plan);
    r->dtype = DTYPE_BF16;
    r->out_dtype = DTYPE_F16;
    assert_int_equal(tensors_plan(r, models, 0, &(component){-1, -1}, &(token_plan){0}, &plan, &err), 0);
    assert_int_equal(plan.items[0].work, ROUND_BF16);
    assert_int_equal(plan.items[0].shape.dtype, DTYPE_F16);
    tensors_free(&plan);
    checkpoint_free(models[0]);
    checkpoint_free(models[1]);
    recipe_free(r);
}

/* The model whose names and config the merge has may be none of a tensor's sources, and have fewer layers than they. */
static void places_are_those_of_the_sources(void **state)
{
    (void)state;
    recipe *r = must_parse("modules:\n  default: {models: [{model: a, parameters: {weight: [0, 1]}}]}\n  words: {models: [{model: b, parameters: {weight: 1}}]}\n"
                           "merge_method: linear\nmerganser: {config_from: b}\n");
    error err = {0};
    tensor_plan plan;
    checkpoint *models[] = {MODEL_OF("a", DTYPE_F16, 3, "model.layers.0.a", "model.layers.1.a", "model.layers.2.a"),
                            MODEL_OF("b", DTYPE_F16, 3, "model.layers.0.a", "model.layers.1.a", "words.weight")};
    assert_int_equal(tensors_plan(r, models, r->config_from, &(component){-1, -1}, &(token_plan){0}, &plan, &err), 0);
    assert_int_equal(plan.count, 4);
    static const double places[] = {0, 0.5, 1, 0};
    for (size_t i = 0; i < 4; i++)
        assert_true(plan.items[i].place == places[i]);
    tensors_free(&plan);
    checkpoint_free(models[0]);
    checkpoint_free(models[1]);
    recipe_free(r);
}

static void names_configs_that_differ(void **state)
{
    (void)state;
    static const char config[] = "{\"model_type\": \"mistral\", \"architectures\": [\"MistralForCausalLM\"], \"hidden_size\": 4, \"intermediate_size\": 8, "
                                 "\"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"num_key_value_heads\": 1, \"vocab_size\": 3, "
                                 "\"rope_theta\": %s, \"rms_norm_eps\": 1e-5}";
    recipe *r = linear(2, "base_model: model-0\n");
    error err = {0};
    checkpoint *models[] = {MODEL_OF("one", DTYPE_F16, 3, WORDS), MODEL_OF("two", DTYPE_F16, 3, WORDS)};
    char *a = memory_print(config, "10000.0"), *b = memory_print(config, "1000000.0");
    set_config(models[0], a);
    set_config(models[1], b);
    for (int from = -1; from < 2; from++) {
        r->config_from = from;
        merger *m = merge_prepare(r, models, NULL, &err);
        assert_non_null(m);
        char *notes = merge_notes(m);
        assert_non_null(strstr(notes, "rope_theta"));
        assert_non_null(strstr(notes, from == 1 ? "two wins over one" : "one wins over two"));
        checkpoint *out = merge_allocate(m, &err);
        assert_true(json_real_value(json_object_get(out->config, "rope_theta")) == (from == 1 ? 1e6 : 1e4));
        checkpoint_free(out);
        free(notes);
        merge_free(m);
    }
    free(a);
    free(b);
    checkpoint_free(models[0]);
    checkpoint_free(models[1]);
    recipe_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(refuses_what_does_not_fit), cmocka_unit_test(carries_equal_tensors_of_other_types),
                                       cmocka_unit_test(cuts_vocabularies_to_the_base), cmocka_unit_test(tells_of_mixed_types), cmocka_unit_test(tied_heads),
                                       cmocka_unit_test(types_places_and_notes), cmocka_unit_test(places_are_those_of_the_sources), cmocka_unit_test(names_configs_that_differ)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
