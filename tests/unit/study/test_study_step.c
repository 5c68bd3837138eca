/* What a step of a merge may ask: every method of the table, each of its parameters, searched or fixed. */
#include "world.h"

#include "merge/method.h"

static void must(int status, const char *what)
{
    if (status != 0)
        fail_msg("%s: %s", what, world_error.text);
}

/* Bounds near the default of what is not searched unless it is asked for. */
static void put_bounds(string *s, const method *m)
{
    string_puts(s, "    bounds: {");
    for (size_t i = 0; i < m->n_parameters; i++) {
        const method_parameter *p = &m->parameters[i];
        double reach = 0.05 * fmax(1, fabs(p->standard));
        if (p->is_bool)
            string_print(s, "%s%s: {}", i ? ", " : "", p->name);
        else if (p->search_low < p->search_high)
            string_print(s, "%s%s: {low: %.17g, high: %.17g}", i ? ", " : "", p->name, p->search_low, p->search_high);
        else
            string_print(s, "%s%s: {low: %.17g, high: %.17g, start: %.17g}", i ? ", " : "", p->name, fmax(p->low, p->standard - reach), fmin(p->high, p->standard + reach),
                         p->standard);
    }
    string_puts(s, "}\n");
}

static void write_study(const char *name, const method *m, bool base, bool all)
{
    string s = {0};
    string_print(&s, "models: {base: %1$s/base, a: %1$s/a, b: %1$s/b}\nsearch:\n  - method: %2$s\n    sources: [%3$s]\n%4$s    optimizer: {population: 6, generations: 2}\n",
                 world_folder, m->name, m->max_models == 1 ? "a" : "a, b", base ? "    base_model: base\n" : "");
    if (all)
        put_bounds(&s, m);
    string_print(&s, "tasks: [{task: %s/task.yml, questions: 4}]\nbaselines: none\nseed: 4\n", world_folder);
    world_write(name, s.text);
    free(s.text);
}

/* The numbers of a study's trials. Most end well: a candidate may have no merge, as where all weights come out as 0 and are to be normalized. */
static size_t check_trials(const char *out, const char *what)
{
    char *db = file_join(out, "study.db");
    store *s = store_open(db, true, &world_error);
    trial *list;
    size_t n, numbers = 0, well = 0;
    const char *reason = "";
    must(store_trials(s, UINT32_MAX, false, &list, &n, &world_error), what);
    assert_int_equal(n, 12);
    for (size_t i = 0; i < n; i++) {
        well += strcmp(list[i].state, "COMPLETE") == 0;
        reason = list[i].reason ? list[i].reason : reason;
        numbers = list[i].n;
    }
    if (well < n - 2)
        fail_msg("%s: %zu of %zu trials are complete; %s", what, well, n, reason);
    trials_free(list, n);
    store_close(s);
    free(db);
    return numbers;
}

static void evolve(const method *m, bool base, bool all, size_t expected)
{
    char *what = memory_print("%s%s%s", m->name, base ? "-based" : "", all ? "-all" : ""), *file = memory_print("%s.yml", what), *out = world_path(what);
    char *best = file_join(out, "best/model.safetensors");
    closed_form f = closed_form_new();
    write_study(file, m, base, all);
    int status = world_run(file, &f, (study_run_options){.out = out});
    if (expected) {
        must(status, what);
        assert_int_equal(check_trials(out, what), expected);
        assert_true(file_exists(best));
    } else if (status == 0 || !strstr(world_error.text, "unless 'bounds' names it")) {
        fail_msg("%s: %s", what, status ? world_error.text : "accepted");
    }
    free(best);
    free(out);
    free(file);
    free(what);
}

static void every_method_is_evolved(void **state)
{
    (void)state;
    for (const char *const *name = method_names(); *name; name++) {
        const method *m = method_find(*name);
        size_t models = m->max_models == 1 ? 1 : 2, usual = 0, all = 0;
        for (size_t i = 0; i < m->n_parameters; i++) {
            const method_parameter *p = &m->parameters[i];
            usual += !(p->search_low < p->search_high) ? 0 : p->per_model ? models : 1;
            all += p->per_model ? models : 1;
        }
        for (int base = m->base == BASE_NEEDED; base <= (m->base != BASE_AS_MODEL); base++) {
            evolve(m, base, false, usual);
            evolve(m, base, true, all);
        }
    }
}

/* What is fixed stands in the recipe, and is no dimension; a study with another value is another study. */
static void parameters_can_be_fixed(void **state)
{
    (void)state;
    static const char form[] = "models: {base: %1$s/base, a: %1$s/a, b: %1$s/b}\nsearch:\n  - method: ties\n    base_model: base\n    parameters: {density: %2$s, normalize: false}\n"
                               "    optimizer: {population: 4, generations: 1}\ntasks: [{task: %1$s/task.yml, questions: 4}]\nbaselines: none\n";
    char *out = world_path("fixed"), *recipe_yml = file_join(out, "recipe.yml"), *text = memory_print(form, world_folder, "0.75");
    closed_form f = closed_form_new();
    world_write("fixed.yml", text);
    must(world_run("fixed.yml", &f, (study_run_options){.out = out}), "fixed");
    recipe *r = recipe_read(recipe_yml, &world_error);
    double density = 0, normalize = 1;
    assert_true(recipe_real(r, 0, "density", "lm_head.weight", 0, &density) && recipe_real(r, -1, "normalize", "lm_head.weight", 0, &normalize));
    assert_true(density == 0.75 && normalize == 0 && r->models[0].parameters.count == 1);
    recipe_free(r);
    free(text);
    text = memory_print(form, world_folder, "0.5");
    world_write("fixed.yml", text);
    assert_int_equal(world_run("fixed.yml", &f, (study_run_options){.out = out}), -1);
    assert_non_null(strstr(world_error.text, "recipe.parameters.density was 0.75, is 0.5 now"));
    free(text);
    free(recipe_yml);
    free(out);
}

/* layer_granularity: the models have two layers. */
static void a_mergekit_evolve_file_is_searched(void **state)
{
    (void)state;
    static const char form[] = "genome: {models: [%1$s/a, %1$s/b], merge_method: ties, base_model: %1$s/base, layer_granularity: %2$d, filters: [up_proj]}\n"
                               "tasks: [{name: task, metric: %3$s}]\nlimit: 4\nmax_fevals: 8\nforce_population_size: 4\nbaselines: none\n";
    static const struct { int granularity; const char *metric, *part; } cases[] = {{1, "number", NULL}, {2, "number", NULL}, {3, "number", "no multiple"}, {1, "acc", "scored by number"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = memory_print(form, world_folder, cases[i].granularity, cases[i].metric), *name = memory_print("evolve%zu", i), *out = world_path(name), *db = file_join(out, "study.db");
        char *exported = world_path("exported");
        closed_form f = closed_form_new();
        world_write("evolve.yml", text);
        int status = world_run("evolve.yml", &f, (study_run_options){.out = out});
        if (cases[i].part ? status == 0 || !strstr(world_error.text, cases[i].part) : status != 0)
            fail_msg("%zu: %s", i, world_error.text);
        store *s = cases[i].part ? NULL : store_open(db, true, &world_error);
        trial *list;
        size_t n;
        if (s) {
            must(store_trials(s, UINT32_MAX, false, &list, &n, &world_error), "evolve");
            assert_true(n == 8 && list[0].n == (size_t)(2 * 2 * 2 * 2 / cases[i].granularity));
            trials_free(list, n);
            store_close(s);
            must(study_export(db, "3", exported, true, NULL, &world_error), "export");      /* from the study alone */
        }
        free(exported);
        free(db);
        free(out);
        free(name);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_is_evolved),
        cmocka_unit_test(parameters_can_be_fixed),
        cmocka_unit_test(a_mergekit_evolve_file_is_searched),
    };
    return cmocka_run_group_tests(tests, world_open, world_close);
}
