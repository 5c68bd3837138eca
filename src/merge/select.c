#include "merge/select.h"

#include <string.h>

#include "merge/kernel.h"

#define TOP 63     /* bits of |x| */
#define DIGIT 12

static inline uint64_t key_of(double x)
{
    union { double d; uint64_t u; } bits = {x};
    return bits.u & 0x7fffffffffffffff;
}

void select_begin(select_state *s, int64_t k)
{
    s->stage = SELECT_COUNT;
    s->width = DIGIT;
    s->shift = TOP - DIGIT;
    s->prefix = 0;
    s->wanted = (uint64_t)k;
    s->cut = INT64_MAX;
}

/* Later passes concern few elements: those are gathered first, without a branch that nobody could predict. */
static int gather(int n, const double *x, int above, uint64_t prefix, uint64_t *keys)
{
    int count = 0;
    for (int i = 0; i < n; i++) {
        uint64_t key = key_of(x[i]);
        keys[count] = key;
        count += key >> above == prefix;
    }
    return count;
}

void select_count(const select_state *s, int n, const double *x, select_piece *piece)
{
    uint64_t keys[STRIP], mask = ((uint64_t)1 << s->width) - 1, low = 0;
    int count = gather(n, x, s->shift + s->width, s->prefix, keys);
    for (int i = 0; i < count; i++) {
        piece->buckets[i & 1][keys[i] >> s->shift & mask]++;
        low |= keys[i];
    }
    piece->low |= low & (((uint64_t)1 << s->shift) - 1);
}

void select_flush(select_state *s, const select_piece *piece)
{
    for (int b = 0; b < SELECT_BUCKETS; b++) {
        uint64_t count = (uint64_t)piece->buckets[0][b] + piece->buckets[1][b];
        if (count)
            atomic_fetch_add_explicit(&s->buckets[b], count, memory_order_relaxed);
    }
    if (piece->low)
        atomic_fetch_or_explicit(&s->low, piece->low, memory_order_relaxed);
}

void select_next(select_state *s)
{
    int b = (1 << s->width) - 1;
    while (b > 0 && s->buckets[b] < s->wanted)
        s->wanted -= s->buckets[b--];
    s->prefix = s->prefix << s->width | (uint64_t)b;
    s->threshold = s->prefix << s->shift;
    if (s->buckets[b] == s->wanted) {          /* the whole bucket stays */
        s->stage = SELECT_DONE;
    } else if (s->low == 0) {                  /* nothing in it differs any more */
        s->stage = SELECT_TIES;
    } else {
        s->width = s->shift < DIGIT ? s->shift : DIGIT;
        s->shift -= s->width;
    }
    memset((void *)s->buckets, 0, sizeof s->buckets);
    s->low = 0;
}

int select_ties(const select_state *s, int n, const double *x)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        count += key_of(x[i]) == s->threshold;
    return count;
}

int select_tie(const select_state *s, int which, int n, const double *x)
{
    int i = 0;
    for (; i < n; i++)
        if (key_of(x[i]) == s->threshold && --which == 0)
            break;
    return i;
}

CPU_CLONES static void above(uint64_t threshold, int n, double *x)
{
    for (int i = 0; i < n; i++)
        x[i] = key_of(x[i]) > threshold ? x[i] : 0;
}

CPU_CLONES static void from(uint64_t threshold, int n, double *x)
{
    for (int i = 0; i < n; i++)
        x[i] = key_of(x[i]) >= threshold ? x[i] : 0;
}

void select_apply(const select_state *s, int64_t begin, int n, double *x)
{
    int64_t ties = s->cut - begin;
    int first = ties < 0 ? 0 : ties > n ? n : (int)ties;
    from(s->threshold, first, x);
    above(s->threshold, n - first, x + first);
}
