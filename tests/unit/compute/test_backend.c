#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "compute/backend.h"

#include <cmocka.h>  /* behind the others: it defines a macro named fail */

static void best_is_available_and_listed(void **state)
{
    (void)state;
    const backend *best = backend_best();
    assert_true(best->available());
    bool listed = false;
    for (const backend *const *b = backend_all(); *b; b++)
        listed |= *b == best;
    assert_true(listed);
}

static void every_available_family_is_found_by_name(void **state)
{
    (void)state;
    for (const backend *const *b = backend_all(); *b; b++) {
        error err = {0};
        const backend *found = backend_find((*b)->name, &err);
        if ((*b)->available()) {
            assert_ptr_equal(found, *b);
        } else {
            assert_null(found);
            assert_non_null(strstr(err.text, "--backend"));
        }
    }
    assert_non_null(backend_find("reference", NULL));
}

static void unknown_family_is_refused(void **state)
{
    (void)state;
    error err = {0};
    assert_null(backend_find("sse9", &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_non_null(strstr(err.text, "sse9"));
    assert_non_null(strstr(err.text, "--backend"));
    assert_non_null(strstr(err.text, "reference"));
}

static void no_operation_is_missing(void **state)
{
    (void)state;
    for (const backend *const *b = backend_all(); *b; b++)
        assert_true((*b)->matmul && (*b)->rms_norm && (*b)->rope && (*b)->layer_norm && (*b)->activate && (*b)->softcap && (*b)->add && (*b)->attention && (*b)->argmax &&
                    (*b)->all_finite && (*b)->log_sum_exp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best_is_available_and_listed), cmocka_unit_test(every_available_family_is_found_by_name),
        cmocka_unit_test(unknown_family_is_refused), cmocka_unit_test(no_operation_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
