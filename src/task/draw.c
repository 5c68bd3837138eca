#include "task/draw.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void drawer_open(drawer *d, const draw_rule *rule, int64_t seed)
{
    *d = (drawer){.rule = *rule, .scratch = memory_new(rule->pool + 1, sizeof *d->scratch)};
    mersenne_seed_python(&d->random, seed);
}

void drawer_close(drawer *d)
{
    free(d->scratch);
    d->scratch = NULL;
}

void drawer_shuffle(drawer *d, size_t n, size_t *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = i;
    mersenne_shuffle(&d->random, out, n);
}

/* Classes by their first appearance get int(share * k) each; while that is too few, the first smallest gets one more. All are shuffled. */
static int draw_stratified(drawer *d, size_t k, size_t *out)
{
    const draw_rule *r = &d->rule;
    size_t *wanted = memory_new(r->classes, sizeof *wanted), *size = memory_new(r->classes, sizeof *size), given = 0, n = 0;
    int status = 0;
    for (size_t i = 0; i < r->pool; i++)
        size[r->labels[i]]++;
    for (size_t c = 0; c < r->classes; c++)
        given += wanted[c] = (size_t)((double)size[c] / (double)r->pool * (double)k);
    for (; given < k; given++) {
        size_t least = 0;
        for (size_t c = 1; c < r->classes; c++)
            if (wanted[c] < wanted[least])
                least = c;
        wanted[least]++;
    }
    for (size_t c = 0; c < r->classes && status == 0; c++) {
        if (wanted[c] > size[c]) {
            status = -1;
            break;
        }
        size_t members = 0;
        mersenne_sample(&d->random, size[c], wanted[c], out + n);
        for (size_t i = 0; i < r->pool; i++)
            if (r->labels[i] == c)
                d->scratch[members++] = i;
        for (size_t i = 0; i < wanted[c]; i++)
            out[n + i] = d->scratch[out[n + i]];
        n += wanted[c];
    }
    if (status == 0)
        mersenne_shuffle(&d->random, out, k);
    free(wanted);
    free(size);
    return status;
}

static int draw_first(const drawer *d, size_t k, draw_excluded *excluded, void *context, size_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < d->rule.pool && n < k; i++)
        if (!excluded || !excluded(context, i))
            out[n++] = i;
    return n == k ? 0 : -1;
}

static int draw_beside(drawer *d, size_t k, draw_excluded *excluded, void *context, size_t *out)
{
    size_t n = 0, left = 0, *drawn = memory_new(k + 1, sizeof *drawn);
    if (k + 1 > d->rule.pool) {
        free(drawn);
        return -1;
    }
    mersenne_sample(&d->random, d->rule.pool, k + 1, drawn);
    for (size_t i = 0; i <= k && n < k; i++)
        if (!excluded(context, drawn[i]))
            out[n++] = drawn[i];
    free(drawn);
    if (n == k)
        return 0;
    for (size_t i = 0; i < d->rule.pool; i++)
        if (!excluded(context, i))
            d->scratch[left++] = i;
    if (left < k)
        return -1;
    mersenne_sample(&d->random, left, k, out);
    for (size_t i = 0; i < k; i++)
        out[i] = d->scratch[out[i]];
    return 0;
}

int drawer_next(drawer *d, size_t k, draw_excluded *excluded, void *context, size_t *out)
{
    if (k == 0)
        return 0;
    if (k > d->rule.pool)
        return -1;
    if (d->rule.kind == DRAW_FIRST)
        return draw_first(d, k, excluded, context, out);
    if (d->rule.labels)
        return draw_stratified(d, k, out);
    if (excluded)
        return draw_beside(d, k, excluded, context, out);
    mersenne_sample(&d->random, d->rule.pool, k, out);
    return 0;
}
