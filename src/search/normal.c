#include "search/normal.h"

#include <math.h>

double normal_cdf(double z)
{
    return 0.5 * erfc(-z / sqrt(2));
}

/* The lower tail, 0 < p <= 0.5, from Abramowitz and Stegun 26.2.23 (to 4.5e-4) by Halley's steps, each of which triples the digits. */
static double lower_quantile(double p)
{
    double t = sqrt(-2 * log(p));
    double z = (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t;
    for (int i = 0; i < 2; i++) {
        double off = (normal_cdf(z) / p - 1) * p * sqrt(2 * acos(-1)) * exp(z * z / 2);
        z -= off / (1 + z * off / 2);
    }
    return z;
}

double normal_quantile(double p)
{
    if (p <= 0 || p >= 1)
        return p <= 0 ? -INFINITY : INFINITY;
    return p <= 0.5 ? lower_quantile(p) : -lower_quantile(1 - p);
}
