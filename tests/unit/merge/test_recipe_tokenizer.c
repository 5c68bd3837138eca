#include "models.h"

#define MODELS "models:\n- model: b\n- model: xyz\n  parameters:\n    weight: 0.5\nmerge_method: dare_ties\nbase_model: b\n"

static const char FULL[] = MODELS "tokenizer:\n"
                                  "  source: some/where\n"
                                  "  pad_to_multiple_of: 64\n"
                                  "  tokens:\n"
                                  "    <a>: {source: xyz}\n"
                                  "    <b>: {source: {kind: zero}, force: true}\n"
                                  "    <c>: {source: {kind: model_token, model: b, token: 'yes'}}\n"
                                  "    'no': {source: {kind: model_token, model: xyz, token_id: 7}}\n"
                                  "    \"\\t<e>\\u3042\":\n"
                                  "chat_template: \"{{ 'a' }}\\n\"\n";

static void check(const recipe *r)
{
    const recipe_tokenizer *t = &r->tokenizer;
    assert_int_equal(t->source, TOKENIZER_MODEL);
    assert_string_equal(t->model, "some/where");
    assert_int_equal(t->pad_to_multiple_of, 64);
    assert_int_equal(t->n_tokens, 5);
    assert_string_equal(t->tokens[0].text, "<a>");
    assert_true(t->tokens[0].kind == TOKEN_SAME && t->tokens[0].model == 1 && !t->tokens[0].force);
    assert_true(t->tokens[1].kind == TOKEN_ZERO && t->tokens[1].force);
    assert_true(t->tokens[2].kind == TOKEN_OTHER && t->tokens[2].model == 0);
    assert_string_equal(t->tokens[2].other, "yes");
    assert_true(t->tokens[3].kind == TOKEN_OTHER && t->tokens[3].model == 1 && !t->tokens[3].other && t->tokens[3].id == 7);
    assert_string_equal(t->tokens[4].text, "\t<e>\u3042");
    assert_int_equal(t->tokens[4].kind, TOKEN_DEFAULT);
    assert_string_equal(t->chat_template, "{{ 'a' }}\n");
}

static void reads_writes_and_copies(void **state)
{
    (void)state;
    recipe *r = must_parse(FULL), *copy = recipe_copy(r);
    check(r);
    recipe_free(r);
    check(copy);
    char *yaml = recipe_yaml(copy);
    r = must_parse(yaml);
    check(r);
    free(yaml);
    recipe_free(r);
    recipe_free(copy);
}

static void reads_short_forms(void **state)
{
    (void)state;
    static const struct { const char *text; enum tokenizer_source source; } cases[] = {
        {MODELS, TOKENIZER_KEPT},
        {MODELS "tokenizer_source: base\n", TOKENIZER_BASE},
        {MODELS "tokenizer_source: union\n", TOKENIZER_UNION},
        {MODELS "tokenizer_source: {model: {path: b}}\n", TOKENIZER_MODEL},
        {MODELS "tokenizer: {}\n", TOKENIZER_UNION},
        {MODELS "tokenizer: base\nchat_template: llama3\n", TOKENIZER_BASE},
        {MODELS "tokenizer: {source: base, tokens: {}}\nchat_template: auto\n", TOKENIZER_BASE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        recipe *r = must_parse(cases[i].text);
        assert_int_equal(r->tokenizer.source, cases[i].source);
        char *yaml = recipe_yaml(r);
        recipe *again = must_parse(yaml);
        assert_int_equal(again->tokenizer.source, cases[i].source);
        free(yaml);
        recipe_free(again);
        recipe_free(r);
    }
}

static void refuses(void **state)
{
    (void)state;
    static const struct { const char *text; enum error_code code; const char *tells, *also; } cases[] = {
        {MODELS "tokenizer: {source: base}\ntokenizer_source: base\n", ERROR_FORMAT, "exclude", "test.yml:8"},
        {MODELS "tokenizer: {sorce: base}\n", ERROR_FORMAT, "did you mean 'source'", "test.yml:8"},
        {MODELS "tokenizer: [base]\n", ERROR_FORMAT, "test.yml:8", ""},
        {MODELS "tokenizer: {pad_to_multiple_of: 0}\n", ERROR_FORMAT, "test.yml:8", "0"},
        {MODELS "tokenizer: {pad_to_multiple_of: 1000000}\n", ERROR_FORMAT, "65536", "1000000"},
        {MODELS "tokenizer: {pad_to_multiple_of: eight}\n", ERROR_FORMAT, "eight", "test.yml:8"},
        {MODELS "tokenizer: {tokens: [a]}\n", ERROR_FORMAT, "tokens should be a map", "test.yml:8"},
        {MODELS "tokenizer: {tokens: {a: b}}\n", ERROR_FORMAT, "{source, force}", "test.yml:8"},
        {MODELS "tokenizer: {tokens: {a: {src: b}}}\n", ERROR_FORMAT, "'src'", "test.yml:8"},
        {MODELS "tokenizer: {tokens: {'': {source: b}}}\n", ERROR_LIMIT, "0 bytes", "test.yml:8"},
        {MODELS "tokenizer: {tokens: {a: {source: xyy}}}\n", ERROR_FORMAT, "did you mean 'xyz'", "test.yml:8"},
        {MODELS "tokenizer: {tokens: {a: {force: true}}}\n", ERROR_FORMAT, "force needs a source", "test.yml:8"},
        {MODELS "tokenizer: {tokens: {a: {source: b, force: maybe}}}\n", ERROR_FORMAT, "true or false", "test.yml:8"},
        {MODELS "tokenizer: {tokens: {a: {source: {model: b}}}}\n", ERROR_FORMAT, "needs a kind", "test.yml:8"},
        {MODELS "tokenizer: {tokens: {a: {source: {kind: one}}}}\n", ERROR_FORMAT, "'one' is not one of zero, model_token", "test.yml:8"},
        {MODELS "tokenizer: {tokens: {a: {source: {kind: zero, model: b}}}}\n", ERROR_FORMAT, "neither model nor token", "test.yml:8"},
        {MODELS "tokenizer: {tokens: {a: {source: {kind: model_token, model: b}}}}\n", ERROR_FORMAT, "exactly one", "test.yml:8"},
        {MODELS "tokenizer: {tokens: {a: {source: {kind: model_token, model: b, token: c, token_id: 3}}}}\n", ERROR_FORMAT, "exactly one", "test.yml:8"},
        {MODELS "tokenizer: {tokens: {a: {source: {kind: model_token, token: c}}}}\n", ERROR_FORMAT, "no 'model'", "test.yml:8"},
        {MODELS "tokenizer: {tokens: {a: {source: {kind: model_token, model: b, token_id: -1}}}}\n", ERROR_FORMAT, "-1", "test.yml:8"},
        {MODELS "tokenizer: {tokens: {a: {source: b}, a: {source: b}}}\n", ERROR_FORMAT, "'a'", "test.yml:8"},
        {MODELS "chat_template: chatmi\n", ERROR_FORMAT, "did you mean 'chatml'", "test.yml:8"},
        {MODELS "chat_template: [a]\n", ERROR_FORMAT, "test.yml:8", ""},
        {"models: [{model: a, parameters: {weight: 1}}]\nmerge_method: linear\ntokenizer: {source: base}\n", ERROR_FORMAT, "no base_model", "test.yml:3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err = {0};
        if (parse_recipe(cases[i].text, &err))
            fail_msg("accepted: %s", cases[i].text);
        assert_error(&err, cases[i].code, cases[i].tells, cases[i].also);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_writes_and_copies), cmocka_unit_test(reads_short_forms), cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
