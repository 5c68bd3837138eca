#include "engine/queue.h"

#include <stdlib.h>

#include "base/memory.h"

void queue_open(queue *q, int workers)
{
    q->workers = workers;
    q->ranges = memory_new((size_t)workers, sizeof *q->ranges);
    for (size_t i = 0; i < (size_t)workers; i++)
        q->ranges[i] = (queue_range){q->n * i / (size_t)workers, q->n * (i + 1) / (size_t)workers};
    pthread_mutex_init(&q->lock, NULL);
}

void queue_close(queue *q)
{
    pthread_mutex_destroy(&q->lock);
    free(q->ranges);
    q->ranges = NULL;
}

static size_t left(const queue_range *r)
{
    return r->end - r->next;
}

static void refill(queue *q, queue_range *own)
{
    queue_range *longest = own;
    for (int i = 0; i < q->workers; i++)
        if (left(&q->ranges[i]) > left(longest))
            longest = &q->ranges[i];
    if (longest == own)
        return;
    own->end = longest->end;
    own->next = longest->end = longest->next + left(longest) / 2;
}

size_t queue_take(queue *q, int worker, bool (*fits)(void *context, const job_shape *shape), void *context)
{
    size_t taken = QUEUE_NOTHING;
    pthread_mutex_lock(&q->lock);
    queue_range *own = &q->ranges[worker];
    if (left(own) == 0)
        refill(q, own);
    if (left(own) > 0 && fits(context, &q->shapes[own->next]))
        taken = own->next++;
    pthread_mutex_unlock(&q->lock);
    return taken;
}

bool queue_report(queue *q, size_t done, const engine_stats *step)
{
    pthread_mutex_lock(&q->lock);
    q->done += done;
    q->stats.prefill_tokens += step->prefill_tokens;
    q->stats.decode_tokens += step->decode_tokens;
    q->stats.shared_tokens += step->shared_tokens;
    q->stats.prefill_seconds += step->prefill_seconds / q->workers;
    q->stats.decode_seconds += step->decode_seconds / q->workers;
    if (q->progress && !q->stopped)
        q->stopped = !q->progress(q->context, q->done, q->n, &q->stats);
    bool go_on = !q->stopped;
    pthread_mutex_unlock(&q->lock);
    return go_on;
}
