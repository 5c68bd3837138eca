#include "engine/rows.h"

static void pass_piece(void *context, size_t piece)
{
    const row_pass *pass = context;
    int64_t begin = (int64_t)piece * pass->per_piece, end = begin + pass->per_piece;
    for (int64_t i = begin; i < end && i < pass->rows; i++)
        pass->each(pass, i);
}

void rows_run(row_pass pass)
{
    const forward *f = pass.f;
    int64_t pieces = f->pool ? 4 * (int64_t)threads_count(f->pool) : 1;
    pass.rows = pass.rows ? pass.rows : f->n_rows;
    pass.per_piece = (pass.rows + pieces - 1) / pieces;
    threads_run(f->pool, (size_t)((pass.rows + pass.per_piece - 1) / pass.per_piece), pass_piece, &pass);
}

void rows_multiply(const forward *f, const matrix *w, const float *x, int64_t ldx, float *y, int64_t ldy)
{
    f->backend->matmul(w, x, ldx, y, ldy, f->n_rows, f->pool);
}

void row_norm(const backend *b, const plan_norm *norm, const model_config *c, const float *x, float *y, int64_t n)
{
    if (c->norm == NORM_LAYER)
        b->layer_norm(x, norm->weight.value, norm->bias.value, (float)c->norm_eps, y, 1, n);
    else
        b->rms_norm(x, norm->weight.value, (float)c->norm_offset, (float)c->norm_eps, y, 1, n);
}
