#include "check.h"

#include "search/eigen.h"

static double *random_symmetric(size_t n, uint32_t seed)
{
    random_stream s = random_stream_for(seed, "symmetric", (uint32_t)n, 0);
    double *a = memory_new(n * n, sizeof *a);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            a[i * n + j] = a[j * n + i] = random_normal(&s);
    return a;
}

static void check_decomposition(size_t n, const double *a, double tolerance)
{
    error err;
    double *v = memory_new(n * n, sizeof *v), *w = memory_new(n, sizeof *w);
    assert_int_equal(eigen_symmetric(n, a, v, w, &err), 0);
    for (size_t i = 0; i < n; i++) {
        if (i && !(w[i - 1] <= w[i]))
            fail_msg("eigenvalues %zu and %zu are out of order: %g, %g", i - 1, i, w[i - 1], w[i]);
        double largest = 0;
        for (size_t k = 0; k < n; k++)
            largest = fabs(v[i * n + k]) > fabs(largest) ? v[i * n + k] : largest;
        assert_true(largest > 0);
        for (size_t j = 0; j < n; j++) {
            double dot = 0, back = 0;
            for (size_t k = 0; k < n; k++) {
                dot += v[i * n + k] * v[j * n + k];
                back += v[k * n + i] * w[k] * v[k * n + j];
            }
            assert_near(dot, i == j, 1e-12, "a product of axes");
            assert_near(back, a[i * n + j], tolerance, "the matrix rebuilt");
        }
    }
    free(v);
    free(w);
}

static void test_matrices_are_rebuilt(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 2, 3, 10, 40, 130};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        double *a = random_symmetric(sizes[i], (uint32_t)i);
        check_decomposition(sizes[i], a, 1e-12 * (double)sizes[i]);
        free(a);
    }
}

static void test_equal_eigenvalues(void **state)
{
    (void)state;
    double a[25] = {0};
    for (int i = 0; i < 5; i++)
        a[6 * i] = 3;
    check_decomposition(5, a, 1e-14);
    a[1] = a[5] = 1e-9;
    check_decomposition(5, a, 1e-14);
}

/* H D H with a Householder reflection H, eigenvalues 1e-5 .. 1e5: each to ten digits, what one epsilon of the largest would not give. */
static void test_small_eigenvalues_keep_their_digits(void **state)
{
    (void)state;
    enum { N = 6 };
    const double u[N] = {.5, .5, .5, .5, 0, 0};     /* exact in binary: so is H */
    double a[N * N], v[N * N], w[N];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            long double sum = 0;
            for (int k = 0; k < N; k++)
                sum += ((i == k) - 2 * (long double)u[i] * u[k]) * powl(4, 3 * k - 8) * ((j == k) - 2 * (long double)u[j] * u[k]);
            a[i * N + j] = (double)sum;
        }
    error err;
    assert_int_equal(eigen_symmetric(N, a, v, w, &err), 0);
    for (int k = 0; k < N; k++)
        assert_near(w[k] / pow(4, 3 * k - 8), 1, 1e-10, "an eigenvalue's ratio");
}

static void test_what_is_not_a_matrix(void **state)
{
    (void)state;
    error err;
    double a[4] = {1, NAN, NAN, 1}, v[4], w[2];
    assert_int_equal(eigen_symmetric(2, a, v, w, &err), -1);
    assert_error(&err, ERROR_NOT_FINITE, "row 0, column 1");
    assert_int_equal(eigen_symmetric(0, a, v, w, &err), -1);
    assert_int_equal(eigen_symmetric(30000, a, v, w, &err), -1);
    assert_error(&err, ERROR_LIMIT, "30000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrices_are_rebuilt), cmocka_unit_test(test_equal_eigenvalues),
        cmocka_unit_test(test_small_eigenvalues_keep_their_digits), cmocka_unit_test(test_what_is_not_a_matrix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
