/* Every request is taken once; neighbours stay together; an empty range is filled from the longest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/queue.h"

#include <cmocka.h>  /* behind the others: it defines a macro named fail */

static bool yes(void *context, const job_shape *shape)
{
    (void)context;
    (void)shape;
    return true;
}

static bool no(void *context, const job_shape *shape)
{
    (void)context;
    (void)shape;
    return false;
}

static bool until_half(void *context, size_t done, size_t n, const engine_stats *stats)
{
    *(uint64_t *)context = stats->decode_tokens;
    return done < n / 2;
}

static void requests_are_taken_once(void **state)
{
    (void)state;
    job_shape shapes[100] = {{0}};
    int taken[100] = {0};
    queue q = {.shapes = shapes, .n = 100};
    queue_open(&q, 3);
    assert_int_equal(queue_take(&q, 0, yes, NULL), 0);
    assert_int_equal(queue_take(&q, 1, yes, NULL), 33);
    assert_int_equal(queue_take(&q, 2, no, NULL), QUEUE_NOTHING);
    assert_int_equal(queue_take(&q, 2, yes, NULL), 66);
    taken[0] = taken[33] = taken[66] = 1;
    for (size_t i = 1; i < 33; i++, taken[i - 1]++)
        assert_int_equal(queue_take(&q, 0, yes, NULL), i);
    size_t stolen = queue_take(&q, 0, yes, NULL);   /* worker 2 has [67, 100): its upper half */
    assert_int_equal(stolen, 67 + 33 / 2);
    taken[stolen]++;
    for (int worker = 0;; worker = (worker + 1) % 3) {
        size_t i = queue_take(&q, worker, yes, NULL);
        if (i == QUEUE_NOTHING)
            break;
        taken[i]++;
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(taken[i], 1);
    queue_close(&q);
}

static void progress_hears_of_every_step_and_may_stop(void **state)
{
    (void)state;
    job_shape shapes[4] = {{0}};
    uint64_t heard = 0;
    queue q = {.shapes = shapes, .n = 4, .progress = until_half, .context = &heard};
    queue_open(&q, 2);
    assert_true(queue_report(&q, 1, &(engine_stats){.decode_tokens = 5, .decode_seconds = 1}));
    assert_int_equal(heard, 5);
    assert_false(queue_report(&q, 1, &(engine_stats){.decode_tokens = 6, .decode_seconds = 2}));
    assert_int_equal(heard, 11);
    assert_false(queue_report(&q, 1, &(engine_stats){.decode_tokens = 1}));
    assert_int_equal(heard, 11);   /* told once that it shall stop, it is left alone */
    assert_true(q.stats.decode_seconds == 1.5);
    queue_close(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(requests_are_taken_once), cmocka_unit_test(progress_hears_of_every_step_and_may_stop)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
