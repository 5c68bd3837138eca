/* The splits of a task: named in its file, or cut by us. For the readers of tasks. */
#ifndef TASK_SPLITS_H
#define TASK_SPLITS_H

#include "task/task.h"

/* Fills t->datasets and t->splits from the keys data, splits and id of the task file, checks every question against prompt
 * and metric, and that no question stands in two splits. The rest of *t but the shots must be there already. */
int splits_read(task *t, const yaml_value *root, uint64_t seed, error *err);

/* A file's name or {file: F, range: [first, end]}: its questions in *out [*n], owned by the caller. `what` is what errors call it. */
int splits_read_part(task *t, const yaml_value *root, const yaml_value *at, const char *what, const question ***out, size_t *n, error *err);

/* A file's questions, read once however often it is named. The task owns them. */
dataset *splits_open(task *t, const char *path, const char *id_field, error *err);

/* Questions that stand in the task file itself: none yet, room for `most`. */
dataset *splits_own(task *t, size_t most);

task_split *splits_add(task *t, const char *name, size_t most);

#endif
