/* Invariants
 * 1. `ticket` is the job's number << 32 | pieces not yet taken. A piece is taken by counting it down with a compare-and-swap, so
 *    whoever took one knows that its job cannot end, nor its fields change, before that piece is done.
 * 2. threads_run returns when `done` == pieces. A worker that wakes late finds nothing to take and is waited for by nobody: on a busy
 *    machine a job costs no more than its pieces.
 * 3. Workers spin a little before they sleep: between two kernels of one layer there are microseconds. */
#include "base/threads.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

#define SPINS 4000

struct threads {
    int n;
    pthread_t *workers;  /* [n - 1], owned */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_uint_fast64_t ticket;
    atomic_size_t done;
    atomic_int asleep;
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

static bool has_pieces(const threads *t)
{
    return (atomic_load(&t->ticket) & UINT32_MAX) != 0;
}

static void take_pieces(threads *t)
{
    uint_fast64_t ticket = atomic_load(&t->ticket);
    while ((ticket & UINT32_MAX) != 0) {
        if (!atomic_compare_exchange_weak(&t->ticket, &ticket, ticket - 1))
            continue;
        t->work(t->context, t->pieces - (size_t)(ticket & UINT32_MAX));
        atomic_fetch_add(&t->done, 1);
        ticket = atomic_load(&t->ticket);
    }
}

static void *worker(void *argument)
{
    threads *t = argument;
    while (!atomic_load(&t->stop)) {
        for (int spins = 0; !has_pieces(t) && spins < SPINS; spins++)
            relax();
        if (!has_pieces(t)) {
            pthread_mutex_lock(&t->lock);
            atomic_fetch_add(&t->asleep, 1);
            while (!has_pieces(t) && !atomic_load(&t->stop))
                pthread_cond_wait(&t->wake, &t->lock);
            atomic_fetch_sub(&t->asleep, 1);
            pthread_mutex_unlock(&t->lock);
        }
        take_pieces(t);
    }
    return NULL;
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

static void wake_all(threads *t)
{
    pthread_mutex_lock(&t->lock);
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
}

void threads_free(threads *t)
{
    if (!t)
        return;
    atomic_store(&t->stop, true);
    wake_all(t);
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
    assert(pieces <= UINT32_MAX);
    t->pieces = pieces;
    t->work = work;
    t->context = context;
    atomic_store(&t->done, 0);
    uint_fast64_t job = (atomic_load(&t->ticket) >> 32) + 1;
    atomic_store(&t->ticket, job << 32 | pieces);
    if (atomic_load(&t->asleep) > 0)
        wake_all(t);
    take_pieces(t);
    for (int spins = 0; atomic_load(&t->done) < pieces; spins++) {
        if (spins < SPINS)
            relax();
        else
            sched_yield();
    }
}

/* CPUs' worth of time a container may use (cgroup version 2, then 1), 0 where nothing limits it. */
static int quota(void)
{
    static const char *const two = "/sys/fs/cgroup/cpu.max", *const one[] = {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
                                                                             "/sys/fs/cgroup/cpu/cpu.cfs_period_us"};
    long long time = 0, period = 0;
    FILE *f = fopen(two, "re");
    if (f) {
        if (fscanf(f, "%lld %lld", &time, &period) != 2)
            time = 0;
        fclose(f);
    } else {
        long long *const values[] = {&time, &period};
        for (int i = 0; i < 2; i++) {
            f = fopen(one[i], "re");
            if (f && fscanf(f, "%lld", values[i]) != 1)
                *values[i] = 0;
            if (f)
                fclose(f);
        }
    }
    if (time <= 0 || period <= 0)
        return 0;
    return (int)((time + period - 1) / period < 1 << 20 ? (time + period - 1) / period : 0);
}

int threads_available(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int cpus = CPU_COUNT(&set), limit = quota();
    return limit > 0 && limit < cpus ? limit : cpus;
}
