/* A path as mergekit's slices, and what slices no path can say. */
#include "../model/tiny.h"

#include "merge/passthrough.h"

static layer_path *parse(const char *text, int *dtype, error *err)
{
    yaml_value *root = yaml_parse(text, strlen(text), "test.yml", err);
    layer_path *p = root && passthrough_is_yaml(root) ? passthrough_path(root, "test.yml", dtype, err) : NULL;
    yaml_free(root);
    return p;
}

static void assert_hops(const layer_path *p, const char *wanted)
{
    string s = {0};
    for (size_t i = 0; i < p->n_hops; i++)
        string_print(&s, "%s%s %d %g", i ? ", " : "", p->sources[p->hops[i].source].model, p->hops[i].layer, p->hops[i].scale);
    assert_string_equal(s.text, wanted);
    free(s.text);
}

static void assert_reads(const char *text, const char *hops, int dtype)
{
    error err = {0};
    int type = 77;
    layer_path *p = parse(text, &type, &err);
    if (!p)
        fail_msg("%s", err.text);
    assert_hops(p, hops);
    assert_int_equal(type, dtype);
    path_free(p);
}

#define SLICE(model, range, scale) "- sources: [{model: " model ", layer_range: " range ", parameters: {scale: " scale "}}]\n"

static void reads_slices(void **state)
{
    (void)state;
    /* a frankenmerge as people write it */
    assert_reads("slices:\n- sources:\n  - model: a\n    layer_range: [0, 2]\n- sources:\n  - model: b\n    layer_range: [1, 2]\n- sources:\n  - model: a\n"
                 "    layer_range: [1, 2]\nmerge_method: passthrough\ndtype: bfloat16\n",
                 "a 0 1, a 1 1, b 1 1, a 1 1", DTYPE_BF16);
    /* a down_proj's scale is the next hop's, embed_tokens' the first's; the last layer's own is nobody's */
    assert_reads("merge_method: passthrough\nslices:\n" SLICE("a", "[0, 2]", "[{filter: embed_tokens, value: 3}, {filter: down_proj, value: 0.5}, {value: 1.0}]")
                 SLICE("b", "[4, 5]", "{filter: down_proj, value: -2}") SLICE("a", "[7, 9]", "1"),
                 "a 0 3, a 1 0.5, b 4 0.5, a 7 -2, a 8 1", -1);
    /* slices of no layers say whose the ends are */
    assert_reads("merge_method: passthrough\nbase_model: a\nslices:\n" SLICE("a", "[0, 0]", "[{filter: embed_tokens, value: 3}]")
                 SLICE("b", "[4, 5]", "[{filter: '*', value: 1}, {filter: down_proj, value: 9}]") SLICE("a", "[8, 8]", "1"),
                 "b 4 3", -1);
    /* from the narrowest on; within a list the first that matches */
    assert_reads("merge_method: passthrough\ndtype: float32\nout_dtype: float16\nparameters: {scale: [{filter: down_proj, value: 0.5}]}\nslices:\n"
                 "- sources: [{model: a, layer_range: [0, 1]}]\n"
                 "- sources: [{model: a, layer_range: [1, 2]}]\n  parameters: {scale: [{filter: down_proj, value: 0.25}, {filter: down_proj, value: 7}]}\n"
                 "- sources: [{model: a, layer_range: [2, 3], parameters: {scale: [{filter: down_proj, value: 0.125}]}}]\n  parameters: {scale: 1}\n"
                 "- sources: [{model: a, layer_range: [3, 4], parameters: {scale: 1}}]\n",
                 "a 0 1, a 1 0.5, a 2 0.25, a 3 0.125", DTYPE_F16);
    assert_reads("merge_method: passthrough\nout_dtype: float16\nslices:\n" SLICE("a", "[0, 1]", "null"), "a 0 1", DTYPE_F16);
}

static void names_sources(void **state)
{
    (void)state;
    error err = {0};
    layer_path *p = parse("merge_method: passthrough\nslices:\n" SLICE("x/one/", "[0, 1]", "1") SLICE("y/one", "[0, 1]", "1") SLICE("/", "[0, 1]", "1") SLICE("x/one/", "[0, 1]", "1"),
                          NULL, &err);
    if (!p)
        fail_msg("%s", err.text);
    assert_int_equal(p->n_sources, 3);
    assert_string_equal(p->sources[0].name, "one");
    assert_string_equal(p->sources[0].model, "x/one/");
    assert_string_equal(p->sources[1].name, "one-2");
    assert_string_equal(p->sources[2].name, "model");
    assert_string_equal(p->file, "test.yml");
    path_free(p);
}

#define ONE "slices:\n" SLICE("a", "[0, 2]", "1")
#define METHOD "merge_method: passthrough\n"

static void refuses(void **state)
{
    (void)state;
    static const struct { const char *text; enum error_code code; const char *tells, *also; } cases[] = {
        {METHOD, ERROR_FORMAT, "test.yml:1", "list of slices"},
        {METHOD "slices: []\n", ERROR_FORMAT, "test.yml:2:9", "list of slices"},
        {METHOD "models: [{model: a}]\n", ERROR_UNSUPPORTED, "test.yml:2:9", "models"},
        {METHOD "modules: {x: 1}\n", ERROR_UNSUPPORTED, "test.yml:2", "modules"},
        {METHOD ONE "tokenizer_source: union\n", ERROR_UNSUPPORTED, "test.yml:4", "tokenizer_source"},
        {METHOD ONE "sclices: 1\n", ERROR_FORMAT, "test.yml:4", "did you mean 'slices'"},
        {METHOD "slices: [7]\n", ERROR_FORMAT, "test.yml:2:10", "a slice should be a map"},
        {METHOD "slices:\n- sources: []\n", ERROR_FORMAT, "test.yml:3:12", "one source"},
        {METHOD "slices:\n- sources: [{model: a, layer_range: [0, 1]}, {model: b, layer_range: [0, 1]}]\n", ERROR_FORMAT, "test.yml:3:12", "one source"},
        {METHOD "slices:\n- sources: [a]\n", ERROR_FORMAT, "test.yml:3:13", "{model, layer_range}"},
        {METHOD "slices:\n- sources: [{layer_range: [0, 1]}]\n", ERROR_FORMAT, "test.yml:3:13", "no 'model'"},
        {METHOD "slices:\n- sources: [{model: a}]\n", ERROR_FORMAT, "test.yml:3:13", "layer_range"},
        {METHOD "slices:\n- sources: [{model: a, layer_range: [0, 1]}]\n  residual_weight: 1\n", ERROR_UNSUPPORTED, "test.yml:3:3", "residual_weight"},
        {METHOD "slices:\n" SLICE("a", "[2, 1]", "1"), ERROR_FORMAT, "test.yml:3:13", "layer_range [2, 1]"},
        {METHOD "slices:\n" SLICE("a", "[0, 10001]", "1"), ERROR_FORMAT, "test.yml:3:13", "10000"},
        {METHOD "slices:\n" SLICE("a", "[0, 6000]", "1") SLICE("a", "[0, 6000]", "1"), ERROR_FORMAT, "test.yml:4:13", "limit of 10000"},
        {METHOD "slices:\n" SLICE("a", "[3, 3]", "1"), ERROR_FORMAT, "test.yml:3", "no layers"},
        {METHOD "slices:\n" SLICE("a", "[0, 1]", "0.5"), ERROR_UNSUPPORTED, "test.yml:3", "{filter: down_proj, value: 0.5}"},
        {METHOD "slices:\n" SLICE("a", "[0, 1]", "[{filter: o_proj, value: 0}, {value: 1}]"), ERROR_UNSUPPORTED, "test.yml:3", "'o_proj'"},
        {METHOD "slices:\n" SLICE("a", "[0, 1]", "[0.5, 1]"), ERROR_UNSUPPORTED, "test.yml:3", "slice for each"},
        {METHOD "slices:\n" SLICE("a", "[0, 1]", "[{filter: down_proj, value: [1, 2]}]"), ERROR_UNSUPPORTED, "test.yml:3", "slice for each"},
        {METHOD "slices:\n" SLICE("a", "[0, 1]", "[{filter: down_proj}]"), ERROR_FORMAT, "test.yml:3", "without a value"},
        {METHOD "slices:\n" SLICE("a", "[0, 1]", "[{filter: down_proj, value: {}}]"), ERROR_FORMAT, "test.yml:3", "a number"},
        {METHOD "slices:\n" SLICE("a", "[0, 1]", "[{filter: down_proj, value: half}]"), ERROR_FORMAT, "test.yml:3", "half"},
        {METHOD "slices:\n" SLICE("a", "[0, 1]", "[{filter: down_proj, value: 2e6}]"), ERROR_FORMAT, "test.yml:3", "2e+06"},
        {METHOD "slices:\n" SLICE("a", "[0, 1]", "[{filter: down_proj, values: 2}]"), ERROR_FORMAT, "test.yml:3", "did you mean 'value'"},
        {METHOD "slices:\n- sources: [{model: a, layer_range: [0, 1], parameters: {weight: 1}}]\n", ERROR_FORMAT, "test.yml:3", "weight"},
        {METHOD "slices:\n- sources: [{model: a, layer_range: [0, 1], parameters: 1}]\n", ERROR_FORMAT, "test.yml:3", "map"},
        {METHOD ONE SLICE("a", "[0, 1]", "{filter: embed_tokens, value: 2}"), ERROR_UNSUPPORTED, "test.yml:4", "no effect"},
        {METHOD ONE SLICE("a", "[0, 1]", "{filter: down_proj, value: 2}") SLICE("a", "[0, 0]", "1"), ERROR_UNSUPPORTED, "test.yml:4", "last layer's down_proj"},
        {METHOD ONE SLICE("b", "[0, 1]", "1"), ERROR_UNSUPPORTED, "test.yml:4:13", "{model: a, layer_range: [0, 0]}"},
        {METHOD "base_model: b\n" ONE, ERROR_UNSUPPORTED, "test.yml:2:13", "base_model 'b'"},
        {METHOD "dtype: bfloat16\nout_dtype: float32\n" ONE, ERROR_UNSUPPORTED, "test.yml:2:8", "round before"},
        {METHOD "dtype: int8\n" ONE, ERROR_FORMAT, "test.yml:2:8", "int8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err = {0};
        if (parse(cases[i].text, NULL, &err))
            fail_msg("accepted: %s", cases[i].text);
        assert_error(&err, cases[i].code, cases[i].tells, cases[i].also);
    }
}

static void assert_round_trip(const layer_path *p, const char *slices)
{
    error err = {0};
    int dtype = -1;
    char *yaml = passthrough_yaml(p, NULL, DTYPE_BF16), *body = strstr(yaml, "slices:\n");
    if (strncmp(body, slices, strlen(slices)) != 0)
        fail_msg("wanted\n%s\ngot\n%s", slices, body);
    layer_path *again = parse(yaml, &dtype, &err);
    if (!again)
        fail_msg("%s", err.text);
    assert_int_equal(dtype, DTYPE_BF16);
    assert_int_equal(again->n_hops, p->n_hops);
    for (size_t i = 0; i < p->n_hops; i++) {
        assert_string_equal(again->sources[again->hops[i].source].model, p->sources[p->hops[i].source].model);
        assert_int_equal(again->hops[i].layer, p->hops[i].layer);
        assert_true(again->hops[i].scale == p->hops[i].scale);
    }
    assert_string_equal(again->sources[0].model, p->sources[0].model);
    path_free(again);
    free(yaml);
}

static void writes_what_it_reads(void **state)
{
    (void)state;
    layer_path *p = path_new();
    path_add_source(p, "ja", "m/ja");
    path_add_source(p, "math", "m/math: \"b\"");
    path_add_layers(p, 0, 0, 3);
    assert_round_trip(p, "slices:\n- sources:\n  - model: m/ja\n    layer_range: [0, 3]\nmerge_method: passthrough\nbase_model: m/ja\ndtype: float32\nout_dtype: bfloat16\n");
    path_add_hop(p, 1, 3, 1.0 / 3);
    path_add_hop(p, 1, 4, 1.0 / 3);
    p->hops[0].scale = -0.5;
    assert_round_trip(p, "slices:\n- sources:\n  - model: m/ja\n    layer_range: [0, 2]\n    parameters:\n      scale:\n      - filter: embed_tokens\n        value: -0.5\n"
                         "      - value: 1.0\n- sources:\n  - model: m/ja\n    layer_range: [2, 3]\n    parameters:\n      scale:\n      - filter: down_proj\n"
                         "        value: 0.3333333333333333\n      - value: 1.0\n- sources:\n  - model: \"m/math: \\\"b\\\"\"\n    layer_range: [3, 4]\n");
    /* neither end is the first source's */
    layer_path *inner = path_new();
    path_add_source(inner, "ja", "ja");
    path_add_source(inner, "math", "math");
    path_add_hop(inner, 1, 5, 2);
    assert_round_trip(inner, "slices:\n- sources:\n  - model: ja\n    layer_range: [0, 0]\n    parameters:\n      scale:\n      - filter: embed_tokens\n        value: 2\n"
                             "      - value: 1.0\n- sources:\n  - model: math\n    layer_range: [5, 6]\n- sources:\n  - model: ja\n    layer_range: [0, 0]\nmerge_method");
    path_free(inner);
    path_free(p);
}

static void tells_what_mergekit_cannot(void **state)
{
    (void)state;
    static const struct { tiny model; double scale; const char *path; bool nested; const char *tells; } cases[] = {
        {{.tied = true}, 0.5, "m", false, "# mergekit would not make this model: head and embeddings are tied"},
        {{.type = "llama", .biases = true}, 1, "m", false, "# mergekit would not make this model: it leaves biases out"},
        {{0}, 1, "m", true, "# mergekit would not make this model: it takes no slices"},
        {{0}, 1, "ties.yml", false, "# mergekit reads folders: write this as one first: ties.yml\n"},
        {{0}, 1, "study.db@17", false, "write this as one first: \"study.db@17\"\n"},
        {{.tied = true}, 1, "m.db/x", false, NULL},
        {{0}, 0.5, "x.yml/", false, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        checkpoint *model = tiny_checkpoint(cases[i].model);
        if (cases[i].nested) {
            json_t *outer = json_pack("{s:o}", "text_config", model->config);
            model->config = outer;
        }
        layer_path *p = path_new();
        path_add_source(p, "m", cases[i].path);
        path_add_hop(p, 0, 0, cases[i].scale);
        char *yaml = passthrough_yaml(p, &model, -1);
        assert_null(strstr(yaml, "dtype"));
        if (cases[i].tells ? !strstr(yaml, cases[i].tells) : strstr(yaml, "# mergekit") != NULL)
            fail_msg("case %zu: %s", i, yaml);
        char *limits = passthrough_limits(p, &model);
        assert_int_equal(limits[0] != '\0', cases[i].tells != NULL);
        assert_null(strchr(limits, '\n'));
        free(limits);
        free(yaml);
        path_free(p);
        checkpoint_free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_slices), cmocka_unit_test(names_sources), cmocka_unit_test(refuses), cmocka_unit_test(writes_what_it_reads),
                                       cmocka_unit_test(tells_what_mergekit_cannot)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
