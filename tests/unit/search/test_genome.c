#include "check.h"

#include "search/genome.h"

enum { LAYERS = 12 };
static const char *const names[] = {"ja", "math", "base"};

/* ja, math and the base they stand on. */
static recipe *three_models(const char *name)
{
    recipe *r = recipe_new(name);
    recipe_add_model(r, "models/ja");
    recipe_add_model(r, "models/math");
    r->base = recipe_add_model(r, "models/base");
    return r;
}

static genome_options options_for(const char *name)
{
    return (genome_options){.method = method_find(name), .names = names, .layers = LAYERS, .n_groups = 1};
}

static genome *made(const recipe *r, const genome_options *options)
{
    error err;
    genome *g = genome_new(r, options, &err);
    if (!g)
        fail_msg("%s", err.text);
    return g;
}

static size_t find(const genome *g, const char *name)
{
    for (size_t i = 0; i < g->count; i++)
        if (strcmp(g->dimensions[i].name, name) == 0)
            return i;
    fail_msg("no dimension is called '%s'", name);
    return 0;
}

static double *counted(const genome *g)
{
    double *x = memory_new(g->count, sizeof *x);
    for (size_t i = 0; i < g->count; i++)
        x[i] = g->dimensions[i].low + (g->dimensions[i].high - g->dimensions[i].low) * (double)(i + 1) / (double)(g->count + 1);
    return x;
}

static void assert_value(const recipe *r, int model, const char *parameter, const char *tensor, double t, double wanted)
{
    double value = NAN;
    assert_true(recipe_real(r, model, parameter, tensor, t, &value));
    if (value != wanted)
        fail_msg("%s of model %d for %s is %.17g, wanted %.17g", parameter, model, tensor, value, wanted);
}

/* Checks each tensor of a Llama against the dimension it should follow, in the recipe and in what its YAML reads as. */
static void check_everywhere(const genome *g, const recipe *r, const double *x, const char *(*dimension_of)(const char *tensor, int layer))
{
    static const char *const inner[] = {"self_attn.q_proj.weight", "self_attn.o_proj.weight", "mlp.down_proj.weight", "input_layernorm.weight",
                                        "post_attention_layernorm.weight", "self_attn.k_proj.bias"};
    static const char *const outer[] = {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"};
    error err;
    char *yaml = recipe_yaml(r), tensor[100], full[100];
    yaml_value *root = yaml_parse(yaml, strlen(yaml), "recipe", &err);
    recipe *again = root ? recipe_from_yaml(root, "recipe", &err) : NULL;
    if (!again)
        fail_msg("%s\n%s", err.text, yaml);
    for (int model = 0; model < 2; model++)
        for (int layer = -3; layer < LAYERS; layer++)
            for (int k = 0; k < (layer < 0 ? 1 : 6); k++) {
                if (layer < 0)
                    snprintf(tensor, sizeof tensor, "%s", outer[layer + 3]);
                else
                    snprintf(tensor, sizeof tensor, "model.layers.%d.%s", layer, inner[k]);
                for (int p = 0; p < 2; p++) {
                    const char *parameter = p ? "density" : "weight";
                    snprintf(full, sizeof full, "%s.%s%s", names[model], parameter, dimension_of(tensor, layer));
                    double wanted = x[find(g, full)], t = layer < 0 ? 0 : (double)layer / (LAYERS - 1);
                    assert_value(r, model, parameter, tensor, t, wanted);
                    assert_value(again, model, parameter, tensor, t, wanted);
                }
            }
    recipe_free(again);
    yaml_free(root);
    free(yaml);
}

static const char *of_one(const char *tensor, int layer)
{
    (void)tensor;
    (void)layer;
    return "";
}

/* [0, 1), [1, 11), [11, 12): layers.1. is not layers.11. */
static const char *of_ranges(const char *tensor, int layer)
{
    if (layer < 0)
        return strstr(tensor, "embed") ? ".g0" : ".g2";
    return layer < 1 ? ".g0" : layer < 11 ? ".g1" : ".g2";
}

static const char *of_parts(const char *tensor, int layer)
{
    static char out[40];
    if (layer < 0)
        return ".embeddings";
    bool attention = strstr(tensor, "self_attn") || strstr(tensor, "input_layernorm");
    snprintf(out, sizeof out, ".g%d.%s", layer / 3, attention ? "attention" : "mlp");
    return out;
}

/* Without a split for embeddings they go with the MLP. */
static const char *of_two_parts(const char *tensor, int layer)
{
    return layer >= 0 && (strstr(tensor, "self_attn") || strstr(tensor, "input_layernorm")) ? ".attention" : ".mlp";
}

static void test_every_tensor_follows_its_dimension(void **state)
{
    (void)state;
    static const int ranges[3][2] = {{0, 1}, {1, 11}, {11, 12}};
    genome_options o[4] = {options_for("dare_ties"), options_for("dare_ties"), options_for("ties"), options_for("ties")};
    o[1].ranges = ranges;
    o[1].n_ranges = 3;
    o[2].n_groups = 4;
    o[2].split_attention_mlp = o[2].split_embeddings = true;
    o[3].split_attention_mlp = true;
    const char *(*const follows[])(const char *, int) = {of_one, of_ranges, of_parts, of_two_parts};
    const size_t counts[] = {4, 12, 36, 8};
    for (int i = 0; i < 4; i++) {
        recipe *r = three_models(o[i].method->name);
        genome *g = made(r, &o[i]);
        double *x = counted(g), *back = memory_new(g->count, sizeof *back);
        error err;
        assert_int_equal(g->count, counts[i]);
        genome_decode(g, x, r);
        check_everywhere(g, r, x, follows[i]);
        if (genome_encode(g, r, back, &err) < 0)
            fail_msg("%s", err.text);
        for (size_t k = 0; k < g->count; k++)
            assert_near(back[k], x[k], 1e-14, g->dimensions[k].name);
        genome_decode(g, back, r);      /* decoding again replaces, it does not add */
        char *yaml = recipe_yaml(r);
        assert_true(strlen(yaml) < 20000);
        for (size_t k = 0; k < g->count; k++)
            for (size_t j = 0; j < k; j++)
                assert_string_not_equal(g->dimensions[j].name, g->dimensions[k].name);
        free(yaml);
        free(x);
        free(back);
        genome_free(g);
        recipe_free(r);
    }
}

static void test_one_group_is_plain_numbers(void **state)
{
    (void)state;
    recipe *r = three_models("task_arithmetic");
    genome_options o = options_for("task_arithmetic");
    genome *g = made(r, &o);
    assert_int_equal(g->count, 2);
    genome_decode(g, (const double[]){.25, 1.5}, r);
    for (int m = 0; m < 2; m++) {
        assert_int_equal(r->models[m].parameters.count, 1);
        assert_null(r->models[m].parameters.items[0].values[0].filter);
    }
    assert_int_equal(r->models[2].parameters.count, 0);
    genome_free(g);
    recipe_free(r);
}

static void test_bounds_start_and_spread(void **state)
{
    (void)state;
    recipe *r = three_models("ties");
    genome_options o = options_for("ties");
    genome *g = made(r, &o);
    const dimension *w = &g->dimensions[find(g, "ja.weight")], *d = &g->dimensions[find(g, "ja.density")];
    assert_true(w->low == 0 && w->high == 2 && w->start == .5 && w->spread == .25);
    assert_true(d->low == .05 && d->high == 1 && d->start == .5);
    assert_near(d->spread, .95 / 6, 1e-15, "the density's spread");
    genome_free(g);

    const struct genome_bound bounds[] = {{"weight", 0, 1, NAN, NAN}, {"lambda", .5, 1.5, 1, .1}};
    o.bounds = bounds;
    o.n_bounds = 2;
    o.sigma = 1.0 / 6;
    g = made(r, &o);
    assert_int_equal(g->count, 5);
    w = &g->dimensions[find(g, "math.weight")];
    assert_true(w->high == 1 && w->start == .5);
    assert_near(w->spread, 1.0 / 6, 1e-15, "sigma times the range");
    const dimension *l = &g->dimensions[find(g, "lambda")];
    assert_true(l->model == -1 && l->start == 1 && l->spread == .1);
    double *x = counted(g);
    genome_decode(g, x, r);
    assert_value(r, -1, "lambda", "lm_head.weight", 0, x[find(g, "lambda")]);
    free(x);
    genome_free(g);
    recipe_free(r);
}

static void refused(const genome_options *o, const char *thing)
{
    recipe *r = three_models(o->method->name);
    error err = {0};
    if (genome_new(r, o, &err))
        fail_msg("a genome was made; wanted an error about '%s'", thing);
    if (!strstr(err.text, thing) || strchr(err.text, '\n'))
        fail_msg("'%s' does not tell '%s'", err.text, thing);
    recipe_free(r);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    genome_options o = options_for("ties");
    o.n_groups = 13;
    refused(&o, "13 layer groups for 12 layers");
    static const int bad[][2][2] = {{{0, 5}, {6, 12}}, {{0, 6}, {6, 13}}, {{0, 6}, {6, 11}}, {{0, 7}, {6, 12}}, {{0, 0}, {0, 12}}, {{-1, 6}, {6, 12}}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        o = options_for("ties");
        o.ranges = bad[i];
        o.n_ranges = 2;
        refused(&o, "layer group");
    }
    static const struct { struct genome_bound bound; const char *thing; } bounds[] = {
        {{"wieght", 0, 1, NAN, NAN}, "'wieght'"}, {{"weight", 1, 0, NAN, NAN}, "[1, 0]"}, {{"density", 0, 2, NAN, NAN}, "[0, 2]"},
        {{"weight", 0, 1, 3, NAN}, "starts at 3"}, {{"weight", 0, 1, NAN, 0}, "spread 0"}, {{"weight", 0, 1, NAN, -1}, "spread -1"},
    };
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        o = options_for("ties");
        o.bounds = &bounds[i].bound;
        o.n_bounds = 1;
        refused(&o, bounds[i].thing);
    }
}

static void test_a_start_from_another_recipe(void **state)
{
    (void)state;
    error err;
    genome_options o = options_for("ties");
    o.n_groups = 2;
    recipe *r = three_models("ties"), *known = three_models("ties");
    genome *g = made(r, &o);
    double *x = memory_new(g->count, sizeof *x);
    assert_int_equal(genome_encode(g, known, x, &err), -1);
    assert_error(&err, ERROR_USAGE, "'weight' for ja.weight.g0");
    recipe_set(known, -1, "weight", 5);                 /* global, beyond the upper bound */
    recipe_set_filtered(known, 0, "weight", "self_attn", .4);
    recipe_set_filtered(known, 0, "weight", NULL, .8);
    recipe_set_filtered(known, 1, "density", "layers.0.", .2);
    recipe_set_filtered(known, 1, "density", NULL, .6);
    assert_int_equal(genome_encode(g, known, x, &err), 0);
    assert_near(x[find(g, "ja.weight.g0")], .6, 1e-15, "the mean of attention and MLP");
    assert_near(x[find(g, "math.weight.g1")], 2, 0, "cut to the bound");
    assert_near(x[find(g, "ja.density.g1")], 1, 0, "the method's default");
    assert_near(x[find(g, "math.density.g0")], (.2 + 5 * .6) / 6, 1e-15, "the mean over the layers");
    recipe *other = three_models("linear");
    assert_int_equal(genome_encode(g, other, x, &err), -1);
    recipe *few = recipe_new("ties");
    recipe_add_model(few, "a");
    recipe_set(few, -1, "weight", 1);
    assert_int_equal(genome_encode(g, few, x, &err), -1);
    assert_error(&err, ERROR_USAGE, "1 models");
    recipe_free(few);
    recipe_free(other);
    free(x);
    genome_free(g);
    recipe_free(known);
    recipe_free(r);
}

static void test_methods_with_and_without_a_base(void **state)
{
    (void)state;
    recipe *r = three_models("slerp");
    genome_options o = options_for("slerp");
    genome *g = made(r, &o);
    assert_int_equal(g->count, 1);
    assert_string_equal(g->dimensions[0].name, "t");
    genome_free(g);
    recipe_free(r);

    r = three_models("linear");
    r->base = -1;
    o = options_for("linear");
    g = made(r, &o);
    assert_int_equal(g->count, 3);
    assert_string_equal(g->dimensions[2].name, "base.weight");
    genome_free(g);
    recipe_free(r);
}

/* What mergekit-evolve's slices mean, tensor by tensor: the filters' values in the tensor's group, the first match first. */
static void test_filters_in_groups(void **state)
{
    (void)state;
    static const char *const filters[] = {"self_attn", "down_proj"};
    static const char *const tensors[] = {"self_attn.q_proj.weight", "mlp.down_proj.weight", "mlp.up_proj.weight"}, *const parts[] = {"self_attn", "down_proj", "*"};
    recipe *r = three_models("dare_ties");
    genome_options o = options_for("dare_ties");
    o.n_groups = 4;
    o.filters = filters;
    o.n_filters = 2;
    genome *g = made(r, &o);
    assert_int_equal(g->count, 2 * 2 * 4 * 3);
    double *x = counted(g), value = NAN;
    char name[64], tensor[64];
    genome_decode(g, x, r);
    genome_decode(g, x, r);
    for (int layer = 0; layer < LAYERS; layer++)
        for (int k = 0; k < 3; k++) {
            snprintf(name, sizeof name, "math.density.g%d.%s", layer / 3, parts[k]);
            snprintf(tensor, sizeof tensor, "model.layers.%d.%s", layer, tensors[k]);
            assert_true(recipe_real(r, 1, "density", tensor, (double)layer / (LAYERS - 1), &value));
            assert_near(value, x[find(g, name)], 1e-15, tensor);    /* a gradient's places are not quite whole */
        }
    assert_value(r, 0, "weight", "model.embed_tokens.weight", 0, x[find(g, "ja.weight.g0.*")]);
    assert_value(r, 0, "weight", "lm_head.weight", 0, x[find(g, "ja.weight.g3.*")]);
    assert_value(r, 0, "weight", "model.norm.weight", 0, x[find(g, "ja.weight.g3.*")]);
    free(x);
    genome_free(g);

    o.smooth = true;        /* the groups' values are a gradient */
    g = made(r, &o);
    x = counted(g);
    genome_decode(g, x, r);
    double a = x[find(g, "ja.weight.g1.self_attn")], b = x[find(g, "ja.weight.g2.self_attn")], place = 5. / (LAYERS - 1) * 3;
    assert_true(recipe_real(r, 0, "weight", "model.layers.5.self_attn.k_proj.weight", 5. / (LAYERS - 1), &value));
    assert_near(value, a + (place - 1) * (b - a), 1e-15, "between two groups");
    assert_value(r, 0, "weight", "lm_head.weight", 0, x[find(g, "ja.weight.g0.*")]);
    free(x);
    genome_free(g);

    o.smooth = false;
    o.n_groups = 1;
    g = made(r, &o);
    x = counted(g);
    genome_decode(g, x, r);
    assert_value(r, 1, "weight", "model.layers.7.mlp.down_proj.weight", .5, x[find(g, "math.weight.down_proj")]);
    assert_value(r, 1, "weight", "lm_head.weight", 0, x[find(g, "math.weight.*")]);
    free(x);
    genome_free(g);
    recipe_free(r);

    static const char *const twice[] = {"mlp", "mlp"}, *const all[] = {"*"};
    o.filters = twice;
    refused(&o, "'mlp' stands twice");
    o.filters = all;
    o.n_filters = 1;
    refused(&o, "'*'");
}

/* Whatever a method declares can be searched, and fixed. */
static void test_every_parameter_of_every_method(void **state)
{
    (void)state;
    for (const char *const *method_name = method_names(); *method_name; method_name++) {
        const method *m = method_find(*method_name);
        struct genome_bound bounds[32];
        const char *all[32];
        recipe *r = recipe_new(m->name);
        size_t n_bounds = 0, expected = 0, searched = 0;
        int models = m->max_models ? m->max_models : 2;
        for (int i = 0; i < models; i++)
            recipe_add_model(r, names[i]);
        if (m->base == BASE_NEEDED)
            r->base = recipe_add_model(r, "base");
        for (size_t i = 0; i < m->n_parameters; i++) {
            const method_parameter *p = &m->parameters[i];
            bool usual = p->search_low < p->search_high;
            expected += p->per_model ? (size_t)models : 1;
            searched += !usual ? 0 : p->per_model ? (size_t)models : 1;
            all[i] = p->name;
            if (!usual)
                bounds[n_bounds++] = p->is_bool ? (struct genome_bound){p->name, NAN, NAN, .25, NAN} : (struct genome_bound){p->name, p->low, p->high, p->standard, NAN};
        }
        genome_options o = {.method = m, .names = names, .layers = LAYERS, .n_groups = 1, .bounds = bounds, .n_bounds = n_bounds};
        genome *g = expected ? made(r, &o) : NULL;
        for (size_t i = 0; g && i < g->count; i++) {
            const method_parameter *p = method_parameter_find(m, g->dimensions[i].parameter);
            double value = NAN, *x = counted(g);
            x[i] = p->is_bool ? 1 : g->dimensions[i].start;
            genome_decode(g, x, r);
            assert_true(recipe_real(r, g->dimensions[i].model, p->name, "lm_head.weight", 0, &value));
            assert_true(value == x[i] && g->dimensions[i].binary == p->is_bool);
            free(x);
        }
        assert_int_equal(g ? g->count : 0, expected);
        genome_free(g);
        o.n_bounds = 0;
        g = searched ? made(r, &o) : NULL;
        assert_int_equal(g ? g->count : 0, searched);
        genome_free(g);
        o.fixed = all;
        o.n_fixed = m->n_parameters;
        refused(&o, "unless 'bounds' names it");
        recipe_free(r);
    }
}

/* A method that is not in the table: nothing of it is searched by default but epsilon, whose usual start lies out of its range. */
static void test_parameters_of_other_kinds(void **state)
{
    (void)state;
    static const method_parameter parameters[] = {{"epsilon", true, false, false, .15, 0, 1, .01, .3, ""}, {"eps", false, false, false, 1e-6, 0, 1, 0, 0, ""},
                                                  {"filter_wise", false, true, false, 0, 0, 1, 0, 0, ""}};
    const method made_up = {"made_up", "", BASE_OPTIONAL, 2, 2, parameters, 3, NULL, false};
    const struct genome_bound bounds[] = {{"filter_wise", NAN, NAN, NAN, NAN}, {"eps", 0, 1e-3, 1e-4, NAN}};
    recipe *r = three_models("made_up");
    r->n_models = 2;
    r->base = -1;
    genome_options o = {.method = &made_up, .names = names, .layers = LAYERS, .n_groups = 1};
    genome *g = made(r, &o);
    assert_int_equal(g->count, 2);
    assert_true(g->dimensions[0].start == .15);
    genome_free(g);
    o.bounds = bounds;
    o.n_bounds = 2;
    g = made(r, &o);
    assert_int_equal(g->count, 4);
    const dimension *d = &g->dimensions[find(g, "filter_wise")];
    assert_true(d->binary && d->low == 0 && d->high == 1 && d->start == .5 && d->model == -1);
    genome_free(g);
    r->n_models = 3;
    recipe_free(r);

    static const struct { struct genome_bound bound; const char *thing; } bad[] = {{{"filter_wise", 0, 1, NAN, NAN}, "is a switch"}, {{"filter_wise", NAN, NAN, 2, NAN}, "is a switch"},
                                                                                {{"eps", NAN, NAN, NAN, NAN}, "no usual bounds"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        o.bounds = &bad[i].bound;
        o.n_bounds = 1;
        refused(&o, bad[i].thing);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_tensor_follows_its_dimension), cmocka_unit_test(test_one_group_is_plain_numbers),
        cmocka_unit_test(test_bounds_start_and_spread), cmocka_unit_test(test_what_is_refused), cmocka_unit_test(test_a_start_from_another_recipe),
        cmocka_unit_test(test_methods_with_and_without_a_base), cmocka_unit_test(test_filters_in_groups),
        cmocka_unit_test(test_every_parameter_of_every_method), cmocka_unit_test(test_parameters_of_other_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
