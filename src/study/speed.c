#include "study/speed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"

#define SIDE 4096
#define MATRICES 4
#define ROWS 64
#define ONES 12         /* passes of one row */

static double time_passes(const backend *b, threads *pool, const char *weights, const float *x, float *y, int64_t rows, int passes)
{
    double began = progress_seconds();
    for (int i = 0; i < passes; i++) {
        const matrix w = {.data = weights + (size_t)(i % MATRICES) * SIDE * SIDE * 2, .dtype = DTYPE_BF16, .n = SIDE, .k = SIDE};
        b->matmul(&w, x, SIDE, y, SIDE, rows, pool);
    }
    return (progress_seconds() - began) / passes / SIDE / SIDE;
}

speed speed_measure(const backend *b, threads *pool)
{
    size_t bytes = (size_t)MATRICES * SIDE * SIDE * 2;
    char *weights = memory_try(bytes, "a probe of the kernels", NULL);
    float *x = memory_new((size_t)ROWS * SIDE, sizeof *x), *y = memory_new((size_t)ROWS * SIDE, sizeof *y);
    speed s = {0};
    if (weights) {
        memset(weights, 0x3c, bytes);
        time_passes(b, pool, weights, x, y, 1, 1);     /* threads and pages are there */
        double one = time_passes(b, pool, weights, x, y, 1, ONES), many = time_passes(b, pool, weights, x, y, ROWS, MATRICES / 2);
        s.row = fmin(fmax((many - one) / (ROWS - 1), 0), one);
        s.fixed = one - s.row;
    }
    free(weights);
    free(x);
    free(y);
    return s;
}

static void add_matrix(void *context, const matrix *m)
{
    *(double *)context += (double)m->n * (double)m->k;
}

double speed_layer_weights(const plan *p)
{
    double sum = 0;
    for (int h = 0; h < p->n_hops; h++)
        for (int k = 0; k < p->hops[h].n_blocks; k++)
            plan_visit(&p->hops[h].blocks[k], &(plan_visitor){.matrix = add_matrix, .context = &sum});
    return sum;
}

double speed_head_weights(const plan *p)
{
    return (double)p->head.n * (double)p->head.k;
}
