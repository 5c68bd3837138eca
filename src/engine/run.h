/* What an engine is made of, and one run of it. */
#ifndef ENGINE_RUN_H
#define ENGINE_RUN_H

#include "engine/engine.h"
#include "engine/worker.h"

struct engine {
    const plan *plan;
    engine_options options;
    bool small;                /* a worker a thread */
    worker *workers;           /* [n_workers], owned; the first is always open, the others from their first use on */
    int n_workers;
    engine_stats stats;
    void (*on_text)(void *context, size_t request, const char *text);
    void *on_text_context;
};

/* engine_run, its answers emptied already and n at least 1. */
int run_requests(engine *e, const request *requests, size_t n, answer *answers, engine_progress *progress, void *context,
                 error *err);

#endif
