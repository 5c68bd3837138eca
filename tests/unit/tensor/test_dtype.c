#include "../base/check.h"

#include <math.h>

#include "tensor/dtype.h"

static void test_names(void **state)
{
    (void)state;
    for (int d = 0; d < DTYPE_COUNT; d++) {
        assert_int_equal(dtype_find(dtype_name((enum dtype)d)), d);
        assert_int_equal(dtype_find(dtype_torch_name((enum dtype)d)), d);
        assert_in_range(dtype_size((enum dtype)d), 1, 8);
    }
    assert_int_equal(dtype_find("F4"), -1);
    assert_int_equal(dtype_size(DTYPE_F8_E4M3), 1);
    assert_int_equal(dtype_size(DTYPE_I64), 8);
}

/* The value of a half by its definition. */
static double half_value(uint16_t x)
{
    int exponent = x >> 10 & 31, mantissa = x & 1023;
    double sign = x >> 15 ? -1 : 1;
    if (exponent == 31)
        return mantissa ? (double)NAN : sign * (double)INFINITY;
    return sign * (exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24));
}

static void test_every_half_to_f32_and_back(void **state)
{
    (void)state;
    for (uint32_t x = 0; x < 65536; x++) {
        float f = f16_to_f32((uint16_t)x);
        double wanted = half_value((uint16_t)x);
        if (isnan(wanted)) {
            assert_true(isnan(f) && isnan(f16_to_f32(f16_from_f32(f))));
            continue;
        }
        if ((double)f != wanted || !signbit(f) != !signbit(wanted))
            fail_msg("half %04x is %a, wanted %a", x, (double)f, wanted);
        if (f16_from_f32(f) != x)
            fail_msg("half %04x came back as %04x", x, f16_from_f32(f));
    }
}

/* Between two neighbouring halves: below, at and above the middle. The overflow boundary is one of the middles. */
static void test_halves_round_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t x = 0; x < 0x7C00; x++) {
        double low = half_value((uint16_t)x), high = x + 1 == 0x7C00 ? 65536 : half_value((uint16_t)(x + 1));
        float middle = (float)((low + high) / 2);
        struct {
            float f;
            uint32_t wanted;
        } cases[] = {{nextafterf(middle, 0), x}, {middle, x + (x & 1)}, {nextafterf(middle, INFINITY), x + 1}};
        for (int i = 0; i < 3; i++) {
            if (f16_from_f32(cases[i].f) != cases[i].wanted)
                fail_msg("%a became %04x, wanted %04x", (double)cases[i].f, f16_from_f32(cases[i].f), cases[i].wanted);
            assert_int_equal(f16_from_f32(-cases[i].f), cases[i].wanted | 0x8000);
        }
    }
    assert_int_equal(f16_from_f32(3e38f), 0x7C00);
    assert_int_equal(f16_from_f32(-INFINITY), 0xFC00);
    assert_int_equal(f16_from_f32(1e-30f), 0);
}

static void test_bf16_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t x = 0; x < 65536; x++) {
        float f = bf16_to_f32((uint16_t)x);
        if (isnan(f))
            assert_true(isnan(bf16_to_f32(bf16_from_f32(f))));
        else
            assert_int_equal(bf16_from_f32(f), x);
    }
    for (uint32_t x = 0; x < 0x7F80; x++) {
        const uint32_t offsets[] = {0x7fff, 0x8000, 0x8001}, wanted[] = {x, x + (x & 1), x + 1};
        for (int i = 0; i < 3; i++) {
            uint32_t bits = x << 16 | offsets[i];
            float f;
            memcpy(&f, &bits, 4);
            assert_int_equal(bf16_from_f32(f), wanted[i]);
        }
    }
}

static void test_arrays_unaligned(void **state)
{
    (void)state;
    enum { N = 1003 };
    static const enum dtype types[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};
    float in[N], out[N];
    unsigned char bytes[4 * N + 1];
    for (int i = 0; i < N; i++)
        in[i] = (float)(i - 500) / 8;
    for (int k = 0; k < 3; k++) {
        memset(out, 0, sizeof out);
        dtype_from_f32(types[k], in, bytes + 1, N);
        dtype_to_f32(types[k], bytes + 1, out, N);
        for (int i = 0; i < N; i++) {
            float wanted = types[k] == DTYPE_BF16 ? bf16_to_f32(bf16_from_f32(in[i])) : in[i];
            if (out[i] != wanted)
                fail_msg("%s element %d: %g, wanted %g", dtype_name(types[k]), i, (double)out[i], (double)wanted);
        }
        dtype_to_f32(types[k], bytes + 1, out, 0);
    }
}

static void test_first_not_finite(void **state)
{
    (void)state;
    enum { N = 10000 };
    static const enum dtype types[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};
    float *values = memory_new(N, 4);
    unsigned char *bytes = memory_new(4 * N + 1, 1);
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < N; i++)
            values[i] = i % 2 ? 60000.0f : -1e-3f;
        dtype_from_f32(types[k], values, bytes + 1, N);
        assert_int_equal(dtype_first_not_finite(types[k], bytes + 1, N), N);
        const size_t places[] = {N - 1, 4097, 4096, 4095, 0};
        for (int p = 0; p < 5; p++) {
            values[places[p]] = p % 2 ? NAN : -INFINITY;
            dtype_from_f32(types[k], values, bytes + 1, N);
            assert_int_equal(dtype_first_not_finite(types[k], bytes + 1, N), places[p]);
        }
        assert_int_equal(dtype_first_not_finite(types[k], bytes + 1, 0), 0);
    }
    free(values);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_every_half_to_f32_and_back),
        cmocka_unit_test(test_halves_round_to_nearest_even),
        cmocka_unit_test(test_bf16_rounds_to_nearest_even),
        cmocka_unit_test(test_arrays_unaligned),
        cmocka_unit_test(test_first_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
