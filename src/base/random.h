/* Random numbers that depend on their place and on nothing before it: Philox4x32-10
 * (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). Any number of any
 * stream can be computed anywhere, in any order, on any device: studies repeat bit for bit.
 *
 *     random_stream s = random_stream_for(seed, "questions", generation, 0);
 *     size_t i = random_below(&s, n);
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* The block function: out = Philox4x32-10(counter, key). */
void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* A 64-bit key from a seed and a name (FNV-1a over the name, mixed with the seed by splitmix64). */
uint64_t random_key(uint64_t seed, const char *name);

/* A stream: numbers at positions 0, 1, 2, ... of the place (key, a, b). Copy it to replay it. */
typedef struct random_stream {
    uint64_t key;
    uint32_t a, b;      /* the place: generation and candidate, question and position, ... */
    uint64_t position;  /* in 32-bit numbers */
    uint32_t block[4];
} random_stream;

random_stream random_stream_for(uint64_t seed, const char *name, uint32_t a, uint32_t b);
uint32_t random_next(random_stream *s);
double random_uniform(random_stream *s);             /* [0, 1), 53 bits */
double random_normal(random_stream *s);              /* standard normal; Box-Muller, two uniforms each; the same bits on any CPU */
size_t random_below(random_stream *s, size_t n);     /* 0..n-1 without bias */
void random_shuffle(random_stream *s, size_t *items, size_t n);

#endif
