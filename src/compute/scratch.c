#include "compute/scratch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

static _Thread_local float *buffer;   /* [capacity], owned by the thread */
static _Thread_local size_t capacity;
static pthread_key_t at_thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void create_key(void)
{
    pthread_key_create(&at_thread_end, free);
}

float *scratch_get(size_t count)
{
    if (capacity >= count)
        return buffer;
    pthread_once(&once, create_key);
    error err;
    free(buffer);
    buffer = memory_try(count * sizeof(float), "working memory of a kernel", &err);
    if (!buffer) {
        fprintf(stderr, "merganser: %s\n", err.text);
        exit(1);
    }
    capacity = count;
    pthread_setspecific(at_thread_end, buffer);
    return buffer;
}
