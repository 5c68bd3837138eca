/* What the tests of this folder share. */
#ifndef TESTS_UNIT_SEARCH_CHECK_H
#define TESTS_UNIT_SEARCH_CHECK_H

#include "../base/check.h"

#include <math.h>
#include <stdbool.h>

#include "base/random.h"

static inline void assert_near(double got, double wanted, double tolerance, const char *what)
{
    if (!(fabs(got - wanted) <= tolerance))
        fail_msg("%s is %.17g, wanted %.17g within %g", what, got, wanted, tolerance);
}

#endif
