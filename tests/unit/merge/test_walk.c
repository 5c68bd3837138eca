#include "models.h"

#include <math.h>

#include "merge/method.h"
#include "merge/walk.h"

#define NAME "model.layers.0.mlp.down_proj.weight"

/* Two models' tensor of that name through a method; the error there has to be. */
static void walk(const recipe *r, checkpoint *const *models, int64_t block_rows, threads *pool, error *err, int expected)
{
    const tensor *sources[3];
    const char *names[3] = {NAME, NAME, NAME};
    for (size_t i = 0; i < r->n_models; i++)
        sources[i] = checkpoint_find(models[i], NAME);
    merge_tensor t = {.name = NAME, .drawn_as = NAME, .n_models = (int)r->n_models, .base = r->base, .sources = sources, .source_names = names, .slice = -1,
                      .shape = *sources[0], .rows = tensor_rows(sources[0]), .columns = tensor_columns(sources[0]), .count = tensor_count(sources[0]),
                      .work = ROUND_F32};
    const method_kernel *k = method_find(r->method)->kernel;
    void *out = memory_new((size_t)t.count, sizeof(float));
    merge_job j;
    *err = (error){0};
    assert_int_equal(walk_begin(&j, k, r, &t, err), 0);
    j.out = out;
    assert_int_equal(walk_group(k, &j, 1, &(walk_options){.pool = pool, .block_rows = block_rows, .check_finite = true}, err), expected);
    walk_end(&j);
    free(out);
}

static void finds_what_is_not_finite(void **state)
{
    (void)state;
    static const char *const recipes[] = {
        "models: [{model: 0, parameters: {weight: 0.3}}, {model: 1, parameters: {weight: 0.4}}, {model: 2, parameters: {weight: 0.3}}]\nmerge_method: linear\n",
        "models: [{model: 0}, {model: 1, parameters: {weight: 0.4, density: 0.5}}, {model: 2, parameters: {weight: 0.3, density: 0.5}}]\nmerge_method: ties\nbase_model: 0\n",
        "models: [{model: 0}, {model: 1, parameters: {weight: 0.4, density: 0.5}}, {model: 2, parameters: {weight: 0.3, density: 0.5}}]\nmerge_method: della\nbase_model: 0\n",
        "models: [{model: 0}, {model: 1}]\nmerge_method: arcee_fusion\nbase_model: 0\n",
        "models: [{model: 0, parameters: {weight: 0.3}}, {model: 1, parameters: {weight: 0.4}}]\nmerge_method: nuslerp\nparameters: {nuslerp_flatten: false, nuslerp_row_wise: true}\n",
    };
    threads *pool = threads_new(2);
    error err;
    for (size_t k = 0; k < sizeof recipes / sizeof *recipes; k++)
        for (int64_t rows = 0; rows < 4; rows++) {
            recipe *r = must_parse(recipes[k]);
            checkpoint *models[3] = {tiny_model(0, DTYPE_F32, 1, 8), tiny_model(1, DTYPE_F32, 1, 8), tiny_model(2, DTYPE_F32, 1, 8)};
            tensor *t = find(models[1], NAME);
            walk(r, models, rows, pool, &err, 0);
            set_element(t, 3000, INFINITY);
            walk(r, models, rows, pool, &err, -1);
            assert_error(&err, ERROR_NOT_FINITE, "1: '" NAME "' holds infinity", "element 3000");
            set_element(t, 2999, NAN);
            set_element(t, 0, -INFINITY);
            set_element(t, 1200, NAN);
            walk(r, models, rows, rows % 2 ? pool : NULL, &err, -1);
            assert_error(&err, ERROR_NOT_FINITE, "1: '" NAME "' holds infinity", "element 0");
            for (int i = 0; i < 3; i++)
                checkpoint_free(models[i]);
            recipe_free(r);
        }
    threads_free(pool);
}

static void finds_results_that_overflow(void **state)
{
    (void)state;
    error err;
    recipe *r = must_parse("models: [{model: 0, parameters: {weight: 1}}, {model: 1, parameters: {weight: 1}}]\nmerge_method: linear\nparameters: {normalize: false}\n");
    static const enum dtype types[] = {DTYPE_F16, DTYPE_F32, DTYPE_BF16};
    static const double most[] = {65504, 0x1.fffffep127, 0x1.fep127};
    for (int d = 0; d < 3; d++) {
        checkpoint *models[2] = {tiny_model(0, types[d], 1, 8), tiny_model(1, types[d], 1, 8)};
        tensor *a = find(models[0], NAME), *b = find(models[1], NAME);
        set_element(a, 1500, most[d]);
        set_element(b, 1500, 0);
        walk(r, models, 0, NULL, &err, 0);
        set_element(b, 1500, most[d] * 0x1p-8);
        walk(r, models, 0, NULL, &err, -1);
        assert_error(&err, ERROR_NOT_FINITE, "the merge: '" NAME "'", "element 1500");
        checkpoint_free(models[0]);
        checkpoint_free(models[1]);
    }
    recipe_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_what_is_not_finite), cmocka_unit_test(finds_results_that_overflow)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
