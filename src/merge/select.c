#include "merge/select.h"

#include <string.h>

#include "merge/kernel.h"

#define TOP 64
#define DIGIT 12
#define SIGN ((uint64_t)1 << 63)

static inline uint64_t bits_of(double x)
{
    union { double d; uint64_t u; } bits = {x};
    return bits.u;
}

static inline uint64_t size_of(double x)
{
    return bits_of(x) & ~SIGN;
}

/* In the order of the numbers, -0 beside 0. */
static inline uint64_t place_of(double x)
{
    uint64_t bits = bits_of(x + 0.0);
    return bits & SIGN ? ~bits : bits | SIGN;
}

void select_begin(select_state *s, enum select_order order, int64_t k)
{
    s->order = order;
    s->stage = SELECT_COUNT;
    s->width = DIGIT;
    s->shift = (order == SELECT_RANK ? TOP : TOP - 1) - DIGIT;
    s->prefix = 0;
    s->wanted = (uint64_t)k;
    s->cut = INT64_MAX;
}

/* Later passes concern few elements: those are gathered first, without a branch that nobody could predict. */
static int gather_sizes(int n, const double *x, int above, uint64_t prefix, uint64_t *keys)
{
    int count = 0;
    for (int i = 0; i < n; i++) {
        uint64_t key = size_of(x[i]);
        keys[count] = key;
        count += key >> above == prefix;
    }
    return count;
}

static int gather_places(int n, const double *x, int above, uint64_t prefix, uint64_t *keys)
{
    int count = 0;
    for (int i = 0; i < n; i++) {
        uint64_t key = place_of(x[i]);
        keys[count] = key;
        count += above == TOP || key >> above == prefix;
    }
    return count;
}

void select_count(const select_state *s, int n, const double *x, select_piece *piece)
{
    uint64_t keys[STRIP], mask = ((uint64_t)1 << s->width) - 1, low = 0;
    for (int at = 0; at < n; at += STRIP) {
        int count = (s->order == SELECT_RANK ? gather_places : gather_sizes)(n - at < STRIP ? n - at : STRIP, x + at, s->shift + s->width, s->prefix, keys);
        for (int i = 0; i < count; i++) {
            piece->buckets[i & 1][keys[i] >> s->shift & mask]++;
            low |= keys[i];
        }
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

/* The bucket that the k-th is in; `wanted` becomes its rank there. */
static int find_bucket(select_state *s)
{
    bool down = s->order == SELECT_LARGE;
    int last = down ? 0 : (1 << s->width) - 1, b = down ? (1 << s->width) - 1 : 0;
    while (b != last && s->buckets[b] < s->wanted) {
        s->wanted -= s->buckets[b];
        b += down ? -1 : 1;
    }
    return b;
}

void select_next(select_state *s)
{
    int b = find_bucket(s);
    uint64_t rest = ((uint64_t)1 << s->shift) - 1;
    s->prefix = s->prefix << s->width | (uint64_t)b;
    s->threshold = s->prefix << s->shift;
    if (s->order != SELECT_RANK && s->buckets[b] == s->wanted) {   /* the whole bucket is chosen */
        s->threshold |= s->order == SELECT_SMALL ? rest : 0;
        s->stage = SELECT_DONE;
    } else if (s->low == 0) {                                      /* nothing in it differs any more */
        s->stage = s->order == SELECT_RANK ? SELECT_DONE : SELECT_TIES;
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
        count += size_of(x[i]) == s->threshold;
    return count;
}

int select_tie(const select_state *s, int which, int n, const double *x)
{
    int i = 0;
    for (; i < n; i++)
        if (size_of(x[i]) == s->threshold && --which == 0)
            break;
    return i;
}

double select_value(const select_state *s)
{
    union { uint64_t u; double d; } bits = {s->threshold & SIGN ? s->threshold & ~SIGN : ~s->threshold};
    return bits.d;
}

CPU_CLONES static void keep_above(uint64_t threshold, int n, double *x)
{
    for (int i = 0; i < n; i++)
        x[i] = size_of(x[i]) > threshold ? x[i] : 0;
}

CPU_CLONES static void keep_from(uint64_t threshold, int n, double *x)
{
    for (int i = 0; i < n; i++)
        x[i] = size_of(x[i]) >= threshold ? x[i] : 0;
}

CPU_CLONES static void keep_below(uint64_t threshold, int n, double *x)
{
    for (int i = 0; i < n; i++)
        x[i] = size_of(x[i]) < threshold ? x[i] : 0;
}

CPU_CLONES static void keep_to(uint64_t threshold, int n, double *x)
{
    for (int i = 0; i < n; i++)
        x[i] = size_of(x[i]) <= threshold ? x[i] : 0;
}

/* Before the cut equal values are chosen, behind it not. */
void select_apply(const select_state *s, enum select_fate fate, int64_t begin, int n, double *x)
{
    int64_t ties = s->cut - begin;
    int first = ties < 0 ? 0 : ties > n ? n : (int)ties;
    bool large = (s->order == SELECT_LARGE) == (fate == SELECT_KEEP), equal = fate == SELECT_KEEP;
    (large ? equal ? keep_from : keep_above : equal ? keep_to : keep_below)(s->threshold, first, x);
    (large ? equal ? keep_above : keep_from : equal ? keep_below : keep_to)(s->threshold, n - first, x + first);
}
