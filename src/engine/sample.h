/* From logits to a token: repetition penalty, greedy or temperature with top-p. Random numbers are keyed by
 * (seed, question, position), so a token does not depend on what else runs. */
#ifndef ENGINE_SAMPLE_H
#define ENGINE_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "compute/backend.h"

/* Which tokens occur in a prompt or its answer, each once. */
typedef struct seen_tokens {
    uint64_t *bits;      /* [vocab / 64], owned; NULL while unused */
    int32_t *list;       /* [count], owned */
    int64_t count, capacity;
} seen_tokens;

void seen_open(seen_tokens *s, int64_t vocab);
void seen_close(seen_tokens *s);
void seen_add(seen_tokens *s, int32_t token);

/* Logits below zero are multiplied, others divided by penalty: each seen token once. */
void seen_penalise(const seen_tokens *s, float penalty, float *logits);

typedef struct sampling {
    float temperature, top_p;    /* temperature 0: greedy */
    uint64_t seed;
    uint32_t question, position;
} sampling;

/* The token; *margin is the gap between the best and the second logit. Every logit must be finite. logits [n] may be
 * overwritten. */
int32_t sample_token(const backend *b, const sampling *how, float *logits, int64_t n, float *margin);

#endif
