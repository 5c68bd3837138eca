#include "base/random.h"

#include <math.h>
#include <stdbool.h>

void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53 * c0, p1 = (uint64_t)0xCD9E8D57 * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

static uint64_t splitmix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
    return x ^ (x >> 31);
}

uint64_t random_key(uint64_t seed, const char *name)
{
    uint64_t h = 0xCBF29CE484222325;
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        h = (h ^ *p) * 0x100000001B3;
    return splitmix(h ^ splitmix(seed));
}

random_stream random_stream_for(uint64_t seed, const char *name, uint32_t a, uint32_t b)
{
    return (random_stream){.key = random_key(seed, name), .a = a, .b = b};
}

uint32_t random_next(random_stream *s)
{
    if (s->position % 4 == 0) {
        uint64_t block = s->position / 4;
        uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), s->a, s->b};
        uint32_t key[2] = {(uint32_t)s->key, (uint32_t)(s->key >> 32)};
        random_philox(counter, key, s->block);
    }
    return s->block[s->position++ % 4];
}

double random_uniform(random_stream *s)
{
    uint64_t high = random_next(s) >> 5, low = random_next(s) >> 6;
    return (double)((high << 26) | low) * 0x1p-53;
}

/* The C library's log and cos differ in the last bit between CPUs, and a study must not. These use only
 * operations that IEEE 754 defines to the bit; both are within 2 units in the last place. */
static double log_of(double x)
{
    int exponent;
    double m = frexp(x, &exponent), sum = 0;
    if (m < 0.70710678118654752) {
        m *= 2;
        exponent--;
    }
    double s = (m - 1) / (m + 1), q = s * s;
    for (int k = 23; k >= 3; k -= 2)
        sum = (sum + 1.0 / k) * q;
    return exponent * 0.69314718055994531 + 2 * (s + s * sum);
}

/* cos(2 pi v) for v in [0, 1): the folds to an eighth of the circle are exact. */
static double cos_turn(double v)
{
    double t = v > 0.5 ? 1 - v : v, sign = 1, sum = 0;
    if (t > 0.25) {
        t = 0.5 - t;
        sign = -1;
    }
    bool sine = t > 0.125;
    double x = 6.283185307179586476925 * (sine ? 0.25 - t : t), q = x * x;
    for (int k = 18; k >= 2; k -= 2)
        sum = (1 - sum) * (q / (sine ? k * (k + 1) : k * (k - 1)));
    return sign * (sine ? x - x * sum : 1 - sum);
}

double random_normal(random_stream *s)
{
    double u = 1.0 - random_uniform(s), v = random_uniform(s);
    return sqrt(-2.0 * log_of(u)) * cos_turn(v);
}

size_t random_below(random_stream *s, size_t n)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, x;
    do
        x = (uint64_t)random_next(s) << 32 | random_next(s);
    while (x >= limit);
    return (size_t)(x % n);
}

void random_shuffle(random_stream *s, size_t *items, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = random_below(s, i), kept = items[i - 1];
        items[i - 1] = items[j];
        items[j] = kept;
    }
}
