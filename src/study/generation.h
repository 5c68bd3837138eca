/* One generation of the step that is searched. */
#ifndef STUDY_GENERATION_H
#define STUDY_GENERATION_H

#include "study/session.h"

/* Every candidate answers all questions, one after another; each is committed by itself. 0 when all trials of generation g are finished. */
int generation_run(session *s, uint32_t g, error *err);

/* race.c: all candidates answer a block of questions, then the next: those that are clearly worse than the better half are pruned in between.
 * Everything is decided by scores, in the order of candidates. All are committed at the end: a kill before costs the generation. */
int generation_race(session *s, uint32_t g, error *err);

/* Whether candidates of the step may be raced, given how long a merge and a block's answers take: a reason where not, NULL. */
const char *race_objection(const session *s, const step *st, double merge_seconds, double question_seconds);

/* Memory of the candidates that a race holds. */
uint64_t race_bytes(const step *st);

/* Parts of both. generation_claim: as store_claim, the vector's length checked. generation_commit says which trial is invalid, but for paths that are too
 * long: those are many. */
int generation_claim(session *s, uint32_t g, trial *t, error *err);
int generation_commit(session *s, const trial *t, const evaluation *e, const question_set *sets, double seconds, bool too_long, error *err);
evaluation generation_too_long(const step *st, double excess);

#endif
