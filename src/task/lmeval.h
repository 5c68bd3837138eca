/* Task files of lm-evaluation-harness (0.4.13), read as they are as far as they are declarative. For task.c.
 *
 * Questions come from DIR/<dataset_path>[/<dataset_name>]/<split>.jsonl, DIR being the folder that MERGANSER_DATASETS names, the current
 * folder, the task file's, `recipes/data`, or `../../data` of the task file's; or from `dataset_kwargs: {data_files: {SPLIT: FILE}}`. The
 * evaluated split (test_split, else validation_split) is the task's split `test`; for studies, 80 % of it are `search` and 20 % `select`, drawn by
 * their seed. What a question is shown is what it is shown in `test`.
 *
 * `!function FILE.NAME` is Python, of which nothing is run: the five that the Japanese tasks use are known by name, others are refused. */
#ifndef TASK_LMEVAL_H
#define TASK_LMEVAL_H

#include "task/task.h"

/* Whether a file is one: it has a key that only those have. */
bool lmeval_is_task(const yaml_value *root);

int lmeval_read(task *t, const yaml_value *root, uint64_t seed, error *err);

#endif
