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
        const philox *family = philox_family(which), *plain = philox_family(0);
        for (uint64_t number = 0; family && number < 3000; number++) {
            uint64_t at = number % 3 ? number : number << 31 | 5;
            uint32_t a[64], b[64], limit = number % 7 ? (uint32_t)(number * 2654435761u) : 0;
            plain->draw(number * 0x9E3779B97F4A7C15, 3, at, a);
            family->draw(number * 0x9E3779B97F4A7C15, 3, at, b);
            if (memcmp(a, b, sizeof a) != 0 || plain->below(a, limit) != family->below(a, limit))
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
        uint64_t whole[(N + 63) / 64], mask[(N + 63) / 64 + 1] = {0}, part[2];
        uint32_t words[N];
        double x[N];
        mask_random(key, 2, densities[d], first, N, whole);
        for (int at = 0, n = 1; at < N; at += n, n = n % 97 + 1) {
            int count = at + n > N ? N - at : n;
            mask_random(key, 2, densities[d], first + at, count, part);
            mask_numbers(key, 2, first + at, count, words + at);
            mask_put(mask, 7 + at, count, part);
        }
        for (int i = 0; i < N; i++)
            x[i] = 1;
        for (int at = 0, n = 1; at < N; at += n, n = n % 131 + 1)
            mask_apply(mask, 7 + at, at + n > N ? N - at : n, x + at);
        for (int i = 0; i < N; i++) {
            bool kept = uniform(key, 2, first + i) < densities[d];
            assert_true(words[i] * 0x1p-32 == uniform(key, 2, first + i));
            assert_true((whole[i / 64] >> i % 64 & 1) == kept);
            assert_true((x[i] == 1) == kept);
        }
    }
}

static void mersenne_twister(void **state)
{
    (void)state;
    mersenne s;
    mersenne_seed(&s, 5489);   /* the values that the C++ standard names */
    assert_int_equal(mersenne_next(&s), 3499211612u);
    for (int i = 1; i < 9999; i++)
        mersenne_next(&s);
    assert_int_equal(mersenne_next(&s), 4123659995u);

    uint64_t kept[2];
    mersenne_seed(&s, 1);
    mask_draw(&s, 0.3, 100, kept);
    mersenne_seed(&s, 1);
    for (int i = 0; i < 100; i++)
        assert_true((kept[i / 64] >> i % 64 & 1) == ((mersenne_next(&s) & 0xffffff) * 0x1p-24 < 0.3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(families_agree), cmocka_unit_test(masks_depend_on_the_place_alone), cmocka_unit_test(mersenne_twister)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
