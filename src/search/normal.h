/* The standard normal distribution. */
#ifndef SEARCH_NORMAL_H
#define SEARCH_NORMAL_H

double normal_cdf(double z);            /* Phi: the probability of being below z */
double normal_quantile(double p);       /* Phi^-1, to a relative 1e-14; 0 and 1 give -inf and inf */

#endif
