#include "search/eigen.h"

#include <dlfcn.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define REFINED 128         /* rows; more would take longer than they are worth */
#define WIDE 1e-4           /* eigenvalues closer together than this are good as they are */
#define SWEEPS 6
#define ENOUGH 2e-16L       /* an off-diagonal this small beside its two eigenvalues is zero */

/* Fortran: everything by address, the lengths of the strings behind. */
extern void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work, const int *lwork,
                    int *iwork, const int *liwork, int *info, size_t jobz_length, size_t uplo_length);

/* Debian's libblas.so.3 may be OpenBLAS or MKL, whose sums change with the number of threads. Each has a call for that;
 * the reference BLAS has none and needs none. */
static void one_thread(void)
{
    void (*set)(int);
    static const char *const names[] = {"openblas_set_num_threads", "MKL_Set_Num_Threads"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *symbol = dlsym(RTLD_DEFAULT, names[i]);
        if (!symbol)
            continue;
        memcpy(&set, &symbol, sizeof set);
        set(1);
    }
}

/* a seen from the axes: V a V^T in long double. */
static long double *turn(size_t n, const double *a, const double *vectors)
{
    long double *half = memory_new(n * n, sizeof *half), *t = memory_new(n * n, sizeof *t);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            for (size_t j = 0; j < n; j++)
                half[i * n + j] += (long double)vectors[i * n + k] * (long double)a[k * n + j];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            long double sum = 0;
            for (size_t k = 0; k < n; k++)
                sum += half[i * n + k] * (long double)vectors[j * n + k];
            t[i * n + j] = t[j * n + i] = sum;
        }
    free(half);
    return t;
}

static void rotate_rows(long double *m, size_t n, size_t p, size_t q, long double c, long double s)
{
    for (size_t k = 0; k < n; k++) {
        long double x = m[p * n + k], y = m[q * n + k];
        m[p * n + k] = c * x - s * y;
        m[q * n + k] = s * x + c * y;
    }
}

/* The Jacobi rotation that makes t[p][q] zero (Golub and Van Loan, 8.5.2). True when there was something to do. */
static bool rotate(long double *t, long double *v, size_t n, size_t p, size_t q)
{
    long double x = t[p * n + p], y = t[q * n + q], off = t[p * n + q];
    if (off == 0 || fabsl(off) <= ENOUGH * sqrtl(fabsl(x)) * sqrtl(fabsl(y)))
        return false;
    long double theta = (y - x) / (2 * off), tangent = 1 / (fabsl(theta) + sqrtl(1 + theta * theta));
    tangent = theta < 0 ? -tangent : tangent;
    long double c = 1 / sqrtl(1 + tangent * tangent), s = tangent * c;
    rotate_rows(t, n, p, q, c, s);
    for (size_t k = 0; k < n; k++) {
        long double a = t[k * n + p], b = t[k * n + q];
        t[k * n + p] = c * a - s * b;
        t[k * n + q] = s * a + c * b;
    }
    rotate_rows(v, n, p, q, c, s);
    return true;
}

/* dsyevd's error is an epsilon of the largest eigenvalue: at condition 1e10 the smallest ones, and so C^-1/2, keep 6 digits.
 * Jacobi sweeps over the nearly diagonal matrix bring each to full precision. */
static void refine(size_t n, const double *a, double *vectors, double *values)
{
    long double *t = turn(n, a, vectors), *v = memory_new(n * n, sizeof *v);
    bool again = true;
    for (size_t i = 0; i < n * n; i++)
        v[i] = (long double)vectors[i];
    for (int sweep = 0; again && sweep < SWEEPS; sweep++) {
        again = false;
        for (size_t p = 0; p < n; p++)
            for (size_t q = p + 1; q < n; q++)
                again |= rotate(t, v, n, p, q);
    }
    for (size_t i = 0; i < n; i++) {
        size_t least = n;           /* smallest of those not yet taken; a taken one is marked by a diagonal of infinity */
        for (size_t k = 0; k < n; k++)
            if (isfinite(t[k * n + k]) && (least == n || t[k * n + k] < t[least * n + least]))
                least = k;
        values[i] = (double)t[least * n + least];
        for (size_t k = 0; k < n; k++)
            vectors[i * n + k] = (double)v[least * n + k];
        t[least * n + least] = INFINITY;
    }
    free(t);
    free(v);
}

int eigen_symmetric(size_t n, const double *a, double *vectors, double *values, error *err)
{
    if (n == 0 || n > 20000)
        return fail(err, ERROR_LIMIT, "eigenvalues of a matrix with %zu rows: at most 20000", n);
    for (size_t i = 0; i < n * n; i++)
        if (!isfinite(a[i]))
            return fail(err, ERROR_NOT_FINITE, "eigenvalues: row %zu, column %zu of the matrix is %g", i / n, i % n, a[i]);
    one_thread();
    memcpy(vectors, a, n * n * sizeof *a);
    int rows = (int)n, work_size = (int)(1 + 6 * n + 2 * n * n), index_size = (int)(3 + 5 * n), info = 0;
    double *work = memory_new((size_t)work_size, sizeof *work);
    int *index = memory_new((size_t)index_size, sizeof *index);
    dsyevd_("V", "L", &rows, vectors, &rows, values, work, &work_size, index, &index_size, &info, 1, 1);
    free(work);
    free(index);
    if (info != 0)
        return fail(err, ERROR_NOT_FINITE, "eigenvalues: LAPACK's dsyevd stopped with %d on a matrix with %zu rows", info, n);
    if (n <= REFINED && values[0] < WIDE * values[n - 1])
        refine(n, a, vectors, values);
    for (size_t k = 0; k < n; k++) {        /* Fortran's columns are our rows; the sign is free: choose it */
        double *v = vectors + k * n;
        size_t largest = 0;
        for (size_t i = 1; i < n; i++)
            if (fabs(v[i]) > fabs(v[largest]))
                largest = i;
        if (v[largest] < 0)
            for (size_t i = 0; i < n; i++)
                v[i] = -v[i];
    }
    return 0;
}
