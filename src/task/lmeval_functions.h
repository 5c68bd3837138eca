/* The Python functions of lm-eval's task files that are known by name. For lmeval.c. */
#ifndef TASK_LMEVAL_FUNCTIONS_H
#define TASK_LMEVAL_FUNCTIONS_H

#include "base/yaml.h"
#include "task/dataset.h"

enum lmeval_role { LMEVAL_PROCESS_DOCS, LMEVAL_PROCESS_RESULTS, LMEVAL_METRIC, LMEVAL_AGGREGATION };

typedef struct lmeval_function {
    const char *name;              /* "ja_leaderboard_xwinograd.process_docs" */
    enum lmeval_role role;
    int (*amend)(const question *q, error *err);   /* of process_docs: adds fields */
    const char *metric;            /* of the others: the metric that it is here */
    const char *gold;              /* of process_results: the field with the right answer */
} lmeval_function;

/* The function that `v` names, in the role it stands in; NULL and *err for one that is not known. */
const lmeval_function *lmeval_function_find(const yaml_value *v, enum lmeval_role role, error *err);

#endif
