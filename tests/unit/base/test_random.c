#include "check.h"

#include <math.h>

#include "base/random.h"

/* Known answers of Random123 (Salmon et al., kat_vectors, philox 4x32 10). */
static void test_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t out[4];
        random_philox(cases[i].counter, cases[i].key, out);
        for (int k = 0; k < 4; k++)
            if (out[k] != cases[i].out[k])
                fail_msg("case %zu word %d: %08x, wanted %08x", i, k, out[k], cases[i].out[k]);
    }
}

static void test_a_copy_replays_and_places_differ(void **state)
{
    (void)state;
    random_stream a = random_stream_for(7, "questions", 3, 4), b = a;
    random_stream other[] = {random_stream_for(8, "questions", 3, 4), random_stream_for(7, "question", 3, 4),
                             random_stream_for(7, "questions", 4, 4), random_stream_for(7, "questions", 3, 5)};
    int equal[4] = {0};
    for (int i = 0; i < 1000; i++) {
        uint32_t x = random_next(&a);
        assert_int_equal(x, random_next(&b));
        for (int k = 0; k < 4; k++)
            equal[k] += x == random_next(&other[k]);
    }
    for (int k = 0; k < 4; k++)
        assert_in_range(equal[k], 0, 2);
}

static void test_a_stream_is_the_block_function(void **state)
{
    (void)state;
    random_stream s = random_stream_for(1, "x", 5, 6);
    uint32_t counter[4] = {2, 0, 5, 6}, key[2] = {(uint32_t)s.key, (uint32_t)(s.key >> 32)}, out[4];
    random_philox(counter, key, out);
    for (int i = 0; i < 8; i++)
        random_next(&s);
    for (int i = 0; i < 4; i++)
        assert_int_equal(random_next(&s), out[i]);
}

static void test_moments(void **state)
{
    (void)state;
    enum { N = 200000 };
    random_stream s = random_stream_for(1, "moments", 0, 0);
    double sum = 0, squares = 0, fourth = 0, uniform = 0;
    for (int i = 0; i < N; i++) {
        double x = random_normal(&s), u = random_uniform(&s);
        assert_true(u >= 0 && u < 1);
        sum += x;
        squares += x * x;
        fourth += x * x * x * x;
        uniform += u;
    }
    /* Five standard errors each. */
    assert_true(fabs(sum / N) < 5 / sqrt(N));
    assert_true(fabs(squares / N - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(fourth / N - 3) < 5 * sqrt(96.0 / N));
    assert_true(fabs(uniform / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
}

static void test_normal_is_box_muller(void **state)
{
    (void)state;
    random_stream s = random_stream_for(5, "normal", 0, 0), t = s;
    for (int i = 0; i < 200000; i++) {
        double x = random_normal(&s), u = 1.0 - random_uniform(&t), v = random_uniform(&t);
        double radius = sqrt(-2.0 * log(u)), wanted = radius * cos(6.283185307179586476925 * v);
        /* The argument of cos here is rounded, by up to 4.4e-16. */
        if (!(fabs(x - wanted) <= 1e-15 * radius))
            fail_msg("number %d is %.17g, wanted %.17g", i, x, wanted);
    }
}

static void test_below_and_shuffle(void **state)
{
    (void)state;
    random_stream s = random_stream_for(3, "below", 0, 0);
    int count[7] = {0};
    for (int i = 0; i < 70000; i++)
        count[random_below(&s, 7)]++;
    for (int k = 0; k < 7; k++)
        assert_in_range(count[k], 9500, 10500);
    assert_int_equal(random_below(&s, 1), 0);
    size_t items[100];
    bool seen[100] = {false};
    size_t fixed = 0;
    for (size_t i = 0; i < 100; i++)
        items[i] = i;
    random_shuffle(&s, items, 100);
    for (size_t i = 0; i < 100; i++) {
        assert_in_range(items[i], 0, 99);
        assert_false(seen[items[i]]);
        seen[items[i]] = true;
        fixed += items[i] == i;
    }
    assert_in_range(fixed, 0, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_a_copy_replays_and_places_differ),
        cmocka_unit_test(test_a_stream_is_the_block_function),
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_normal_is_box_muller),
        cmocka_unit_test(test_below_and_shuffle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
