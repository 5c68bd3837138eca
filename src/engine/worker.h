/* A worker steps through requests that it takes from a run's queue. Each step takes one token of every running sequence (decode)
 * and pieces of the prompts that wait (prefill). A large model has one worker, whose products all threads share; a small one, whose
 * products are too short for that, a worker a thread. */
#ifndef ENGINE_WORKER_H
#define ENGINE_WORKER_H

#include "base/memory.h"
#include "engine/forward.h"
#include "engine/queue.h"
#include "engine/readout.h"

typedef struct worker {
    forward forward;
    float *logits;             /* [logit_rows][vocab], owned */
    int64_t logit_rows;
    /* of the run */
    queue *queue;
    int number;                /* among the queue's workers */
    int slots;                 /* sequences at once, but one request at least */
    bool share;                /* what prompts have in common */
    const tokenizer *words;    /* borrowed, may be NULL */
    void (*on_text)(void *context, size_t request, const char *text);   /* NULL: nobody wants it */
    void *on_text_context;
    string news;               /* scratch for on_text; owned */
    kv_table prefix;           /* the tokens that all prompts begin with */
    job **live;                /* [n_live], in order of admission; owned */
    size_t n_live, live_capacity;
    int live_width;            /* sequences of the live jobs */
    size_t finished;           /* since the last report */
    engine_stats step;         /* the same */
    segment *segments;         /* [rows of a step], owned */
    readout *readouts;         /* the same */
} worker;

int worker_open(worker *w, const plan *p, const backend *b, error *err);
void worker_close(worker *w);

/* Rooms for a run in which up to `width` sequences go at once, of up to `positions`. */
int worker_prepare(worker *w, int width, int64_t positions, error *err);

/* Computes the tokens that all prompts begin with, once; the other workers copy them. Before worker_run. */
void worker_compute_prefix(worker *w, int64_t tokens);
void worker_copy_prefix(worker *w, const worker *from);

/* Takes requests until none is left. */
void worker_run(worker *w);

/* After the run: gives the prefix's blocks back. */
void worker_end(worker *w);

#endif
