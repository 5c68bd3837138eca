/* Groups of tasks: a file that names others, whose figures are averaged.
 *
 *     group: jp-lmeh
 *     tasks: [jnli.yml, {task: jcola.yml, weight: 2}]     # beside this file
 *     average: plain               # or weighted, by the questions of each; weights given multiply either; none
 * lm-eval's groups (`group` and `task: [NAME, ...]`) are read too; they have no average. */
#ifndef TASK_GROUP_H
#define TASK_GROUP_H

#include "base/yaml.h"

enum average { AVERAGE_NONE, AVERAGE_PLAIN, AVERAGE_WEIGHTED };

typedef struct task_group {
    char *name;                    /* owned, as all here */
    char **paths;                  /* [n] of the task files */
    double *weights;               /* [n] */
    size_t n;
    enum average average;
    char *version;                 /* of lm-eval's metadata; NULL: none */
    size_t first;                  /* where its tasks begin among all that are run; the caller's */
} task_group;

/* 1 and the group where the file is one, 0 where it is a task, -1 and *err. */
int group_read(const char *path, task_group *out, error *err);
void group_clear(task_group *g);

/* The average of its tasks' figures. `counts` are their questions. */
double group_average(const task_group *g, const double *values, const size_t *counts);

#endif
