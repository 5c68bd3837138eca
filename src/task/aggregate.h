#ifndef TASK_AGGREGATE_H
#define TASK_AGGREGATE_H
#include <stddef.h>
double aggregate_bootstrap_median(const double *scores, size_t n);
double aggregate_balanced_acc(const int *gold, const int *picked, size_t n);
double aggregate_mcc(const int *gold, const int *picked, size_t n);
double aggregate_macro_f1(const int *gold, const int *picked, size_t n);
#endif
