/* The k largest or smallest elements of a tensor without sorting. A sample of the tensor says between which two |x| the k-th lies, more or
 * less; each pass then counts what lies beyond and, in 4096 buckets, what lies between, until a bucket fits or holds one value only. (A
 * sample that misleads costs passes, no more: the result is the same.) Of equal values at the threshold those with the lowest index are
 * chosen, which takes one more pass to count them. SELECT_RANK finds the k-th smallest x itself, signs included, and chooses nothing.
 *
 *     select_begin(&s, SELECT_LARGE, k, n);
 *     while (s.stage <= SELECT_COUNT) { strips, in SELECT_SAMPLE each SELECT_EVERY-th: select_count into a zeroed piece; select_flush; then select_next(&s); }
 *     if (s.stage == SELECT_TIES) { count select_ties strip by strip, and set s.cut to one past the s.wanted-th of them; }
 *     select_apply(&s, SELECT_KEEP, begin, n, x);
 */
#ifndef MERGE_SELECT_H
#define MERGE_SELECT_H

#include <stdatomic.h>
#include <stdint.h>

#define SELECT_BUCKETS 4096
#define SELECT_EVERY 64

enum select_order { SELECT_LARGE, SELECT_SMALL, SELECT_RANK };
enum select_stage { SELECT_SAMPLE, SELECT_COUNT, SELECT_TIES, SELECT_DONE };
enum select_fate { SELECT_KEEP, SELECT_DROP };

typedef struct select_state {
    enum select_order order;
    enum select_stage stage;
    int64_t k, n;                /* k may be set as late as before the first select_next where there is no sample */
    uint64_t low, last;          /* the keys that this pass counts in buckets of 2^shift */
    int shift;
    uint64_t wanted;             /* of the equal values at the threshold */
    uint64_t threshold;          /* chosen: keys beyond it, or equal and index < cut */
    int64_t cut;
    _Atomic uint64_t buckets[SELECT_BUCKETS], odd[SELECT_BUCKETS], beyond;   /* odd: bits below `shift` that are set in a bucket's keys, less low */
} select_state;

typedef struct select_piece {
    uint32_t buckets[2][SELECT_BUCKETS];   /* two: neighbours often meet in one bucket, and would wait for each other */
    uint64_t odd[SELECT_BUCKETS], beyond;
} select_piece;

void select_begin(select_state *s, enum select_order order, int64_t k, int64_t n);   /* 1 <= k <= n; n 0: without a sample */
void select_count(const select_state *s, int n, const double *x, select_piece *piece);
void select_flush(select_state *s, const select_piece *piece);
void select_next(select_state *s);
int select_ties(const select_state *s, int n, const double *x);
int select_tie(const select_state *s, int which, int n, const double *x);   /* place of the which-th (from 1) in the strip */
double select_value(const select_state *s);                                 /* of SELECT_RANK, when done */

/* Zeroes what is not chosen (SELECT_KEEP) or what is chosen (SELECT_DROP). */
void select_apply(const select_state *s, enum select_fate fate, int64_t begin, int n, double *x);

#endif
