/* usage: bench-search [SEEDS] [TRIALS]
 *
 * Optimisers on a search for layers in closed form: no models. Each of n layers has a right state, on or off; the wrong state costs
 * |N(0,1)| times a factor that makes the wrong ones of the start cost 2 in all. Where scales are searched too, a layer's costs
 * 2 (scale - its best)^2 times the same factor while the layer is on, its best being N(1, .3^2). The ability s is minus the costs;
 * question i is answered where s + 0.3 e > t_i, with t_i of N(-1, 1) and e of N(0, 1) fixed by the candidate and the question. A
 * generation's score is the share of right answers to questions drawn for the whole generation from a pool of 2,000.
 *
 * The result is what the distribution's mean, binaries rounded, gains of what there is to gain:
 * (acc(mean) - acc(start)) / (acc(best) - acc(start)), acc the expected accuracy on the pool, the mean of Phi((s - t_i) / 0.3).
 * TRIALS are the first problem's. Exits 1 when a default's median there is below 0.95: bernoulli-cma's, for binaries of which nothing else is known,
 * or genetic's, with which a study searches paths, here without the moves that it has there. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/random.h"
#include "search/normal.h"
#include "search/optimizer.h"

#define POOL 2000
#define FLIP 0.3            /* standard deviation of e's part */
#define SUFFICIENT 0.95

typedef struct problem {
    size_t layers, wrong, questions;
    bool scales;
    int trials;
} problem;

typedef struct contender {
    const char *name;
    int population;
    double on, off;         /* the probability of 1 that a layer starts with, by its state at the start */
} contender;

typedef struct world {      /* one problem as a seed draws it */
    const problem *p;
    size_t n;               /* dimensions: the layers, then their scales */
    double *right, *start;  /* [n] owned */
    double *cost;           /* [layers] owned */
    double t[POOL];
} world;

static world world_new(const problem *p, uint64_t seed)
{
    size_t layers = p->layers;
    world w = {.p = p, .n = p->scales ? 2 * layers : layers};
    w.right = memory_new(w.n, sizeof *w.right);
    w.start = memory_new(w.n, sizeof *w.start);
    w.cost = memory_new(layers, sizeof *w.cost);
    size_t *order = memory_new(layers, sizeof *order);
    random_stream s = random_stream_for(seed, "bench search", 0, 0);
    for (size_t j = 0; j < layers; j++)
        order[j] = j;
    random_shuffle(&s, order, layers);
    double sum = 0;
    for (size_t k = 0; k < layers; k++) {
        size_t j = order[k];
        w.cost[j] = fabs(random_normal(&s));
        w.right[j] = (double)random_below(&s, 2);
        w.start[j] = k < p->wrong ? 1 - w.right[j] : w.right[j];
        sum += k < p->wrong ? w.cost[j] : 0;
    }
    for (size_t j = 0; j < layers; j++)
        w.cost[j] *= 2 / sum;
    for (size_t i = layers; i < w.n; i++) {
        w.start[i] = 1;
        w.right[i] = 1 + 0.3 * random_normal(&s);
    }
    for (size_t i = 0; i < POOL; i++)
        w.t[i] = random_normal(&s) - 1;
    free(order);
    return w;
}

static void world_clear(world *w)
{
    free(w->right);
    free(w->start);
    free(w->cost);
}

static double ability(const world *w, const double *x)
{
    double s = 0;
    for (size_t j = 0; j < w->p->layers; j++) {
        bool on = x[j] > 0.5;
        if (on != (w->right[j] > 0.5))
            s -= w->cost[j];
        if (on && w->p->scales) {
            double off = x[w->p->layers + j] - w->right[w->p->layers + j];
            s -= 2 * w->cost[j] * off * off;
        }
    }
    return s;
}

static double accuracy(const world *w, const double *x)
{
    double s = ability(w, x), sum = 0;
    for (size_t i = 0; i < POOL; i++)
        sum += normal_cdf((s - w->t[i]) / FLIP);
    return sum / POOL;
}

/* FNV-1a over the candidate's bytes: its flips belong to it. */
static uint64_t name_of(const double *x, size_t n)
{
    const unsigned char *bytes = (const unsigned char *)x;
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n * sizeof *x; i++)
        h = (h ^ bytes[i]) * 1099511628211u;
    return h;
}

static double score(const world *w, const double *x, const size_t *questions)
{
    double s = ability(w, x), right = 0;
    uint64_t name = name_of(x, w->n);
    for (size_t k = 0; k < w->p->questions; k++) {
        random_stream flip = random_stream_for(name, "flip", (uint32_t)questions[k], 0);
        right += s + FLIP * random_normal(&flip) > w->t[questions[k]];
    }
    return right / (double)w->p->questions;
}

static optimizer *start_search(const world *w, const contender *c, uint64_t seed)
{
    size_t n = w->n, layers = w->p->layers;
    double *start = memory_new(n, sizeof *start), *low = memory_new(n, sizeof *low), *high = memory_new(n, sizeof *high);
    double *spread = memory_new(n, sizeof *spread);
    enum variable *kinds = memory_new(n, sizeof *kinds);
    int *needs = memory_new(n, sizeof *needs);
    for (size_t i = 0; i < n; i++) {
        bool binary = i < layers;
        kinds[i] = binary ? VARIABLE_BINARY : VARIABLE_REAL;
        needs[i] = binary ? -1 : (int)(i - layers);
        start[i] = !binary ? w->start[i] : w->start[i] > 0.5 ? c->on : c->off;
        high[i] = binary ? 1 : 3;
        spread[i] = binary ? 1 : 0.2;
    }
    error err;
    optimizer *o = optimizer_new(c->name, &(optimizer_options){.n = n, .kinds = kinds, .needs = needs, .start = start, .low = low, .high = high,
                                 .spread = spread, .population = c->population, .seed = seed, .active = 1}, &err);
    if (!o) {
        fprintf(stderr, "bench-search: %s\n", err.text);
        exit(2);
    }
    free(start);
    free(low);
    free(high);
    free(spread);
    free(kinds);
    free(needs);
    return o;
}

/* The gain's share. Random search has no mean: its best candidate counts, by its score. */
static double run(const problem *p, const contender *c, uint64_t seed)
{
    world w = world_new(p, seed);
    optimizer *o = start_search(&w, c, seed);
    size_t count = (size_t)optimizer_population(o);
    double *x = memory_new(count * w.n, sizeof *x), *best = memory_new(w.n, sizeof *best), highest = -1;
    fate *fates = memory_new(count, sizeof *fates);
    size_t *questions = memory_new(p->questions, sizeof *questions);
    for (int done = 0; done + (int)count <= p->trials; done += (int)count) {
        random_stream s = random_stream_for(seed, "bench questions", optimizer_generation(o), 0);
        for (size_t k = 0; k < p->questions; k++)
            questions[k] = random_below(&s, POOL);
        optimizer_ask(o, x);
        for (size_t i = 0; i < count; i++) {
            fates[i].objective = score(&w, x + i * w.n, questions);
            if (fates[i].objective > highest) {
                highest = fates[i].objective;
                memcpy(best, x + i * w.n, w.n * sizeof *x);
            }
        }
        error err;
        if (optimizer_tell(o, fates, &err) < 0) {
            fprintf(stderr, "bench-search: %s\n", err.text);
            exit(2);
        }
    }
    double begin = accuracy(&w, w.start), end = accuracy(&w, optimizer_mean(o) ? optimizer_mean(o) : best), top = accuracy(&w, w.right);
    optimizer_free(o);
    world_clear(&w);
    free(x);
    free(best);
    free(fates);
    free(questions);
    return (end - begin) / (top - begin);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double middle(const double *sorted, int n)
{
    return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

/* Prints a row; returns the median. */
static double row(const problem *p, const contender *c, int seeds)
{
    double *shares = memory_new((size_t)seeds, sizeof *shares), began = progress_seconds();
    for (int k = 0; k < seeds; k++)
        shares[k] = run(p, c, (uint64_t)k + 1);
    double seconds = progress_seconds() - began;
    qsort(shares, (size_t)seeds, sizeof *shares, ascending);
    double median = middle(shares, seeds);
    printf("%6zu %6s %9zu %6d  %-18s %10d  %.3f/%.3f  %6.3f  %6.3f .. %6.3f %8.2f\n", p->layers, p->scales ? "yes" : "no", p->questions, p->trials,
           c->name, c->population, c->on, c->off, median, shares[0], shares[seeds - 1], seconds);
    fflush(stdout);
    free(shares);
    return median;
}

int main(int argc, char **argv)
{
    int seeds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 10, trials = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 12800;
    if (seeds < 1 || trials < 1 || argc > 3) {
        fputs("usage: bench-search [SEEDS] [TRIALS]\n", stderr);
        return 2;
    }
    const char *standard = optimizer_default(true);
    const problem large = {.layers = 192, .wrong = 40, .questions = 100, .trials = trials};
    const contender rows[] = {      /* .977 is the paper's +2 sigma; its other slots start at 0 */
        {"cma-es", 128, .977, .5}, {"cma-es", 128, .977, .023}, {"cma-es", 128, .9, .1}, {"cma-es-margin", 128, .9, .1},
        {"sep-cma-es-margin", 128, .9, .1}, {"random", 128, .9, .1}, {"genetic", 48, .9, .1}, {standard, 128, .9, .1},
    };
    double lowest = 1;
    printf("%6s %6s %9s %6s  %-18s %10s  %11s  %6s  %6s .. %6s %8s\n", "layers", "scales", "questions", "trials", "optimizer", "population",
           "starts", "median", "min", "max", "seconds");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double median = row(&large, &rows[i], seeds);
        if (strcmp(rows[i].name, "genetic") == 0 || strcmp(rows[i].name, standard) == 0)
            lowest = fmin(lowest, median);
    }

    const problem small[] = {
        {30, 8, 64, false, 1000}, {60, 15, 64, false, 3000}, {40, 10, 64, true, 2000}, {40, 10, 64, true, 4000},
    };
    for (size_t k = 0; k < sizeof small / sizeof *small; k++) {
        row(&small[k], &(contender){"sep-cma-es-margin", 32, .9, .1}, seeds);
        for (int population = 16; population <= 64; population *= 2)
            row(&small[k], &(contender){standard, population, .9, .1}, seeds);
    }
    return lowest >= SUFFICIENT ? 0 : 1;
}
