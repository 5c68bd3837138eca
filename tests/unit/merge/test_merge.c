#include "truth.h"

static checkpoint *models[4];   /* bf16 unless a test makes its own */

/* ---- the methods in plain f64, from the papers and mergekit's documentation ---- */

static void true_linear(struct truth *truth)
{
    for (int64_t e = 0; e < truth->n; e++) {
        double sum = 0, weights = 0;
        for (int i = 0; i < (int)truth->r->n_models; i++) {
            double w = parameter(truth, i, "weight"), term = w * source(truth, i, e);
            sum += term;
            weights += w;
            truth->largest[e] = fmax(truth->largest[e], fabs(term));
        }
        if (parameter(truth, -1, "normalize") == 0)
            weights = 1;
        truth->out[e] = sum / weights;
        truth->largest[e] /= fabs(weights);
    }
}

static void true_slerp(struct truth *truth)
{
    int a = truth->r->base, b = 1 - a;
    double aa = 0, bb = 0, ab = 0, t = parameter(truth, -1, "t");
    for (int64_t e = 0; e < truth->n; e++) {
        aa += source(truth, a, e) * source(truth, a, e);
        bb += source(truth, b, e) * source(truth, b, e);
        ab += source(truth, a, e) * source(truth, b, e);
    }
    double cosine = ab / ((sqrt(aa) > 1e-8 ? sqrt(aa) : 1) * (sqrt(bb) > 1e-8 ? sqrt(bb) : 1)), wa = 1 - t, wb = t;
    if (fabs(cosine) <= 0.9995) {
        double theta = acos(cosine);
        wa = sin((1 - t) * theta) / sin(theta);
        wb = sin(t * theta) / sin(theta);
    }
    for (int64_t e = 0; e < truth->n; e++) {
        truth->out[e] = wa * source(truth, a, e) + wb * source(truth, b, e);
        truth->largest[e] = fmax(fabs(wa * source(truth, a, e)), fabs(wb * source(truth, b, e)));
    }
}

static const double *sorted_by;

static int by_size(const void *a, const void *b)
{
    int64_t i = *(const int64_t *)a, k = *(const int64_t *)b;
    double x = fabs(sorted_by[i]), y = fabs(sorted_by[k]);
    return x != y ? (x < y ? 1 : -1) : i < k ? -1 : i > k;
}

static void keep_largest(double *d, int64_t n, double density)
{
    int64_t k = density <= 0 ? 0 : (int64_t)(density * (double)n) > 1 ? (int64_t)(density * (double)n) : 1;
    int64_t *order = memory_new((size_t)n, sizeof *order);
    double *all = memory_new((size_t)n, sizeof *all);
    memcpy(all, d, (size_t)n * sizeof *d);
    for (int64_t e = 0; e < n; e++)
        order[e] = e;
    sorted_by = all;
    qsort(order, (size_t)n, sizeof *order, by_size);
    for (int64_t i = k; i < n; i++)
        d[order[i]] = 0;
    free(all);
    free(order);
}

static void keep_random(const struct truth *truth, double *d, uint32_t ordinal, double density)
{
    uint64_t key = random_key(truth->r->seed, truth->name);
    for (int64_t e = 0; e < truth->n; e++) {
        uint32_t block = (uint32_t)(16 * (e / 64) + e % 16), counter[4] = {block, 0, ordinal, 0}, k[2] = {(uint32_t)key, (uint32_t)(key >> 32)}, out[4];
        random_philox(counter, k, out);
        if (!(out[e % 64 / 16] * 0x1p-32 < density))
            d[e] = 0;
    }
}

static double l1(const double *d, int64_t n)
{
    double sum = 0;
    for (int64_t e = 0; e < n; e++)
        sum += fabs(d[e]);
    return sum;
}

static void true_task(struct truth *truth)
{
    const recipe *r = truth->r;
    bool consensus = strstr(r->method, "ties"), random = strstr(r->method, "dare");
    double *terms[8], weights[8];
    uint32_t ordinal = 0;
    for (int i = 0; i < (int)r->n_models; i++) {
        double *d = terms[i] = memory_new((size_t)truth->n, sizeof *d), density = parameter(truth, i, "density");
        weights[i] = 0;
        if (i == r->base)
            continue;
        weights[i] = parameter(truth, i, "weight");
        for (int64_t e = 0; e < truth->n; e++)
            d[e] = source(truth, i, e) - source(truth, r->base, e);
        double before = l1(d, truth->n), scale = 1;
        bool sparse = density < 1 && (random || strcmp(r->method, "ties") == 0);
        if (sparse && random)
            keep_random(truth, d, ordinal, density);
        else if (sparse)
            keep_largest(d, truth->n, density);
        ordinal++;
        double after = l1(d, truth->n);
        if (sparse && parameter(truth, -1, "rescale") != 0)
            scale = r->inverse_density ? (density > 0 ? 1 / density : 1) : before < 1e-7 || after < 1e-7 ? 1 : before / after;
        for (int64_t e = 0; e < truth->n; e++)
            d[e] *= scale * weights[i];
    }
    for (int64_t e = 0; e < truth->n; e++) {
        double all = 0, sum = 0, divisor = 0, lambda = parameter(truth, -1, "lambda");
        for (int i = 0; i < (int)r->n_models; i++)
            all += terms[i][e];
        for (int i = 0; i < (int)r->n_models; i++) {
            double p = terms[i][e];
            if (i == r->base || (consensus && !(all >= 0 ? p > 0 : p < 0)))
                continue;
            sum += p;
            divisor += weights[i];
            truth->largest[e] = fmax(truth->largest[e], fabs(p));
        }
        if (consensus ? divisor == 0 : fabs(divisor) < 1e-8)
            divisor = 1;
        if (parameter(truth, -1, "normalize") == 0)
            divisor = 1;
        truth->out[e] = source(truth, r->base, e) + lambda * sum / divisor;
        truth->largest[e] = fmax(truth->largest[e] * fabs(lambda / divisor), fabs(source(truth, r->base, e)));
    }
    for (size_t i = 0; i < r->n_models; i++)
        free(terms[i]);
}

/* ---- comparing ---- */

static void true_method(struct truth *truth)
{
    if (strcmp(truth->r->method, "linear") == 0)
        true_linear(truth);
    else if (strcmp(truth->r->method, "slerp") == 0)
        true_slerp(truth);
    else
        true_task(truth);
}

static const char *const recipes[] = {
    "models: [{model: 0, parameters: {weight: 0.3}}, {model: 1, parameters: {weight: [0.1, 0.9]}}, {model: 2, parameters: {weight: -0.2}}]\nmerge_method: linear\n",
    "models: [{model: 0, parameters: {weight: 0.3}}, {model: 1, parameters: {weight: 0.9}}]\nmerge_method: linear\nparameters: {normalize: false}\n",
    "models: [{model: 0}, {model: 1}]\nmerge_method: slerp\nbase_model: 0\nparameters: {t: [{filter: mlp, value: [0.1, 0.8]}, {value: 0.3}]}\n",
    "models: [{model: 0}, {model: 1, parameters: {weight: 0.6}}, {model: 2, parameters: {weight: -0.3}}]\nmerge_method: task_arithmetic\nbase_model: 0\n"
    "parameters: {lambda: 1.3}\n",
    "models: [{model: 1, parameters: {weight: 0.6}}, {model: 2, parameters: {weight: 0.3}}]\nmerge_method: task_arithmetic\nbase_model: 0\n"
    "parameters: {normalize: true}\n",
    "models: [{model: 1, parameters: {weight: 0.5, density: 0.5}}, {model: 2, parameters: {weight: 0.3, density: [0.05, 0.3]}},\n"
    "  {model: 3, parameters: {weight: 0.7}}]\nmerge_method: ties\nbase_model: 0\nparameters: {density: 0.8}\n",
    "models: [{model: 1, parameters: {weight: 0.5, density: 0.25}}, {model: 2, parameters: {weight: 0.3, density: 0}},\n"
    "  {model: 3, parameters: {weight: 0.7}}]\nmerge_method: ties\nbase_model: 0\nparameters: {density: 0.8, normalize: false, rescale: true}\n",
    "models: [{model: 1, parameters: {weight: 0.5, density: 0.5}}, {model: 2, parameters: {weight: 0.3, density: [0, 0.3]}},\n"
    "  {model: 3, parameters: {weight: 0.7}}]\nmerge_method: dare_linear\nbase_model: 0\nmerganser: {seed: 9}\n",
    "models: [{model: 1, parameters: {weight: 0.5, density: 0.5}}, {model: 2, parameters: {weight: 0.3, density: [0, 0.3]}},\n"
    "  {model: 3, parameters: {weight: 0.7}}]\nmerge_method: dare_ties\nbase_model: 0\nmerganser: {seed: 9}\n",
    "models: [{model: 1, parameters: {weight: 0.5, density: 0.5}}, {model: 0}, {model: 3, parameters: {weight: 0.7, density: 0.1}}]\n"
    "merge_method: dare_ties\nbase_model: 0\nparameters: {rescale: inverse_density, normalize: true, lambda: 0.8}\n",
};
enum { RECIPES = sizeof recipes / sizeof *recipes };

static void agrees_with_f64(void **state)
{
    (void)state;
    static const enum dtype types[] = {DTYPE_BF16, DTYPE_F16, DTYPE_F32};
    for (int d = 0; d < 3; d++) {
        checkpoint *all[4], *chosen[4];
        for (int i = 0; i < 4; i++)
            all[i] = tiny_model(i, types[d], LAYERS, WORDS);
        for (int k = 0; k < RECIPES; k++) {
            recipe *r = must_parse(recipes[k]);
            for (int out = 0; out < 3; out++) {
                r->out_dtype = types[out];
                choose(r, all, chosen);
                checkpoint *merged = must_merge(r, chosen, NULL);
                check_against_truth(r, chosen, merged, true_method);
                checkpoint_free(merged);
            }
            recipe_free(r);
        }
        for (int i = 0; i < 4; i++)
            checkpoint_free(all[i]);
    }
}

static void slerp_of_far_and_near(void **state)
{
    (void)state;
    recipe *r = must_parse(recipes[2]);
    checkpoint *pair[2] = {tiny_model(0, DTYPE_F32, LAYERS, WORDS), tiny_model(1, DTYPE_F32, LAYERS, WORDS)};
    for (size_t k = 0; k < pair[1]->count; k++) {
        random_stream s = random_stream_for(8, pair[1]->items[k].name, 0, 0);
        tensor *a = &pair[0]->items[k].tensor, *b = &pair[1]->items[k].tensor;
        for (int64_t e = 0; e < tensor_count(b); e++)
            if (k % 4 == 0)
                set_element(b, e, random_normal(&s));              /* at a right angle */
            else if (k % 4 == 1)
                set_element(b, e, -element(a, e) * 1.5);           /* opposite */
            else if (k % 4 == 2)
                set_element(b, e, 0);                              /* nothing */
            else
                set_element(b, e, element(a, e) * 0.5 - 0.08 * random_normal(&s));
    }
    checkpoint *merged = must_merge(r, pair, NULL);
    check_against_truth(r, pair, merged, true_method);
    checkpoint_free(merged);
    checkpoint_free(pair[0]);
    checkpoint_free(pair[1]);
    recipe_free(r);
}

static void blocks_and_threads_change_nothing(void **state)
{
    (void)state;
    threads *pool = threads_new(2);
    checkpoint *chosen[4];
    for (int k = 0; k < RECIPES; k++)
        for (int compat = 0; compat < 2; compat++) {
            recipe *r = must_parse(recipes[k]);
            r->mode = compat ? MERGE_COMPAT : MERGE_EXACT;
            r->mask = compat ? MERGE_MASK_MT19937 : MERGE_MASK_PHILOX;
            choose(r, models, chosen);
            checkpoint *first = must_merge(r, chosen, NULL);
            static const struct { int64_t rows; bool threads; } cuts[] = {{1, true}, {7, false}, {1000000, true}, {0, true}};
            for (int c = 0; c < 4; c++) {
                char what[80];
                checkpoint *again = must_merge(r, chosen, &(merge_options){.block_rows = cuts[c].rows, .pool = cuts[c].threads ? pool : NULL});
                snprintf(what, sizeof what, "%s, compat %d, blocks of %d rows, threads %d", r->method, compat, (int)cuts[c].rows, cuts[c].threads);
                assert_same(first, again, what);
                checkpoint_free(again);
            }
            checkpoint_free(first);
            recipe_free(r);
        }
    threads_free(pool);
}

static void runs_again_with_other_parameters(void **state)
{
    (void)state;
    error err = {0};
    checkpoint *chosen[4];
    recipe *r = must_parse(recipes[8]), *other = recipe_copy(r);
    recipe_set(other, 0, "weight", 0.9);
    recipe_set(other, 0, "density", 0.2);
    other->seed = 77;
    choose(r, models, chosen);
    merger *m = merge_prepare(r, chosen, NULL, &err);
    checkpoint *out = merge_allocate(m, &err), *first = must_merge(r, chosen, NULL), *second = must_merge(other, chosen, NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(merge_run(m, r, out, &err), 0);
        assert_same(out, first, "first parameters");
        assert_int_equal(merge_run(m, other, out, &err), 0);
        assert_same(out, second, "second parameters");
    }
    assert_memory_not_equal(first->items[2].tensor.data, second->items[2].tensor.data, tensor_bytes(&first->items[2].tensor));
    recipe_set(other, 0, "density", 1.5);
    assert_int_equal(merge_run(m, other, out, &err), -1);
    assert_error(&err, ERROR_FORMAT, "density", "1.5", "[0, 1]");
    recipe_set(other, 0, "density", 0.5);
    recipe_set(other, 0, "weight", NAN);
    assert_int_equal(merge_run(m, other, out, &err), -1);
    assert_error(&err, ERROR_FORMAT, "weight", "nan");
    checkpoint_free(first);
    checkpoint_free(second);
    checkpoint_free(out);
    merge_free(m);
    recipe_free(other);
    recipe_free(r);
}

/* The merged model counts where it stands in memory; groups of tensors follow what is left, and change nothing. */
static void memory_is_kept_to(void **state)
{
    (void)state;
    error err = {0};
    checkpoint *chosen[4];
    recipe *r = must_parse(recipes[8]);
    choose(r, models, chosen);
    checkpoint *first = must_merge(r, chosen, NULL);
    unsigned long long needed = 0;
    for (int i = 0; i < 2; i++) {
        merger *m = merge_prepare(r, chosen, &(merge_options){.memory = i ? needed : 1000}, &err);
        checkpoint *out = merge_allocate(m, &err);
        assert_int_equal(merge_run(m, r, out, &err), i ? 0 : -1);
        if (i == 0) {
            assert_error(&err, ERROR_MEMORY, "merging in memory needs", "--memory allows 1.0 kB");
            assert_int_equal(sscanf(strchr(err.text, '('), "(%llu bytes)", &needed), 1);
            assert_true(needed > checkpoint_bytes(out));
        } else {
            assert_same(out, first, "within the least memory");
        }
        checkpoint_free(out);
        merge_free(m);
    }
    checkpoint_free(first);
    recipe_free(r);
}

static void one_model_alone_comes_through(void **state)
{
    (void)state;
    recipe *r = must_parse("models: [{model: 0, parameters: {weight: 0.7}}]\nmerge_method: linear\n");
    checkpoint *out = must_merge(r, models, NULL);
    assert_same(out, models[0], "a single model");
    checkpoint_free(out);
    recipe_free(r);
    r = must_parse("models: [{model: 1, parameters: {weight: 1}}]\nmerge_method: dare_ties\nbase_model: 0\nparameters: {density: 0}\n");
    checkpoint *chosen[] = {models[1], models[0]};
    out = must_merge(r, chosen, NULL);
    assert_same(out, models[0], "density 0 is the base");
    checkpoint_free(out);
    recipe_free(r);
}

static void required_for_every_tensor(void **state)
{
    (void)state;
    error err = {0};
    recipe *r = must_parse("models: [{model: 0, parameters: {weight: {filter: mlp, value: 1}}}]\nmerge_method: linear\n");
    must_fail(r, models, &err);
    assert_error(&err, ERROR_FORMAT, "'weight' of 0", "lm_head.weight");
    recipe_free(r);
    r = must_parse("models: [{model: 0, parameters: {weight: 1}}, {model: 1, parameters: {weight: -1}}]\nmerge_method: linear\n");
    must_fail(r, models, &err);
    assert_error(&err, ERROR_FORMAT, "sum to 0", "lm_head.weight");
    recipe_free(r);
    r = must_parse("models: [{model: 1, parameters: {weight: 1}}]\nmerge_method: dare_ties\nbase_model: 0\nparameters: {density: -1}\nmerganser: {mode: compat}\n");
    must_fail(r, models, &err);
    assert_error(&err, ERROR_FORMAT, "density", "-1", "[0, 1]");
    recipe_free(r);
}

static int setup(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        models[i] = tiny_model(i, DTYPE_BF16, LAYERS, WORDS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        checkpoint_free(models[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_f64), cmocka_unit_test(slerp_of_far_and_near), cmocka_unit_test(blocks_and_threads_change_nothing),
        cmocka_unit_test(runs_again_with_other_parameters), cmocka_unit_test(memory_is_kept_to), cmocka_unit_test(one_model_alone_comes_through), cmocka_unit_test(required_for_every_tensor)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
