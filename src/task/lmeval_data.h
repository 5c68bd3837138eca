/* Where the questions of lm-eval's task files lie. For lmeval.c. */
#ifndef TASK_LMEVAL_DATA_H
#define TASK_LMEVAL_DATA_H

#include "task/task.h"

/* The questions of a split of the data set that the file names; NULL and *err, which tells where was looked. The task owns them. */
dataset *lmeval_dataset(task *t, const yaml_value *root, const char *split, error *err);

#endif
