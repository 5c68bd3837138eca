#include "search/eigen.h"

#include <dlfcn.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

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
