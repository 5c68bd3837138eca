#include "check.h"

#include <stdatomic.h>

#include "base/threads.h"

enum { PIECES = 1000 };

struct job {
    atomic_int runs[PIECES];
    atomic_int total;
};

static void work(void *context, size_t piece)
{
    struct job *job = context;
    atomic_fetch_add(&job->runs[piece], 1);
    atomic_fetch_add(&job->total, 1);
}

static void test_each_piece_runs_once(void **state)
{
    (void)state;
    for (int n = 1; n <= 4; n++) {
        threads *t = threads_new(n);
        assert_in_range(threads_count(t), 1, n);
        struct job *job = memory_new(1, sizeof *job);
        threads_run(t, PIECES, work, job);
        for (int i = 0; i < PIECES; i++)
            assert_int_equal(job->runs[i], 1);
        threads_run(t, 0, work, job);
        assert_int_equal(job->total, PIECES);
        free(job);
        threads_free(t);
    }
}

static void test_all_is_done_when_run_returns(void **state)
{
    (void)state;
    threads *t = threads_new(3);
    for (int round = 1; round <= 2000; round++) {
        struct job job;
        memset(&job, 0, sizeof job);
        threads_run(t, (size_t)(round % 7), work, &job);
        assert_int_equal(job.total, round % 7);
    }
    threads_free(t);
}

static void test_no_pool(void **state)
{
    (void)state;
    struct job *job = memory_new(1, sizeof *job);
    threads_run(NULL, PIECES, work, job);
    assert_int_equal(job->total, PIECES);
    assert_int_equal(threads_count(NULL), 1);
    assert_in_range(threads_available(), 1, 100000);
    threads_free(NULL);
    free(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_piece_runs_once),
        cmocka_unit_test(test_all_is_done_when_run_returns),
        cmocka_unit_test(test_no_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
