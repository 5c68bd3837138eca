/* Inverse frequencies against those that transformers 5.23 computes (f32, hence the tolerance), angles against the C library. */
#include "../base/check.h"

#include <math.h>

#include "model/rope.h"

static void check_frequencies(rope_config rope, int64_t length, const double expected[8], double factor)
{
    rope.dims = 16;
    double f[8];
    double got = rope_frequencies(&rope, length, f);
    for (int i = 0; i < 8; i++)
        if (!(fabs(f[i] - expected[i]) <= 2e-7 * expected[i]))
            fail_msg("kind %d: frequency %d is %.9g, expected %.9g", rope.kind, i, f[i], expected[i]);
    if (!(fabs(got - factor) <= 1e-12))
        fail_msg("kind %d: factor %.17g, expected %.17g", rope.kind, got, factor);
}

static void test_kinds(void **state)
{
    (void)state;
    const double plain[8] = {1, 0.316227766, 0.1, 0.0316227766, 0.01, 0.00316227766, 0.001, 0.000316227766};
    check_frequencies((rope_config){.theta = 10000}, 500, plain, 1);
    check_frequencies((rope_config){.kind = ROPE_LINEAR, .theta = 10000, .factor = 2.5}, 500,
                      (const double[8]){0.400000006, 0.1264911, 0.0399999991, 0.0126491114, 0.00399999972, 0.00126491114,
                                        0.000400000019, 0.000126491112},
                      1);
    check_frequencies(
        (rope_config){.kind = ROPE_LLAMA3, .theta = 10000, .factor = 8, .low_freq = 1, .high_freq = 4, .original_positions = 32},
        500,
        (const double[8]){1.0, 0.0958399773, 0.0125000002, 0.00395284733, 0.00124999997, 0.000395284733, 0.000125000006,
                          3.95284733e-05},
        1);
    check_frequencies((rope_config){.kind = ROPE_YARN,
                                    .theta = 10000,
                                    .factor = 4,
                                    .beta_fast = 8,
                                    .beta_slow = 1,
                                    .truncate = true,
                                    .original_positions = 32},
                      500,
                      (const double[8]){1.0, 0.197642356, 0.0250000004, 0.00790569466, 0.00249999994, 0.000790569466,
                                        0.000250000012, 7.90569466e-05},
                      1.138629436111989);
    check_frequencies((rope_config){.kind = ROPE_YARN,
                                    .theta = 500000,
                                    .factor = 16,
                                    .beta_fast = 32,
                                    .beta_slow = 1,
                                    .original_positions = 64,
                                    .attention_factor = 1.121751143713058},
                      500,
                      (const double[8]){1.0, 0.0654397011, 0.00235037692, 0.000455791567, 8.83883404e-05, 1.71405118e-05,
                                        3.32393483e-06, 6.44586578e-07},
                      1.121751143713058);
}

static void test_dynamic(void **state)
{
    (void)state;
    rope_config r = {.kind = ROPE_DYNAMIC, .theta = 10000, .factor = 2, .original_positions = 128};
    check_frequencies(r, 200,
                      (const double[8]){1.0, 0.283945143, 0.0806248412, 0.0228930302, 0.00650036521, 0.001845747, 0.000524090894,
                                        0.000148813066},
                      1);
    /* up to the original length nothing is scaled */
    check_frequencies(r, 128, (const double[8]){1, 0.316227766, 0.1, 0.0316227766, 0.01, 0.00316227766, 0.001, 0.000316227766},
                      1);
}

static void test_angles(void **state)
{
    (void)state;
    const rope_config r = {.dims = 16, .theta = 10000};
    float cosine[8], sine[8];
    for (int64_t position = 0; position < 3000; position += 37) {
        rope_angles(&r, position, 0, cosine, sine);
        for (int i = 0; i < 8; i++) {
            double angle = (double)position * pow(10000, -i / 8.0);
            if (fabs(cosine[i] - cos(angle)) > 1e-6 || fabs(sine[i] - sin(angle)) > 1e-6)
                fail_msg("position %d dimension %d: %g %g, expected %g %g", (int)position, i, (double)cosine[i], (double)sine[i],
                         cos(angle), sin(angle));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kinds), cmocka_unit_test(test_dynamic),
                                       cmocka_unit_test(test_angles)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
