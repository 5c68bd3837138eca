/* Task files of lm-evaluation-harness, read as they are as far as they are declarative. For task.c. */
#ifndef TASK_LMEVAL_H
#define TASK_LMEVAL_H

#include "task/task.h"

/* Whether a file is one: it has a key that only those have. */
bool lmeval_is_task(const yaml_value *root);

int lmeval_read(task *t, const yaml_value *root, error *err);

#endif
