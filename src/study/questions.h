/* Which questions are asked: the splits that a study names, and what is drawn of them. */
#ifndef STUDY_QUESTIONS_H
#define STUDY_QUESTIONS_H

#include "study/study_file.h"
#include "task/evaluator.h"

typedef struct task_list {
    task **items;               /* [count] a task file is read once, however often it is named; owned */
    size_t count;
} task_list;
void task_list_free(task_list *l);

typedef struct question_pool {  /* tasks:, select: or held_out: of a study */
    const char *what;           /* "search", "select", "held_out" */
    question_set *sets;         /* [count] the whole splits; owned, their questions borrowed */
    const task_split **splits;  /* [count] borrowed */
    size_t *asked;              /* [count] questions drawn at a time; owned */
    size_t count;
} question_pool;

/* Reads the tasks into `list` and finds the splits. More questions wanted than there are: an error with both numbers. */
int question_pool_open(question_pool *p, const char *what, const study_task *entries, size_t n, task_list *list, uint64_t seed, error *err);
void question_pool_free(question_pool *p);
size_t question_pool_asked(const question_pool *p);             /* over all sets */

/* Fails, naming both lines, where two pools share a question. */
int question_pools_disjoint(const question_pool *a, const question_pool *b, error *err);

/* The questions of one generation: drawn without replacement from each split by (seed, stream, generation, set). All of a split
 * when as many are asked. `most` > 0 replaces what the pool asks: min(most, all). Owned: question_sets_free. */
question_set *question_pool_draw(const question_pool *p, uint64_t seed, const char *stream, uint32_t generation, size_t most);
void question_sets_free(question_set *sets, size_t n);
size_t question_sets_count(const question_set *sets, size_t n);

/* Everything that decides scores of a split (prompts, gold answers, stops, sampling, metric) as a SHA-256. */
int question_set_digest(const question_set *s, char hex[65], error *err);

/* The pool as JSON: [{task, split, asked, weight, sha256}], with `texts` also every question's fields. */
json_t *question_pool_json(const question_pool *p, bool texts, error *err);

#endif
