#include "models.h"

#include <math.h>

#include "base/progress.h"
#include "text/tokenizer.h"

/* Small models with tokenizers of single characters. */
static char *folder;

enum { COLUMNS = 3 };

/* Row r of model `which` is {10 which + r, that / 3, -r}, so that every row tells where it comes from. */
static double value(int which, int64_t row, int column)
{
    double x = 10 * which + (double)row;
    return column == 0 ? x : column == 1 ? x / 3 : -(double)row;
}

typedef struct words {
    const char *vocab, *added;   /* {"a": 0, ...}; NULL: no tokenizer at all */
    const char *config;
    int rows;
} words;

static void put(const char *model, const char *name, const char *text)
{
    error err = {0};
    char *path = memory_print("%s/%s/%s", folder, model, name);
    assert_int_equal(file_write(path, text, strlen(text), &err), 0);
    free(path);
}

static void write_model(const char *name, int which, words w)
{
    error err = {0};
    checkpoint_item items[] = {{"lm_head.weight", {.dtype = DTYPE_BF16, .rank = 2, .shape = {w.rows, COLUMNS}}},
                               {"model.embed_tokens.weight", {.dtype = DTYPE_BF16, .rank = 2, .shape = {w.rows, COLUMNS}}},
                               {"model.norm.weight", {.dtype = DTYPE_BF16, .rank = 1, .shape = {COLUMNS}}}};
    json_t *config = json_pack("{s:s, s:[s], s:i, s:i, s:b}", "model_type", "mistral", "architectures", "MistralForCausalLM", "num_hidden_layers", 0, "vocab_size", w.rows,
                               "tie_word_embeddings", 0);
    checkpoint *c = checkpoint_new(name, NULL, config, items, 3, &err);
    for (size_t i = 0; i < 2; i++)
        for (int64_t e = 0; e < (int64_t)w.rows * COLUMNS; e++)
            set_element(&c->items[i].tensor, e, value(which, e / COLUMNS, (int)(e % COLUMNS)) * (i ? 1 : -1));
    char *out = file_join(folder, name);
    if (checkpoint_write(c, out, &(checkpoint_write_options){.replace = true}, &err) != 0)
        fail_msg("%s", err.text);
    checkpoint_free(c);
    json_decref(config);
    free(out);
    put(name, "generation_config.json", "{}");
    if (!w.vocab)
        return;
    char *json = memory_print("{\"added_tokens\": %s, \"model\": {\"type\": \"BPE\", \"vocab\": %s, \"merges\": []}}", w.added ? w.added : "[]", w.vocab);
    put(name, "tokenizer.json", json);
    put(name, "tokenizer_config.json", w.config ? w.config : "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}");
    free(json);
}

static recipe *read_recipe(const char *text)
{
    recipe *r = must_parse(text);
    r->file = memory_print("%s/recipe.yml", folder);
    return r;
}

static checkpoint *merge(const char *text, error *err)
{
    recipe *r = read_recipe(text);
    checkpoint *c = merge_in_memory(r, NULL, err);
    recipe_free(r);
    return c;
}

static checkpoint *must_make(const char *text)
{
    error err = {0};
    checkpoint *c = merge(text, &err);
    if (!c)
        fail_msg("%s", err.text);
    return c;
}

static char *notes(const char *text)
{
    error err = {0};
    checkpoint *models[8];
    recipe *r = read_recipe(text);
    for (size_t i = 0; i < r->n_models; i++) {
        char *path = recipe_model_folder(r, (int)i);
        assert_non_null(models[i] = checkpoint_open(path, &err));
        free(path);
    }
    merger *m = merge_prepare(r, models, NULL, &err);
    if (!m)
        fail_msg("%s", err.text);
    char *lines = merge_notes(m);
    merge_free(m);
    for (size_t i = 0; i < r->n_models; i++)
        checkpoint_free(models[i]);
    recipe_free(r);
    return lines;
}

/* Two of the three models: x alone counts, so that the merge shows x's rows. */
#define ONLY_X "models:\n- {model: base, parameters: {weight: 0}}\n- {model: x, parameters: {weight: 1}}\nmerge_method: linear\nbase_model: base\n"
#define ONLY_BASE "models:\n- {model: base, parameters: {weight: 1}}\n- {model: x, parameters: {weight: 0}}\n- {model: y, parameters: {weight: 0}}\nmerge_method: linear\nbase_model: base\n"

static double first_of(const checkpoint *c, int64_t row)
{
    return element(checkpoint_find(c, "model.embed_tokens.weight"), row * COLUMNS);
}

static void assert_first(const checkpoint *c, const double *wanted, int64_t rows)
{
    const tensor *t = checkpoint_find(c, "model.embed_tokens.weight"), *head = checkpoint_find(c, "lm_head.weight");
    assert_int_equal(t->shape[0], rows);
    assert_int_equal(head->shape[0], rows);
    assert_int_equal(json_integer_value(json_object_get(c->config, "vocab_size")), rows);
    for (int64_t r = 0; r < rows; r++) {
        if (fabs(first_of(c, r) - wanted[r]) > 0.05)
            fail_msg("row %d begins with %g, wanted %g", (int)r, first_of(c, r), wanted[r]);
        assert_true(element(head, r * COLUMNS) == -element(t, r * COLUMNS));
    }
}

/* base: a b c, x: c b d and <s> added, y: d e and b. */
static int setup(void **state)
{
    (void)state;
    folder = new_folder();
    write_model("base", 1, (words){.vocab = "{\"a\": 0, \"b\": 1, \"c\": 2}", .rows = 3});
    write_model("x", 2, (words){.vocab = "{\"c\": 0, \"b\": 1, \"d\": 2}", .added = "[{\"id\": 3, \"content\": \"<s>\", \"special\": true}]", .rows = 5,
                                .config = "{\"chat_template\": \" {{ 'X' }}\\n\"}"});
    write_model("y", 3, (words){.vocab = "{\"d\": 0, \"e\": 1, \"b\": 2}", .rows = 3, .config = "{\"chat_template\": \"{{ 'X' }}\"}"});
    write_model("plain", 4, (words){.rows = 4});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

static void a_union_goes_by_the_tokens_texts(void **state)
{
    (void)state;
    /* a b c of the base, then d, then the added <s>: x has all but a, which it gets from the base */
    checkpoint *c = must_make(ONLY_X "tokenizer_source: union\n");
    assert_first(c, (double[]){10, 21, 20, 22, 23}, 5);
    const struct checkpoint_file *json = checkpoint_file(c, "tokenizer.json"), *generation = checkpoint_file(c, "generation_config.json");
    assert_non_null(strstr(json->text, "{\"id\": 3, \"content\": \"d\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": true, \"special\": false}"));
    assert_non_null(strstr(json->text, "{\"id\": 4, \"content\": \"<s>\""));
    assert_true(generation && !generation->text);
    checkpoint_free(c);
    /* d is in x and y but not in the base: the mean of 22 and 30; e is y's, <s> is x's */
    c = must_make(ONLY_BASE "tokenizer_source: union\n");
    assert_first(c, (double[]){10, 11, 12, 26, 31, 23}, 6);
    checkpoint_free(c);
}

static void a_mean_is_exact_or_rounded_as_mergekit_rounds(void **state)
{
    (void)state;
    checkpoint *exact = must_make(ONLY_BASE "tokenizer_source: union\nout_dtype: float32\n");
    checkpoint *compat = must_make(ONLY_BASE "tokenizer_source: union\nout_dtype: float32\nmerganser: {mode: compat}\n");
    float x = bf16_to_f32(bf16_from_f32(22.0f / 3)), y = bf16_to_f32(bf16_from_f32(10));
    assert_true((float)element(find(exact, "model.embed_tokens.weight"), 3 * COLUMNS + 1) == (x + y) / 2);
    float rounded = bf16_to_f32(bf16_from_f32(bf16_to_f32(bf16_from_f32(x + y)) / 2));
    assert_true((float)element(find(compat, "model.embed_tokens.weight"), 3 * COLUMNS + 1) == rounded);
    checkpoint_free(exact);
    checkpoint_free(compat);
}

static void the_base_and_a_model_give_their_tokens(void **state)
{
    (void)state;
    checkpoint *c = must_make(ONLY_X "tokenizer_source: base\n");
    assert_first(c, (double[]){10, 21, 20}, 3);
    assert_null(checkpoint_file(c, "tokenizer.json"));
    assert_null(checkpoint_file(c, "generation_config.json"));
    checkpoint_free(c);
    c = must_make(ONLY_X "tokenizer_source: x\n");
    assert_first(c, (double[]){20, 21, 22, 23}, 4);
    checkpoint_free(c);
    /* a folder that is none of the models: d e b */
    c = must_make(ONLY_X "tokenizer_source: y\n");
    assert_first(c, (double[]){22, 0, 21}, 3);
    checkpoint_free(c);
}

static void ids_of_the_config_follow_their_tokens(void **state)
{
    (void)state;
    put("x", "config.json", "{\"model_type\": \"mistral\", \"bos_token_id\": 3, \"eos_token_id\": [0, 1], \"pad_token_id\": null, \"unk_token_id\": 2, \"sep_token_id\": 4294967297}");
    put("base", "tokenizer_config.json", "{\"unk_token\": \"b\"}");
    checkpoint *c = must_make(ONLY_X "tokenizer_source: union\nmerganser: {config_from: x}\n");
    char *text = json_dumps(c->config, JSON_COMPACT);
    assert_non_null(strstr(text, "\"bos_token_id\":4,\"eos_token_id\":[2,1],\"pad_token_id\":null,\"unk_token_id\":3,\"sep_token_id\":4294967297"));
    free(text);
    checkpoint_free(c);
    /* the base's tokenizer has no d: what it calls unk, and nothing for <s>, which stays */
    c = must_make(ONLY_X "tokenizer_source: base\nmerganser: {config_from: x}\n");
    text = json_dumps(c->config, JSON_COMPACT);
    assert_non_null(strstr(text, "\"bos_token_id\":3,\"eos_token_id\":[2,1],\"pad_token_id\":null,\"unk_token_id\":1"));
    free(text);
    checkpoint_free(c);
    put("base", "tokenizer_config.json", "{}");
}

static void settings_say_what_a_token_gets(void **state)
{
    (void)state;
    checkpoint *c = must_make(ONLY_X "tokenizer:\n  source: base\n  pad_to_multiple_of: 4\n  tokens:\n"
                                     "    a: {source: {kind: model_token, model: x, token_id: 4}}\n"
                                     "    b: {source: {kind: zero}, force: true}\n"
                                     "    c: {source: {kind: zero}}\n"
                                     "    <n>: {source: {kind: model_token, model: base, token: c}}\n"
                                     "    <o>: {source: {kind: zero}}\n");
    /* padding: the mean of {24, 0, 20, 12, 0} */
    assert_first(c, (double[]){24, 0, 20, 12, 0, 11.2, 11.2, 11.2}, 8);
    checkpoint_free(c);
}

static void notes_name_what_is_dropped(void **state)
{
    (void)state;
    char *lines = notes(ONLY_X "tokenizer: {source: base, tokens: {<n>: {}}}\n");
    char *wanted = memory_print("the merge: 1 token that no model has a row for get zeros: '<n>'\n"
                                "%s/x: 2 tokens that the merge's tokenizer has not are dropped: 'd', '<s>'\n"
                                "%s/x: rows 4 to 4 of its embeddings have no token and are dropped", folder, folder);
    assert_string_equal(lines, wanted);
    free(wanted);
    free(lines);
}

static void templates_are_chosen(void **state)
{
    (void)state;
    static const struct { const char *text, *wanted; } cases[] = {
        {ONLY_BASE "tokenizer_source: union\nchat_template: auto\n", "{{ 'X' }}"},
        {ONLY_BASE "tokenizer_source: union\nchat_template: \"{{ 'own' }}\"\n", "{{ 'own' }}"},
        {ONLY_BASE "tokenizer_source: base\nchat_template: auto\n", "{{ 'X' }}"},
        {ONLY_BASE "tokenizer_source: x\n", " {{ 'X' }}\n"},
        {"models: [{model: base, parameters: {weight: 1}}]\nmerge_method: linear\nbase_model: base\nchat_template: \"{{ 'own' }}\"\n", "{{ 'own' }}"},
        {"models: [{model: base, parameters: {weight: 1}}]\nmerge_method: linear\nbase_model: base\nchat_template: auto\n", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        checkpoint *c = must_make(cases[i].text);
        const struct checkpoint_file *f = checkpoint_file(c, "chat_template.jinja"), *config = checkpoint_file(c, "tokenizer_config.json");
        if (cases[i].wanted)
            assert_string_equal(f->text, cases[i].wanted);
        else
            assert_null(f);
        if (config && i != 3)
            assert_null(strstr(config->text, "chat_template"));
        checkpoint_free(c);
    }
}

static void a_folder_is_written_with_it(void **state)
{
    (void)state;
    error err = {0};
    recipe *r = read_recipe(ONLY_X "tokenizer_source: union\n");
    char *out = file_join(folder, "out"), *generation = file_join(folder, "out/generation_config.json");
    if (merge_to_folder(r, &(merge_output){.path = out}, NULL, &err) != 0)
        fail_msg("%s", err.text);
    checkpoint *written = checkpoint_open(out, &err), *made = must_make(ONLY_X "tokenizer_source: union\n");
    assert_same(written, made, "the folder");
    tokenizer *a = tokenizer_of(written, &err), *b = tokenizer_of(made, &err);
    char one[65], other[65];
    tokenizer_digest(a, one);
    tokenizer_digest(b, other);
    assert_string_equal(one, other);
    assert_int_equal(tokenizer_size(a), 5);
    assert_false(file_exists(generation));
    tokenizer_free(a);
    tokenizer_free(b);
    checkpoint_free(written);
    checkpoint_free(made);
    free(generation);
    free(out);
    recipe_free(r);
}

static void a_model_without_a_tokenizer_has_the_bases(void **state)
{
    (void)state;
#define PLAIN "models:\n- {model: base, parameters: {weight: 0}}\n- {model: plain, parameters: {weight: 1}}\nmerge_method: linear\nbase_model: base\n"
    checkpoint *c = must_make(PLAIN "tokenizer_source: union\n");
    assert_first(c, (double[]){40, 41, 42}, 3);
    checkpoint_free(c);
    char *lines = notes(PLAIN "tokenizer_source: union\n");
    assert_non_null(strstr(lines, "plain has no tokenizer: its rows count as those of "));
    free(lines);
    /* where the base has none either, rows are cut */
    write_model("short", 5, (words){.rows = 2});
    c = must_make("models:\n- {model: short, parameters: {weight: 0}}\n- {model: plain, parameters: {weight: 1}}\nmerge_method: linear\nbase_model: short\ntokenizer_source: base\n");
    assert_first(c, (double[]){40, 41}, 2);
    checkpoint_free(c);
}

static void a_base_with_tokens_behind_its_rows_is_stripped(void **state)
{
    (void)state;
    write_model("cut", 1, (words){.vocab = "{\"a\": 0, \"b\": 1, \"c\": 2}", .rows = 2});
#define CUT "models:\n- {model: cut, parameters: {weight: 1}}\n- {model: y, parameters: {weight: 0}}\nmerge_method: linear\nbase_model: cut\n"
    checkpoint *c = must_make(CUT "tokenizer_source: base\n");
    assert_first(c, (double[]){10, 11}, 2);
    assert_null(strstr(checkpoint_file(c, "tokenizer.json")->text, "\"c\""));
    checkpoint_free(c);
    char *lines = notes(CUT "tokenizer_source: base\n");
    assert_non_null(strstr(lines, "1 token behind its 2 rows of embeddings count as absent: 'c'"));
    free(lines);
}

static void refuses(void **state)
{
    (void)state;
    write_model("hole", 6, (words){.vocab = "{\"a\": 0, \"b\": 2}", .rows = 3});
    write_model("model", 6, (words){.rows = 3});
    put("model", "tokenizer.model", "\n\x09\n\x05<unk>\x18\x02\n\x03\n\x01z");
    write_model("other", 6, (words){.vocab = "{\"a\": 0}", .rows = 3});
    put("other", "tokenizer.json", "{\"model\": {\"type\": \"WordPiece\", \"vocab\": {}}}");
#define OF(name) "models: [{model: " name ", parameters: {weight: 1}}, {model: x, parameters: {weight: 1}}]\nmerge_method: linear\nbase_model: " name "\n"
    static const struct { const char *text; enum error_code code; const char *tells, *also; } cases[] = {
        {OF("hole") "tokenizer_source: union\n", ERROR_FORMAT, "no token with id 1", "holes"},
        {OF("model") "tokenizer_source: base\n", ERROR_UNSUPPORTED, "tokenizer.model but no tokenizer.json", "save_pretrained"},
        {OF("plain") "tokenizer_source: union\n", ERROR_FORMAT, "plain has no tokenizer.json", "built from it"},
        {OF("other") "tokenizer_source: union\n", ERROR_UNSUPPORTED, "other/tokenizer.json", "WordPiece"},
        {OF("base") "tokenizer_source: nowhere\n", ERROR_IO, "nowhere", "the recipe's tokenizer"},
        {OF("base"), ERROR_FORMAT, "has 3 rows in", "tokenizer_source: union"},
        {OF("base") "tokenizer: {tokens: {a: {source: x}}}\n", ERROR_FORMAT, "token 'a'", "x, which has no such token"},
        {OF("base") "tokenizer: {tokens: {a: {source: {kind: model_token, model: x, token: zz}}}}\n", ERROR_FORMAT, "'zz'", "no such token"},
        {OF("base") "tokenizer: {tokens: {a: {source: {kind: model_token, model: x, token_id: 5}}}}\n", ERROR_FORMAT, "row 5", "which has 5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err = {0};
        checkpoint *c = merge(cases[i].text, &err);
        if (c)
            fail_msg("made: %s", cases[i].text);
        assert_error(&err, cases[i].code, cases[i].tells, cases[i].also);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_union_goes_by_the_tokens_texts),
        cmocka_unit_test(a_mean_is_exact_or_rounded_as_mergekit_rounds),
        cmocka_unit_test(the_base_and_a_model_give_their_tokens),
        cmocka_unit_test(ids_of_the_config_follow_their_tokens),
        cmocka_unit_test(settings_say_what_a_token_gets),
        cmocka_unit_test(notes_name_what_is_dropped),
        cmocka_unit_test(templates_are_chosen),
        cmocka_unit_test(a_folder_is_written_with_it),
        cmocka_unit_test(a_model_without_a_tokenizer_has_the_bases),
        cmocka_unit_test(a_base_with_tokens_behind_its_rows_is_stripped),
        cmocka_unit_test(refuses),
    };
    progress_set_level(0);
    return cmocka_run_group_tests(tests, setup, teardown);
}
