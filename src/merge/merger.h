/* What merge_prepare settles; for merge.c and merge_run.c. */
#ifndef MERGE_MERGER_H
#define MERGE_MERGER_H

#include "merge/component.h"
#include "merge/merge.h"
#include "merge/method.h"
#include "merge/tensors.h"

struct merger {
    const method *method;
    const recipe *recipe;        /* that it was prepared for; borrowed */
    checkpoint *const *models;   /* borrowed */
    int n_models, base, config_from;
    component component;
    merge_options options;
    token_plan tokens;           /* the plan's sources may be views of it */
    tensor_plan plan;
    uint64_t *needs;             /* [plan.count] bytes of each tensor beside its sources, for the last recipe that was checked; owned, may be NULL */
};

#endif
