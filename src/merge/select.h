/* The k largest |x| of a tensor without sorting: a radix select. Each pass counts, in 4096 buckets, the next 12 bits of
 * those |x| whose higher bits are known to be the k-th largest's; it ends when a bucket fits or holds one value only.
 * Of equal values at the threshold those with the lowest index are kept, which takes one more pass to count them.
 *
 *     select_begin(&s, k);
 *     while (s.stage == SELECT_COUNT) { every strip: select_count into a zeroed piece; select_flush; then select_next(&s); }
 *     if (s.stage == SELECT_TIES) { count select_ties strip by strip, and set s.cut to one past the s.wanted-th of them; }
 *     select_apply(&s, begin, n, x);
 */
#ifndef MERGE_SELECT_H
#define MERGE_SELECT_H

#include <stdatomic.h>
#include <stdint.h>

#define SELECT_BUCKETS 4096

enum select_stage { SELECT_COUNT, SELECT_TIES, SELECT_DONE };

typedef struct select_state {
    enum select_stage stage;
    int shift, width;            /* the digit of this pass: bits [shift, shift + width) */
    uint64_t prefix;             /* the bits above it */
    uint64_t wanted;             /* how many are to be kept of those with this prefix */
    uint64_t threshold;          /* kept: |x| as bits > threshold, or equal and index < cut */
    int64_t cut;
    _Atomic uint64_t buckets[SELECT_BUCKETS], low;   /* low: every bit below `shift` that is set anywhere in the prefix */
} select_state;

typedef struct select_piece {
    uint32_t buckets[2][SELECT_BUCKETS];   /* two: neighbours often meet in one bucket, and would wait for each other */
    uint64_t low;
} select_piece;

void select_begin(select_state *s, int64_t k);   /* k >= 1 */
void select_count(const select_state *s, int n, const double *x, select_piece *piece);
void select_flush(select_state *s, const select_piece *piece);
void select_next(select_state *s);
int select_ties(const select_state *s, int n, const double *x);
int select_tie(const select_state *s, int which, int n, const double *x);   /* place of the which-th (from 1) in the strip */
void select_apply(const select_state *s, int64_t begin, int n, double *x);  /* zeroes what is not kept */

#endif
