/* The row-wise operations. Included by a family's file, behind its vector header. A row's order depends on its length only. */
#ifndef COMPUTE_KERNEL_OPS_H
#define COMPUTE_KERNEL_OPS_H

#include <math.h>

#include "compute/backend.h"
#include "compute/kernel_math.h"
#include "compute/scalar.h"

/* n of the elements that a vector at position i may touch */
static inline int64_t lanes_at(int64_t i, int64_t n)
{
    return n - i < WIDTH ? n - i : WIDTH;
}

static void rms_norm(const float *x, const float *weight, float offset, float eps, float *y, int64_t rows, int64_t n)
{
    for (int64_t row = 0; row < rows; row++, x += n, y += n) {
        vec sums[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
        for (int64_t i = 0; i < n; i += WIDTH) {
            vec v = vec_load_first(x + i, lanes_at(i, n));
            sums[i / WIDTH % 4] = vec_fma(v, v, sums[i / WIDTH % 4]);
        }
        float parts[4];
        vec4_store(parts, vec_sum4(sums[0], sums[1], sums[2], sums[3]));
        const float mean = ((parts[0] + parts[1]) + (parts[2] + parts[3])) / (float)n;
        const vec scale = vec_set(1 / sqrtf(mean + eps)), shift = vec_set(offset);
        for (int64_t i = 0; i < n; i += WIDTH) {
            const int64_t lanes = lanes_at(i, n);
            vec v = vec_mul(vec_load_first(x + i, lanes), scale);
            vec_store_first(y + i, vec_mul(v, vec_add(vec_load_first(weight + i, lanes), shift)), lanes);
        }
    }
}

/* The sum over a row's elements, or over the squares of what they are above `mean`. */
static inline float sum_row(const float *x, int64_t n, bool squares, float mean)
{
    vec sums[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
    const vec middle = vec_set(mean);
    int64_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        vec v = vec_sub(vec_load(x + i), middle);
        sums[i / WIDTH % 4] = squares ? vec_fma(v, v, sums[i / WIDTH % 4]) : vec_add(sums[i / WIDTH % 4], v);
    }
    float parts[4], rest = 0;
    for (; i < n; i++)
        rest += squares ? (x[i] - mean) * (x[i] - mean) : x[i] - mean;
    vec4_store(parts, vec_sum4(sums[0], sums[1], sums[2], sums[3]));
    return ((parts[0] + parts[1]) + (parts[2] + parts[3])) + rest;
}

static void layer_norm(const float *x, const float *weight, const float *bias, float eps, float *y, int64_t rows, int64_t n)
{
    for (int64_t row = 0; row < rows; row++, x += n, y += n) {
        const float mean = sum_row(x, n, false, 0) / (float)n;
        const vec middle = vec_set(mean), scale = vec_set(1 / sqrtf(sum_row(x, n, true, mean) / (float)n + eps));
        for (int64_t i = 0; i < n; i += WIDTH) {
            const int64_t lanes = lanes_at(i, n);
            vec v = vec_mul(vec_sub(vec_load_first(x + i, lanes), middle), scale);
            vec_store_first(y + i, vec_fma(v, vec_load_first(weight + i, lanes), vec_load_first(bias + i, lanes)), lanes);
        }
    }
}

static void rope(float *x, const float *cosine, const float *sine, int heads, int head_dim, int rotary)
{
    const int half = rotary / 2;
    for (int h = 0; h < heads; h++, x += head_dim) {
        for (int i = 0; i < half; i += WIDTH) {
            const int64_t lanes = lanes_at(i, half);
            vec a = vec_load_first(x + i, lanes), b = vec_load_first(x + half + i, lanes);
            vec c = vec_load_first(cosine + i, lanes), s = vec_load_first(sine + i, lanes);
            vec_store_first(x + i, vec_sub(vec_mul(a, c), vec_mul(b, s)), lanes);
            vec_store_first(x + half + i, vec_add(vec_mul(b, c), vec_mul(a, s)), lanes);
        }
    }
}

static inline __attribute__((always_inline)) vec activation_of(enum activation f, vec x)
{
    if (f == ACTIVATION_SILU)
        return vec_div(x, vec_add(vec_set(1), vec_exp(vec_sub(vec_zero(), x))));
    if (f == ACTIVATION_QUICK_GELU)
        return vec_div(x, vec_add(vec_set(1), vec_exp(vec_mul(x, vec_set(-1.702f)))));
    const vec half = vec_mul(vec_set(0.5f), x);
    if (f == ACTIVATION_GELU)
        return vec_fma(half, vec_erf(vec_mul(x, vec_set(0x1.6a09e6p-1f))), half);        /* 1 / sqrt(2) */
    const vec cube = vec_mul(vec_mul(x, x), x);
    return vec_fma(half, vec_tanh(vec_mul(vec_set(0x1.988454p-1f), vec_fma(vec_set(0.044715f), cube, x))), half);   /* sqrt(2 / pi) */
}

static inline __attribute__((always_inline)) void activate_all(enum activation f, const float *gate, const float *up, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i += WIDTH) {
        const int64_t lanes = lanes_at(i, n);
        vec v = activation_of(f, vec_load_first(gate + i, lanes));
        vec_store_first(out + i, up ? vec_mul(v, vec_load_first(up + i, lanes)) : v, lanes);
    }
}

static void activate(enum activation f, const float *gate, const float *up, float *out, int64_t n)
{
    switch (f) {
    case ACTIVATION_SILU: activate_all(ACTIVATION_SILU, gate, up, out, n); break;
    case ACTIVATION_GELU: activate_all(ACTIVATION_GELU, gate, up, out, n); break;
    case ACTIVATION_GELU_TANH: activate_all(ACTIVATION_GELU_TANH, gate, up, out, n); break;
    case ACTIVATION_QUICK_GELU: activate_all(ACTIVATION_QUICK_GELU, gate, up, out, n); break;
    }
}

static void softcap(float *x, float cap, int64_t n)
{
    const vec limit = vec_set(cap);
    for (int64_t i = 0; i < n; i += WIDTH) {
        const int64_t lanes = lanes_at(i, n);
        vec_store_first(x + i, vec_mul(vec_tanh(vec_div(vec_load_first(x + i, lanes), limit)), limit), lanes);
    }
}

static void add(float *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += x[i];
}

/* The largest element, NaN left out; -infinity for none. */
static float largest(const float *x, int64_t n)
{
    vec max = vec_set(-INFINITY);
    int64_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH)
        max = vec_max(vec_load(x + i), max);
    float all = vec_largest(max);
    for (; i < n; i++)
        if (x[i] > all)
            all = x[i];
    return all;
}

static int64_t argmax(const float *x, int64_t n, float *best, float *second)
{
    const float max = largest(x, n);
    int64_t index = 0;
    while (index < n && x[index] != max)
        index++;
    *best = max;
    *second = -INFINITY;
    if (index == n || max == -INFINITY)
        return -1;
    const float before = largest(x, index), after = largest(x + index + 1, n - index - 1);
    *second = before > after ? before : after;
    return index;
}

static bool all_finite(const float *x, int64_t n)
{
    bool all = true;
    for (int64_t i = 0; i < n; i += WIDTH)
        all &= vec_all_less(vec_abs(vec_load_first(x + i, lanes_at(i, n))), vec_set(INFINITY));
    return all;
}

/* Lane i % WIDTH of f64 sums, then one lane after the other. */
static double log_sum_exp(const float *x, int64_t n)
{
    const float max = largest(x, n);
    if (isinf(max))
        return max;
    double sums[WIDTH] = {0}, sum = 0;
    for (int64_t i = 0; i < n; i += WIDTH) {
        const int64_t lanes = lanes_at(i, n);
        float e[WIDTH];
        vec_store(e, vec_exp(vec_sub(vec_load_first(x + i, lanes), vec_set(max))));
        for (int64_t lane = 0; lane < lanes; lane++)
            sums[lane] += e[lane];
    }
    for (int lane = 0; lane < WIDTH; lane++)
        sum += sums[lane];
    return max + scalar_log64(sum);
}

#endif
