#include "merge/mask.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "merge/kernel.h"
#include "merge/philox.h"

void mask_random(uint64_t key, uint32_t model, double density, int64_t begin, int n, uint64_t *bits)
{
    /* u * 2^-32 < density is u < ceil(density * 2^32); the product is exact. */
    uint64_t bound = density < 1 ? (uint64_t)ceil(density * 0x1p32) : (uint64_t)1 << 32;
    const philox *p = philox_best();
    int shift = (int)(begin % 64);
    memset(bits, 0, (size_t)mask_words(n) * sizeof *bits);
    for (int64_t block = begin / 64, last = (begin + n - 1) / 64, to = 0; block <= last; block++, to++) {
        uint32_t words[64];
        uint64_t kept = UINT64_MAX;
        if (bound <= UINT32_MAX) {
            p->draw(key, model, (uint64_t)block, words);
            kept = p->below(words, (uint32_t)bound);
        }
        if (to < mask_words(n))
            bits[to] |= kept >> shift;
        if (shift && to > 0)
            bits[to - 1] |= kept << (64 - shift);
    }
}

void mask_numbers(uint64_t key, uint32_t model, int64_t begin, int n, uint32_t *words)
{
    const philox *p = philox_best();
    for (int64_t e = begin - begin % 64; e < begin + n; e += 64) {
        uint32_t part[64];
        int from = e < begin ? (int)(begin - e) : 0, to = e + 64 > begin + n ? (int)(begin + n - e) : 64;
        bool whole = from == 0 && to == 64;
        p->draw(key, model, (uint64_t)(e / 64), whole ? words + (e - begin) : part);
        if (!whole)
            memcpy(words + (e - begin + from), part + from, (size_t)(to - from) * sizeof *part);
    }
}

static void set_bits(uint64_t *word, uint64_t bits)
{
    if (bits)
        atomic_fetch_or_explicit((_Atomic uint64_t *)word, bits, memory_order_relaxed);
}

void mask_put(uint64_t *mask, int64_t begin, int n, const uint64_t *bits)
{
    int shift = (int)(begin % 64);
    uint64_t *to = mask + begin / 64;
    for (int at = 0; at < n; at += 64, to++, bits++) {
        uint64_t some = n - at < 64 ? *bits & (((uint64_t)1 << (n - at)) - 1) : *bits;
        set_bits(to, some << shift);
        if (shift)
            set_bits(to + 1, some >> (64 - shift));
    }
}

typedef uint64_t double_bits __attribute__((may_alias));

CPU_CLONES static void keep_64(uint64_t bits, double_bits *x)
{
    for (uint64_t i = 0; i < 64; i++)
        x[i] &= -(bits >> i & 1);
}

void mask_apply(const uint64_t *mask, int64_t begin, int n, double *x)
{
    int shift = (int)(begin % 64);
    const uint64_t *from = mask + begin / 64;
    for (int at = 0; at < n; at += 64, from++) {
        int count = n - at < 64 ? n - at : 64;
        uint64_t bits = from[0] >> shift | (shift && shift + count > 64 ? from[1] << (64 - shift) : 0);
        if (count == 64)
            keep_64(bits, (double_bits *)(x + at));
        else
            for (int i = 0; i < count; i++)
                x[at + i] = bits >> i & 1 ? x[at + i] : 0;
    }
}

void mask_draw(mersenne *s, double density, int64_t n, uint64_t *bits)
{
    uint32_t limit = density <= 0 ? 0 : density >= 1 ? 1u << 24 : (uint32_t)ceil(density * 0x1p24);
    for (int64_t i = 0; i < n; i += 64) {
        uint64_t word = 0;
        for (int b = 0; b < 64 && i + b < n; b++)
            word |= (uint64_t)((mersenne_next(s) & 0xffffff) < limit) << b;
        bits[i / 64] = word;
    }
}
