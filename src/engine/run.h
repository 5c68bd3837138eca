/* What an engine is made of, and one run of it. */
#ifndef ENGINE_RUN_H
#define ENGINE_RUN_H

#include "base/memory.h"
#include "engine/engine.h"
#include "engine/forward.h"

#define PREFILL_ROWS 512   /* of a step at most */

struct engine {
    const plan *plan;
    engine_options options;
    forward forward;
    float *logits;             /* [logit_rows][vocab], owned */
    int64_t logit_rows;
    engine_stats stats;
    void (*on_text)(void *context, size_t request, const char *text);
    void *on_text_context;
    string news;               /* scratch for on_text */
};

/* engine_run, its answers emptied already and n at least 1. */
int run_requests(engine *e, const request *requests, size_t n, answer *answers, engine_progress *progress, void *context,
                 error *err);

#endif
