/* The sets of an evaluation that the user's own command judges: the candidate is saved as a folder once, each command looks at it. */
#ifndef TASK_COMMAND_SETS_H
#define TASK_COMMAND_SETS_H

#include "task/evaluator.h"

/* Fills in `out`, results and scores, of the sets whose task is a command; the others are left alone. options->scratch is where the folder goes.
 * Returns 1, with the reason in *err, where a command failed this candidate. */
int command_sets_run(const evaluator_options *options, const lineup *candidate, const question_set *sets, size_t n_sets, evaluation *out, error *err);

#endif
