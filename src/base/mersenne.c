#include "base/mersenne.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"

#define WORDS 624

void mersenne_seed(mersenne *m, uint32_t seed)
{
    m->word[0] = seed;
    for (uint32_t i = 1; i < WORDS; i++)
        m->word[i] = 1812433253u * (m->word[i - 1] ^ m->word[i - 1] >> 30) + i;
    m->next = WORDS;
}

void mersenne_seed_words(mersenne *m, const uint32_t *key, size_t n)
{
    uint32_t *w = m->word;
    size_t j = 0;
    uint32_t i = 1;
    mersenne_seed(m, 19650218);
    for (size_t k = n > WORDS ? n : WORDS; k > 0; k--) {
        w[i] = (w[i] ^ (w[i - 1] ^ w[i - 1] >> 30) * 1664525u) + key[j] + (uint32_t)j;
        if (++i == WORDS) {
            w[0] = w[WORDS - 1];
            i = 1;
        }
        j = (j + 1) % n;
    }
    for (int k = WORDS - 1; k > 0; k--) {
        w[i] = (w[i] ^ (w[i - 1] ^ w[i - 1] >> 30) * 1566083941u) - i;
        if (++i == WORDS) {
            w[0] = w[WORDS - 1];
            i = 1;
        }
    }
    w[0] = 0x80000000;
}

void mersenne_seed_python(mersenne *m, int64_t seed)
{
    uint64_t size = seed < 0 ? -(uint64_t)seed : (uint64_t)seed;
    uint32_t key[2] = {(uint32_t)size, (uint32_t)(size >> 32)};
    mersenne_seed_words(m, key, key[1] ? 2 : 1);
}

static void twist(mersenne *m)
{
    uint32_t *w = m->word;
    for (int i = 0; i < WORDS; i++) {
        uint32_t y = (w[i] & 0x80000000) | (w[(i + 1) % WORDS] & 0x7fffffff);
        w[i] = w[(i + 397) % WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0df : 0);
    }
    m->next = 0;
}

uint32_t mersenne_next(mersenne *m)
{
    if (m->next == WORDS)
        twist(m);
    uint32_t y = m->word[m->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680;
    y ^= y << 15 & 0xefc60000;
    return y ^ y >> 18;
}

void mersenne_skip(mersenne *m, int64_t n)
{
    while (n > 0) {
        int left = WORDS - m->next;
        if (n <= left) {
            m->next += (int)n;
            return;
        }
        n -= left;
        twist(m);
    }
}

/* Whole words come lowest first; the last one gives its high bits. */
uint64_t mersenne_bits(mersenne *m, int k)
{
    uint64_t low = 0;
    if (k <= 0)
        return 0;
    if (k > 32) {
        low = mersenne_next(m);
        return low | (uint64_t)(mersenne_next(m) >> (64 - k)) << 32;
    }
    return mersenne_next(m) >> (32 - k);
}

double mersenne_uniform(mersenne *m)
{
    uint64_t high = mersenne_next(m) >> 5, low = mersenne_next(m) >> 6;
    return (double)(high << 26 | low) * 0x1p-53;
}

static int bit_length(uint64_t n)
{
    int bits = 0;
    for (; n; n >>= 1)
        bits++;
    return bits;
}

uint64_t mersenne_below(mersenne *m, uint64_t n)
{
    uint64_t x;
    if (n == 0)
        return 0;
    do
        x = mersenne_bits(m, bit_length(n));
    while (x >= n);
    return x;
}

void mersenne_shuffle(mersenne *m, size_t *items, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)mersenne_below(m, i), kept = items[i - 1];
        items[i - 1] = items[j];
        items[j] = kept;
    }
}

/* The last of the pool fills the place of what was drawn. */
static void sample_pool(mersenne *m, size_t n, size_t k, size_t *out)
{
    size_t *pool = memory_new(n, sizeof *pool);
    for (size_t i = 0; i < n; i++)
        pool[i] = i;
    for (size_t i = 0; i < k; i++) {
        size_t j = (size_t)mersenne_below(m, n - i);
        out[i] = pool[j];
        pool[j] = pool[n - i - 1];
    }
    free(pool);
}

/* What was drawn before is drawn again. `seen` is a hash set of item + 1, a power of two of at least 2k places. */
static void sample_set(mersenne *m, size_t n, size_t k, size_t *out)
{
    size_t size = 2;
    while (size < 2 * k)
        size *= 2;
    size_t *seen = memory_new(size, sizeof *seen);
    for (size_t i = 0; i < k;) {
        size_t x = (size_t)mersenne_below(m, n), at = (x * 0x9E3779B97F4A7C15) & (size - 1);
        while (seen[at] && seen[at] != x + 1)
            at = (at + 1) & (size - 1);
        if (seen[at])
            continue;
        seen[at] = x + 1;
        out[i++] = x;
    }
    free(seen);
}

/* CPython takes the way that needs less memory by its own estimate: 21 + 4^ceil(log4(3k)), the second term for k > 5. */
void mersenne_sample(mersenne *m, size_t n, size_t k, size_t *out)
{
    size_t set_size = 21, power = 1;
    while (power < 3 * k)
        power *= 4;
    if (k > 5)
        set_size += power;
    if (n <= set_size)
        sample_pool(m, n, k, out);
    else
        sample_set(m, n, k, out);
}

uint32_t mersenne_masked_below(mersenne *m, uint64_t n)
{
    uint32_t most = (uint32_t)(n - 1), mask = most, x;
    if (most == 0)   /* numpy draws nothing for a range of one */
        return 0;
    for (int shift = 1; shift < 32; shift *= 2)
        mask |= mask >> shift;
    do
        x = mersenne_next(m) & mask;
    while (x > most);
    return x;
}
