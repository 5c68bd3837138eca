#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "study/path_drawing.h"
#include "study/terminal.h"

#include <cmocka.h>

static layer_path *two_sources(void)
{
    layer_path *p = path_new();
    path_add_source(p, "ja", "models/ja");
    path_add_source(p, "math-b", "models/math-b");
    return p;
}

static void check_drawing(const layer_path *p, const int *layers, int width, const char *wanted)
{
    char *text = path_drawing(p, layers, width);
    if (strcmp(text, wanted) != 0)
        fail_msg("drawn\n%s\nwanted\n%s", text, wanted);
    free(text);
}

static void check_width(const char *text, int width)
{
    while (*text) {
        char *line = memory_text_n(text, strcspn(text, "\n"));
        if (terminal_columns(line) > width)
            fail_msg("wider than %d: '%s'", width, line);
        assert_true(*line == '\0' || line[strlen(line) - 1] != ' ');
        text += strlen(line) + (text[strlen(line)] == '\n');
        free(line);
    }
}

static void test_eight_hops(void **state)
{
    (void)state;
    layer_path *p = two_sources();
    path_add_layers(p, 0, 0, 2);
    path_add_layers(p, 1, 2, 7);
    path_add_layers(p, 0, 7, 8);
    check_drawing(p, (int[]){8, 8}, 80,
                  "hop      0   1   2   3   4   5   6   7\n"
                  "ja       0   1                       7\n"
                  "math-b           2   3   4   5   6\n"
                  "\n"
                  "ja      3 of 8 layers: 0-1, 7; embeddings, final norm, head and tokenizer\n"
                  "math-b  5 of 8 layers: 2-6\n"
                  "8 hops through 8 distinct layers\n");
    path_free(p);
}

static void test_repeats_and_scales(void **state)
{
    (void)state;
    layer_path *p = two_sources();
    path_add_hop(p, 1, 3, 0.5);
    path_add_hop(p, 1, 3, 1);
    path_add_hop(p, 1, 2, -1.125);
    check_drawing(p, (int[]){4, 4}, 60,
                  "hop         0      1      2\n"
                  "math-b      3     3'      2\n"
                  "scale    0.50         -1.12\n"
                  "\n"
                  "ja      0 of 4 layers; embeddings, final norm, head and\n"
                  "        tokenizer\n"
                  "math-b  2 of 4 layers: 2-3\n"
                  "3 hops through 2 distinct layers (1 repeat: '); a scale\n"
                  "  multiplies what the MLP of the hop before puts out (hop 0:\n"
                  "  the embeddings)\n");
    check_drawing(p, NULL, 200,
                  "hop         0      1      2\n"
                  "math-b      3     3'      2\n"
                  "scale    0.50         -1.12\n"
                  "\n"
                  "math-b  2 layers: 2-3\n"
                  "3 hops through 2 distinct layers (1 repeat: '); a scale multiplies what the MLP of the hop before puts out (hop 0: the embeddings)\n");
    path_free(p);
}

/* As in the paper: 65 hops through two models of 32 layers. Nothing is wider than the terminal, nothing is left out. */
static void test_long_paths_wrap(void **state)
{
    (void)state;
    layer_path *p = two_sources();
    for (int i = 0; i < 65; i++)
        path_add_hop(p, i % 2, i / 2 % 32, 1 + 0.01 * (i % 7));
    for (int width = 40; width <= 200; width += 20) {
        char *text = path_drawing(p, (int[]){32, 32}, width);
        size_t blocks = 0;
        check_width(text, width);
        for (const char *at = text; (at = strstr(at, "hop ")); at++)
            blocks += at == text || at[-1] == '\n';
        assert_true(blocks >= 65 * 5 / (size_t)width);
        assert_non_null(strstr(text, " 64\n"));
        assert_non_null(strstr(text, " 0'\n"));
        assert_non_null(strstr(text, "65 hops through 64 distinct layers"));
        free(text);
    }
    path_free(p);
}

static void test_names_of_strangers(void **state)
{
    (void)state;
    layer_path *p = path_new();
    path_add_source(p, "\x1b[31m" "a name that is longer than any row's label may be", "a");
    path_add_source(p, "日本語", "b");
    path_add_hop(p, 0, 0, 1);
    path_add_hop(p, 1, 9999, 1e-5);
    char *text = path_drawing(p, (int[]){1, 10000}, 80);
    check_width(text, 80);
    assert_null(strchr(text, '\x1b'));
    assert_non_null(strstr(text, "?[31ma name t...      0\n"));
    assert_non_null(strstr(text, "\n日本語                    9999\n"));
    assert_non_null(strstr(text, "1e-05"));
    free(text);
    path_free(p);
}

static void test_facts(void **state)
{
    (void)state;
    layer_path *p = two_sources();
    static const int hops[][2] = {{0, 1}, {0, 0}, {1, 1}, {0, 1}, {0, 1}, {1, 5}};
    for (size_t i = 0; i < 6; i++)
        path_add_hop(p, hops[i][0], hops[i][1], 1);
    path_facts f = path_facts_new(p);
    static const bool again[] = {false, false, false, true, true, false};
    assert_memory_equal(f.again, again, sizeof again);
    assert_int_equal(f.hops[0], 4);
    assert_int_equal(f.distinct[0], 2);
    assert_int_equal(f.distinct[1], 2);
    assert_int_equal(f.repeats, 2);
    assert_int_equal(f.scaled, 0);
    char *text = path_layers_text(p, 0), *other = path_layers_text(p, 1);
    assert_string_equal(text, "0-1");
    assert_string_equal(other, "1, 5");
    free(text);
    free(other);
    path_facts_free(&f);
    path_free(p);
}

static json_t *json_of(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

/* The step whose sources the hops name, the one that the row is named after first, says what their order and layers are. */
static void test_the_path_of_a_row(void **state)
{
    (void)state;
    json_t *settings = json_of("{\"fixed\": {\"steps\": [{\"name\": \"PS\", \"space\": \"parameters\", \"sources\": [\"ja\", \"math\"]},"
                               "{\"name\": \"DFS\", \"space\": \"data-flow\", \"sources\": [\"math\", \"ja\"], \"genome\": {\"dimensions\": ["
                               "{\"name\": \"ja.5.on\"}, {\"name\": \"ja.6.r1.scale\"}, {\"name\": \"ja.9.weight\"}, {\"name\": \"ja.99\"}, 7]}},"
                               "{\"name\": \"DFS 2\", \"space\": \"data-flow\", \"sources\": [\"ja\", \"math\"]}]}}");
    json_t *row = json_of("{\"name\": \"DFS (mean)\", \"hops\": [[\"ja\", 0, 1], [\"math\", 3, 0.5], [\"ja\", 1]]}");
    int *layers;
    layer_path *p = path_of_row(row, settings, &layers);
    assert_non_null(p);
    assert_non_null(layers);
    assert_string_equal(p->sources[0].name, "math");
    assert_int_equal(p->hops[0].source, 1);
    assert_int_equal(layers[0], 4);
    assert_int_equal(layers[1], 7);
    assert_true(p->hops[1].scale == 0.5 && p->hops[2].scale == 1);
    path_free(p);
    free(layers);
    json_object_set_new(row, "name", json_string("DFS 2 (trial 7)"));
    p = path_of_row(row, settings, &layers);
    assert_string_equal(p->sources[0].name, "ja");
    path_free(p);
    free(layers);
    p = path_of_row(row, NULL, &layers);
    assert_null(layers);
    assert_string_equal(p->sources[0].name, "ja");
    path_free(p);
    json_decref(row);
    json_decref(settings);
}

static void test_rows_without_a_path(void **state)
{
    (void)state;
    static const char *const rows[] = {"7", "{}", "{\"hops\": []}", "{\"hops\": [[\"ja\", -1]]}", "{\"hops\": [[\"ja\", 10000]]}", "{\"hops\": [[\"ja\", 0, 1e7]]}",
                                       "{\"hops\": [[\"ja\", 0], 3]}"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *row = json_of(rows[i]);
        int *layers;
        assert_null(path_of_row(row, row, &layers));
        assert_null(layers);
        json_decref(row);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eight_hops),          cmocka_unit_test(test_repeats_and_scales), cmocka_unit_test(test_long_paths_wrap),
        cmocka_unit_test(test_names_of_strangers),  cmocka_unit_test(test_facts),              cmocka_unit_test(test_the_path_of_a_row),
        cmocka_unit_test(test_rows_without_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
