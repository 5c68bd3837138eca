/* What a study takes in time: tried on a few questions, remembered of trials, or, where trying would take too long, counted. */
#ifndef STUDY_COSTS_H
#define STUDY_COSTS_H

#include "study/session.h"

/* Decoding costs a x steps + c x tokens: weights are read once a step, whatever the number of sequences. */
typedef struct costs {
    double merge, prefill, step, token;     /* seconds: a merge, a question's prompt, a decode step, a decoded token */
    double tokens, longest;                 /* decoded tokens of a question: mean, most */
    double slots;                           /* sequences that the engine runs at once */
    double pictures;                        /* seconds for the features of all pictures, once a study; 0 where they are measured with the rest */
    bool counted;                           /* from the speed of the kernels, as if every answer took all its tokens */
} costs;

/* Prompts of the study's questions. */
typedef struct prompt_sizes {
    size_t longest;                         /* tokens of the longest request, its answer included */
    double tokens, count, pictures;         /* of all prompts; how many there are; different pictures */
} prompt_sizes;

/* What the first step starts from, merged where it is a merge, on a few questions. */
int costs_measure(session *s, costs *c, error *err);

/* The same without running anything: sizes and the speed of this machine's kernels. */
int costs_count(session *s, const prompt_sizes *prompts, costs *c, error *err);

/* A study that goes on knows what its trials took: 1, else 0; -1 on failure. *finished: trials that are over. */
int costs_recall(session *s, costs *c, size_t *finished, error *err);

double costs_questions(const costs *c, double questions);   /* seconds for so many of them at once */

/* Rows of features that stand in a prompt for a picture, at most. */
int costs_picture_rows(const session *s, const task *t, int64_t *rows, error *err);

#endif
