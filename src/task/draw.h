/* Which examples a question is shown, as the two harnesses draw them: with Python's random.Random, one generator through all questions.
 *
 *     drawer d;
 *     drawer_open(&d, &rule, seed);
 *     drawer_next(&d, exclude, shots, indices);       // for each question in its order
 *     drawer_close(&d); */
#ifndef TASK_DRAW_H
#define TASK_DRAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mersenne.h"

enum draw_kind {
    DRAW_SAMPLE,       /* k of the pool at random, each question anew */
    DRAW_FIRST,        /* the first k, always */
};

/* What is drawn from. Borrowed, all of it. */
typedef struct draw_rule {
    enum draw_kind kind;
    size_t pool;               /* examples */
    const size_t *labels;      /* [pool] class of each, numbered by first appearance: the draw is stratified; NULL: it is not */
    size_t classes;
} draw_rule;

typedef struct drawer {
    draw_rule rule;
    mersenne random;
    size_t *scratch;           /* [pool + 1] owned */
} drawer;

void drawer_open(drawer *d, const draw_rule *rule, int64_t seed);
void drawer_close(drawer *d);

/* Stability's order of n questions: out [n], which the same generator shuffles before the first draw. */
void drawer_shuffle(drawer *d, size_t n, size_t *out);

/* k indices into out. `excluded` (may be NULL) tells which examples must not be shown (those that are the question itself): then k + 1 are
 * drawn and k kept; where more than one falls away, k are drawn anew from the pool without them. k + 1 <= pool, or k where nothing
 * is excluded; -1 where too few are left. */
typedef bool draw_excluded(void *context, size_t index);
int drawer_next(drawer *d, size_t k, draw_excluded *excluded, void *context, size_t *out);

#endif
