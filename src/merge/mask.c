#include "merge/mask.h"

#include <math.h>
#include <string.h>

#include "merge/philox.h"

void mask_philox(uint64_t key, uint32_t model, double density, int64_t begin, int n, double *x)
{
    /* u * 2^-32 < density is u < ceil(density * 2^32); the product is exact. */
    uint64_t bound = (uint64_t)ceil(density * 0x1p32);
    if (bound > UINT32_MAX)
        return;
    for (int64_t e = begin - begin % 64; e < begin + n; e += 64) {
        double part[64], *at = x + (e - begin);
        int from = e < begin ? (int)(begin - e) : 0, to = e + 64 > begin + n ? (int)(begin + n - e) : 64;
        if (from == 0 && to == 64) {
            philox_mask(key, model, (uint64_t)(e / 64), (uint32_t)bound, at);
            continue;
        }
        memset(part, 0, sizeof part);
        memcpy(part + from, at + from, (size_t)(to - from) * sizeof *part);
        philox_mask(key, model, (uint64_t)(e / 64), (uint32_t)bound, part);
        memcpy(at + from, part + from, (size_t)(to - from) * sizeof *part);
    }
}

void mask_bits(const uint8_t *kept, int64_t begin, int n, double *x)
{
    for (int i = 0; i < n; i++)
        if (!(kept[(begin + i) / 8] >> ((begin + i) % 8) & 1))
            x[i] = 0;
}

void mask_stream_seed(mask_stream *s, uint32_t seed)
{
    s->word[0] = seed;
    for (uint32_t i = 1; i < 624; i++)
        s->word[i] = 1812433253u * (s->word[i - 1] ^ s->word[i - 1] >> 30) + i;
    s->next = 624;
}

static void twist(mask_stream *s)
{
    uint32_t *w = s->word;
    for (int i = 0; i < 624; i++) {
        uint32_t y = (w[i] & 0x80000000) | (w[(i + 1) % 624] & 0x7fffffff);
        w[i] = w[(i + 397) % 624] ^ y >> 1 ^ (y & 1 ? 0x9908b0df : 0);
    }
    s->next = 0;
}

uint32_t mask_stream_next(mask_stream *s)
{
    if (s->next == 624)
        twist(s);
    uint32_t y = s->word[s->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680;
    y ^= y << 15 & 0xefc60000;
    return y ^ y >> 18;
}

void mask_stream_skip(mask_stream *s, int64_t n)
{
    while (n > 0) {
        int left = 624 - s->next;
        if (n <= left) {
            s->next += (int)n;
            return;
        }
        n -= left;
        twist(s);
    }
}

void mask_stream_draw(mask_stream *s, double density, int64_t n, uint8_t *kept)
{
    uint32_t limit = density <= 0 ? 0 : density >= 1 ? 1u << 24 : (uint32_t)ceil(density * 0x1p24);
    for (int64_t i = 0; i < n; i += 8) {
        uint32_t byte = 0;
        for (int b = 0; b < 8 && i + b < n; b++)
            byte |= (uint32_t)((mask_stream_next(s) & 0xffffff) < limit) << b;
        kept[i / 8] = (uint8_t)byte;
    }
}
