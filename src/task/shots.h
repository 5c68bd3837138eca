/* The examples that a question is shown with their answers (few-shot), and which ones each question gets.
 *
 * Invariants
 * 1. What a question is shown depends on the task, its split and its place there, never on which other questions are asked: a study that
 *    asks 20 of them and `eval -n 5` show what a run of all of them shows.
 * 2. One generator goes through a whole split: a plan is made for all of it. */
#ifndef TASK_SHOTS_H
#define TASK_SHOTS_H

#include "task/dataset.h"
#include "task/draw.h"
#include "task/wording.h"

#define MAX_SHOTS 1000

typedef struct shots {
    size_t count;                  /* examples a question is shown; 0: none, and nothing below matters */
    const question **pool;         /* [n_pool] what they are drawn from; owned, the questions are not */
    size_t n_pool;
    enum draw_kind kind;
    int64_t seed;
    bool shuffled;                 /* the generator first shuffles the questions, which then draw in that order (Stability) */
    bool exclude;                  /* no question is shown to itself (lm-eval, where the pool is the split) */
    size_t *labels, classes;       /* [n_pool] stratified by these; owned, NULL: not */
    bool refit;                    /* a context that is too long is drawn again with a shot less (Stability) */
    wording wording;               /* how they are worded */
} shots;

void shots_clear(shots *s);

/* Labels from a field of the pool's questions: classes are numbered by their first appearance. */
int shots_stratify(shots *s, const char *field, error *err);

typedef struct shot_plan {
    size_t count, most;            /* questions, and shots of each at most */
    size_t *shown;                 /* [count][most] indices into the pool; owned */
    size_t *n;                     /* [count] how many; owned */
    size_t *order;                 /* [count] the order in which the questions drew; owned */
} shot_plan;

/* Whether a question fits with these shots: 1, 0, or -1 and *err. */
typedef int shots_fit(void *context, const question *q, const size_t *shown, size_t n, error *err);

/* `fit` may be NULL; it is asked only under `refit`. */
int shots_plan(const shots *s, const question *const *questions, size_t count, shots_fit *fit, void *context, shot_plan *out, error *err);
void shot_plan_clear(shot_plan *p);

#endif
