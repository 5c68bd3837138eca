/* exp, tanh and erf of vectors. Included by a family's file, behind its vector header. Within 2 ulp of the true value, erf within 5e-7; NaN stays
 * NaN. */
#ifndef COMPUTE_KERNEL_MATH_H
#define COMPUTE_KERNEL_MATH_H

/* exp(x) = 2^n exp(r), |r| <= ln(2)/2, exp(r) by its Taylor polynomial (the 7th term's rest is below 2^-27). */
static inline vec vec_exp(vec x)
{
    x = vec_max(vec_set(-105), vec_min(vec_set(89), x));   /* beyond these the result is 0 or infinity all the same */
    vec n = vec_round(vec_mul(x, vec_set(0x1.715476p0f)));
    vec r = vec_fma(n, vec_set(-0x1.62e400p-1f), x);       /* ln 2 in two parts, n times the first is exact */
    r = vec_fma(n, vec_set(-0x1.7f7d1cp-20f), r);
    vec p = vec_set(1.0f / 5040);
    p = vec_fma(p, r, vec_set(1.0f / 720));
    p = vec_fma(p, r, vec_set(1.0f / 120));
    p = vec_fma(p, r, vec_set(1.0f / 24));
    p = vec_fma(p, r, vec_set(1.0f / 6));
    p = vec_fma(p, r, vec_set(0.5f));
    p = vec_fma(vec_mul(p, r), r, r);
    return vec_scale(vec_add(p, vec_set(1)), n);
}

/* An odd polynomial near 0 (S. Moshier, Cephes, tanhf.c), 1 - 2 / (exp(2|x|) + 1) elsewhere. */
static inline vec vec_tanh(vec x)
{
    vec z = vec_mul(x, x), p = vec_set(-5.70498872745e-3f);
    p = vec_fma(p, z, vec_set(2.06390887954e-2f));
    p = vec_fma(p, z, vec_set(-5.37397155531e-2f));
    p = vec_fma(p, z, vec_set(1.33314422036e-1f));
    p = vec_fma(p, z, vec_set(-3.33332819422e-1f));
    vec near = vec_fma(vec_mul(p, z), x, x);
    vec size = vec_abs(x), e = vec_exp(vec_add(size, size));
    vec far = vec_sub(vec_set(1), vec_div(vec_set(2), vec_add(e, vec_set(1))));
    far = vec_where_less(x, vec_zero(), vec_sub(vec_zero(), far), far);
    return vec_where_less(size, vec_set(0.625f), near, far);
}

/* x p(x^2) / q(x^2), |x| <= 4, beyond which erf is 1 in f32: a rational function of least weighted squares, the weights moved until the largest
 * error was smallest (5e-8; 3e-7 with the rounding of f32). */
static inline vec vec_erf(vec x)
{
    x = vec_max(vec_set(-4), vec_min(vec_set(4), x));
    vec z = vec_mul(x, x), p = vec_set(0x1.4a254ep-26f), q = vec_set(0x1.1fd9p-10f);
    p = vec_fma(p, z, vec_set(-0x1.0b22b8p-19f));
    p = vec_fma(p, z, vec_set(0x1.462fbep-13f));
    p = vec_fma(p, z, vec_set(0x1.195a8ep-8f));
    p = vec_fma(p, z, vec_set(0x1.ad8972p-5f));
    p = vec_fma(p, z, vec_set(0x1.b6298p-3f));
    p = vec_fma(p, z, vec_set(0x1.20dd6cp+0f));
    q = vec_fma(q, z, vec_set(0x1.fd9534p-7f));
    q = vec_fma(q, z, vec_set(0x1.eecc5p-4f));
    q = vec_fma(q, z, vec_set(0x1.0bbdd4p-1f));
    q = vec_fma(q, z, vec_set(1));
    return vec_max(vec_set(-1), vec_min(vec_set(1), vec_div(vec_mul(x, p), q)));
}

#endif
