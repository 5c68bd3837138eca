/* MT19937 (Matsumoto and Nishimura, 1998) and what is drawn with it elsewhere, number for number: torch's masks,
 * Python's random.Random (CPython 3.11) and numpy's RandomState. Only for agreeing with peers; what is ours draws from
 * base/random.h.
 *
 *     mersenne m;
 *     mersenne_seed_python(&m, 1234);              // random.Random(1234)
 *     mersenne_sample(&m, pool, shots, indices);   // .sample(range(pool), shots) */
#ifndef BASE_MERSENNE_H
#define BASE_MERSENNE_H

#include <stddef.h>
#include <stdint.h>

typedef struct mersenne {
    uint32_t word[624];
    int next;
} mersenne;

void mersenne_seed(mersenne *m, uint32_t seed);   /* init_genrand: torch.manual_seed, numpy.random.RandomState(seed) */
void mersenne_seed_words(mersenne *m, const uint32_t *key, size_t n);   /* init_by_array; n >= 1 */
void mersenne_seed_python(mersenne *m, int64_t seed);   /* random.Random(seed): |seed| as 32-bit words, lowest first */

uint32_t mersenne_next(mersenne *m);
void mersenne_skip(mersenne *m, int64_t n);

/* Python's methods. */
uint64_t mersenne_bits(mersenne *m, int k);               /* getrandbits(k), 0 <= k <= 64 */
double mersenne_uniform(mersenne *m);                     /* random(): [0, 1), 53 bits */
uint64_t mersenne_below(mersenne *m, uint64_t n);         /* randrange(n); 0 where n is 0 */
void mersenne_shuffle(mersenne *m, size_t *items, size_t n);
void mersenne_sample(mersenne *m, size_t n, size_t k, size_t *out);   /* sample(range(n), k), k <= n, into out [k] */

/* numpy's: one of randint(0, n) or choice(n, size), 1 <= n <= 2^32. */
uint32_t mersenne_masked_below(mersenne *m, uint64_t n);

#endif
