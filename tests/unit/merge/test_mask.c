#include "models.h"

#include "merge/mask.h"
#include "merge/philox.h"

/* The number of an element, from the block function alone. */
static double uniform(uint64_t key, uint32_t model, int64_t e)
{
    uint64_t block = 16 * (uint64_t)(e / 64) + (uint64_t)(e % 16);
    uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), model, 0}, k[2] = {(uint32_t)key, (uint32_t)(key >> 32)}, out[4];
    random_philox(counter, k, out);
    return out[e % 64 / 16] * 0x1p-32;
}

static void families_agree(void **state)
{
    (void)state;
    for (int which = 1; which < 3; which++) {
        philox_function *family = philox_family(which);
        for (uint64_t number = 0; family && number < 3000; number++) {
            uint64_t at = number % 3 ? number : number << 31 | 5;
            double a[64], b[64];
            for (int i = 0; i < 64; i++)
                a[i] = b[i] = i + 1;
            uint32_t limit = number % 7 ? (uint32_t)(number * 2654435761u) : 0;
            philox_family(0)(number * 0x9E3779B97F4A7C15, 3, at, limit, a);
            family(number * 0x9E3779B97F4A7C15, 3, at, limit, b);
            if (memcmp(a, b, sizeof a) != 0)
                fail_msg("family %d differs at block %llu", which, (unsigned long long)at);
        }
    }
}

static void masks_depend_on_the_place_alone(void **state)
{
    (void)state;
    enum { N = 1000 };
    static const double densities[] = {0, 1e-9, 0.1, 0.5, 0.9, 1 - 1e-12};
    int64_t first = ((int64_t)1 << 36) + 13;   /* past 2^32 blocks */
    uint64_t key = random_key(42, "model.layers.0.mlp.up_proj.weight");
    for (size_t d = 0; d < sizeof densities / sizeof *densities; d++) {
        double whole[N], pieces[N];
        for (int i = 0; i < N; i++)
            whole[i] = pieces[i] = 1;
        mask_philox(key, 2, densities[d], first, N, whole);
        for (int at = 0, n = 1; at < N; at += n, n = n % 97 + 1)
            mask_philox(key, 2, densities[d], first + at, at + n > N ? N - at : n, pieces + at);
        for (int i = 0; i < N; i++) {
            assert_true(whole[i] == (uniform(key, 2, first + i) < densities[d]));
            assert_true(whole[i] == pieces[i]);
        }
    }
}

static void mersenne_twister(void **state)
{
    (void)state;
    mask_stream s;
    mask_stream_seed(&s, 5489);   /* the values that the C++ standard names */
    assert_int_equal(mask_stream_next(&s), 3499211612u);
    for (int i = 1; i < 9999; i++)
        mask_stream_next(&s);
    assert_int_equal(mask_stream_next(&s), 4123659995u);

    uint8_t kept[3];
    double x[20];
    mask_stream_seed(&s, 1);
    mask_stream_draw(&s, 0.3, 20, kept);
    for (int i = 0; i < 20; i++)
        x[i] = 1;
    mask_bits(kept, 0, 7, x);
    mask_bits(kept, 7, 13, x + 7);
    mask_stream_seed(&s, 1);
    for (int i = 0; i < 20; i++)
        assert_true(x[i] == ((mask_stream_next(&s) & 0xffffff) * 0x1p-24 < 0.3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(families_agree), cmocka_unit_test(masks_depend_on_the_place_alone), cmocka_unit_test(mersenne_twister)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
