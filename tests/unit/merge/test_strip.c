#include "models.h"

#include <math.h>

#include "merge/strip.h"

static void assert_float(double got, float want, const char *what, uint32_t at)
{
    float g = (float)got;
    bool same = isnan(want) ? isnan(g) : memcmp(&g, &want, 4) == 0;
    if (!same)
        fail_msg("%s %08x: %.9g, wanted %.9g", what, at, g, want);
}

static void loads_every_value(void **state)
{
    (void)state;
    static char bytes[2 * 65536 + 1];
    static double x[65536];
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t h = (uint16_t)i;
        memcpy(bytes + 1 + 2 * i, &h, 2);
    }
    static const enum dtype types[] = {DTYPE_F16, DTYPE_BF16};
    for (int d = 0; d < 2; d++) {
        tensor t = {.dtype = types[d], .data = bytes + 1, .rank = 1, .shape = {65536}};
        strip_load(&t, 0, 65536, x);
        for (uint32_t i = 0; i < 65536; i++) {
            float want = (float)element(&t, i);
            assert_float(x[i], want, dtype_name(types[d]), i);
        }
        /* and back */
        static char out[2 * 65536 + 1];
        strip_store(x, 65536, types[d], out + 1, 0);
        for (uint32_t i = 0; i < 65536; i++)
            if (!isnan(x[i]))
                assert_memory_equal(out + 1 + 2 * i, bytes + 1 + 2 * i, 2);
    }
}

static void rounds_like_the_conversions(void **state)
{
    (void)state;
    random_stream s = random_stream_for(5, "rounding", 0, 0);
    for (int i = 0; i < 400000; i++) {
        uint32_t bits = random_next(&s);
        if (i % 2)   /* near the ties and the subnormals of f16 */
            bits = (bits & 0x8001ffff) | (uint32_t)(95 + random_below(&s, 50)) << 23 | (i % 4 == 1 ? 0x1000 : 0x8000);
        float f;
        memcpy(&f, &bits, 4);
        if (isnan(f))
            continue;
        assert_float(round_one(ROUND_BF16, f), bf16_to_f32(bf16_from_f32(f)), "bf16", bits);
        assert_float(round_one(ROUND_F16, f), f16_to_f32(f16_from_f32(f)), "f16", bits);
        assert_float(round_one(ROUND_F32, f), f, "f32", bits);
        uint16_t stored;
        double x = f;
        strip_store(&x, 1, DTYPE_F16, &stored, 0);
        assert_int_equal(stored, f16_from_f32(f));
        strip_store(&x, 1, DTYPE_BF16, &stored, 0);
        assert_int_equal(stored, bf16_from_f32(f));
    }
    assert_true(round_one(ROUND_NONE, 1.0 / 3) == 1.0 / 3);
    assert_true(round_one(ROUND_F32, 1.0 / 3) == (double)(1.0f / 3));
}

static void sums(void **state)
{
    (void)state;
    double x[STRIP], y[STRIP], size = 0, dot = 0;
    for (int n = 0; n <= STRIP; n++) {
        size = dot = 0;
        for (int i = 0; i < n; i++) {
            x[i] = (i % 3 - 1) * (i + 1);
            y[i] = i % 5 - 2;
            size += fabs(x[i]);
            dot += x[i] * y[i];
        }
        assert_true(strip_sum_abs(x, n) == size);
        assert_true(strip_dot(x, y, n) == dot);
    }
}

static void tells_numbers_from_what_is_none(void **state)
{
    (void)state;
    static const enum dtype types[] = {DTYPE_F16, DTYPE_BF16, DTYPE_F32};
    static const double largest[] = {65504, 0x1.fep127, 0x1.fffffep127}, none[] = {INFINITY, -INFINITY, NAN};
    for (int d = 0; d < 3; d++)
        for (int k = 0; k < 3; k++) {
            double x[40];
            char bytes[40 * 4 + 1];
            for (int i = 0; i < 40; i++)
                x[i] = i % 2 ? largest[d] : -largest[d];
            strip_store(x, 40, types[d], bytes + 1, 0);
            assert_true(strip_is_finite(types[d], bytes + 1, 0, 40));
            x[38] = none[k];
            strip_store(x, 40, types[d], bytes + 1, 0);
            assert_false(strip_is_finite(types[d], bytes + 1, 3, 37));
            assert_true(strip_is_finite(types[d], bytes + 1, 0, 38));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(loads_every_value), cmocka_unit_test(rounds_like_the_conversions), cmocka_unit_test(sums),
                                       cmocka_unit_test(tells_numbers_from_what_is_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
