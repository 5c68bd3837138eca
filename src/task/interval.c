#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "task/evaluator.h"

#define RESAMPLES 2000

/* Wilson's score interval: unlike p +- 1.96 sqrt(p(1-p)/n) it is sound at 0, at 1, and for small n. */
static void wilson(double successes, double n, double *low, double *high)
{
    const double z = 1.959963984540054, p = successes / n, spread = z * z / n;
    double centre = (p + spread / 2) / (1 + spread), half = z * sqrt((p * (1 - p) + spread / 4) / n) / (1 + spread);
    *low = successes <= 0 || centre - half < 0 ? 0 : centre - half;
    *high = successes >= n || centre + half > 1 ? 1 : centre + half;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Percentiles of the mean over resamples drawn with replacement. */
static void bootstrap(const double *scores, size_t n, double *low, double *high)
{
    double *means = memory_new(RESAMPLES, sizeof *means);
    for (uint32_t r = 0; r < RESAMPLES; r++) {
        random_stream s = random_stream_for(0, "bootstrap", r, 0);
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += scores[random_below(&s, n)];
        means[r] = sum / (double)n;
    }
    qsort(means, RESAMPLES, sizeof *means, by_value);
    *low = means[RESAMPLES / 40 - 1];
    *high = means[RESAMPLES - RESAMPLES / 40];
    free(means);
}

void score_interval(const double *scores, size_t n, double *low, double *high)
{
    if (n == 0) {
        *low = 0;
        *high = 1;
        return;
    }
    double sum = 0;
    bool binary = true;
    for (size_t i = 0; i < n; i++) {
        sum += scores[i];
        binary = binary && (scores[i] == 0 || scores[i] == 1);
    }
    if (binary)
        wilson(sum, (double)n, low, high);
    else
        bootstrap(scores, n, low, high);
}

double sign_test(size_t better, size_t worse)
{
    size_t n = better + worse, most = better > worse ? better : worse;
    double tail = 0;
    for (size_t k = most; k <= n; k++)
        tail += exp(lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1) - (double)n * log(2));
    return n == 0 || 2 * tail > 1 ? 1 : 2 * tail;
}
