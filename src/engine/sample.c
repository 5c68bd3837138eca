#include "engine/sample.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "compute/scalar.h"

void seen_open(seen_tokens *s, int64_t vocab)
{
    *s = (seen_tokens){.bits = memory_new((size_t)(vocab + 63) / 64, sizeof *s->bits)};
}

void seen_close(seen_tokens *s)
{
    free(s->bits);
    free(s->list);
    *s = (seen_tokens){0};
}

void seen_add(seen_tokens *s, int32_t token)
{
    uint64_t *word = &s->bits[token / 64], bit = (uint64_t)1 << (token % 64);
    if (*word & bit)
        return;
    *word |= bit;
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 64;
        s->list = memory_grow(s->list, (size_t)s->capacity, sizeof *s->list);
    }
    s->list[s->count++] = token;
}

void seen_penalise(const seen_tokens *s, float penalty, float *logits)
{
    for (int64_t i = 0; i < s->count; i++) {
        float *x = &logits[s->list[i]];
        *x = *x < 0 ? *x * penalty : *x / penalty;
    }
}

typedef struct choice {
    float p;
    int32_t token;
} choice;

static int likelier(const void *a, const void *b)
{
    const choice *x = a, *y = b;
    if (x->p < y->p || x->p > y->p)
        return x->p > y->p ? -1 : 1;
    return x->token < y->token ? -1 : 1;
}

/* The smallest set of likeliest tokens whose probabilities reach top_p: its size, sorted; *total becomes their sum.
 * Tokens below (1 - top_p) / n of the whole can all together not be missed, so only the others are sorted. */
static size_t nucleus(const float *p, int64_t n, double top_p, double *total, choice *out)
{
    double least = (1 - top_p) * *total / (double)n, sum = 0;
    size_t count = 0, kept = 0;
    for (int64_t i = 0; i < n; i++)
        if (p[i] >= least)
            out[count++] = (choice){p[i], (int32_t)i};
    qsort(out, count, sizeof *out, likelier);
    while (kept < count && (kept == 0 || sum < top_p * *total))
        sum += out[kept++].p;
    *total = sum;
    return kept;
}

int32_t sample_token(const backend *b, const sampling *how, float *logits, int64_t n, float *margin)
{
    float best, second;
    int64_t greedy = b->argmax(logits, n, &best, &second);
    *margin = n > 1 ? best - second : best;
    if (!(how->temperature > 0))
        return (int32_t)greedy;
    double total = 0;
    for (int64_t i = 0; i < n; i++) {
        logits[i] = scalar_exp((logits[i] - best) / how->temperature);
        total += logits[i];
    }
    random_stream stream = random_stream_for(how->seed, "sample", how->question, how->position);
    double u = random_uniform(&stream);
    if (!(how->top_p > 0 && how->top_p < 1)) {
        double left = u * total;
        for (int64_t i = 0; i < n; i++) {
            left -= logits[i];
            if (left < 0)
                return (int32_t)i;
        }
        return (int32_t)greedy;   /* rounding left a crumb behind the last token */
    }
    choice *set = memory_new((size_t)n, sizeof *set);
    size_t count = nucleus(logits, n, how->top_p, &total, set);
    double left = u * total;
    int32_t token = set[0].token;
    for (size_t i = 0; i < count; i++) {
        left -= set[i].p;
        if (left < 0) {
            token = set[i].token;
            break;
        }
    }
    free(set);
    return token;
}
