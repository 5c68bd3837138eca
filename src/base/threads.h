/* A pool of threads that runs numbered pieces of work. What a piece computes must depend on its
 * number only: then results are the same for any number of threads.
 *
 *     threads *t = threads_new(2);
 *     threads_run(t, rows, work, &context);    // work(&context, i) for i in 0..rows-1, returns when all are done
 *     threads_free(t);
 */
#ifndef BASE_THREADS_H
#define BASE_THREADS_H

#include <stddef.h>

typedef struct threads threads;

threads *threads_new(int n);           /* n >= 1, the calling thread included */
void threads_free(threads *t);         /* NULL is fine */
int threads_count(const threads *t);   /* 1 for NULL */

/* Pieces are taken in order, one at a time, by whichever thread is free. t == NULL runs them here. Not reentrant. */
void threads_run(threads *t, size_t pieces, void (*work)(void *context, size_t piece), void *context);

/* How many CPUs this process may use, by its affinity and its container's quota. */
int threads_available(void);

#endif
