#include "merge/select.h"

#include <string.h>

#include "merge/kernel.h"

#define SIGN ((uint64_t)1 << 63)
#define SAMPLED ((int64_t)1 << 20)    /* tensors from here on */
#define FINE 46                       /* a sample's buckets: an exponent and six bits, from 2^-50 on */
#define FIRST ((uint64_t)(1023 - 50) << (52 - FINE))

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

static void set_range(select_state *s, uint64_t low, uint64_t last)
{
    s->low = low;
    s->last = last;
    s->shift = 0;
    while ((last - low) >> s->shift >= SELECT_BUCKETS)
        s->shift++;
}

static void set_whole_range(select_state *s)
{
    set_range(s, 0, s->order == SELECT_RANK ? UINT64_MAX : UINT64_MAX >> 1);
}

void select_begin(select_state *s, enum select_order order, int64_t k, int64_t n)
{
    s->order = order;
    s->stage = n >= SAMPLED && order != SELECT_RANK ? SELECT_SAMPLE : SELECT_COUNT;
    s->k = k;
    s->n = n;
    s->cut = INT64_MAX;
    set_whole_range(s);
}

static void count_sample(int n, const double *x, select_piece *piece)
{
    for (int i = 0; i < n; i++) {
        uint64_t place = size_of(x[i]) >> FINE, b = place < FIRST ? 0 : place - FIRST;
        piece->buckets[i & 1][b < SELECT_BUCKETS ? b : SELECT_BUCKETS - 1]++;
    }
}

CPU_CLONES static void sizes(int n, const double *x, uint64_t *keys)
{
    for (int i = 0; i < n; i++)
        keys[i] = size_of(x[i]);
}

CPU_CLONES static void places(int n, const double *x, uint64_t *keys)
{
    for (int i = 0; i < n; i++)
        keys[i] = place_of(x[i]);
}

/* Marks the keys between, and returns how many are beyond. */
CPU_CLONES static uint64_t mark(const uint64_t *keys, uint64_t low, uint64_t last, bool large, uint8_t *between)
{
    uint64_t above = 0, below = 0;
    for (int i = 0; i < STRIP; i++) {
        between[i] = keys[i] - low <= last - low;
        above += keys[i] > last;
        below += keys[i] < low;
    }
    return large ? above : below;
}

static void count_strip(const select_state *s, int n, const double *x, select_piece *piece)
{
    uint64_t keys[STRIP], rest = ((uint64_t)1 << s->shift) - 1;
    uint8_t between[STRIP];
    if (s->order == SELECT_RANK)
        places(n, x, keys);
    else
        sizes(n, x, keys);
    for (int i = n; i < STRIP; i++)
        keys[i] = s->low;
    piece->beyond += mark(keys, s->low, s->last, s->order == SELECT_LARGE, between);
    memset(between + n, 0, (size_t)(STRIP - n));
    for (int i = 0; i < n; i += 8) {
        uint64_t eight;
        memcpy(&eight, between + i, sizeof eight);
        for (; eight; eight &= eight - 1) {
            int at = __builtin_ctzll(eight) / 8;
            uint64_t distance = keys[i + at] - s->low, b = distance >> s->shift;
            piece->buckets[at & 1][b]++;
            piece->odd[b] |= distance & rest;
        }
    }
}

void select_count(const select_state *s, int n, const double *x, select_piece *piece)
{
    for (int at = 0; at < n; at += STRIP)
        if (s->stage == SELECT_SAMPLE)
            count_sample(n - at < STRIP ? n - at : STRIP, x + at, piece);
        else
            count_strip(s, n - at < STRIP ? n - at : STRIP, x + at, piece);
}

void select_flush(select_state *s, const select_piece *piece)
{
    for (int b = 0; b < SELECT_BUCKETS; b++) {
        uint64_t count = (uint64_t)piece->buckets[0][b] + piece->buckets[1][b];
        if (count)
            atomic_fetch_add_explicit(&s->buckets[b], count, memory_order_relaxed);
        if (piece->odd[b])
            atomic_fetch_or_explicit(&s->odd[b], piece->odd[b], memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&s->beyond, piece->beyond, memory_order_relaxed);
}

static int first_bucket_from(const select_state *s, double rank)
{
    double seen = 0;
    int b = 0;
    for (; b < SELECT_BUCKETS - 1; b++)
        if ((seen += (double)s->buckets[b]) >= rank)
            break;
    return b;
}

/* Three hundredths of the tensor, around where the k-th should be. */
static void next_of_sample(select_state *s)
{
    double sampled = 0, share = (double)(s->order == SELECT_LARGE ? s->n - s->k : s->k) / (double)s->n;
    for (int b = 0; b < SELECT_BUCKETS; b++)
        sampled += (double)s->buckets[b];
    uint64_t from = (uint64_t)first_bucket_from(s, sampled * (share - 0.015)), to = (uint64_t)first_bucket_from(s, sampled * (share + 0.015));
    set_range(s, from == 0 ? 0 : (FIRST + from) << FINE, to == SELECT_BUCKETS - 1 ? UINT64_MAX >> 1 : ((FIRST + to + 1) << FINE) - 1);
    s->stage = SELECT_COUNT;
}

/* The bucket that the k-th is in, `wanted` becoming its rank there; -1 where it is in none. */
static int find_bucket(select_state *s)
{
    bool down = s->order == SELECT_LARGE;
    if ((uint64_t)s->k <= s->beyond)
        return -1;
    s->wanted = (uint64_t)s->k - s->beyond;
    for (int i = 0; i < SELECT_BUCKETS; i++) {
        int b = down ? SELECT_BUCKETS - 1 - i : i;
        if (s->buckets[b] >= s->wanted)
            return b;
        s->wanted -= s->buckets[b];
    }
    return -1;
}

static void next_of_count(select_state *s)
{
    int b = find_bucket(s);
    if (b < 0) {
        set_whole_range(s);
        return;
    }
    uint64_t low = s->low + ((uint64_t)b << s->shift), last = low + (((uint64_t)1 << s->shift) - 1);
    s->threshold = low;
    if (s->order != SELECT_RANK && s->buckets[b] == s->wanted) {   /* the whole bucket is chosen */
        s->threshold = s->order == SELECT_SMALL ? last : low;
        s->stage = SELECT_DONE;
    } else if (s->odd[b] == 0) {                                   /* nothing in it differs */
        s->stage = s->order == SELECT_RANK ? SELECT_DONE : SELECT_TIES;
    } else {
        set_range(s, low, last < s->last ? last : s->last);
    }
}

void select_next(select_state *s)
{
    if (s->stage == SELECT_SAMPLE)
        next_of_sample(s);
    else
        next_of_count(s);
    memset((void *)s->buckets, 0, sizeof s->buckets);
    memset((void *)s->odd, 0, sizeof s->odd);
    s->beyond = 0;
}

CPU_CLONES int select_ties(const select_state *s, int n, const double *x)
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
