/* Who may win, and who is there to be compared with. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "study/finish.h"
#include "tensor/names.h"

#define BEST_TRIALS 5
#define SNAPSHOT_EVERY 10
#define MASK_SEEDS 5

contender *contender_decode(contender_list *l, const step *st, char *name, const double *x, int64_t trial_number)
{
    layer_path *p = st->path ? path_copy(st->path) : NULL;
    recipe *r = st->recipe ? recipe_copy(st->recipe) : NULL;
    if (p && flow_decode(st->genome, x, p) > 0) {
        path_free(p);
        free(name);
        return NULL;
    }
    if (r)
        genome_decode(st->genome, x, r);
    contender *c = contender_add(l, "evolved", name);
    c->step = st;
    c->recipe = r;
    c->path = p;
    c->trial = trial_number;
    return c;
}

static int by_value(const void *a, const void *b)
{
    const trial *x = *(trial *const *)a, *y = *(trial *const *)b;
    if (x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

/* The paper keeps the best of snapshots on its validation questions: here the best candidate of every tenth generation. */
static void add_snapshots(contender_list *l, const step *st, trial *const *order, size_t n)
{
    for (int64_t g = SNAPSHOT_EVERY - 1; g < st->generations; g += SNAPSHOT_EVERY)
        for (size_t i = 0; i < n; i++)
            if (order[i]->generation == st->first + g) {
                contender_decode(l, st, memory_print("trial %lld", (long long)order[i]->number), order[i]->x, order[i]->number);
                break;
            }
}

/* The mean first: where scores tie, the first wins, and a mean has less luck in it than the best of hundreds of draws. */
int contenders_evolved(session *s, contender_list *l, error *err)
{
    trial *list;
    const step *st = &s->steps[s->at];
    size_t n, complete = 0;
    const double *mean = optimizer_mean(s->optimizer);
    if (mean)
        contender_decode(l, st, memory_text("mean"), mean, -1);
    if (store_trials(s->store, UINT32_MAX, false, &list, &n, err) != 0)
        return -1;
    trial **order = memory_new(n, sizeof *order);
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].state, "COMPLETE") == 0 && list[i].step == s->at && list[i].n == st->genome->count)
            order[complete++] = &list[i];
    qsort(order, complete, sizeof *order, by_value);
    for (size_t i = 0; i < complete && i < BEST_TRIALS; i++)
        contender_decode(l, st, memory_print("trial %lld", (long long)order[i]->number), order[i]->x, order[i]->number);
    if (st->file->paper)
        add_snapshots(l, st, order, complete);
    free(order);
    trials_free(list, n);
    return l->count ? 0 : fail(err, ERROR_STATE, "%s: no trial was completed: there is nothing to choose from", s->db);
}

/* The base of the first merge, if any, comes first. */
int contenders_sources(session *s, contender_list *l, error *err)
{
    (void)err;
    int base = -1;
    for (size_t k = 0; k < s->n_steps && base < 0; k++)
        if (s->steps[k].recipe && s->steps[k].recipe->base >= 0)
            base = s->steps[k].model[s->steps[k].recipe->base];
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < s->n_models; i++)
            if ((s->models[i].index == base) == (pass == 0))
                contender_add(l, "source", memory_text(s->models[i].name))->model = (int)i;
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
                          near ? near : "; known are linear, task_arithmetic_mean, task_arithmetic_sum, ties, dare_ties, layer_stack, layer_swap, none",
                          near ? "'?" : "");
        }
    }
    free(copy);
    return status;
}

/* The first merge that is searched; NULL: none is. */
static const step *merge_step(const session *s)
{
    for (size_t k = 0; k < s->n_steps; k++)
        if (s->steps[k].recipe)
            return &s->steps[k];
    return NULL;
}

/* The first path through models alone, of which there are at least two. */
static const step *path_step(const session *s)
{
    for (size_t k = 0; k < s->n_steps; k++) {
        const step *st = &s->steps[k];
        bool plain = st->path && st->n_models > 1;
        for (size_t i = 0; i < st->n_models; i++)
            plain = plain && st->model[i] >= 0;
        if (plain)
            return st;
    }
    return NULL;
}

static bool possible(const step *st, const unsearched *u)
{
    if (!st)
        return false;
    bool base = method_find(u->method)->base == BASE_NEEDED, sees = !st->recipe->language_only || (base && st->recipe->base >= 0 && names_sees(st->models[st->recipe->base]));
    for (size_t i = 0; i < st->file->n_sources; i++)
        sees = sees || names_sees(st->models[i]);
    return sees && (!base || st->recipe->base >= 0);
}

/* A is the step's first source, B each of the others. */
static const struct stacking { const char *name; bool swap; } stackings[] = {{"layer_stack", false}, {"layer_swap", true}};

size_t contenders_unsearched_count(const session *s, size_t *masks)
{
    size_t n = 0;
    *masks = 0;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (wanted(s, table[i].name) && possible(merge_step(s), &table[i])) {
            n++;
            *masks += table[i].masks ? MASK_SEEDS : 0;
        }
    for (size_t i = 0; i < 2; i++)
        n += wanted(s, stackings[i].name) && path_step(s) ? path_step(s)->n_models - 1 : 0;
    return n;
}

/* The sources come before the base in the step's models, so a recipe without a base uses the first of them. */
static recipe *build(const session *s, const step *st, const unsearched *u)
{
    const recipe *searched = st->recipe;
    size_t n_sources = st->file->n_sources;
    recipe *r = recipe_new(u->method);
    for (size_t i = 0; i < n_sources; i++) {
        int at = recipe_add_model(r, searched->models[i].path);
        recipe_set(r, at, "weight", u->sum ? 1 : 1.0 / (double)n_sources);
        if (u->density > 0)
            recipe_set(r, at, "density", u->density);
    }
    if (method_find(u->method)->base == BASE_NEEDED)
        r->base = recipe_add_model(r, searched->models[searched->base].path);
    r->base_listed = false;
    r->mode = searched->mode;
    r->language_only = searched->language_only;
    r->dtype = searched->dtype;
    r->config_from = searched->config_from < (int)r->n_models ? searched->config_from : -1;
    if (searched->tokenizer.source == TOKENIZER_BASE && r->base >= 0)
        r->tokenizer.source = TOKENIZER_BASE;
    r->seed = s->seed;
    return r;
}

/* Stacking puts the last three quarters of B behind the first three of A, as people do by hand; a swap keeps A's first quarter and
 * last layer and puts B's layers between them. */
static layer_path *stack(const session *s, const step *st, int other, bool swap)
{
    layer_path *p = path_copy(st->path);
    int layers[2] = {0};
    for (size_t k = 0; k < s->n_models; k++) {
        layers[0] = s->models[k].index == st->model[0] ? s->models[k].layers : layers[0];
        layers[1] = s->models[k].index == st->model[other] ? s->models[k].layers : layers[1];
    }
    p->n_hops = 0;
    if (swap) {
        path_add_layers(p, 0, 0, layers[0] / 4);
        path_add_layers(p, other, layers[1] / 4, layers[1] - 1);
        path_add_layers(p, 0, layers[0] - 1, layers[0]);
    } else {
        path_add_layers(p, 0, 0, layers[0] - layers[0] / 4);
        path_add_layers(p, other, layers[1] / 4, layers[1]);
    }
    return p;
}

static void add_stackings(session *s, contender_list *l)
{
    const step *st = path_step(s);
    for (size_t k = 0; st && k < 2 * (st->n_models - 1); k++) {
        const struct stacking *kind = &stackings[k % 2];
        if (!wanted(s, kind->name))
            continue;
        layer_path *p = stack(s, st, 1 + (int)k / 2, kind->swap);
        char *text = path_text(p);
        contender *c = contender_add(l, "unsearched", memory_print("layers by hand: %s", text));
        c->step = st;
        c->path = p;
        free(text);
    }
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
    const step *st = merge_step(s);
    for (size_t i = 0; st && i < sizeof table / sizeof *table; i++) {
        const unsearched *u = &table[i];
        if (!wanted(s, u->name))
            continue;
        if (!possible(st, u)) {
            json_array_append_new(notes, json_sprintf("%s is left out: the study has no base model%s.", u->name, st->recipe->language_only ? ", or none of its sources sees" : ""));
            continue;
        }
        contender *c = contender_add(l, "unsearched", label(u, st->file->n_sources));
        c->step = st;
        c->recipe = build(s, st, u);
        if (u->masks && choose_mask(s, c, err) != 0)
            return -1;
    }
    add_stackings(s, l);
    return 0;
}
