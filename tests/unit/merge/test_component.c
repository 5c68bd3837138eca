#include "models.h"

#include "merge/component.h"

#define SEES "tests/data/vlm/sees"

static checkpoint *opened(const char *path)
{
    error err = {0};
    checkpoint *c = checkpoint_open(path, &err);
    if (!c)
        fail_msg("%s", err.text);
    return c;
}

/* A recipe of two models [with a base] and the models. */
typedef struct scene { recipe *r; checkpoint *models[3]; } scene;

static scene begin(const char *method, const char *a, const char *b, const char *base, const char *more)
{
    string s = {0};
    string_print(&s, "component: language_model\nmerge_method: %s\nmodels:\n- {model: %s, parameters: {weight: 0.5}}\n- {model: %s, parameters: {weight: 0.5}}\n%s%s\n%s", method, a, b,
                 base ? "base_model: " : "", base ? base : "", more);
    scene made = {.r = must_parse(s.text)};
    free(s.text);
    for (size_t i = 0; i < made.r->n_models; i++)
        made.models[i] = opened(made.r->models[i].path);
    return made;
}

static void end(scene *s)
{
    for (size_t i = 0; i < s->r->n_models; i++)
        checkpoint_free(s->models[i]);
    recipe_free(s->r);
}

static void expect_frame(const char *a, const char *b, const char *base, const char *more, int frame, int64_t rows, const char *note)
{
    scene s = begin(base ? "task_arithmetic" : "linear", a, b, base, more);
    component c;
    string notes = {0};
    error err = {0};
    if (component_find(s.r, s.models, &c, &notes, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(c.frame, frame);
    assert_int_equal(c.rows, rows);
    if (note)
        assert_non_null(strstr(notes.text, note));
    free(notes.text);
    end(&s);
}

static void finds_who_sees(void **state)
{
    (void)state;
    expect_frame(SEES, "tests/data/vlm/ja", "tests/data/vlm/base", "", 0, 307, "rows 307 to 319 of its vocabulary, which the others lack, stay as they are");
    expect_frame("tests/data/vlm/ja", SEES, "tests/data/vlm/base", "", 1, 307, NULL);
    expect_frame("tests/data/vlm/ja", "tests/data/vlm/padded", SEES, "", 2, 307, "padded: rows 307 to 307 of its vocabulary are dropped, the first is '[PAD]'");
    expect_frame(SEES, "tests/data/vlm/other-eyes", NULL, "merganser: {config_from: tests/data/vlm/other-eyes}\n", 1, 309, "sees in another way");
    expect_frame(SEES, "tests/data/vlm/other-eyes", "tests/data/vlm/base", "merganser: {config_from: " SEES "}\n", 0, 307, "sees in another way");
    expect_frame(SEES, "tests/data/vlm/shifted", NULL, "tokenizer_source: " SEES "\n", 0, -1, NULL);
}

static void refuse(const char *a, const char *b, const char *base, const char *more, const char *tells, const char *also)
{
    scene s = begin(base ? "task_arithmetic" : "linear", a, b, base, more);
    error err = {0};
    must_fail(s.r, s.models, &err);
    assert_error(&err, ERROR_FORMAT, tells, also);
    end(&s);
}

static void refuses(void **state)
{
    (void)state;
    refuse("tests/data/vlm/ja", "tests/data/vlm/padded", "tests/data/vlm/base", "", "none of the models has a vision tower", "vlm/base");
    refuse(SEES, "tests/data/vlm/other-eyes", NULL, "", "see in different ways ('vision_tower.vision_model.embeddings.class_embedding'", "config_from: " SEES);
    refuse(SEES, "tests/data/vlm/ja", NULL, "merganser: {config_from: tests/data/vlm/ja}\n", "config_from is tests/data/vlm/ja", "no vision tower");
    refuse(SEES, "tests/data/vlm/shifted", NULL, "", "row 305 of the vocabulary is '0'", "tokenizer_source: " SEES);
    refuse(SEES, "tests/data/vlm/ja", "tests/data/vlm/base", "tokenizer_source: base\n", "lacks '<image>'", "leave the tokenizer out");
    scene s = begin("linear", SEES, "tests/data/vlm/ja", NULL, "");
    error err = {0};
    tensor *up = (tensor *)checkpoint_find(s.models[1], "model.layers.1.mlp.up_proj.weight");
    up->shape[0]--;
    must_fail(s.r, s.models, &err);
    assert_error(&err, ERROR_FORMAT, "'language_model.model.layers.1.mlp.up_proj.weight' is [24, 16] in", "[23, 16]");
    up->shape[0]++;
    s.r->language_only = false;
    must_fail(s.r, s.models, &err);
    assert_error(&err, ERROR_FORMAT, "has 320 rows in tests/data/vlm/sees and 307 in tests/data/vlm/ja", "component: language_model");
    end(&s);
}

static const tensor *part(const checkpoint *c, const char *name)
{
    const tensor *t = checkpoint_find(c, name);
    assert_non_null(t);
    return t;
}

/* Eyes, and the rows that only the model that sees has, byte for byte; the rest as among language models. */
static void merges_the_language_part(void **state)
{
    (void)state;
    scene s = begin("linear", SEES, "tests/data/vlm/ja", NULL, "");
    checkpoint *out = must_merge(s.r, s.models, NULL);
    assert_int_equal(out->count, s.models[0]->count);
    for (size_t i = 0; i < out->count; i++) {
        const char *name = out->items[i].name;
        const tensor *t = &out->items[i].tensor, *sees = part(s.models[0], name);
        assert_true(tensor_same_shape(t, sees));
        if (strncmp(name, "language_model.", 15) != 0) {
            assert_memory_equal(t->data, sees->data, tensor_bytes(t));
            continue;
        }
        const tensor *ja = part(s.models[1], name + 15);
        int64_t n = tensor_count(ja);
        for (int64_t e = 0; e < tensor_count(t); e++) {
            double want = e < n ? (float)(0.5 * element(sees, e) + 0.5 * element(ja, e)) : element(sees, e);
            assert_true(element(t, e) == bf16_to_f32(bf16_from_f32((float)want)));
        }
    }
    assert_int_equal(json_integer_value(json_object_get(json_object_get(out->config, "text_config"), "vocab_size")), 320);
    assert_string_equal(out->folder, SEES);
    char *yaml = recipe_yaml(s.r);
    recipe *again = must_parse(yaml);
    assert_true(again->language_only);
    recipe_free(again);
    free(yaml);
    checkpoint_free(out);
    end(&s);
}

/* Blocks of any size and any number of threads, in both modes and with masks of either kind, give the same bytes. */
static void same_bytes(void **state)
{
    (void)state;
    for (int compat = 0; compat < 2; compat++) {
        scene s = begin("dare_ties", SEES, "tests/data/vlm/ja", "tests/data/vlm/base", compat ? "parameters: {density: 0.5}\nmerganser: {mode: compat}\n" : "parameters: {density: 0.5}\n");
        threads *pool = threads_new(3);
        checkpoint *one = must_merge(s.r, s.models, NULL), *other = must_merge(s.r, s.models, &(merge_options){.pool = pool, .block_rows = 7});
        assert_same(one, other, "blocks");
        checkpoint_free(one);
        checkpoint_free(other);
        threads_free(pool);
        end(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_who_sees), cmocka_unit_test(refuses), cmocka_unit_test(merges_the_language_part), cmocka_unit_test(same_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
