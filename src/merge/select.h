/* The k largest or smallest elements of a tensor without sorting: a radix select. Each pass counts, in 4096 buckets, the next
 * 12 bits of those |x| whose higher bits are known to be the k-th's; it ends when a bucket fits or holds one value only.
 * Of equal values at the threshold those with the lowest index are chosen, which takes one more pass to count them.
 * SELECT_RANK finds the k-th smallest x itself, signs included, and chooses nothing.
 *
 *     select_begin(&s, SELECT_LARGE, k);
 *     while (s.stage == SELECT_COUNT) { every strip: select_count into a zeroed piece; select_flush; then select_next(&s); }
 *     if (s.stage == SELECT_TIES) { count select_ties strip by strip, and set s.cut to one past the s.wanted-th of them; }
 *     select_apply(&s, SELECT_KEEP, begin, n, x);
 */
#ifndef MERGE_SELECT_H
#define MERGE_SELECT_H

#include <stdatomic.h>
#include <stdint.h>

#define SELECT_BUCKETS 4096

enum select_order { SELECT_LARGE, SELECT_SMALL, SELECT_RANK };
enum select_stage { SELECT_COUNT, SELECT_TIES, SELECT_DONE };
enum select_fate { SELECT_KEEP, SELECT_DROP };

typedef struct select_state {
    enum select_order order;
    enum select_stage stage;
    int shift, width;            /* the digit of this pass: bits [shift, shift + width) */
    uint64_t prefix;             /* the bits above it */
    uint64_t wanted;             /* how many are to be chosen of those with this prefix; may be set as late as before the first select_next */
    uint64_t threshold;          /* chosen: keys beyond it, or equal and index < cut */
    int64_t cut;
    _Atomic uint64_t buckets[SELECT_BUCKETS], low;   /* low: every bit below `shift` that is set anywhere in the prefix */
} select_state;

typedef struct select_piece {
    uint32_t buckets[2][SELECT_BUCKETS];   /* two: neighbours often meet in one bucket, and would wait for each other */
    uint64_t low;
} select_piece;

void select_begin(select_state *s, enum select_order order, int64_t k);   /* k >= 1 */
void select_count(const select_state *s, int n, const double *x, select_piece *piece);
void select_flush(select_state *s, const select_piece *piece);
void select_next(select_state *s);
int select_ties(const select_state *s, int n, const double *x);
int select_tie(const select_state *s, int which, int n, const double *x);   /* place of the which-th (from 1) in the strip */
double select_value(const select_state *s);                                 /* of SELECT_RANK, when done */

/* Zeroes what is not chosen (SELECT_KEEP) or what is chosen (SELECT_DROP). */
void select_apply(const select_state *s, enum select_fate fate, int64_t begin, int n, double *x);

#endif
