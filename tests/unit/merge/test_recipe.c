#include "models.h"

#include "base/file.h"
#include "merge/method.h"

#define MODELS "models:\n- model: b\n- model: x\n  parameters:\n    weight: 0.5\nmerge_method: dare_ties\nbase_model: b\n"

static double value(const recipe *r, int model, const char *name, const char *tensor_name, double t)
{
    double x = -77;
    recipe_real(r, model, name, tensor_name, t, &x);
    return x;
}

static void reads_values(void **state)
{
    (void)state;
    recipe *r = must_parse("models:\n"
                           "- model: one\n"
                           "  parameters:\n"
                           "    weight: [0.0, 1.0, 0.5]\n"
                           "    density:\n"
                           "    - {filter: mlp, value: 0.25}\n"
                           "    - {filter: self_attn, value: [0.1, 0.3]}\n"
                           "- model: two\n"
                           "  parameters: {weight: true, density: {filter: '*', value: 0.7}}\n"
                           "- {model: three}\n"
                           "merge_method: dare_ties\n"
                           "base_model: four\n"
                           "parameters:\n"
                           "  weight: 9\n"
                           "  density: [{filter: norm, value: 0.9}, {value: 0.8}]\n"
                           "  normalize: [false, true]\n"
                           "  int8_mask: true\n"
                           "  lambda: 1.0e-1\n"
                           "dtype: bfloat16\nout_dtype: float32\ntokenizer_source: base\n");
    assert_int_equal(r->n_models, 4);
    assert_int_equal(r->base, 3);
    assert_false(r->base_listed);
    assert_string_equal(r->models[3].path, "four");
    assert_int_equal(r->tokenizer.source, TOKENIZER_BASE);
    assert_int_equal(r->dtype, DTYPE_BF16);
    assert_int_equal(r->out_dtype, DTYPE_F32);
    assert_int_equal(r->mode, MERGE_EXACT);
    assert_int_equal(r->mask, MERGE_MASK_PHILOX);

    assert_true(value(r, 0, "weight", "a", 0) == 0);
    assert_true(value(r, 0, "weight", "a", 0.5) == 1);
    assert_true(value(r, 0, "weight", "a", 0.25) == 0.5);
    assert_true(value(r, 0, "weight", "a", 1) == 0.5);
    assert_true(value(r, 0, "density", "model.layers.0.mlp.up_proj.weight", 1) == 0.25);
    assert_true(value(r, 0, "density", "model.layers.0.self_attn.q_proj.weight", 1) == 0.3);
    /* no filter of the model matches: the recipe's own value */
    assert_true(value(r, 0, "density", "model.norm.weight", 0) == 0.9);
    assert_true(value(r, 0, "density", "lm_head.weight", 0) == 0.8);
    assert_true(value(r, 1, "weight", "a", 0) == 1);
    assert_true(value(r, 1, "density", "a", 0) == 0.7);
    assert_true(value(r, 2, "weight", "a", 0) == 9);
    /* a switch picks, a number interpolates */
    assert_true(value(r, -1, "normalize", "a", 0.9) == 0);
    assert_true(value(r, -1, "normalize", "a", 1) == 1);
    assert_true(value(r, -1, "lambda", "a", 0) == 0.1);
    assert_true(value(r, -1, "rescale", "a", 0) == -77);
    recipe_free(r);
}

static void reads_its_own_key(void **state)
{
    (void)state;
    recipe *r = must_parse(MODELS "merganser: {mode: compat, seed: 18446744073709551615, rescale: inverse_density, config_from: x}\n");
    assert_int_equal(r->mode, MERGE_COMPAT);
    assert_int_equal(r->mask, MERGE_MASK_MT19937);
    assert_true(r->seed == UINT64_MAX);
    assert_true(r->inverse_density);
    assert_int_equal(r->config_from, 1);
    assert_true(r->base_listed);
    recipe_free(r);
    r = must_parse(MODELS "merganser: {mode: compat, mask: philox}\nparameters: {rescale: inverse_density}\n");
    assert_int_equal(r->mask, MERGE_MASK_PHILOX);
    assert_true(r->inverse_density);
    assert_true(value(r, -1, "rescale", "a", 0) == 1);
    recipe_free(r);
}

static const char SLICES[] = "slices:\n- sources:\n  - {model: a, layer_range: [0, 2]}\n  - {model: b, layer_range: [2, 4], parameters: {weight: [{filter: own, value: 9}]}}\n"
                             "  parameters: {weight: [0, 1]}\n- sources:\n  - {model: b, layer_range: [3, 3]}\n  - {model: a, layer_range: [1, 1]}\n  base_model: b\n"
                             "merge_method: ties\nbase_model: a\nparameters:\n  weight: 0.5\nmerganser: {layers: blocks.%d}\n";

static void reads_slices(void **state)
{
    (void)state;
    recipe *r = must_parse("slices:\n- sources:\n  - {model: a, layer_range: [0, 2], parameters: {weight: [{filter: own, value: 9}]}}\n  - {model: b, layer_range: [2, 4]}\n"
                           "  parameters: {weight: [0, 1]}\nmerge_method: linear\nparameters: {weight: 0.5}\n");
    double x = 0;
    assert_int_equal(r->n_slices, 1);
    assert_int_equal(r->slices[0].sources[1].first, 2);
    assert_true(recipe_find(r, 0, 0, "weight", "own.name", "name", 0.75, &x) && x == 9);
    assert_true(recipe_find(r, 0, 0, "weight", "name", "own.name", 0.75, &x) && x == 0.75);   /* the filter is matched with the source's name */
    assert_true(recipe_find(r, 0, 1, "weight", "own", "own", 0.25, &x) && x == 0.25);
    recipe_free(r);
    r = must_parse("modules:\n  text_decoder:\n    models:\n    - {model: a, parameters: {weight: 2}}\n    - {model: b}\n    parameters: {weight: [{filter: mlp, value: 3}]}\n"
                   "  vision_tower:\n    slices:\n    - sources: [{model: c, layer_range: [0, 1]}]\nmerge_method: linear\nparameters: {weight: 4}\n");
    assert_int_equal(r->n_models, 3);
    assert_int_equal(r->n_slices, 2);
    assert_int_equal(r->slices[0].sources[0].end, -1);
    assert_true(recipe_find(r, 0, 0, "weight", "mlp", "mlp", 0, &x) && x == 2);
    assert_true(recipe_find(r, 0, 1, "weight", "mlp", "mlp", 0, &x) && x == 3);
    assert_true(recipe_find(r, 0, 1, "weight", "q", "q", 0, &x) && x == 4);
    assert_true(recipe_find(r, 1, 0, "weight", "mlp", "mlp", 0, &x) && x == 4);
    char *first = recipe_yaml(r);
    recipe *again = must_parse(first);
    char *second = recipe_yaml(again);
    assert_string_equal(first, second);
    free(first);
    free(second);
    recipe_free(again);
    recipe_free(r);
}

static void slices_have_bases_of_their_own(void **state)
{
    (void)state;
    recipe *r = must_parse(SLICES), *copy = recipe_copy(r);
    assert_int_equal(r->slices[0].base, 0);
    assert_int_equal(r->slices[1].base, 1);
    assert_string_equal(r->layers, "blocks.");
    char *first = recipe_yaml(r), *second = recipe_yaml(copy);
    assert_string_equal(first, second);
    recipe *again = must_parse(first);
    char *third = recipe_yaml(again);
    assert_string_equal(first, third);
    free(first);
    free(second);
    free(third);
    recipe_free(r);
    recipe_free(copy);
    recipe_free(again);
}

/* linear takes its base as a model like the others: one that a slice names and does not list changes nothing, and is written again. */
static void a_base_that_is_no_source_of_its_slice(void **state)
{
    (void)state;
    recipe *r = must_parse("slices:\n- sources: [{model: a, layer_range: [0, 2]}]\n  base_model: c\nmerge_method: linear\nparameters: {weight: 1}\n");
    assert_int_equal(r->slices[0].base, -1);
    char *text = recipe_yaml(r);
    assert_non_null(strstr(text, "  base_model: c\n"));
    free(text);
    recipe_free(r);
}

static void reads_model_references(void **state)
{
    (void)state;
    recipe *r = must_parse("models:\n- model: {path: a, revision: x}\n- model: {model: {path: b}, lora: {path: c, revision: y}}\n- model: {model: d@z, lora: e}\n"
                           "merge_method: linear\nparameters: {weight: 1}\n");
    assert_string_equal(r->models[0].path, "a@x");
    assert_string_equal(r->models[1].path, "b+c@y");
    assert_string_equal(r->models[2].path, "d@z+e");
    recipe_free(r);
}

static void refuses(void **state)
{
    (void)state;
    static const struct { const char *text; enum error_code code; const char *tells, *also; } cases[] = {
        {"[1]", ERROR_FORMAT, "map", "models"},
        {"merge_method: linear\n", ERROR_FORMAT, "exactly one of models", "slices"},
        {"models: [{model: a}]\n", ERROR_FORMAT, "merge_method", "test.yml:1"},
        {"models: [{model: a, parameters: {weight: 1}}]\nmerge_method: linaer\n", ERROR_FORMAT, "test.yml:2:15", "did you mean 'linear'"},
        {"models: [{model: a}]\nmerge_method: karchr\n", ERROR_FORMAT, "karchr", "did you mean 'karcher'"},
        {"modules: {}\nmerge_method: linear\n", ERROR_FORMAT, "modules", "test.yml:1"},
        {"modules: {default: {parameters: {}}}\nmerge_method: linear\n", ERROR_FORMAT, "either models or slices", "test.yml:1"},
        {"modules: {default: {modles: []}}\nmerge_method: linear\n", ERROR_FORMAT, "modles", "did you mean 'models'"},
        {"models: [{model: a}]\nslices: []\nmerge_method: linear\n", ERROR_FORMAT, "exactly one of models", "modules"},
        {"models: [{model: a}]\nmerge_method: linear\n", ERROR_FORMAT, "'a' has no 'weight'", "test.yml"},
        {"models: [{model: a}]\nmerge_metod: linear\n", ERROR_FORMAT, "test.yml:2", "did you mean 'merge_method'"},
        {"models: [{model: a, weight: 1}]\nmerge_method: linear\n", ERROR_FORMAT, "unknown key 'weight'", "test.yml:1"},
        {"models: [{model: a, parameters: {wieght: 1}}]\nmerge_method: linear\n", ERROR_FORMAT, "wieght", "did you mean 'weight'"},
        {"models: [{model: a, parameters: {weight: 1, normalize: true}}]\nmerge_method: linear\n", ERROR_FORMAT, "normalize", "whole merge"},
        {"models: [{model: a, parameters: {weight: .nan}}]\nmerge_method: linear\n", ERROR_FORMAT, ".nan", "finite"},
        {"models: [{model: a, parameters: {weight: 1e308}}]\nmerge_method: linear\n", ERROR_FORMAT, "weight is 1e+308", "[-1e+06, 1e+06]"},
        {"models: [{model: a, parameters: {weight: heavy}}]\nmerge_method: linear\n", ERROR_FORMAT, "heavy", "test.yml:1:42"},
        {"models: [{model: a, parameters: {weight: []}}]\nmerge_method: linear\n", ERROR_FORMAT, "empty", "weight"},
        {"models: [{model: a, parameters: {weight: [1, {value: 2}]}}]\nmerge_method: linear\n", ERROR_FORMAT, "weight", "number"},
        {"models: [{model: a, parameters: {weight: [{value: 2}, 1]}}]\nmerge_method: linear\n", ERROR_FORMAT, "weight", "only"},
        {"models: [{model: a, parameters: {weight: {filter: x}}}]\nmerge_method: linear\n", ERROR_FORMAT, "without a value", "weight"},
        {MODELS "parameters: {density: -1}\n", ERROR_FORMAT, "density is -1", "[0, 1]"},
        {MODELS "parameters: {density: 2}\n", ERROR_FORMAT, "density is 2", "test.yml:8:23"},
        {MODELS "parameters: {density: nan}\n", ERROR_FORMAT, "nan", "density"},
        {MODELS "parameters: {normalize: 3}\n", ERROR_FORMAT, "normalize is 3", "true or false"},
        {MODELS "parameters: {weight: 1e39}\nmerganser: {mode: compat}\n", ERROR_FORMAT, "float32", "infinities"},
        {MODELS "merganser: {mod: exact}\n", ERROR_FORMAT, "mod", "did you mean 'mode'"},
        {MODELS "merganser: {mode: fast}\n", ERROR_FORMAT, "fast", "exact, compat"},
        {MODELS "merganser: {seed: -1}\n", ERROR_FORMAT, "seed", "18446744073709551615"},
        {MODELS "merganser: {seed: 18446744073709551616}\n", ERROR_FORMAT, "seed", "18446744073709551615"},
        {MODELS "merganser: {config_from: nobody}\n", ERROR_FORMAT, "nobody", "not one of the models"},
        {MODELS "dtype: float64\n", ERROR_FORMAT, "float64", "bfloat16"},
        {MODELS "tokenizer: base\ntokenizer_source: base\n", ERROR_FORMAT, "exclude", "test.yml:8"},
        {"models: [{model: a, parameters: {weight: 1}}]\nmerge_method: linear\ntokenizer_source: base\n", ERROR_FORMAT, "base_model", "test.yml:3"},
        {"models: [{model: a, parameters: {weight: 1}}]\nmerge_method: ties\n", ERROR_FORMAT, "ties needs a base_model", "test.yml"},
        {"models: [{model: a}]\nmerge_method: ties\nbase_model: a\n", ERROR_FORMAT, "at least 1 model beside the base", "not 0"},
        {"models: [{model: a}, {model: b}, {model: c}]\nmerge_method: slerp\nbase_model: a\nparameters: {t: 0.5}\n", ERROR_FORMAT, "1 model beside the base", "not 2"},
        {"models: [{model: a}, {model: b}]\nmerge_method: slerp\nbase_model: a\n", ERROR_FORMAT, "'t'", "slerp"},
        {"slices: [{sources: [{model: a, layer_range: [4, 1]}]}]\nmerge_method: linear\n", ERROR_FORMAT, "[4, 1]", "before it begins"},
        {"slices: [{sources: [{model: a, layer_range: [0, 4]}]}]\nmerge_method: linear\n", ERROR_FORMAT, "'a' has no 'weight' in slice 1", "test.yml"},
        {"slices: [{sources: [{model: a, layer_range: [0, 4]}, {model: b, layer_range: [0, 3]}]}]\nmerge_method: linear\n", ERROR_FORMAT, "3 layers", "first source 4"},
        {"slices: [{sources: [{model: a, layer_range: [0, 4]}, {model: a, layer_range: [1, 5]}]}]\nmerge_method: linear\n", ERROR_FORMAT, "'a' is there twice", "test.yml:1"},
        {"slices: [{sources: [{model: a, layer_range: [0, 4]}]}, {sources: []}]\nmerge_method: linear\n", ERROR_FORMAT, "list of sources", "test.yml:1"},
        {"slices: [{sources: [{model: a, layer_range: [0, 4]}], parameters: {weight: 1}}]\nmerge_method: ties\nbase_model: b\n", ERROR_FORMAT, "slice 1 has no layers of its base 'b'", "layer_range"},
        {"slices: [{sources: [{model: a, layer_range: [0, 9223372036854775807]}]}]\nmerge_method: linear\n", ERROR_FORMAT, "9223372036854775807", "outside"},
        {"models: [{model: {pth: a}}]\nmerge_method: linear\n", ERROR_FORMAT, "pth", "did you mean 'path'"},
        {"models: [{model: {revision: a}}]\nmerge_method: linear\n", ERROR_FORMAT, "no 'path'", "test.yml:1"},
        {"models: [{model: {model: a, override_architecture: b}}]\nmerge_method: linear\n", ERROR_UNSUPPORTED, "override_architecture", "names"},
        {MODELS "merganser: {layers: '%d.x'}\n", ERROR_FORMAT, "layers is", "model.layers.%d"},
        {"models: [{model: ''}]\nmerge_method: linear\n", ERROR_FORMAT, "empty", "model"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err = {0};
        recipe *r = parse_recipe(cases[i].text, &err);
        if (r)
            fail_msg("accepted: %s", cases[i].text);
        assert_error(&err, cases[i].code, cases[i].tells, cases[i].also);
    }
}

static void compat_takes_what_mergekit_takes(void **state)
{
    (void)state;
    recipe *r = must_parse(MODELS "parameters: {density: 2, lambda: 1.0e+20}\nmerganser: {mode: compat}\n");
    assert_true(value(r, 1, "density", "a", 0) == 2);
    recipe_free(r);
    r = must_parse(MODELS "parameters: {density: 0}\n");
    assert_true(value(r, 1, "density", "a", 0) == 0);
    recipe_free(r);
}

static void writes_what_it_reads(void **state)
{
    (void)state;
    recipe *r = recipe_new("dare_ties");
    int a = recipe_add_model(r, "models/a long name: \"quoted\"\n\\ \xc2\x85\xe2\x80\xa8 \xe6\xb5\xb7"), b = recipe_add_model(r, "true"), base = recipe_add_model(r, "12.5");
    r->base = base;
    r->dtype = DTYPE_F16;
    r->seed = 7;
    r->inverse_density = true;
    r->config_from = a;
    r->tokenizer.source = TOKENIZER_BASE;
    recipe_set(r, a, "weight", 1.0 / 3);
    recipe_set(r, b, "weight", 1e-30);
    recipe_set_filtered(r, b, "density", "layers.3.", 0.1);
    recipe_set_filtered(r, b, "density", "~", 0.2);
    recipe_set_filtered(r, b, "density", NULL, 1e-7);
    recipe_set(r, -1, "rescale", 1);
    recipe_set(r, -1, "lambda", 2);
    char *first = recipe_yaml(r);
    recipe *again = must_parse(first);
    char *second = recipe_yaml(again);
    assert_string_equal(first, second);
    assert_string_equal(again->models[a].path, r->models[a].path);
    assert_string_equal(again->models[b].path, "true");
    assert_string_equal(again->models[again->base].path, "12.5");
    assert_true(value(again, a, "weight", "x", 0) == 1.0 / 3);
    assert_true(value(again, b, "weight", "x", 0) == 1e-30);
    assert_true(value(again, b, "density", "model.layers.3.x", 0) == 0.1);
    assert_true(value(again, b, "density", "model.layers.33.x", 0) == 1e-7);
    assert_true(again->seed == 7 && again->inverse_density && again->config_from == a && again->tokenizer.source == TOKENIZER_BASE && again->dtype == DTYPE_F16);
    assert_non_null(strstr(first, "# mergekit would draw other"));
    assert_non_null(strstr(first, "rescale: true"));
    free(second);
    free(first);
    recipe_free(again);
    recipe_free(r);
}

static void copies_and_changes(void **state)
{
    (void)state;
    recipe *r = must_parse(MODELS "parameters: {density: [0.1, 0.9]}\n");
    recipe *copy = recipe_copy(r);
    recipe_set(copy, -1, "density", 0.5);
    recipe_set(copy, 1, "weight", 0.25);
    recipe_clear(copy, 1, "no such name");
    assert_true(value(copy, 1, "density", "a", 1) == 0.5 && value(r, 1, "density", "a", 1) == 0.9);
    assert_true(value(copy, 1, "weight", "a", 1) == 0.25 && value(r, 1, "weight", "a", 1) == 0.5);
    recipe_clear(copy, 1, "weight");
    assert_true(value(copy, 1, "weight", "a", 1) == -77);
    recipe_free(copy);
    recipe_free(r);
}

static void finds_folders(void **state)
{
    (void)state;
    error err;
    char folder[] = "/tmp/merganser-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *model = file_join(folder, "beside"), *hub = file_join(folder, "models--org--name/snapshots/abc"), *refs = file_join(folder, "models--org--name/refs");
    char *main_ref = file_join(refs, "main");
    assert_int_equal(file_make_folders(model, &err), 0);
    assert_int_equal(file_make_folders(hub, &err), 0);
    assert_int_equal(file_make_folders(refs, &err), 0);
    assert_int_equal(file_write(main_ref, "abc\n", 4, &err), 0);
    setenv("HF_HUB_CACHE", folder, 1);
    recipe *r = recipe_new("linear");
    recipe_add_model(r, "beside");
    recipe_add_model(r, "org/name");
    recipe_add_model(r, "org/name@abc");
    recipe_add_model(r, "org/name@../../..");
    recipe_add_model(r, "nowhere/at-all");
    r->file = file_join(folder, "recipe.yml");
    const char *const wanted[] = {model, hub, hub, "org/name@../../..", "nowhere/at-all"};
    for (int i = 0; i < 5; i++) {
        char *found = recipe_model_folder(r, i);
        assert_string_equal(found, wanted[i]);
        free(found);
    }
    recipe_free(r);
    unsetenv("HF_HUB_CACHE");
    assert_int_equal(file_remove_tree(folder, &err), 0);
    free(main_ref);
    free(refs);
    free(hub);
    free(model);
}

static void table_is_sound(void **state)
{
    (void)state;
    for (const char *const *name = method_names(); *name; name++) {
        const method *m = method_find(*name);
        assert_non_null(m);
        assert_string_equal(m->name, *name);
        for (size_t i = 0; i < m->n_parameters; i++) {
            const method_parameter *p = &m->parameters[i];
            assert_ptr_equal(method_parameter_find(m, p->name), p);
            assert_true(p->low <= p->standard && p->standard <= p->high && p->low <= p->search_low && p->search_low <= p->search_high && p->search_high <= p->high);
        }
    }
    assert_null(method_find("no such method"));
    assert_null(method_find(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_values), cmocka_unit_test(reads_its_own_key), cmocka_unit_test(reads_slices), cmocka_unit_test(slices_have_bases_of_their_own), cmocka_unit_test(a_base_that_is_no_source_of_its_slice),
        cmocka_unit_test(reads_model_references), cmocka_unit_test(refuses),
        cmocka_unit_test(compat_takes_what_mergekit_takes), cmocka_unit_test(writes_what_it_reads), cmocka_unit_test(copies_and_changes),
        cmocka_unit_test(finds_folders), cmocka_unit_test(table_is_sound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
