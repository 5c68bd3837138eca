/* Invariants
 * 1. A job is published by storing its fields under the lock and raising `generation`.
 * 2. `next` hands out pieces; `busy` counts workers that have not yet finished with the current job.
 *    threads_run returns only when busy == 0, so `work` and `context` outlive every use.
 * 3. Workers spin a little before they sleep: between two kernels of one layer there are microseconds. */
#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"

#define SPINS 4000

struct threads {
    int n;
    pthread_t *workers;  /* [n - 1], owned */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_uint generation;
    atomic_size_t next;
    atomic_int busy;
    atomic_bool stop;
    size_t pieces;
    void (*work)(void *context, size_t piece);
    void *context;
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void take_pieces(threads *t)
{
    for (size_t i; (i = atomic_fetch_add(&t->next, 1)) < t->pieces;)
        t->work(t->context, i);
}

static void *worker(void *argument)
{
    threads *t = argument;
    unsigned seen = 0;
    for (;;) {
        int spins = 0;
        while (atomic_load(&t->generation) == seen && spins++ < SPINS)
            relax();
        if (atomic_load(&t->generation) == seen) {
            pthread_mutex_lock(&t->lock);
            while (atomic_load(&t->generation) == seen)
                pthread_cond_wait(&t->wake, &t->lock);
            pthread_mutex_unlock(&t->lock);
        }
        seen = atomic_load(&t->generation);
        if (atomic_load(&t->stop))
            return NULL;
        take_pieces(t);
        atomic_fetch_sub(&t->busy, 1);
    }
}

threads *threads_new(int n)
{
    threads *t = memory_new(1, sizeof *t);
    t->n = n < 1 ? 1 : n;
    t->workers = memory_new((size_t)t->n, sizeof *t->workers);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, NULL);
    for (int i = 0; i < t->n - 1; i++)
        if (pthread_create(&t->workers[i], NULL, worker, t) != 0) {
            t->n = i + 1;
            break;
        }
    return t;
}

static void publish(threads *t)
{
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add(&t->generation, 1);
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
}

void threads_free(threads *t)
{
    if (!t)
        return;
    atomic_store(&t->stop, true);
    publish(t);
    for (int i = 0; i < t->n - 1; i++)
        pthread_join(t->workers[i], NULL);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    free(t->workers);
    free(t);
}

int threads_count(const threads *t)
{
    return t ? t->n : 1;
}

void threads_run(threads *t, size_t pieces, void (*work)(void *, size_t), void *context)
{
    if (!t || t->n == 1 || pieces <= 1) {
        for (size_t i = 0; i < pieces; i++)
            work(context, i);
        return;
    }
    t->pieces = pieces;
    t->work = work;
    t->context = context;
    atomic_store(&t->next, 0);
    atomic_store(&t->busy, t->n - 1);
    publish(t);
    take_pieces(t);
    for (int spins = 0; atomic_load(&t->busy) > 0; spins++) {
        if (spins < SPINS)
            relax();
        else
            sched_yield();
    }
}

int threads_available(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return CPU_COUNT(&set);
}
