#include "check.h"

#include "search/cma.h"

/* The constants at three sizes, to the digits that were written down with the formulas. */
static void test_constants(void **state)
{
    (void)state;
    static const struct { size_t n; int lambda; double mueff, minus, cs, ds, cc, c1, cmu, first, last; } cases[] = {
        {10, 10, 3.167299, 3.989115, .284429, 1.284429, .294990, .01528382, .02355178, .456273, -.549750},
        {40, 15, 4.540915, 5.889051, .132031, 1.132031, .093009, .00116943, .00340522, .344796, -.308367},
        {192, 19, 5.647567, 7.481941, .037738, 1.037738, .020552, .00005352, .00021650, .290678, -.227925},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cma_constants k = cma_constants_for(cases[i].n, cases[i].lambda, true, false);
        assert_int_equal(k.mu, cases[i].lambda / 2);
        assert_near(k.mueff, cases[i].mueff, 6e-7, "mueff");
        assert_near(k.mueff_minus, cases[i].minus, 6e-7, "mueff-");
        assert_near(k.cs, cases[i].cs, 6e-7, "cs");
        assert_near(k.ds, cases[i].ds, 6e-7, "ds");
        assert_near(k.cc, cases[i].cc, 6e-7, "cc");
        assert_near(k.c1, cases[i].c1, 6e-9, "c1");
        assert_near(k.cmu, cases[i].cmu, 6e-9, "cmu");
        assert_near(k.w[0], cases[i].first, 6e-7, "the first weight");
        assert_near(k.w[cases[i].lambda - 1], cases[i].last, 6e-7, "the last weight");
        cma_constants passive = cma_constants_for(cases[i].n, cases[i].lambda, false, false);
        assert_near(passive.sum_w, 1, 1e-15, "the sum of the weights without negative ones");
        cma_constants diagonal = cma_constants_for(cases[i].n, cases[i].lambda, true, true);
        assert_near(diagonal.c1 / k.c1, ((double)cases[i].n + 2) / 3, 1e-12, "c1's factor for the diagonal");
        assert_near(diagonal.cmu / k.cmu, ((double)cases[i].n + 2) / 3, 1e-12, "cmu's factor for the diagonal");
        cma_constants_clear(&k);
        cma_constants_clear(&passive);
        cma_constants_clear(&diagonal);
    }
}

static void draw(random_stream *s, double *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = random_normal(s);
}

/* An update from C = I, by the formulas written out again for n = 2, lambda = 4. */
static void test_one_update_by_hand(void **state)
{
    (void)state;
    cma_constants k = cma_constants_for(2, 4, true, false);
    cma_state s = cma_state_new(2, false);
    s.sigma = 0.5;
    s.mean[0] = 1;
    const double y[8] = {1, 2, -1, 0.5, 0.25, -0.75, 3, 1};
    const size_t order[4] = {2, 0, 3, 1};
    cma_update(&k, &s, y, order, NULL);
    double yw[2], ps[2], norm2 = 0, wo[4];
    for (int i = 0; i < 2; i++) {
        yw[i] = k.w[0] * y[4 + i] + k.w[1] * y[i];
        ps[i] = sqrt(k.cs * (2 - k.cs) * k.mueff) * yw[i];
        norm2 += ps[i] * ps[i];
        assert_near(s.ps[i], ps[i], 1e-14, "ps");
        assert_near(s.mean[i], (i == 0) + 0.5 * yw[i], 1e-14, "the mean");
        assert_near(s.pc[i], sqrt(k.cc * (2 - k.cc) * k.mueff) * yw[i], 1e-14, "pc (h_sigma is 1 here)");
    }
    assert_near(s.sigma, 0.5 * exp(k.cs / k.ds * (sqrt(norm2) / k.chi - 1)), 1e-14, "sigma");
    for (int r = 0; r < 4; r++) {
        const double *v = y + 2 * order[r];
        wo[r] = k.w[r] >= 0 ? k.w[r] : k.w[r] * 2 / (v[0] * v[0] + v[1] * v[1]);
    }
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) {
            double want = (1 - k.c1 - k.cmu * k.sum_w) * (i == j) + k.c1 * s.pc[i] * s.pc[j];
            for (int r = 0; r < 4; r++)
                want += k.cmu * wo[r] * y[2 * order[r] + (size_t)i] * y[2 * order[r] + (size_t)j];
            assert_near(s.C[2 * i + j], want, 1e-14, "C");
        }
    assert_int_equal(s.generation, 1);
    cma_state_clear(&s);
    cma_constants_clear(&k);
}

/* Updates on random orders: C stays symmetric to the bit and positive definite, whitening undoes colouring. */
static void test_random_updates_keep_C_sound(void **state)
{
    (void)state;
    for (int diagonal = 0; diagonal < 2; diagonal++) {
        enum { N = 7, LAMBDA = 9 };
        cma_constants k = cma_constants_for(N, LAMBDA, true, diagonal);
        cma_state s = cma_state_new(N, diagonal);
        random_stream stream = random_stream_for(5, "updates", 0, 0);
        error err;
        for (int g = 0; g < 300; g++) {
            double y[LAMBDA * N], z[N], back[N];
            size_t order[LAMBDA];
            for (size_t c = 0; c < LAMBDA; c++) {
                order[c] = c;
                draw(&stream, z, N);
                cma_colour(&s, z, y + c * N);
            }
            random_shuffle(&stream, order, LAMBDA);
            double length = 0, whitened = 0;
            cma_whiten(&s, y + (LAMBDA - 1) * N, back);
            for (int i = 0; i < N; i++) {
                length += z[i] * z[i];
                whitened += back[i] * back[i];
            }
            assert_near(whitened / length, 1, 1e-9, "length after colouring and whitening");
            cma_update(&k, &s, y, order, NULL);
            assert_int_equal(cma_decompose(&s, &err), 0);
            for (size_t i = 0; i < N; i++) {
                assert_true(cma_variance(&s, i) > 0 && s.D[i] > 0);
                for (size_t j = 0; j < i && !diagonal; j++)
                    assert_true(s.C[i * N + j] == s.C[j * N + i]);
            }
        }
        cma_state_clear(&s);
        cma_constants_clear(&k);
    }
}

static void test_a_step_of_zero_has_no_negative_weight(void **state)
{
    (void)state;
    cma_constants k = cma_constants_for(3, 6, true, false);
    cma_state s = cma_state_new(3, false);
    double y[18] = {0}, weights[6];
    const size_t order[6] = {0, 1, 2, 3, 4, 5};
    cma_trace trace = {.weights = weights};
    cma_update(&k, &s, y, order, &trace);
    for (int r = 3; r < 6; r++)
        assert_true(weights[r] == 0);
    for (size_t i = 0; i < 9; i++)
        assert_true(isfinite(s.C[i]));
    cma_state_clear(&s);
    cma_constants_clear(&k);
}

static void test_an_indefinite_C_is_lifted_and_a_broken_one_refused(void **state)
{
    (void)state;
    error err;
    cma_state s = cma_state_new(2, false);
    s.C[1] = s.C[2] = 1;        /* eigenvalues 0 and 2 */
    assert_int_equal(cma_decompose(&s, &err), 0);
    assert_true(s.D[0] > 0 && s.D[0] * s.D[0] >= 1.9e-14);
    s.C[0] = s.C[3] = -5;
    assert_int_equal(cma_decompose(&s, &err), -1);
    s.C[0] = NAN;
    assert_int_equal(cma_decompose(&s, &err), -1);
    assert_error(&err, ERROR_NOT_FINITE, "nan");
    cma_state_clear(&s);
}

static void test_decompositions_are_lazy_in_many_dimensions(void **state)
{
    (void)state;
    for (int big = 0; big < 2; big++) {
        cma_constants k = cma_constants_for(big ? 192 : 10, big ? 19 : 10, true, false);
        cma_state s = {.n = k.n, .generation = 8, .decomposed = 7};
        assert_true(cma_decompose_due(&k, &s) == !big);
        s.generation = 9;
        assert_true(cma_decompose_due(&k, &s));
        s.generation = s.decomposed;
        assert_false(cma_decompose_due(&k, &s));
        cma_constants_clear(&k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constants), cmocka_unit_test(test_one_update_by_hand), cmocka_unit_test(test_random_updates_keep_C_sound),
        cmocka_unit_test(test_a_step_of_zero_has_no_negative_weight),
        cmocka_unit_test(test_an_indefinite_C_is_lifted_and_a_broken_one_refused), cmocka_unit_test(test_decompositions_are_lazy_in_many_dimensions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
