/* Figures of a whole set, made of what its questions gave: values in, a number out. Of choice tasks `gold` and `chosen` are
 * class numbers [n], n >= 1, and the definitions scikit-learn's. */
#ifndef TASK_AGGREGATE_H
#define TASK_AGGREGATE_H

#include <stddef.h>
#include <stdint.h>

double aggregate_balanced_accuracy(const int *gold, const int *chosen, size_t n);   /* mean recall of the classes that gold has */
double aggregate_mcc(const int *gold, const int *chosen, size_t n);                 /* Matthews' correlation; 0 where a side is constant */
double aggregate_macro_f1(const int *gold, const int *chosen, size_t n);            /* mean F1 of the classes of either side */

double aggregate_mean(const double *scores, size_t n);
double aggregate_standard_error(const double *scores, size_t n);   /* lm-eval's: sample deviation / sqrt n; 0 where n is 1 */

/* The median of the means of 1000 resamples, as rouge_score's aggregator gives in lm-eval and in Stability's harness with seed
 * 1234: what both call rouge2. */
double aggregate_bootstrap_median(const double *scores, size_t n, uint32_t seed);

#endif
