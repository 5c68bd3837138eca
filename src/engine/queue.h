/* The requests of one run, which its workers share. Each worker takes from a range of its own, in order, so that requests
 * that begin alike stay together; one whose range is empty takes the upper half of the longest range that is left. */
#ifndef ENGINE_QUEUE_H
#define ENGINE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/job.h"

#define QUEUE_NOTHING SIZE_MAX

typedef struct queue_range { size_t next, end; } queue_range;

typedef struct queue {
    const request *requests;       /* [n], borrowed, as all here */
    answer *answers;               /* [n] */
    const job_shape *shapes;       /* [n] */
    size_t n, done;
    queue_range *ranges;           /* [workers], owned */
    int workers;
    engine_progress *progress;     /* may be NULL */
    void *context;
    bool stopped;                  /* by progress */
    engine_stats stats;            /* seconds: the mean of the workers' */
    pthread_mutex_t lock;          /* of ranges and all that changes */
} queue;

void queue_open(queue *q, int workers);   /* the fields up to n, progress and context are set */
void queue_close(queue *q);

/* The next request for a worker, for which `fits` says that it can be started now; else QUEUE_NOTHING. */
size_t queue_take(queue *q, int worker, bool (*fits)(void *context, const job_shape *shape), void *context);

/* A step is over, `done` more requests are finished: tells progress. False: stop. */
bool queue_report(queue *q, size_t done, const engine_stats *step);

#endif
