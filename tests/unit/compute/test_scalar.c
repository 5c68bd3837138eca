#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "compute/scalar.h"

#include <cmocka.h>  /* behind the others: it defines a macro named fail */

static void check_relative(const char *what, double x, double got, double want, double bound)
{
    double error = want == 0 ? fabs(got) : fabs(got - want) / fabs(want);
    if (!(error <= bound))
        fail_msg("%s(%.17g): got %.17g, want %.17g, relative error %g > %g", what, x, got, want, error, bound);
}

static void exp_is_within_two_ulp(void **state)
{
    (void)state;
    for (float x = -87; x < 88.7f; x += 0.0137f)
        check_relative("exp", x, scalar_exp(x), exp((double)x), 2 * 0x1p-24);
    for (float x = -103.9f; x < -87; x += 0.0137f)
        assert_true(fabs(scalar_exp(x) - exp((double)x)) <= 2 * 0x1p-149);
    assert_true(scalar_exp(-104.1f) == 0);
    assert_true(isinf(scalar_exp(88.8f)) && isinf(scalar_exp(INFINITY)));
    assert_true(scalar_exp(-INFINITY) == 0);
    assert_true(isnan(scalar_exp(NAN)));
    assert_true(scalar_exp(0) == 1);
}

static void f64_functions_are_within_1e15(void **state)
{
    (void)state;
    random_stream s = random_stream_for(1, "scalar", 0, 0);
    for (int i = 0; i < 20000; i++) {
        double x = random_uniform(&s) * 1399 - 699.5;
        check_relative("exp64", x, scalar_exp64(x), (double)expl(x), 1e-15);
        double y = exp(x) * (1 + random_uniform(&s));
        check_relative("log64", y, scalar_log64(y), (double)logl(y), 1e-15);
        y = 1 + (random_uniform(&s) - 0.5) * pow(0.5, i % 50);
        check_relative("log64", y, scalar_log64(y), (double)logl(y), 1e-15);
    }
    assert_true(scalar_exp64(0) == 1 && scalar_log64(1) == 0);
    check_relative("log64", 5e-324, scalar_log64(5e-324), (double)logl((long double)5e-324), 1e-15);
}

static void sincos_is_within_1e15(void **state)
{
    (void)state;
    random_stream s = random_stream_for(2, "scalar", 0, 0);
    for (int i = 0; i < 40000; i++) {
        double x = (random_uniform(&s) * 2 - 1) * pow(2, 31 - i % 60), sine, cosine;
        if (i % 5 == 0)
            x = floor(x) * 1.5707963267948966;   /* next to a zero crossing: where a short reduction fails */
        if (fabs(x) >= 0x1p31)
            continue;
        scalar_sincos64(x, &sine, &cosine);
        check_relative("sin", x, sine, (double)sinl(x), 1e-15);
        check_relative("cos", x, cosine, (double)cosl(x), 1e-15);
    }
    double sine, cosine;
    scalar_sincos64(0, &sine, &cosine);
    assert_true(sine == 0 && cosine == 1);
}

static void tanh_is_within_two_ulp(void **state)
{
    (void)state;
    for (float x = -12; x < 12; x += 0.0013f)
        check_relative("tanh", x, scalar_tanh(x), tanh((double)x), 2 * 0x1p-24);
    for (float x = 1e-30f; x < 1; x *= 1.3f)
        check_relative("tanh", x, scalar_tanh(x), tanh((double)x), 2 * 0x1p-24);
    assert_true(scalar_tanh(INFINITY) == 1 && scalar_tanh(-INFINITY) == -1);
    assert_true(scalar_tanh(0) == 0);
    assert_true(isnan(scalar_tanh(NAN)));
}

static void erf_is_within_two_ulp(void **state)
{
    (void)state;
    for (float x = -6; x < 6; x += 0.0013f)
        check_relative("erf", x, scalar_erf(x), erf((double)x), 2 * 0x1p-24);
    for (float x = 1e-30f; x < 1; x *= 1.3f)
        check_relative("erf", x, scalar_erf(x), erf((double)x), 2 * 0x1p-24);
    assert_true(scalar_erf(INFINITY) == 1 && scalar_erf(-INFINITY) == -1);
    assert_true(scalar_erf(0) == 0);
    assert_true(isnan(scalar_erf(NAN)));
}

static void pow_gives_rope_frequencies(void **state)
{
    (void)state;
    for (int i = 0; i < 64; i++) {
        check_relative("pow", i, scalar_pow64(10000, -i / 64.0), (double)powl(10000, -i / 64.0L), 3e-15);
        check_relative("pow", i, scalar_pow64(1e6, -i / 64.0), (double)powl(1e6, -i / 64.0L), 3e-15);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_within_two_ulp), cmocka_unit_test(f64_functions_are_within_1e15), cmocka_unit_test(sincos_is_within_1e15),
        cmocka_unit_test(tanh_is_within_two_ulp), cmocka_unit_test(erf_is_within_two_ulp), cmocka_unit_test(pow_gives_rope_frequencies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
