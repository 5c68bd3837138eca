/* Task files that build on others: `include: FILE` (or a list of them) brings in their keys, which those of the file itself replace. */
#ifndef TASK_INCLUDE_H
#define TASK_INCLUDE_H

#include "base/yaml.h"

#define MAX_INCLUDES 16

typedef struct included {
    yaml_value *roots[MAX_INCLUDES]; size_t n;   /* the files read; owned */
    yaml_value all;                /* the map of all keys; its lists are owned, the values are the roots' */
} included;

/* Fills *out for `root`, which it does not take over. Files are looked for beside the one that names them. */
int include_all(const yaml_value *root, included *out, error *err);
void included_clear(included *in);

#endif
