#include "../base/check.h"

#include "model/path.h"

static layer_path *parse(const char *text, error *err)
{
    yaml_value *root = yaml_parse(text, strlen(text), "path.yml", err);
    layer_path *p = root ? path_from_yaml(root, "path.yml", err) : NULL;
    yaml_free(root);
    return p;
}

static layer_path *must_parse(const char *text)
{
    error err = {0};
    layer_path *p = parse(text, &err);
    if (!p)
        fail_msg("%s", err.text);
    return p;
}

static void assert_hop(const layer_path *p, size_t i, int source, int layer, double scale)
{
    assert_true(i < p->n_hops);
    assert_int_equal(p->hops[i].source, source);
    assert_int_equal(p->hops[i].layer, layer);
    assert_true(p->hops[i].scale == scale);
}

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void reads(void **state)
{
    (void)state;
    layer_path *p = must_parse("sources: {ja: models/ja, math: 'STUDY.db@17'}\ndigests: {math: " DIGEST "}\nhops:\n- [ja, 0]\n- [math, 2-4, 0.5]\n- [math, 4, -1e-3]\n- [ja, 0-0]\n");
    assert_int_equal(p->n_sources, 2);
    assert_string_equal(p->sources[1].name, "math");
    assert_string_equal(p->sources[1].model, "STUDY.db@17");
    assert_null(p->sources[0].digest);
    assert_string_equal(p->sources[1].digest, DIGEST);
    assert_string_equal(p->file, "path.yml");
    assert_int_equal(p->n_hops, 6);
    assert_hop(p, 0, 0, 0, 1);
    assert_hop(p, 1, 1, 2, 0.5);
    assert_hop(p, 3, 1, 4, 0.5);
    assert_hop(p, 4, 1, 4, -1e-3);
    assert_hop(p, 5, 0, 0, 1);
    path_free(p);
    path_free(NULL);
}

#define SOURCES "sources: {ja: models/ja, math: m}\n"

static void refuses(void **state)
{
    (void)state;
    static const struct { const char *text, *tells, *also; } cases[] = {
        {"[1]", "path.yml:1", "map"},
        {"{}", "path.yml:1", "sources"},
        {"hops: [[ja, 1]]\n", "path.yml:1", "a path needs 'sources'"},
        {SOURCES, "path.yml:1", "a path needs 'hops'"},
        {SOURCES "hops: [[ja, 1]]\nhop: 1\n", "path.yml:3", "did you mean 'hops'"},
        {"sources: [ja]\nhops: [[ja, 1]]\n", "path.yml:1:10", "map of names"},
        {"sources: {}\nhops: [[ja, 1]]\n", "path.yml:1:10", "map of names"},
        {"sources: {ja: [x]}\nhops: [[ja, 1]]\n", "path.yml:1", "text"},
        {"sources: {ja: }\nhops: [[ja, 1]]\n", "path.yml:1", "source 'ja' has no model"},
        {"sources: {ja: ''}\nhops: [[ja, 1]]\n", "path.yml:1", "source 'ja' has no model"},
        {"sources: {'': x}\nhops: [[ja, 1]]\n", "path.yml:1", "source '' has no model"},
        {"sources: {ja: x, ja: y}\nhops: [[ja, 1]]\n", "path.yml:1", "ja"},
        {SOURCES "hops: 1\n", "path.yml:2:7", "hops should be a list"},
        {SOURCES "hops: []\n", "path.yml:2:7", "hops should be a list"},
        {SOURCES "hops: [ja]\n", "path.yml:2:8", "a hop is [source, layer]"},
        {SOURCES "hops: [[ja]]\n", "path.yml:2:8", "a hop is [source, layer]"},
        {SOURCES "hops: [[ja, 1, 1, 1]]\n", "path.yml:2:8", "a hop is [source, layer]"},
        {SOURCES "hops: [[[ja], 1]]\n", "path.yml:2:8", "a hop is [source, layer]"},
        {SOURCES "hops:\n- [ja, 1]\n- [mtah, 1]\n", "path.yml:4:4", "did you mean 'math'"},
        {SOURCES "hops: [[nothing like it, 1]]\n", "path.yml:2:9", "is not one of the sources"},
        {SOURCES "hops: [[ja, -1]]\n", "path.yml:2:13", "'-1' is no layer"},
        {SOURCES "hops: [[ja, 3-2]]\n", "path.yml:2:13", "'3-2' is no layer"},
        {SOURCES "hops: [[ja, 3-]]\n", "path.yml:2:13", "is no layer"},
        {SOURCES "hops: [[ja, 1.5]]\n", "path.yml:2:13", "is no layer"},
        {SOURCES "hops: [[ja, ' 1']]\n", "path.yml:2:13", "is no layer"},
        {SOURCES "hops: [[ja, [1]]]\n", "path.yml:2:13", "is no layer"},
        {SOURCES "hops: [[ja, 10000]]\n", "path.yml:2:13", "is no layer"},
        {SOURCES "hops: [[ja, 99999999999999999999]]\n", "path.yml:2:13", "is no layer"},
        {SOURCES "hops: [[ja, 0-9999], [ja, 0]]\n", "path.yml:2:22", "limit of 10000"},
        {SOURCES "hops: [[ja, 1, fast]]\n", "path.yml:2:16", "fast"},
        {SOURCES "hops: [[ja, 1, .nan]]\n", "path.yml:2:16", "nan"},
        {SOURCES "hops: [[ja, 1, -1000001]]\n", "path.yml:2:16", "outside [-1e+06, 1e+06]"},
        {SOURCES "hops: [[ja, 1]]\ndigests: [x]\n", "path.yml:3:10", "digests should be a map"},
        {SOURCES "hops: [[ja, 1]]\ndigests: {jaa: " DIGEST "}\n", "path.yml:3", "did you mean 'ja'"},
        {SOURCES "hops: [[ja, 1]]\ndigests: {ja: abc}\n", "path.yml:3", "'abc' is no SHA-256"},
        {SOURCES "hops: [[ja, 1]]\ndigests: {ja: }\n", "path.yml:3", "is no SHA-256"},
        {SOURCES "hops: [[ja, 1]]\ndigests: {ja: G123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef}\n", "path.yml:3", "is no SHA-256"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err = {0};
        layer_path *p = parse(cases[i].text, &err);
        if (p)
            fail_msg("accepted: %s", cases[i].text);
        assert_error(&err, ERROR_FORMAT, cases[i].tells, cases[i].also);
    }
}

static void too_many_sources(void **state)
{
    (void)state;
    error err = {0};
    string s = {0};
    string_puts(&s, "sources:\n");
    for (int i = 0; i <= PATH_MAX_SOURCES; i++)
        string_print(&s, "  m%d: x\n", i);
    string_puts(&s, "hops: [[m0, 1]]\n");
    assert_null(parse(s.text, &err));
    assert_error(&err, ERROR_FORMAT, "path.yml", "257 sources", "limit of 256");
    free(s.text);
}

static void writes_what_it_reads(void **state)
{
    (void)state;
    layer_path *p = path_new();
    path_add_source(p, "ja", "models/ja");
    path_add_source(p, "true", "a: \"b\"\n");
    path_add_source(p, "ma th", "-");
    p->sources[2].digest = memory_text(DIGEST);
    path_add_layers(p, 0, 0, 2);
    path_add_hop(p, 1, 2, 1.0 / 3);
    path_add_hop(p, 1, 3, 1.0 / 3);
    path_add_hop(p, 1, 3, 1.0 / 3);
    path_add_hop(p, 2, 4, 1);
    path_add_hop(p, 2, 5, -0.001);
    path_add_layers(p, 0, 6, 6);
    char *yaml = path_yaml(p), *hops = strstr(yaml, "\n- ");
    const char wanted[] = "\n- [ja, 0-1]\n- [\"true\", 2-3, 0.3333333333333333]\n- [\"true\", 3, 0.3333333333333333]\n- [\"ma th\", 4]\n- [\"ma th\", 5, -0.001]\n";
    assert_non_null(hops);
    if (strncmp(hops, wanted, strlen(wanted)) != 0)
        fail_msg("%s", hops);
    layer_path *again = must_parse(yaml), *copy = path_copy(again);
    char *second = path_yaml(again), *third = path_yaml(copy);
    assert_string_equal(second, yaml);
    assert_string_equal(third, yaml);
    assert_string_equal(copy->file, "path.yml");
    assert_string_equal(again->sources[1].model, "a: \"b\"\n");
    assert_int_equal(again->n_hops, p->n_hops);
    for (size_t i = 0; i < p->n_hops; i++)
        assert_hop(again, i, p->hops[i].source, p->hops[i].layer, p->hops[i].scale);
    free(third);
    free(second);
    path_free(copy);
    path_free(again);
    free(yaml);
    path_free(p);
}

static void says_it_in_words(void **state)
{
    (void)state;
    layer_path *p = must_parse("sources: {ja: a, math: b}\nhops: [[ja, 0-1], [math, 2-6], [math, 7, 1.0345], [math, 8-9, 1.0345], [math, 9], [ja, 7, -0.5]]\n");
    char *text = path_text(p);
    assert_string_equal(text, "ja 0-1, math 2-6, math 7-9 x1.03, math 9, ja 7 x-0.5");
    free(text);
    path_free(p);
    p = path_new();
    text = path_text(p);
    assert_string_equal(text, "");
    free(text);
    path_free(p);
}

static void is_known_by_its_hops(void **state)
{
    (void)state;
    static const struct { const char *text; bool path; } cases[] = {{"hops: 1", true}, {"sources: {}", false}, {"[hops]", false}, {"merge_method: linear", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err;
        yaml_value *root = yaml_parse(cases[i].text, strlen(cases[i].text), "x", &err);
        assert_non_null(root);
        assert_int_equal(path_is_yaml(root), cases[i].path);
        yaml_free(root);
    }
}

static void from_a_file(void **state)
{
    (void)state;
    error err = {0};
    char *folder = new_folder(), *file = file_join(folder, "path.yml");
    const char text[] = "sources: {m: x}\nhops: [[m, 3]]\n";
    assert_null(path_read(file, &err));
    assert_error(&err, ERROR_IO, "path.yml");
    assert_int_equal(file_write(file, text, strlen(text), &err), 0);
    layer_path *p = path_read(file, &err);
    if (!p)
        fail_msg("%s", err.text);
    assert_string_equal(p->file, file);
    assert_hop(p, 0, 0, 3, 1);
    path_free(p);
    free(file);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads), cmocka_unit_test(refuses), cmocka_unit_test(too_many_sources), cmocka_unit_test(writes_what_it_reads),
                                       cmocka_unit_test(says_it_in_words), cmocka_unit_test(is_known_by_its_hops), cmocka_unit_test(from_a_file)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
