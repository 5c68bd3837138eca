/* DIR/optim: cma_steps*.jsonl (one update a line), cma_constants*.jsonl, cma_evals*.json (whole runs, medians), nsga*.jsonl. */
#include "golden.h"
#include "../unit/search/functions.h"

#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "search/cma.h"
#include "search/optimizer.h"

#define MOST 4096           /* dimensions or candidates of a line */
#define TOLERANCE 1e-10
#define TOLERANCE_COND 1e-8 /* a covariance with condition number 1e10 */
#define MEDIAN_TOLERANCE 0.10

struct tally { const char *name; int passed, failed, unsupported; };

static void check(struct tally *t, bool good)
{
    *(good ? &t->passed : &t->failed) += 1;
}

static double real(const json_t *line, const char *key)
{
    return json_number_value(json_object_get(line, key));
}

/* The numbers of a list, or of a list of lists row by row; NULL where they are not `n`. free() them. */
static double *reals(const json_t *list, size_t n)
{
    double *out = memory_new(n, sizeof *out);
    size_t at = 0, i, j;
    const json_t *row, *cell;
    bool good = json_is_array(list);
    json_array_foreach(list, i, row) {
        if (json_is_number(row) && at < n)
            out[at++] = json_number_value(row);
        else if (json_is_number(row))
            good = false;
        json_array_foreach(row, j, cell) {
            good = good && json_is_number(cell) && at < n;
            if (good)
                out[at++] = json_number_value(cell);
        }
    }
    if (good && at == n)
        return out;
    free(out);
    return NULL;
}

/* The largest difference in units of the largest expected number. */
static bool near(const char *name, size_t line, const char *what, const double *got, const double *wanted, size_t n, double tolerance)
{
    double scale = 0, worst = 0;
    size_t at = 0;
    for (size_t i = 0; i < n; i++)
        scale = fmax(scale, fabs(wanted[i]));
    for (size_t i = 0; i < n; i++) {
        double d = fabs(got[i] - wanted[i]);
        if (!(d <= worst)) {
            worst = d;
            at = i;
        }
    }
    if (worst <= tolerance * scale)
        return true;
    golden_mismatch(name, "line %zu: %s[%zu] is %.17g, wanted %.17g (within %g of the largest, %g)", line, what, at, got[at], wanted[at], tolerance, scale);
    return false;
}

static bool near_list(const char *name, size_t line, const json_t *expect, const char *key, const double *got, size_t n, double tolerance)
{
    const json_t *value = json_object_get(expect, key);
    double one = json_number_value(value), *wanted = json_is_number(value) ? NULL : reals(value, n);
    if (!wanted && !(json_is_number(value) && n == 1)) {
        golden_mismatch(name, "line %zu: '%s' does not have %zu numbers", line, key, n);
        return false;
    }
    bool good = near(name, line, key, got, wanted ? wanted : &one, n, tolerance);
    free(wanted);
    return good;
}

static bool one_step(const json_t *line, size_t number, struct tally *t, size_t n, int lambda)
{
    cma_constants k = cma_constants_for(n, lambda, json_is_true(json_object_get(line, "active")), false);
    cma_state s = cma_state_new(n, false);
    size_t count = (size_t)lambda, *order = memory_new(count, sizeof *order);
    double *x = reals(json_object_get(line, "x"), count * n), *rank = reals(json_object_get(line, "rank"), count), *weights = memory_new(count, sizeof *weights);
    static const char *const keys[] = {"mean", "ps", "pc", "C"};
    double *parts[4] = {s.mean, s.ps, s.pc, s.C};
    const char *kind = json_string_value(json_object_get(line, "case"));
    double tolerance = kind && strcmp(kind, "cond") == 0 ? TOLERANCE_COND : TOLERANCE;
    bool good = x && rank;
    for (int i = 0; i < 4; i++) {
        double *given = reals(json_object_get(line, keys[i]), i == 3 ? n * n : n);
        good = good && given;
        if (given)
            memcpy(parts[i], given, (i == 3 ? n * n : n) * sizeof *given);
        free(given);
    }
    s.sigma = real(line, "sigma");
    s.generation = (uint32_t)json_integer_value(json_object_get(line, "generation"));
    for (size_t i = 0; i < count && good; i++) {
        good = rank[i] >= 0 && rank[i] < (double)count;
        if (good)
            order[(size_t)rank[i]] = i;
    }
    error err = {0};
    if (!good || !(s.sigma > 0) || cma_decompose(&s, &err) < 0) {
        golden_mismatch(t->name, "line %zu: %s", number, err.code ? err.text : "is not one update");
        good = false;
    }
    if (good) {
        for (size_t i = 0; i < count * n; i++)
            x[i] = (x[i] - s.mean[i % n]) / s.sigma;
        cma_trace trace = {.weights = weights};
        cma_update(&k, &s, x, order, &trace);
        const json_t *expect = json_object_get(line, "expect");
        static const char *const names[] = {"mean", "sigma", "C", "ps", "pc", "h_sigma", "norm_ps", "weights_used", "decay"};
        const double *got[] = {s.mean, &s.sigma, s.C, s.ps, s.pc, &trace.h_sigma, &trace.norm_ps, weights, &trace.decay};
        const size_t sizes[] = {n, 1, n * n, n, n, 1, 1, count, 1};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            good &= near_list(t->name, number, expect, names[i], got[i], sizes[i], tolerance);
    }
    free(x);
    free(rank);
    free(weights);
    free(order);
    cma_state_clear(&s);
    cma_constants_clear(&k);
    return good;
}

static int check_step(void *context, const json_t *line, size_t number, error *err)
{
    struct tally *t = context;
    double n = real(line, "n"), lambda = real(line, "lambda");
    (void)err;
    if (!(n >= 1 && n <= MOST && lambda >= 2 && lambda <= MOST)) {
        golden_mismatch(t->name, "line %zu: n %g, lambda %g", number, n, lambda);
        check(t, false);
    } else {
        check(t, one_step(line, number, t, (size_t)n, (int)lambda));
    }
    return 0;
}

static int check_constants(void *context, const json_t *line, size_t number, error *err)
{
    struct tally *t = context;
    double n = real(line, "n"), lambda = real(line, "lam");
    (void)err;
    if (!(n >= 1 && n <= 1e9 && lambda >= 2 && lambda <= 1e6)) {
        golden_mismatch(t->name, "line %zu: n %g, lam %g", number, n, lambda);
        check(t, false);
        return 0;
    }
    cma_constants k = cma_constants_for((size_t)n, (int)lambda, json_is_true(json_object_get(line, "active")), false);
    double mu = k.mu;
    static const char *const names[] = {"mu", "w", "mueff", "mueffm", "c1", "cmu", "alpha", "cs", "ds", "cc", "chi"};
    const double *got[] = {&mu, k.w, &k.mueff, &k.mueff_minus, &k.c1, &k.cmu, &k.alpha, &k.cs, &k.ds, &k.cc, &k.chi};
    bool good = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        good &= near_list(t->name, number, line, names[i], got[i], got[i] == k.w ? (size_t)lambda : 1, 1e-12);
    check(t, good);
    cma_constants_clear(&k);
    return 0;
}

static const struct { const char *name; function *f; } functions[] = {
    {"sphere", sphere}, {"ellipsoid", ellipsoid}, {"rosenbrock", rosenbrock},
};

/* Evaluations until the first candidate at or below the target; infinity past the limit. */
static double evaluations(function *f, const optimizer_options *options, double target, double limit)
{
    error err;
    optimizer *o = optimizer_new("cma-es", options, &err);
    if (!o)
        return NAN;
    size_t n = options->n, count = (size_t)optimizer_population(o);
    double *x = memory_new(count * n, sizeof *x), done = 0, at = INFINITY;
    fate *fates = memory_new(count, sizeof *fates);
    while (done < limit && isinf(at)) {
        optimizer_ask(o, x);
        for (size_t i = 0; i < count && isinf(at); i++) {
            double value = f(x + i * n, n);
            if (value <= target)
                at = done + (double)i + 1;
            fates[i].objective = -value;
        }
        done += (double)count;
        if (optimizer_tell(o, fates, &err) < 0)
            break;
    }
    free(x);
    free(fates);
    optimizer_free(o);
    return at;
}

/* Runs that two rows ask for (by one package and by another) are run once. */
static double median_of(double (*f)(const double *, size_t), size_t n, double x0, double sigma, bool active, double target, size_t seeds, double limit)
{
    static struct ran { double (*f)(const double *, size_t); size_t n, seeds; double x0, sigma, target, limit, median; bool active; } ran[64];
    static size_t count;
    for (size_t i = 0; i < count; i++)
        if (ran[i].f == f && ran[i].n == n && ran[i].seeds == seeds && ran[i].x0 == x0 && ran[i].sigma == sigma && ran[i].target == target &&
            ran[i].active == active && ran[i].median < limit)
            return ran[i].median;
    double *start = memory_new(n, sizeof *start), *counts = memory_new(seeds, sizeof *counts);
    for (size_t i = 0; i < n; i++)
        start[i] = x0;
    for (size_t i = 0; i < seeds; i++) {
        optimizer_options options = {.n = n, .start = start, .sigma = sigma, .seed = i + 1, .active = active};
        counts[i] = evaluations(f, &options, target, limit);
    }
    qsort(counts, seeds, sizeof *counts, ascending);
    double median = seeds % 2 ? counts[seeds / 2] : (counts[seeds / 2 - 1] + counts[seeds / 2]) / 2;
    free(start);
    free(counts);
    if (count < sizeof ran / sizeof *ran)
        ran[count++] = (struct ran){f, n, seeds, x0, sigma, target, limit, median, active};
    return median;
}

static void check_run(struct tally *t, const json_t *run, size_t number, double target, size_t seeds)
{
    const char *name = json_string_value(json_object_get(run, "function"));
    double (*f)(const double *, size_t) = NULL;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (name && strcmp(functions[i].name, name) == 0)
            f = functions[i].f;
    double n = real(run, "n"), wanted = real(run, "median"), sigma = real(run, "sigma0");
    if (!f) {
        t->unsupported++;
        return;
    }
    if (!(n >= 1 && n <= 1000 && wanted > 0 && sigma > 0 && target > 0)) {
        golden_mismatch(t->name, "run %zu: n %g, sigma0 %g, target %g, median %g", number, n, sigma, target, wanted);
        check(t, false);
        return;
    }
    bool active = json_is_true(json_object_get(run, "active"));
    double median = median_of(f, (size_t)n, real(run, "x0"), sigma, active, target, seeds, 10 * wanted);
    bool good = fabs(median - wanted) <= MEDIAN_TOLERANCE * wanted;
    if (!good)
        golden_mismatch(t->name, "run %zu: %s n %g, %s: the median of %zu runs is %g evaluations, wanted %g within 10 %%", number, name, n,
                        active ? "active" : "not active", seeds, median, wanted);
    check(t, good);
}

static void check_evals(struct tally *t, const char *path)
{
    error err;
    json_t *root = json_read(path, 0, &err);
    const json_t *runs = json_object_get(root, "runs"), *run;
    size_t seeds = json_array_size(json_object_get(root, "seeds")), i;
    if (!root || json_array_size(runs) == 0 || seeds == 0 || seeds > 1000) {
        golden_mismatch(t->name, "%s: %s", path, root ? "has no runs or no seeds" : err.text);
        check(t, false);
    }
    json_array_foreach(runs, i, run)
        check_run(t, run, i, real(root, "target"), seeds);
    json_decref(root);
}

static int skip(void *context, const json_t *line, size_t number, error *err)
{
    (void)line;
    (void)number;
    (void)err;
    ((struct tally *)context)->unsupported++;
    return 0;
}

static bool is_like(const char *file, const char *prefix, const char *suffix)
{
    size_t n = strlen(file), m = strlen(suffix);
    return strncmp(file, prefix, strlen(prefix)) == 0 && n >= m && strcmp(file + n - m, suffix) == 0;
}

void golden_optim(const golden_context *c)
{
    static const struct { const char *name, *prefix, *suffix; int (*each)(void *, const json_t *, size_t, error *); } groups[] = {
        {"optim/cma_constants", "cma_constants", ".jsonl", check_constants},
        {"optim/cma_steps", "cma_steps", ".jsonl", check_step},
        {"optim/cma_evals", "cma_evals", ".json", NULL},
        {"optim/nsga", "nsga", ".jsonl", skip},
    };
    char *folder = file_join(c->root, "optim");
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (!golden_wanted(c, groups[i].name))
            continue;
        struct dirent **files = NULL;
        int n = scandir(folder, &files, NULL, alphasort);
        struct tally t = {.name = groups[i].name};
        bool any = false;
        for (int k = 0; k < n; k++) {
            if (is_like(files[k]->d_name, groups[i].prefix, groups[i].suffix)) {
                char *path = file_join(folder, files[k]->d_name);
                error err;
                any = true;
                if (!groups[i].each) {
                    check_evals(&t, path);
                } else if (json_lines(path, groups[i].each, &t, &err) < 0) {
                    golden_mismatch(t.name, "%s", err.text);
                    check(&t, false);
                }
                free(path);
            }
            free(files[k]);
        }
        free(files);
        if (any)
            golden_report(c, t.name, t.passed, t.failed, t.unsupported);
    }
    free(folder);
}
