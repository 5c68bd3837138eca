#include "compute/scratch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

typedef struct slot {
    float *data;  /* owned by the thread */
    size_t count;
} slot;

static _Thread_local slot slots[SCRATCH_SLOTS];
static pthread_key_t at_thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void free_slots(void *of_this_thread)
{
    slot *s = of_this_thread;
    for (int i = 0; i < SCRATCH_SLOTS; i++) {
        free(s[i].data);
        s[i] = (slot){0};
    }
}

static void create_key(void)
{
    pthread_key_create(&at_thread_end, free_slots);
}

float *scratch_get(enum scratch_slot which, size_t count)
{
    slot *s = &slots[which];
    if (s->count < count) {
        pthread_once(&once, create_key);
        pthread_setspecific(at_thread_end, slots);
        error err;
        free(s->data);
        s->data = memory_try(count * sizeof(float), "working memory of a kernel", &err);
        s->count = count;
        if (!s->data) {
            fprintf(stderr, "merganser: %s\n", err.text);
            exit(1);
        }
    }
    return s->data;
}
