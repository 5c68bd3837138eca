/* exp, sin, cos, log, tanh, erf as this project computes them wherever a score depends on the result:
 * the C library picks its code by CPU, so the same study would differ between machines.
 * Each within 2 ulp of the true f32 (or 1e-15 relative for the f64 ones) over its stated range. */
#ifndef COMPUTE_SCALAR_H
#define COMPUTE_SCALAR_H

float scalar_exp(float x);               /* all x; 0 below -104, infinity above 88.73 */
double scalar_exp64(double x);           /* |x| < 700 */
double scalar_log64(double x);           /* x > 0 */
void scalar_sincos64(double x, double *sine, double *cosine);  /* |x| < 2^31; Cody-Waite reduction */
float scalar_tanh(float x);
float scalar_erf(float x);
double scalar_pow64(double base, double exponent);  /* exp64(exponent * log64(base)), base > 0: RoPE frequencies */

#endif
