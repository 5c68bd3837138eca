#include "check.h"

#include "base/mersenne.h"

/* What CPython 3.11 and numpy 1.26 give. */
static void test_python(void **state)
{
    (void)state;
    static const uint32_t words[] = {3626764237, 1654615998, 3255389356, 3823568514};
    static const uint64_t tens[] = {1, 0, 4, 3, 3, 2}, wide[] = {849735321549, 87705687125, 1067347797602};
    static const size_t shuffled[] = {7, 8, 1, 5, 3, 4, 2, 0, 9, 6};
    mersenne m;
    mersenne_seed_python(&m, 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(mersenne_next(&m), words[i]);
    mersenne_seed_python(&m, 0);
    assert_true(mersenne_uniform(&m) == 0.8444218515250481);
    mersenne_seed_python(&m, 42);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(mersenne_below(&m, 10), tens[i]);
    mersenne_seed_python(&m, 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(mersenne_below(&m, 1099511627776), wide[i]);
    size_t items[10];
    for (size_t i = 0; i < 10; i++)
        items[i] = i;
    mersenne_seed_python(&m, 0);
    mersenne_shuffle(&m, items, 10);
    assert_memory_equal(items, shuffled, sizeof shuffled);
}

/* random.Random(x).random() for seeds of one word, two words, and of either sign. */
static void test_seeds(void **state)
{
    (void)state;
    mersenne a, b;
    const uint32_t key[] = {5, 1};
    mersenne_seed_python(&a, ((int64_t)1 << 32) + 5);
    mersenne_seed_words(&b, key, 2);
    assert_memory_equal(a.word, b.word, sizeof a.word);
    mersenne_seed_python(&a, -5);
    mersenne_seed_python(&b, 5);
    assert_memory_equal(a.word, b.word, sizeof a.word);
    mersenne_seed_python(&a, INT64_MIN);
    assert_true(mersenne_below(&a, 0) == 0 && mersenne_bits(&a, 0) == 0);
}

static void test_sample(void **state)
{
    (void)state;
    static const size_t few[] = {12, 13, 1, 8, 16}, many[] = {864, 394, 776, 911, 430, 41, 265, 988};
    size_t out[1000];
    mersenne m;
    for (size_t n = 21; n <= 22; n++) {   /* the largest pool, the smallest set */
        mersenne_seed_python(&m, 0);
        mersenne_sample(&m, n, 5, out);
        assert_memory_equal(out, few, sizeof few);
    }
    mersenne_seed_python(&m, 0);
    mersenne_sample(&m, 1000, 20, out);
    assert_memory_equal(out, many, sizeof many);
    mersenne_sample(&m, 1000, 1000, out);
    bool seen[1000] = {false};
    for (size_t i = 0; i < 1000; i++) {
        assert_true(out[i] < 1000 && !seen[out[i]]);
        seen[out[i]] = true;
    }
}

static void test_numpy(void **state)
{
    (void)state;
    static const uint32_t choice[] = {12, 15, 21, 0, 3, 27, 3, 7, 9, 19};
    mersenne m;
    mersenne_seed(&m, 0);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(mersenne_masked_below(&m, 30), choice[i]);
    mersenne before = m;
    assert_int_equal(mersenne_masked_below(&m, 1), 0);
    assert_memory_equal(&m, &before, sizeof m);
    uint32_t next = mersenne_next(&before);
    assert_int_equal(mersenne_masked_below(&m, (uint64_t)1 << 32), next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_python), cmocka_unit_test(test_seeds), cmocka_unit_test(test_sample),
                                       cmocka_unit_test(test_numpy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
