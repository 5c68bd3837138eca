/* Reading a step out: the logits of the rows that need them, and what each says: the next token, the
 * log-likelihood of a given one, or a beam's continuations. Rows are independent and are read by any thread. */
#ifndef ENGINE_READOUT_H
#define ENGINE_READOUT_H

#include "engine/forward.h"
#include "engine/job.h"

typedef struct readout {
    job *job;
    int64_t row;             /* of the step */
    int lane;                /* beams: which */
    int64_t continuation;    /* index of the continuation's token that this row predicts; -1: generate */
    /* results */
    bool finite;
    int32_t token;
    float margin;
    double log_p;
} readout;

/* logits: scratch [logit_rows][vocab]. */
/* At most PREFILL_ROWS rows of logits at a time. */
void readouts_run(forward *f, readout *list, int64_t n, float *logits, int64_t logit_rows);

/* Takes the results into the jobs; sets their finish where they are done. */
void readouts_take(const readout *list, int64_t n, kv_cache *kv);

#endif
