/* Who may win, and who is there to be compared with. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "study/finish.h"

#define BEST_TRIALS 5
#define MASK_SEEDS 5

static void add_evolved(session *s, contender_list *l, char *name, const double *x, int64_t trial_number)
{
    contender *c = contender_add(l, "evolved", name);
    c->recipe = recipe_copy(s->recipe);
    genome_decode(s->genome, x, c->recipe);
    c->models = s->models;
    c->trial = trial_number;
}

static int by_value(const void *a, const void *b)
{
    const trial *x = *(trial *const *)a, *y = *(trial *const *)b;
    if (x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

/* The mean first: where scores tie, the first wins, and a mean has less luck in it than the best of hundreds of draws. */
int contenders_evolved(session *s, contender_list *l, error *err)
{
    trial *list;
    size_t n, complete = 0;
    const double *mean = optimizer_mean(s->optimizer);
    if (mean)
        add_evolved(s, l, memory_text("evolved (mean)"), mean, -1);
    if (store_trials(s->store, UINT32_MAX, false, &list, &n, err) != 0)
        return -1;
    trial **order = memory_new(n, sizeof *order);
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].state, "COMPLETE") == 0 && list[i].n == s->genome->count)
            order[complete++] = &list[i];
    qsort(order, complete, sizeof *order, by_value);
    for (size_t i = 0; i < complete && i < BEST_TRIALS; i++)
        add_evolved(s, l, memory_print("evolved (trial %lld)", (long long)order[i]->number), order[i]->x, order[i]->number);
    free(order);
    trials_free(list, n);
    return l->count ? 0 : fail(err, ERROR_STATE, "%s: no trial was completed: there is nothing to choose from", s->db);
}

int contenders_sources(session *s, contender_list *l, error *err)
{
    (void)err;
    for (size_t i = 0; i < s->recipe->n_models; i++) {
        size_t k = s->recipe->base < 0 ? i : i == 0 ? (size_t)s->recipe->base : i - 1;     /* the base's row first */
        contender *c = contender_add(l, "source", memory_text(s->names[k]));
        c->model = (int)k;
    }
    return 0;
}

typedef struct unsearched {
    const char *name, *method;
    bool sum;               /* weight 1 each, else 1/N */
    double density;         /* 0: none */
    bool masks;             /* the best of MASK_SEEDS */
} unsearched;

static const unsearched table[] = {
    {"linear", "linear", false, 0, false},        {"task_arithmetic_mean", "task_arithmetic", false, 0, false},
    {"task_arithmetic_sum", "task_arithmetic", true, 0, false}, {"ties", "ties", true, 0.5, false},
    {"dare_ties", "dare_ties", false, 0.5, true},
};

static bool wanted(const session *s, const char *name)
{
    const char *option = s->options->baselines;
    if (option) {
        size_t n = strlen(name);
        for (const char *at = option; (at = strstr(at, name)); at += n)
            if ((at == option || at[-1] == ',') && (at[n] == '\0' || at[n] == ','))
                return true;
        return false;
    }
    for (size_t i = 0; i < s->file->n_baselines; i++)
        if (strcmp(s->file->baselines[i], name) == 0)
            return true;
    return s->file->n_baselines == 0;
}

int contenders_check_option(const char *option, error *err)
{
    char *copy = memory_text(option ? option : "none"), *rest = copy;
    int status = 0;
    for (char *word; status == 0 && (word = strsep(&rest, ","));) {
        bool known = strcmp(word, "none") == 0;
        for (const char *const *name = study_baseline_names(); *name; name++)
            known = known || strcmp(word, *name) == 0;
        if (!known) {
            const char *near = text_nearest(word, study_baseline_names());
            status = fail(err, ERROR_USAGE, "--baselines: unknown '%s'%s%s%s", word, near ? "; did you mean '" : "",
                          near ? near : "; known are linear, task_arithmetic_mean, task_arithmetic_sum, ties, dare_ties, none",
                          near ? "'?" : "");
        }
    }
    free(copy);
    return status;
}

static bool possible(const session *s, const unsearched *u)
{
    return !method_find(u->method)->needs_base || s->recipe->base >= 0;
}

size_t contenders_unsearched_count(const session *s, size_t *masks)
{
    size_t n = 0;
    *masks = 0;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (wanted(s, table[i].name) && possible(s, &table[i])) {
            n++;
            *masks += table[i].masks ? MASK_SEEDS : 0;
        }
    return n;
}

/* The sources come before the base in the session's models, so a recipe without a base uses the first of them. */
static recipe *build(const session *s, const unsearched *u, size_t n_sources)
{
    recipe *r = recipe_new(u->method);
    for (size_t i = 0; i < n_sources; i++) {
        int at = recipe_add_model(r, s->recipe->models[i].path);
        recipe_set(r, at, "weight", u->sum ? 1 : 1.0 / (double)n_sources);
        if (u->density > 0)
            recipe_set(r, at, "density", u->density);
    }
    if (method_find(u->method)->needs_base)
        r->base = recipe_add_model(r, s->recipe->models[s->recipe->base].path);
    r->base_listed = false;
    r->mode = s->recipe->mode;
    r->tokenizer_base = s->recipe->tokenizer_base && r->base >= 0;
    r->seed = s->seed;
    return r;
}

static char *label(const unsearched *u, size_t n)
{
    string t = {0};
    string_puts(&t, u->method);
    if (u->sum || n == 1)
        string_puts(&t, ", weight 1");
    else
        string_print(&t, ", weight 1/%zu", n);
    if (u->density > 0)
        string_print(&t, ", density %g", u->density);
    if (u->masks)
        string_print(&t, ", best of %d masks", MASK_SEEDS);
    return t.text;
}

/* Which random mask it gets is chosen like everything else: on select. */
static int choose_mask(session *s, contender *c, error *err)
{
    question_set *sets = question_pool_draw(&s->select, s->seed, "select", 0, 0);
    uint64_t best_seed = 0;
    double best = -INFINITY;
    int status = 0;
    for (uint64_t seed = 0; seed < MASK_SEEDS && status == 0; seed++) {
        c->recipe->seed = seed;
        json_t *score = contender_score(s, c, sets, s->select.count, err);
        status = score ? 0 : -1;
        if (status == 0 && contender_value(score) > best) {
            best = contender_value(score);
            best_seed = seed;
        }
        json_decref(score);
    }
    c->recipe->seed = best_seed;
    question_sets_free(sets, s->select.count);
    return status;
}

int contenders_unsearched(session *s, contender_list *l, json_t *notes, error *err)
{
    size_t n_sources = s->recipe->n_models - (s->recipe->base >= 0 ? 1 : 0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const unsearched *u = &table[i];
        if (!wanted(s, u->name))
            continue;
        if (!possible(s, u)) {
            json_array_append_new(notes, json_sprintf("%s is left out: the study has no base model.", u->name));
            continue;
        }
        contender *c = contender_add(l, "unsearched", label(u, n_sources));
        c->recipe = build(s, u, n_sources);
        c->models = s->models;
        if (u->masks && choose_mask(s, c, err) != 0)
            return -1;
    }
    return 0;
}
