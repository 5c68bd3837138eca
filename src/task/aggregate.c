#include "task/aggregate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/mersenne.h"

#define RESAMPLES 1000

struct class_count { int label; double gold, chosen, both; };

static int by_label(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* The classes of either side, in order; free() them. */
static struct class_count *count_classes(const int *gold, const int *chosen, size_t n, size_t *count)
{
    int *labels = memory_new(2 * n, sizeof *labels);
    memcpy(labels, gold, n * sizeof *labels);
    memcpy(labels + n, chosen, n * sizeof *labels);
    qsort(labels, 2 * n, sizeof *labels, by_label);
    struct class_count *classes = memory_new(2 * n, sizeof *classes);
    *count = 0;
    for (size_t i = 0; i < 2 * n; i++)
        if (i == 0 || labels[i] != labels[i - 1])
            classes[(*count)++].label = labels[i];
    free(labels);
    for (size_t i = 0; i < n; i++) {
        struct class_count *g = bsearch(&gold[i], classes, *count, sizeof *classes, by_label),
                           *c = bsearch(&chosen[i], classes, *count, sizeof *classes, by_label);
        g->gold++;
        c->chosen++;
        g->both += g == c;
    }
    return classes;
}

double aggregate_balanced_accuracy(const int *gold, const int *chosen, size_t n)
{
    size_t count, present = 0;
    struct class_count *classes = count_classes(gold, chosen, n, &count);
    double sum = 0;
    for (size_t k = 0; k < count; k++)
        if (classes[k].gold > 0) {
            sum += classes[k].both / classes[k].gold;
            present++;
        }
    free(classes);
    return sum / (double)present;
}

double aggregate_mcc(const int *gold, const int *chosen, size_t n)
{
    size_t count;
    struct class_count *classes = count_classes(gold, chosen, n, &count);
    double right = 0, cross = 0, gold_squares = 0, chosen_squares = 0, all = (double)n * (double)n;
    for (size_t k = 0; k < count; k++) {
        const struct class_count *c = &classes[k];
        right += c->both;
        cross += c->gold * c->chosen;
        gold_squares += c->gold * c->gold;
        chosen_squares += c->chosen * c->chosen;
    }
    free(classes);
    double spread = (all - gold_squares) * (all - chosen_squares);
    return spread > 0 ? (right * (double)n - cross) / sqrt(spread) : 0;
}

double aggregate_macro_f1(const int *gold, const int *chosen, size_t n)
{
    size_t count;
    struct class_count *classes = count_classes(gold, chosen, n, &count);
    double sum = 0;
    for (size_t k = 0; k < count; k++)
        sum += 2 * classes[k].both / (classes[k].gold + classes[k].chosen);
    free(classes);
    return sum / (double)count;
}

double aggregate_mean(const double *scores, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += scores[i];
    return sum / (double)n;
}

double aggregate_standard_error(const double *scores, size_t n)
{
    double mean = aggregate_mean(scores, n), squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (scores[i] - mean) * (scores[i] - mean);
    return n > 1 ? sqrt(squares / (double)(n - 1)) / sqrt((double)n) : 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double aggregate_bootstrap_median(const double *scores, size_t n, uint32_t seed)
{
    mersenne m;
    mersenne_seed(&m, seed);
    double *means = memory_new(RESAMPLES, sizeof *means);
    for (size_t r = 0; r < RESAMPLES; r++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += scores[mersenne_masked_below(&m, n)];
        means[r] = sum / (double)n;
    }
    qsort(means, RESAMPLES, sizeof *means, by_value);
    double median = (means[RESAMPLES / 2 - 1] + means[RESAMPLES / 2]) / 2;
    free(means);
    return median;
}
