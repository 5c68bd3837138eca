/* The keys of a task file in our own language, section by section. For task.c. */
#ifndef TASK_TASK_KEYS_H
#define TASK_TASK_KEYS_H

#include "task/task.h"

/* Everything but the questions and the shots. */
int task_read_settings(task *t, const yaml_value *root, error *err);

/* How something is worded: a key of `own` (may be NULL) stands before the task's. `w` is empty. */
int task_read_wording(wording *w, const yaml_value *root, const yaml_value *own, error *err);

/* The key `shots`, after the questions. */
int task_read_shots(task *t, const yaml_value *root, error *err);

/* For all readers of tasks. A number in [low, high], or in (low, high] with `open`; a text that must be there and not be empty. */
int task_want_real(const yaml_value *root, const char *key, double low, double high, bool open, double *out, error *err);
int task_want_text(const yaml_value *root, const char *key, const char **out, error *err);

/* A text or a list of them, appended to t->stops. */
int task_read_stops(task *t, const yaml_value *v, const char *what, error *err);

#define MAX_NEW_TOKENS 1000000
#define MAX_CHOICES 1000

#endif
