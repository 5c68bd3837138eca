/* The splits of a task: named in its file, or cut by us. For task.c. */
#ifndef TASK_SPLITS_H
#define TASK_SPLITS_H

#include "task/task.h"

/* Fills t->datasets and t->splits from the keys data, splits and id of the task file, checks every question against prompt
 * and metric, and that no question stands in two splits. The rest of *t must be there already. */
int splits_read(task *t, const yaml_value *root, uint64_t seed, error *err);

#endif
