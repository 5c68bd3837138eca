/* The task-vector family (Ilharco et al. 2023; TIES, Yadav et al. 2023; DARE, Yu et al. 2024), after mergekit's formulas:
 *
 *     d_i = x_i - b, sparsified;  P_i = w_i d_i
 *     consensus: m = sign(sum P_i);  D = sum of the P_i with sign m;  s = sum of their w_i, 1 if 0
 *     otherwise: D = sum P_i;  s = sum w_i, 1 if nearly 0
 *     normalize: D = D / s;  out = b + lambda D
 *
 * Passes: the magnitude threshold (several, and one more where equal values are cut), then the L1 norms before and
 * after the mask, whose ratio is mergekit's rescale. */
#include <math.h>

#include "base/memory.h"
#include "merge/mask.h"
#include "merge/select.h"
#include "merge/strip.h"

#define NORM_FLOOR 1e-7     /* mergekit's: no rescale below */
#define DIVISOR_FLOOR 1e-8

enum sparsifier { KEEP_ALL, KEEP_LARGE, KEEP_RANDOM };
enum kept { ALL, NONE, LARGE, RANDOM };
enum pass { APPLY, SELECT, TIES, NORMS };

struct task_model {
    double weight, density, scale;
    enum kept kept;
    enum rounding work;          /* while sparsifying: mergekit draws f16's masks in f32 */
    uint32_t ordinal;            /* among the models that are not the base: keys the masks */
};

struct task {
    bool consensus, normalize, rescale;
    double lambda, divisor;
    select_state *select;        /* [n_models] for KEEP_LARGE */
    struct task_model model[];   /* [n_models] */
};

static const double *source(const merge_strip *s, int model)
{
    return s->x + (int64_t)model * STRIP;
}

CPU_CLONES static void subtract(const double *x, const double *restrict b, int n, double *out)
{
    for (int k = 0; k < n; k++)
        out[k] = x[k] - b[k];
}

CPU_CLONES static void multiply(double *x, double c, int n)
{
    for (int k = 0; k < n; k++)
        x[k] *= c;
}

static void delta(const merge_job *j, const merge_strip *s, int model, double *out)
{
    subtract(source(s, model), source(s, j->base), s->n, out);
    strip_round(j->rounding, out, s->n);
}

static void sparsify(const merge_job *j, const struct task *p, int model, int64_t begin, int n, double *d)
{
    const struct task_model *m = &p->model[model];
    if (m->kept == NONE)
        multiply(d, 0, n);
    else if (m->kept == LARGE)
        select_apply(&p->select[model], begin, n, d);
    else if (m->kept == RANDOM && j->drawn)
        mask_bits(j->drawn[model], begin, n, d);
    else if (m->kept == RANDOM)
        mask_philox(j->mask_key, m->ordinal, m->density, begin, n, d);
}

/* What the next pass is, `after` one that is complete. */
static void plan(merge_job *j, enum pass after)
{
    struct task *p = j->state;
    bool selecting = false, ties = false, sparse = false;
    for (int i = 0; i < j->n_models; i++) {
        enum kept kept = p->model[i].kept;
        selecting |= kept == LARGE && p->select[i].stage == SELECT_COUNT;
        ties |= kept == LARGE && p->select[i].stage == SELECT_TIES;
        sparse |= kept == LARGE || kept == RANDOM;
    }
    bool l1 = p->rescale && sparse && !j->recipe->inverse_density;
    j->pass = selecting ? SELECT : ties ? TIES : l1 && after != NORMS ? NORMS : APPLY;
    j->n_sums = j->pass == TIES ? j->n_models : j->pass == NORMS ? 2 * j->n_models : 0;
    j->piece_bytes = j->pass == SELECT ? (size_t)j->n_models * sizeof(select_piece) : 0;
}

static int begin_model(merge_job *j, struct task *p, int i, enum sparsifier sparsifier, error *err)
{
    struct task_model *m = &p->model[i];
    int64_t n = j->tensor->count;
    if (kernel_parameter(j, i, "weight", &m->weight, err) != 0 || kernel_parameter(j, i, "density", &m->density, err) != 0)
        return -1;
    m->weight = round_one(j->rounding, m->weight);
    m->work = j->rounding;
    if (sparsifier == KEEP_ALL || m->density >= 1 || n == 0)
        return 0;
    if (sparsifier == KEEP_LARGE) {
        m->kept = m->density > 0 ? LARGE : NONE;
        int64_t k = m->density > 0 ? (int64_t)(m->density * (double)n) : 0;
        if (m->kept == LARGE)
            select_begin(&p->select[i], k > 1 ? k : 1);
    } else {
        if (m->density < 0)
            return fail(err, ERROR_FORMAT, "%s: the density of '%s' for '%s' is %g; a share of elements is in [0, 1]", j->recipe->method,
                        kernel_model(j, i), j->tensor->name, m->density);
        if (j->rounding)
            m->work = j->rounding == ROUND_BF16 ? ROUND_BF16 : ROUND_F32;
        m->kept = RANDOM;
        m->density = round_one(m->work, m->density);
        j->draws[i] = true;
    }
    if (p->rescale && j->recipe->inverse_density && m->density > 0)
        m->scale = 1 / m->density;
    return 0;
}

static int begin(merge_job *j, bool consensus, enum sparsifier sparsifier, error *err)
{
    size_t n = (size_t)j->n_models, models = sizeof(struct task) + n * sizeof(struct task_model);
    struct task *p = memory_new(1, models + (sparsifier == KEEP_LARGE ? n * sizeof(select_state) : 0));
    double normalize = 0, rescale = 0;
    uint32_t ordinal = 0;
    j->state = p;
    p->select = (select_state *)((char *)p + models);
    p->consensus = consensus;
    if (kernel_parameter(j, -1, "normalize", &normalize, err) != 0 || kernel_parameter(j, -1, "rescale", &rescale, err) != 0 ||
        kernel_parameter(j, -1, "lambda", &p->lambda, err) != 0)
        return -1;
    p->normalize = normalize != 0;
    p->rescale = rescale != 0;
    for (int i = 0; i < j->n_models; i++) {
        p->model[i].scale = 1;
        if (i == j->base)
            continue;
        p->model[i].ordinal = ordinal++;
        if (begin_model(j, p, i, sparsifier, err) != 0)
            return -1;
        p->divisor = j->rounding ? (float)(p->divisor + p->model[i].weight) : p->divisor + p->model[i].weight;
    }
    p->divisor = round_one(j->rounding, p->divisor);
    if (fabs(p->divisor) < DIVISOR_FLOOR)
        p->divisor = 1;
    plan(j, APPLY);
    return 0;
}

static void reduce(const merge_job *j, const merge_strip *s, double *sums)
{
    struct task *p = j->state;
    for (int i = 0; i < j->n_models; i++) {
        enum kept kept = p->model[i].kept;
        double *d = s->scratch;
        if (kept == ALL || kept == NONE)
            continue;
        if (j->pass != NORMS && p->select[i].stage != (j->pass == SELECT ? SELECT_COUNT : SELECT_TIES))
            continue;
        delta(j, s, i, d);
        if (j->pass == SELECT) {
            select_count(&p->select[i], s->n, d, (select_piece *)s->piece + i);
        } else if (j->pass == TIES) {
            sums[i] += select_ties(&p->select[i], s->n, d);
        } else {
            sums[2 * i] += strip_sum_abs(d, s->n);
            sparsify(j, p, i, s->begin, s->n, d);
            sums[2 * i + 1] += strip_sum_abs(d, s->n);
        }
    }
}

static void flush(const merge_job *j, const void *piece)
{
    struct task *p = j->state;
    for (int i = 0; i < j->n_models; i++)
        if (p->model[i].kept == LARGE && p->select[i].stage == SELECT_COUNT)
            select_flush(&p->select[i], (const select_piece *)piece + i);
}

/* The place of the last equal value that is kept: its row from the counts, then along the row. */
static void cut_ties(const merge_job *j, select_state *select, int model)
{
    int64_t columns = j->tensor->columns, row = 0;
    double wanted = (double)select->wanted;
    while (j->sums[row * j->n_sums + model] < wanted)
        wanted -= j->sums[row++ * j->n_sums + model];
    double x[STRIP], b[STRIP];
    for (int64_t at = 0; at < columns; at += STRIP) {
        int n = columns - at < STRIP ? (int)(columns - at) : STRIP;
        strip_load(&j->sources[model], row * columns + at, n, x);
        strip_load(&j->sources[j->base], row * columns + at, n, b);
        strip_round(j->rounding, x, n);
        strip_round(j->rounding, b, n);
        subtract(x, b, n, x);
        strip_round(j->rounding, x, n);
        int ties = select_ties(select, n, x);
        if (ties >= wanted) {
            select->cut = row * columns + at + select_tie(select, (int)wanted, n, x) + 1;
            break;
        }
        wanted -= ties;
    }
    select->stage = SELECT_DONE;
}

static double l1_ratio(const merge_job *j, int model, enum rounding work)
{
    double before = 0, after = 0;
    for (int64_t r = 0; r < j->tensor->rows; r++) {
        before += j->sums[r * j->n_sums + 2 * model];
        after += j->sums[r * j->n_sums + 2 * model + 1];
    }
    before = round_one(work, before);
    after = round_one(work, after);
    return before < NORM_FLOOR || after < NORM_FLOOR ? 1 : round_one(work, before / after);
}

static void combine(merge_job *j)
{
    struct task *p = j->state;
    enum pass pass = (enum pass)j->pass;
    for (int i = 0; i < j->n_models; i++) {
        struct task_model *m = &p->model[i];
        if (pass == SELECT && m->kept == LARGE && p->select[i].stage == SELECT_COUNT)
            select_next(&p->select[i]);
        else if (pass == TIES && m->kept == LARGE && p->select[i].stage == SELECT_TIES)
            cut_ties(j, &p->select[i], i);
        else if (pass == NORMS && (m->kept == LARGE || m->kept == RANDOM))
            m->scale = l1_ratio(j, i, m->work);
    }
    plan(j, pass);
}

/* In f64 throughout; in compat mode a sum over models is in f32. */
CPU_CLONES static void add(const double *restrict term, bool narrow, int n, double *restrict sum)
{
    if (narrow)
        for (int k = 0; k < n; k++)
            sum[k] = (float)(sum[k] + term[k]);
    else
        for (int k = 0; k < n; k++)
            sum[k] += term[k];
}

/* Adds where the sign of the term is that of `majority` (not negative: plus); 0 has no sign. */
CPU_CLONES static void add_agreeing(const double *restrict term, const double *restrict majority, int n, double *restrict sum)
{
    for (int k = 0; k < n; k++) {
        double with = majority[k] >= 0 ? term[k] : -term[k];
        sum[k] += with > 0 ? term[k] : 0;
    }
}

CPU_CLONES static void weigh_agreeing(const double *restrict term, const double *restrict majority, double weight, int n, double *restrict weights)
{
    for (int k = 0; k < n; k++) {
        double with = majority[k] >= 0 ? term[k] : -term[k];
        weights[k] += with > 0 ? weight : 0;
    }
}

CPU_CLONES static void divide(double *x, const double *by, int n)
{
    for (int k = 0; k < n; k++)
        x[k] /= by[k] == 0 ? 1 : by[k];
}

static void apply(const merge_job *j, const merge_strip *s, double *out)
{
    const struct task *p = j->state;
    bool narrow = j->rounding != ROUND_NONE;
    enum rounding sums = narrow ? ROUND_F32 : ROUND_NONE;
    double *majority = s->scratch + (int64_t)j->n_models * STRIP, *weights = majority + STRIP;
    const double *b = source(s, j->base);
    for (int k = 0; k < s->n; k++)
        out[k] = majority[k] = weights[k] = 0;
    for (int i = 0; i < j->n_models; i++) {
        const struct task_model *m = &p->model[i];
        double *term = s->scratch + (int64_t)i * STRIP;
        if (i == j->base)
            continue;
        delta(j, s, i, term);
        sparsify(j, p, i, s->begin, s->n, term);
        if (m->scale != 1) {
            multiply(term, m->scale, s->n);
            strip_round(m->work, term, s->n);
            strip_round(j->rounding, term, s->n);
        }
        multiply(term, m->weight, s->n);
        strip_round(j->rounding, term, s->n);
        add(term, narrow, s->n, p->consensus ? majority : out);
    }
    if (p->consensus) {
        strip_round(j->rounding, majority, s->n);
        for (int i = 0; i < j->n_models; i++) {
            const double *term = s->scratch + (int64_t)i * STRIP;
            if (i == j->base)
                continue;
            add_agreeing(term, majority, s->n, out);
            strip_round(sums, out, s->n);
            if (p->normalize)
                weigh_agreeing(term, majority, p->model[i].weight, s->n, weights);
            strip_round(sums, weights, s->n);
        }
        strip_round(j->rounding, weights, s->n);
    }
    strip_round(j->rounding, out, s->n);
    if (p->normalize) {
        if (p->consensus)
            divide(out, weights, s->n);
        else
            for (int k = 0; k < s->n; k++)
                out[k] /= p->divisor;
        strip_round(j->rounding, out, s->n);
    }
    if (p->lambda != 1) {
        multiply(out, narrow ? (float)p->lambda : p->lambda, s->n);
        strip_round(j->rounding, out, s->n);
    }
    add(b, narrow, s->n, out);
    strip_round(j->rounding, out, s->n);
}

static int begin_task_arithmetic(merge_job *j, error *err)
{
    return begin(j, false, KEEP_ALL, err);
}

static int begin_ties(merge_job *j, error *err)
{
    return begin(j, true, KEEP_LARGE, err);
}

static int begin_dare_linear(merge_job *j, error *err)
{
    return begin(j, false, KEEP_RANDOM, err);
}

static int begin_dare_ties(merge_job *j, error *err)
{
    return begin(j, true, KEEP_RANDOM, err);
}

const method_kernel kernel_task_arithmetic = {.begin = begin_task_arithmetic, .apply = apply};
const method_kernel kernel_ties = {begin_ties, reduce, flush, combine, apply};
const method_kernel kernel_dare_linear = {begin_dare_linear, reduce, NULL, combine, apply};
const method_kernel kernel_dare_ties = {begin_dare_ties, reduce, NULL, combine, apply};
