/* A task file of lm-eval as its results files record it: what it says, and the defaults of what it does not. */
#ifndef TASK_LMEVAL_CONFIG_H
#define TASK_LMEVAL_CONFIG_H

#include "task/task.h"

/* A new reference. */
json_t *lmeval_config(const task *t, const yaml_value *root, error *err);

#endif
