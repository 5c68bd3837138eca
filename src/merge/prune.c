/* Ranks are hardly ever needed: elements are counted in buckets by |x|, and the limits of a bucket's first and last rank decide about
 * almost every number. Where one lies between, the element's rank is counted; where many do (rows of few values), the row is sorted. */
#include "merge/prune.h"

#include <math.h>
#include <string.h>

#include "merge/rank.h"
#include "merge/strip.h"

#define BUCKETS 512         /* an exponent and six bits, eight exponents from the row's largest down */
#define KEY_SHIFT 17
#define SORT_FROM 16        /* a row is sorted where more than one element in so many is undecided */

struct bucket { uint32_t first[BUCKETS], last[BUCKETS]; };   /* limits of the ranks at its ends */

/* The chance to stay of the element with `below` smaller ones in a row of n. */
static double chance(enum rounding r, double density, double epsilon, int below, int n)
{
    if (n == 1)
        return round_one(r, density);
    double rank = round_one(r, round_one(r, round_one(r, below) + 1) - 1), last = round_one(r, round_one(r, round_one(r, n - 1) + 1) - 1);
    double q = round_one(r, rank / last), twice = round_one(r, round_one(r, 2 * (q < 1 ? q : 1)) * (r ? (float)epsilon : epsilon));
    return round_one(r, round_one(r, density - epsilon) + twice);
}

void prune_limits(enum rounding work, double density, double epsilon, double unit, int n, uint32_t *by_rank)
{
    double low = n > 1 ? density - epsilon : density, step = n > 1 ? 2 * epsilon / (n - 1) : 0;
    for (int i = 0; i < n; i++)
        by_rank[i] = (uint32_t)ceil((work == ROUND_NONE ? low + step * i : chance(work, density, epsilon, i, n)) * unit);
}

CPU_CLONES static void choose_buckets(int n, const double *x, uint32_t *bucket)
{
    uint32_t top = 0;
    for (int i = 0; i < n; i++) {
        union { float f; uint32_t u; } size = {(float)fabs(x[i])};
        bucket[i] = size.u >> KEY_SHIFT;
        top = bucket[i] > top ? bucket[i] : top;
    }
    for (int i = 0; i < n; i++) {
        uint32_t below = top - bucket[i];
        bucket[i] = BUCKETS - 1 - (below < BUCKETS ? below : BUCKETS - 1);
    }
}

static void find_limits(int n, const uint32_t *bucket, const uint32_t *by_rank, struct bucket *limit)
{
    uint32_t count[2][BUCKETS] = {{0}}, before = 0, end = (uint32_t)n - 1;    /* two: neighbours often meet in one bucket, and would wait for each other */
    for (int i = 0; i < n; i++)
        count[i & 1][bucket[i]]++;
    for (int b = 0; b < BUCKETS; b++) {
        uint32_t next = before + count[0][b] + count[1][b];
        limit->first[b] = by_rank[before < end ? before : end];
        limit->last[b] = by_rank[next > 0 ? next - 1 : 0];
        before = next;
    }
}

CPU_CLONES static void decide(int n, const uint32_t *numbers, const uint32_t *bucket, const struct bucket *limit, uint8_t *restrict stays, uint8_t *restrict open)
{
    for (int i = 0; i < n; i++) {
        stays[i] = numbers[i] < limit->first[bucket[i]];
        open[i] = stays[i] != (numbers[i] < limit->last[bucket[i]]);
    }
}

/* Bytes of 0 and 1, zeros behind the last up to a multiple of 64. */
static void pack(int n, const uint8_t *bytes, uint64_t *bits)
{
    for (int at = 0; at < n; at += 64) {
        uint64_t word = 0;
        for (int i = 0; i < 64; i += 8) {
            uint64_t eight;
            memcpy(&eight, bytes + at + i, sizeof eight);
            word |= (eight * 0x0102040810204080) >> 56 << i;
        }
        bits[at / 64] = word;
    }
}

CPU_CLONES static uint32_t count_to(int n, const double *x, double size)
{
    int64_t count = 0;
    for (int i = 0; i < n; i++)
        count += fabs(x[i]) <= size ? 1 : 0;
    return (uint32_t)count;
}

CPU_CLONES static uint32_t count_below(int n, const double *x, double size)
{
    uint64_t count = 0;
    for (int i = 0; i < n; i++)
        count += fabs(x[i]) < size;
    return (uint32_t)count;
}

static void settle(int i, bool stays, uint64_t *bits)
{
    uint64_t bit = (uint64_t)1 << (i % 64);
    bits[i / 64] = stays ? bits[i / 64] | bit : bits[i / 64] & ~bit;
}

static bool settle_open(int n, const double *x, const uint32_t *by_rank, const uint32_t *numbers, const uint8_t *open, uint64_t *bits)
{
    int left = n / SORT_FROM;
    for (int at = 0; at < n; at += 8) {
        uint64_t eight;
        memcpy(&eight, open + at, sizeof eight);
        for (; eight; eight &= eight - 1) {
            int i = at + __builtin_ctzll(eight) / 8;
            double size = fabs(x[i]);
            if (left-- == 0)
                return false;
            settle(i, numbers[i] < by_rank[count_to(i, x, size) + count_below(n - i, x + i, size)], bits);
        }
    }
    return true;
}

static void sort_row(int n, const double *x, const uint32_t *by_rank, const uint32_t *numbers, uint32_t *memory, uint64_t *bits)
{
    uint32_t *order = memory, *limits = order + n;
    rank_row(n, x, order, limits);
    for (int i = 0; i < n; i++)
        limits[order[i]] = by_rank[i];
    for (int i = 0; i < n; i++)
        settle(i, numbers[i] < limits[i], bits);
}

void prune_row(int n, const double *x, const uint32_t *by_rank, const uint32_t *numbers, uint32_t *memory, uint64_t *bits)
{
    uint8_t *stays = (uint8_t *)(memory + n), *open = stays + mask_words(n) * 64;
    struct bucket limit;
    choose_buckets(n, x, memory);
    find_limits(n, memory, by_rank, &limit);
    memset(stays, 0, 2 * (size_t)mask_words(n) * 64);
    decide(n, numbers, memory, &limit, stays, open);
    pack(n, stays, bits);
    if (!settle_open(n, x, by_rank, numbers, open, bits))
        sort_row(n, x, by_rank, numbers, memory, bits);
}
