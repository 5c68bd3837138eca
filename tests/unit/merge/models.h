/* What the tests of this folder share: small models in memory, and cmocka. */
#ifndef TESTS_UNIT_MERGE_MODELS_H
#define TESTS_UNIT_MERGE_MODELS_H

#include "../base/check.h"

#include "base/random.h"
#include "merge/merge.h"

static inline double element(const tensor *t, int64_t i)
{
    float x;
    dtype_to_f32(t->dtype, (const char *)t->data + i * (int64_t)dtype_size(t->dtype), &x, 1);
    return x;
}

static inline void set_element(tensor *t, int64_t i, double value)
{
    float x = (float)value;
    dtype_from_f32(t->dtype, &x, (char *)t->data + i * (int64_t)dtype_size(t->dtype), 1);
}

static inline tensor *find(checkpoint *c, const char *name)
{
    return (tensor *)checkpoint_find(c, name);
}

/* A model of `layers` layers with tensors of awkward shapes. The numbers of `which` lie near those of model 0, as fine-tuned
 * ones lie near their base; an eighth of the elements do not move at all. */
static inline checkpoint *tiny_model(int which, enum dtype d, int layers, int vocabulary)
{
    static const struct { const char *name; int rank; int64_t shape[3]; } parts[] = {
        {"mlp.up_proj.weight", 2, {9, 83}}, {"self_attn.q_proj.weight", 2, {16, 64}}, {"input_layernorm.weight", 1, {700}},
        {"conv.weight", 3, {5, 3, 7}}, {"scale", 0, {0}}, {"mlp.down_proj.weight", 2, {3, 1100}}, {"narrow.weight", 2, {130, 1}},
        {"flat.weight", 2, {1, 600}}, {"empty.weight", 2, {0, 4}}};
    enum { PARTS = sizeof parts / sizeof *parts };
    size_t n = (size_t)(layers * PARTS + 2), k = 0;
    checkpoint_item *items = memory_new(n, sizeof *items);
    for (int l = 0; l < layers; l++)
        for (int p = 0; p < PARTS; p++, k++) {
            items[k] = (checkpoint_item){memory_print("model.layers.%d.%s", l, parts[p].name), {.dtype = d, .rank = parts[p].rank}};
            memcpy(items[k].tensor.shape, parts[p].shape, sizeof parts[p].shape);
        }
    items[k++] = (checkpoint_item){memory_text("lm_head.weight"), {.dtype = d, .rank = 2, .shape = {vocabulary, 24}}};
    items[k++] = (checkpoint_item){memory_text("model.embed_tokens.weight"), {.dtype = d, .rank = 2, .shape = {vocabulary, 24}}};
    error err = {0};
    char name[16];
    snprintf(name, sizeof name, "model-%d", which);
    checkpoint *c = checkpoint_new(name, NULL, NULL, items, n, &err);
    if (!c)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < n; i++)
        free(items[i].name);
    free(items);
    for (size_t i = 0; i < c->count; i++) {
        random_stream base = random_stream_for(1, c->items[i].name, 0, 0), own = random_stream_for(1, c->items[i].name, (uint32_t)which, 1);
        for (int64_t e = 0; e < tensor_count(&c->items[i].tensor); e++) {
            double x = 0.05 * random_normal(&base), move = random_below(&own, 8) ? 0.004 * random_normal(&own) : 0;
            set_element(&c->items[i].tensor, e, which ? x + move : x);
        }
    }
    return c;
}

static inline recipe *parse_recipe(const char *text, error *err)
{
    yaml_value *root = yaml_parse(text, strlen(text), "test.yml", err);
    recipe *r = root ? recipe_from_yaml(root, NULL, err) : NULL;
    yaml_free(root);
    return r;
}

static inline recipe *must_parse(const char *text)
{
    error err = {0};
    recipe *r = parse_recipe(text, &err);
    if (!r)
        fail_msg("%s", err.text);
    return r;
}

static inline checkpoint *must_merge(const recipe *r, checkpoint *const *models, const merge_options *options)
{
    error err = {0};
    merger *m = merge_prepare(r, models, options, &err);
    checkpoint *out = m ? merge_allocate(m, &err) : NULL;
    if (!out || merge_run(m, r, out, &err) != 0)
        fail_msg("%s", err.text);
    merge_free(m);
    return out;
}

/* Prepares and runs; the merge has to fail. */
static inline void must_fail(const recipe *r, checkpoint *const *models, error *err)
{
    merger *m = merge_prepare(r, models, NULL, err);
    checkpoint *out = m ? merge_allocate(m, err) : NULL;
    if (out && merge_run(m, r, out, err) == 0)
        fail_msg("a merge that should fail was made");
    checkpoint_free(out);
    merge_free(m);
}

static inline void assert_same(const checkpoint *a, const checkpoint *b, const char *what)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        const tensor *x = &a->items[i].tensor, *y = &b->items[i].tensor;
        assert_string_equal(a->items[i].name, b->items[i].name);
        assert_int_equal(tensor_bytes(x), tensor_bytes(y));
        if (tensor_bytes(x) && memcmp(x->data, y->data, tensor_bytes(x)) != 0)
            fail_msg("%s: '%s' differs", what, a->items[i].name);
    }
}

#endif
