/* A mixture of experts. The router's choice is made row by row; each expert then runs once, over all rows that chose it, and what it gives
 * is added to theirs. Experts go in their order, so a row's sum has one order whatever else stands in the step. */
#include <assert.h>
#include <string.h>

#include "compute/scalar.h"
#include "engine/rows.h"

/* The rows that go through one expert. */
struct expert_rows {
    const int64_t *row;        /* [n] of the step */
    int64_t n;
    int expert;
    const float *x;            /* [rows][hidden] what the block reads */
    float *y;                  /* [rows][hidden] what it puts out */
};

/* Probabilities over all experts; those of the best `used`, the first among equals, to a sum of 1; 0 for the others. */
static void choose(float *weight, int n, int used)
{
    bool chosen[CONFIG_MAX_EXPERTS] = {false};
    float max = weight[0], sum = 0;
    for (int e = 1; e < n; e++)
        max = weight[e] > max ? weight[e] : max;
    for (int e = 0; e < n; e++)
        weight[e] = scalar_exp(weight[e] - max);
    for (int k = 0; k < used; k++) {
        int best = -1;
        for (int e = 0; e < n; e++)
            if (!chosen[e] && (best < 0 || weight[e] > weight[best]))
                best = e;
        chosen[best] = true;
        sum += weight[best];
    }
    for (int e = 0; e < n; e++)
        weight[e] = chosen[e] ? weight[e] / sum : 0;
}

static void choose_row(const row_pass *pass, int64_t i)
{
    const model_config *c = pass->config;
    choose(pass->f->routed + i * c->experts, (int)c->experts, (int)c->experts_used);
}

static void gather_row(const row_pass *pass, int64_t i)
{
    const forward *f = pass->f;
    int64_t hidden = f->plan->config.hidden;
    memcpy(f->expert_in + i * hidden, pass->expert->x + pass->expert->row[i] * hidden, (size_t)hidden * sizeof(float));
}

static void activate_row(const row_pass *pass, int64_t i)
{
    const forward *f = pass->f;
    int64_t n = pass->config->intermediate;
    f->backend->activate(pass->config->activation, f->gate + i * n, f->up + i * n, f->gate + i * n, n);
}

static void scatter_row(const row_pass *pass, int64_t i)
{
    const forward *f = pass->f;
    const struct expert_rows *e = pass->expert;
    int64_t hidden = f->plan->config.hidden, row = e->row[i];
    const float *from = f->expert_out + i * hidden, weight = f->routed[row * pass->config->experts + e->expert];
    float *y = e->y + row * hidden;
    for (int64_t j = 0; j < hidden; j++)
        y[j] += weight * from[j];
}

static void run_expert(forward *f, const plan_mlp *m, const model_config *c, const struct expert_rows *e)
{
    int64_t hidden = f->plan->config.hidden, n = c->intermediate;
    rows_run((row_pass){.f = f, .each = gather_row, .rows = e->n, .expert = e});
    f->backend->matmul(&m->gate, f->expert_in, hidden, f->gate, n, e->n, f->pool);
    f->backend->matmul(&m->up, f->expert_in, hidden, f->up, n, e->n, f->pool);
    rows_run((row_pass){.f = f, .each = activate_row, .rows = e->n, .config = c});
    f->backend->matmul(&m->down, f->gate, n, f->expert_out, hidden, e->n, f->pool);
    rows_run((row_pass){.f = f, .each = scatter_row, .rows = e->n, .expert = e, .config = c});
}

void experts_run(forward *f, const plan_experts *experts, const model_config *c, const float *x, float *y)
{
    int64_t hidden = f->plan->config.hidden;
    assert(experts->n <= CONFIG_MAX_EXPERTS);
    rows_multiply(f, &experts->router, x, hidden, f->routed, experts->n);
    rows_run((row_pass){.f = f, .each = choose_row, .config = c});
    memset(y, 0, (size_t)(f->n_rows * hidden) * sizeof *y);
    for (int k = 0; k < experts->n; k++) {
        struct expert_rows e = {.row = f->expert_row, .expert = k, .x = x, .y = y};
        for (int64_t i = 0; i < f->n_rows; i++)
            if (f->routed[i * experts->n + k] != 0)
                f->expert_row[e.n++] = i;
        if (e.n > 0)
            run_expert(f, &experts->expert[k], c, &e);
    }
}
