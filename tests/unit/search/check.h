/* What the tests of this folder share. */
#ifndef TESTS_UNIT_SEARCH_CHECK_H
#define TESTS_UNIT_SEARCH_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#undef fail
#undef fail_msg
#define fail_msg(...)                    \
    do {                                 \
        print_error("ERROR: " __VA_ARGS__); \
        print_error("\n");               \
        _fail(__FILE__, __LINE__);       \
    } while (0)

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"

static inline void assert_near(double got, double wanted, double tolerance, const char *what)
{
    if (!(fabs(got - wanted) <= tolerance))
        fail_msg("%s is %.17g, wanted %.17g within %g", what, got, wanted, tolerance);
}

/* The error is one line and tells `thing`. */
static inline void assert_tells(const error *err, enum error_code code, const char *thing)
{
    if (err->code != code)
        fail_msg("code %d, wanted %d: %s", err->code, code, err->text);
    if (strchr(err->text, '\n') || !strstr(err->text, thing))
        fail_msg("'%s' does not tell '%s' in one line", err->text, thing);
}

#endif
