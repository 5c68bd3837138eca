/* A bucket sort: as many buckets as elements, even in |x|, so that a bucket of ordinary weights holds one or two. Where outliers crowd
 * the others into few buckets, those are merge sorted. */
#include "merge/rank.h"

#include <math.h>
#include <string.h>

#include "merge/kernel.h"

#define FEW 24

static void insertion_sort(int n, const double *x, uint32_t *order)
{
    for (int i = 1; i < n; i++) {
        uint32_t place = order[i];
        double size = fabs(x[place]);
        int k = i;
        for (; k > 0 && fabs(x[order[k - 1]]) > size; k--)
            order[k] = order[k - 1];
        order[k] = place;
    }
}

static void merge_sort(int n, const double *x, uint32_t *order, uint32_t *memory)
{
    if (n <= FEW) {
        insertion_sort(n, x, order);
        return;
    }
    int half = n / 2, a = 0, b = half;
    merge_sort(half, x, order, memory);
    merge_sort(n - half, x, order + half, memory);
    if (fabs(x[order[half - 1]]) <= fabs(x[order[half]]))
        return;
    memcpy(memory, order, (size_t)n * sizeof *order);
    for (int i = 0; i < n; i++)
        order[i] = b == n || (a < half && fabs(x[memory[a]]) <= fabs(x[memory[b]])) ? memory[a++] : memory[b++];
}

CPU_CLONES static double largest(int n, const double *x)
{
    double most = 0;
    for (int i = 0; i < n; i++)
        most = fabs(x[i]) > most ? fabs(x[i]) : most;
    return most;
}

CPU_CLONES static void choose_buckets(int n, const double *x, double scale, uint32_t *bucket)
{
    for (int i = 0; i < n; i++) {
        double place = fabs(x[i]) * scale;
        bucket[i] = (uint32_t)(int32_t)(place < n - 1 ? place : n - 1);   /* also where it is not a number */
    }
}

void rank_row(int n, const double *x, uint32_t *order, uint32_t *memory)
{
    uint32_t *bucket = memory, *end = memory + n;
    double scale = (n - 1) / largest(n, x);
    memset(end, 0, (size_t)n * sizeof *end);
    choose_buckets(n, x, scale < INFINITY ? scale : 0, bucket);
    for (int i = 0; i < n; i++)
        end[bucket[i]]++;
    uint32_t before = 0;
    for (int b = 0; b < n; b++) {
        uint32_t count = end[b];
        end[b] = before;
        before += count;
    }
    for (int i = 0; i < n; i++)
        order[end[bucket[i]]++] = (uint32_t)i;
    for (int b = 0; b < n; b++) {
        uint32_t begin = b ? end[b - 1] : 0;
        if (end[b] - begin > 1)
            merge_sort((int)(end[b] - begin), x, order + begin, bucket);
    }
}
