#include "model/rope.h"

#include <math.h>

#include "compute/scalar.h"

#define PI 3.14159265358979323846

/* A head of this size is the largest that config_read lets through. */
#define MAX_HALF 4096

static void default_frequencies(double theta, int64_t n, double *frequency)
{
    for (int64_t i = 0; i < n; i++)
        frequency[i] = scalar_pow64(theta, -(double)i / (double)n);
}

/* Wavelengths longer than original/low are stretched by factor, those shorter than original/high stay, between them a ramp. */
static void scale_llama3(const rope_config *r, int64_t n, double *frequency)
{
    double original = (double)r->original_positions;
    for (int64_t i = 0; i < n; i++) {
        double f = frequency[i], wave = 2 * PI / f;
        if (wave > original / r->low_freq) {
            frequency[i] = f / r->factor;
        } else if (wave >= original / r->high_freq) {
            double smooth = (original / wave - r->low_freq) / (r->high_freq - r->low_freq);
            frequency[i] = (1 - smooth) * f / r->factor + smooth * f;
        }
    }
}

/* The dimension that turns `rotations` times over the original context. */
static double yarn_dimension(const rope_config *r, double rotations, double dims)
{
    return dims * scalar_log64((double)r->original_positions / (rotations * 2 * PI)) / (2 * scalar_log64(r->theta));
}

static void scale_yarn(const rope_config *r, int64_t n, double *frequency)
{
    double dims = 2 * (double)n;
    double low = yarn_dimension(r, r->beta_fast, dims), high = yarn_dimension(r, r->beta_slow, dims);
    if (r->truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = low < 0 ? 0 : low;
    high = high > dims - 1 ? dims - 1 : high;
    if (low == high)
        high += 0.001;   /* as transformers does */
    for (int64_t i = 0; i < n; i++) {
        double ramp = ((double)i - low) / (high - low);
        ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
        frequency[i] = frequency[i] / r->factor * ramp + frequency[i] * (1 - ramp);
    }
}

double rope_frequencies(const rope_config *r, int64_t length, double *frequency)
{
    int64_t n = r->dims / 2;
    double theta = r->theta;
    if (r->kind == ROPE_DYNAMIC && length > r->original_positions) {
        double dims = (double)r->dims,
               stretch = r->factor * (double)length / (double)r->original_positions - (r->factor - 1);
        theta *= scalar_pow64(stretch, dims / (dims - 2));
    }
    default_frequencies(theta, n, frequency);
    if (r->kind == ROPE_LINEAR)
        for (int64_t i = 0; i < n; i++)
            frequency[i] /= r->factor;
    else if (r->kind == ROPE_LLAMA3)
        scale_llama3(r, n, frequency);
    else if (r->kind == ROPE_YARN)
        scale_yarn(r, n, frequency);
    if (r->kind != ROPE_YARN)
        return 1;
    if (r->attention_factor > 0)
        return r->attention_factor;
    return r->factor > 1 ? 0.1 * scalar_log64(r->factor) + 1 : 1;
}

void rope_rotate(const double *frequency, double factor, int64_t n, int64_t position, float *cosine, float *sine)
{
    for (int64_t i = 0; i < n; i++) {
        double s, c;
        scalar_sincos64((double)position * frequency[i], &s, &c);
        cosine[i] = (float)(c * factor);
        sine[i] = (float)(s * factor);
    }
}

void rope_angles(const rope_config *rope, int64_t position, int64_t length, float *cosine, float *sine)
{
    double frequency[MAX_HALF];
    double factor = rope_frequencies(rope, length, frequency);
    rope_rotate(frequency, factor, rope->dims / 2, position, cosine, sine);
}
