/* Angles between tensors, the same bits on every machine. */
#ifndef MERGE_ANGLE_H
#define MERGE_ANGLE_H

double angle_of(double cosine);    /* its arc cosine; -1 <= cosine <= 1 */
double angle_sine(double x);       /* |x| < 2^31 */
double angle_cosine(double x);

#endif
