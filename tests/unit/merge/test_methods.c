/* The methods beside linear, slerp and the first of the task-vector family, each in plain f64 as papers and mergekit's documentation have it. */
#include "truth.h"

#define MANY 8

/* Model i of the truth's tensor, or what it adds to the base. */
static double *values(const struct truth *truth, int model, bool relative)
{
    double *x = memory_new((size_t)truth->n, sizeof *x);
    for (int64_t e = 0; e < truth->n; e++)
        x[e] = source(truth, model, e) - (relative ? source(truth, truth->r->base, e) : 0);
    return x;
}

/* All models but the base, in their order; returns how many. */
static int others(const struct truth *truth, bool relative, double *x[MANY], int index[MANY])
{
    int n = 0;
    for (int i = 0; i < (int)truth->r->n_models; i++)
        if (i != truth->r->base) {
            index[n] = i;
            x[n++] = values(truth, i, relative);
        }
    return n;
}

static void drop(double *x[MANY], int n)
{
    for (int i = 0; i < n; i++)
        free(x[i]);
}

static double dot(const double *x, const double *y, int64_t n)
{
    double sum = 0;
    for (int64_t e = 0; e < n; e++)
        sum += x[e] * y[e];
    return sum;
}

static bool near(double x, double decision)
{
    return fabs(x - decision) <= 0x1p-20 * fabs(decision);
}

static void finish(struct truth *truth, int64_t e, double base, double change)
{
    truth->out[e] = base + change;
    truth->largest[e] = fmax(truth->largest[e], fmax(fabs(base), fabs(change)));
}

/* ---- the task-vector family's other sparsifiers ---- */

static const double *sorted_by;

static int ascending(const void *a, const void *b)
{
    int64_t i = *(const int64_t *)a, k = *(const int64_t *)b;
    double x = fabs(sorted_by[i]), y = fabs(sorted_by[k]);
    return x != y ? (x < y ? -1 : 1) : i < k ? -1 : i > k;
}

/* Places of x [n] from the smallest |x| to the largest. */
static int64_t *order_of(const double *x, int64_t n)
{
    int64_t *order = memory_new((size_t)n, sizeof *order);
    for (int64_t e = 0; e < n; e++)
        order[e] = e;
    sorted_by = x;
    qsort(order, (size_t)n, sizeof *order, ascending);
    return order;
}

static void keep_middle(double *d, int64_t n, double density, double gamma)
{
    int64_t stay = (int64_t)(density * (double)n), top = (int64_t)(gamma * (double)n), below = n - stay - top > 0 ? n - stay - top : 0;
    int64_t *order = order_of(d, n);
    for (int64_t i = 0; i < n; i++)
        if (i < below || i >= below + stay)
            d[order[i]] = 0;
    free(order);
}

static double uniform(uint64_t key, uint32_t model, int64_t e)
{
    uint32_t counter[4] = {(uint32_t)(16 * (e / 64) + e % 16), 0, model, 0}, k[2] = {(uint32_t)key, (uint32_t)(key >> 32)}, out[4];
    random_philox(counter, k, out);
    return out[e % 64 / 16] * 0x1p-32;
}

/* Rows as the walk has them: all behind the first dimension. */
static void prune(const struct truth *truth, double *d, uint32_t ordinal, double density, double epsilon)
{
    const tensor *t = checkpoint_find(truth->models[0], truth->name);
    uint64_t key = random_key(truth->r->seed, truth->name);
    int64_t columns = tensor_columns(t);
    for (int64_t row = 0; row < truth->n / (columns ? columns : 1); row++) {
        int64_t *order = order_of(d + row * columns, columns);
        for (int64_t i = 0; i < columns; i++) {
            int64_t e = row * columns + order[i];
            double p = columns > 1 ? density - epsilon + 2 * epsilon * (double)i / (double)(columns - 1) : density;
            order[i] = uniform(key, ordinal, e) < p ? -1 : e;
        }
        for (int64_t i = 0; i < columns; i++)
            if (order[i] >= 0)
                d[order[i]] = 0;
        free(order);
    }
}

static double l1(const double *d, int64_t n)
{
    double sum = 0;
    for (int64_t e = 0; e < n; e++)
        sum += fabs(d[e]);
    return sum;
}

static void sparsify(const struct truth *truth, double *d, int model, uint32_t ordinal)
{
    double density = parameter(truth, model, "density"), before = l1(d, truth->n), scale = 1;
    if (density >= 1)
        return;
    if (density <= 0)
        memset(d, 0, (size_t)truth->n * sizeof *d);
    else if (strstr(truth->r->method, "della"))
        prune(truth, d, ordinal, density, parameter(truth, model, "epsilon"));
    else
        keep_middle(d, truth->n, density, parameter(truth, model, "gamma"));
    double after = l1(d, truth->n);
    if (parameter(truth, -1, "rescale") != 0 && before >= 1e-7 && after >= 1e-7)
        scale = before / after;
    for (int64_t e = 0; e < truth->n; e++)
        d[e] *= scale;
}

static void true_task(struct truth *truth)
{
    bool consensus = strcmp(truth->r->method, "della") == 0 || strcmp(truth->r->method, "breadcrumbs_ties") == 0;
    double *d[MANY], w[MANY];
    int index[MANY], n = others(truth, true, d, index);
    for (int i = 0; i < n; i++) {
        sparsify(truth, d[i], index[i], (uint32_t)i);
        w[i] = parameter(truth, index[i], "weight");
    }
    for (int64_t e = 0; e < truth->n; e++) {
        double all = 0, sizes = 0, sum = 0, divisor = 0;
        for (int i = 0; i < n; i++) {
            all += w[i] * d[i][e];
            sizes += fabs(w[i] * d[i][e]);
        }
        truth->close[e] = consensus && all != 0 && fabs(all) <= 0x1p-20 * sizes;
        for (int i = 0; i < n; i++) {
            double p = w[i] * d[i][e];
            if (consensus && !(all >= 0 ? p > 0 : p < 0))
                continue;
            sum += p;
            divisor += w[i];
            truth->largest[e] = fmax(truth->largest[e], fabs(p));
        }
        if ((consensus ? divisor == 0 : fabs(divisor) < 1e-8) || parameter(truth, -1, "normalize") == 0)
            divisor = 1;
        truth->largest[e] /= fabs(divisor);
        finish(truth, e, source(truth, truth->r->base, e), parameter(truth, -1, "lambda") * sum / divisor);
    }
    drop(d, n);
}

/* ---- the others ---- */

static void true_nuslerp(struct truth *truth)
{
    bool relative = truth->r->base >= 0, flatten = parameter(truth, -1, "nuslerp_flatten") != 0, down = parameter(truth, -1, "nuslerp_row_wise") != 0;
    int rank = checkpoint_find(truth->models[0], truth->name)->rank;
    double *v[MANY];
    int index[MANY], n = others(truth, relative, v, index);
    double w0 = parameter(truth, index[0], "weight"), w1 = parameter(truth, index[1], "weight"), t = fabs(w0 + w1) < 1e-6 ? 0.5 : w1 / (w0 + w1);
    int64_t first = rank > 1 && truth->n ? checkpoint_find(truth->models[0], truth->name)->shape[0] : 1, below = truth->n / first;
    bool whole = flatten || rank < 2;
    int64_t count = whole ? truth->n > 0 : down ? below : truth->rows, length = whole ? truth->n : down ? first : truth->columns;
    for (int64_t i = 0; i < count; i++) {
        double aa = 0, bb = 0, ab = 0;
        for (int64_t k = 0; k < length; k++) {
            int64_t e = down && !whole ? k * below + i : i * length + k;
            aa += v[0][e] * v[0][e];
            bb += v[1][e] * v[1][e];
            ab += v[0][e] * v[1][e];
        }
        double c = fmin(fmax(ab / (fmax(sqrt(aa), 1e-7) * fmax(sqrt(bb), 1e-7)), -1), 1), from_a = 1 - t, from_b = t;
        if (1 - c * c > 1e-16) {
            from_a = sin((1 - t) * acos(c)) / sin(acos(c));
            from_b = sin(t * acos(c)) / sin(acos(c));
        }
        for (int64_t k = 0; k < length; k++) {
            int64_t e = down && !whole ? k * below + i : i * length + k;
            truth->largest[e] = fmax(fabs(from_a * v[0][e]), fabs(from_b * v[1][e]));
            finish(truth, e, relative ? source(truth, truth->r->base, e) : 0, from_a * v[0][e] + from_b * v[1][e]);
        }
    }
    drop(v, n);
}

static void true_multislerp(struct truth *truth)
{
    bool relative = truth->r->base >= 0;
    double *v[MANY], w[MANY], total = 0, length = 0, eps = parameter(truth, -1, "eps");
    int index[MANY], n = others(truth, relative, v, index);
    for (int i = 0; i < n; i++)
        total += w[i] = parameter(truth, index[i], "weight");
    double *mean = memory_new((size_t)truth->n, sizeof *mean);
    for (int i = 0; i < n; i++) {
        double norm = sqrt(dot(v[i], v[i], truth->n));
        w[i] /= parameter(truth, -1, "normalize_weights") != 0 ? total : 1;
        length += w[i] * norm;
        for (int64_t e = 0; e < truth->n; e++)
            mean[e] += w[i] * v[i][e] / (norm + eps);
    }
    double norm = sqrt(dot(mean, mean, truth->n));
    for (int64_t e = 0; e < truth->n; e++) {
        double straight = 0;
        for (int i = 0; i < n; i++) {
            straight += w[i] * v[i][e];
            truth->largest[e] = fmax(truth->largest[e], fabs(w[i] * v[i][e]) * (norm < eps ? 1 : fmax(1, 1 / norm)));
        }
        finish(truth, e, relative && n > 1 ? source(truth, truth->r->base, e) : 0, n == 1 ? source(truth, index[0], e) : norm < eps ? straight : length * mean[e] / norm);
    }
    free(mean);
    drop(v, n);
}

static void true_karcher(struct truth *truth)
{
    int n = (int)truth->r->n_models;
    double *u[MANY], norms[MANY], length = 0, tol = parameter(truth, -1, "tol"), *mean = memory_new((size_t)truth->n + 1, sizeof *mean),
           *tangent = memory_new((size_t)truth->n + 1, sizeof *tangent);
    int valid = 0;
    for (int i = 0; i < n; i++) {
        u[i] = values(truth, i, false);
        norms[i] = sqrt(dot(u[i], u[i], truth->n));
        length += norms[i] / n;
        valid += norms[i] > tol;
        for (int64_t e = 0; e < truth->n && norms[i] > tol; e++)
            u[i][e] /= norms[i];
    }
    for (int i = 0; i < n; i++)
        for (int64_t e = 0; e < truth->n && norms[i] > tol; e++)
            mean[e] += u[i][e] / valid;
    double norm = sqrt(dot(mean, mean, truth->n));
    for (int64_t e = 0; e < truth->n && valid; e++)
        mean[e] /= norm;
    for (int step = 0; step < (int)parameter(truth, -1, "max_iter") && valid; step++) {
        memset(tangent, 0, (size_t)truth->n * sizeof *tangent);
        for (int i = 0; i < n; i++) {
            double c = fmin(fmax(dot(mean, u[i], truth->n), -1), 1), theta = acos(c);
            for (int64_t e = 0; e < truth->n && norms[i] > tol && theta >= tol; e++)
                tangent[e] += theta / sin(theta) / valid * (u[i][e] - c * mean[e]);
        }
        norm = sqrt(dot(tangent, tangent, truth->n));
        if (norm < tol)
            break;
        for (int64_t e = 0; e < truth->n; e++)
            mean[e] = cos(norm) * mean[e] + sin(norm) * tangent[e] / norm;
    }
    for (int64_t e = 0; e < truth->n; e++) {
        for (int i = 0; i < n; i++)
            truth->largest[e] = fmax(truth->largest[e], fabs(u[i][e]) * length);
        finish(truth, e, 0, n == 1 ? source(truth, 0, e) : length * mean[e]);
    }
    free(mean);
    free(tangent);
    drop(u, n);
}

static void true_model_stock(struct truth *truth)
{
    bool by_row = parameter(truth, -1, "filter_wise") != 0;
    double *d[MANY];
    int index[MANY], n = others(truth, true, d, index);
    int64_t count = by_row ? truth->rows : truth->n > 0, length = by_row ? truth->columns : truth->n;
    for (int64_t row = 0; row < count; row++) {
        double cosines = 0;
        for (int i = 0; i < n; i++)
            for (int k = 0; k < i; k++) {
                const double *a = d[i] + row * length, *b = d[k] + row * length;
                double c = dot(a, b, length) / fmax(sqrt(dot(a, a, length)) * sqrt(dot(b, b, length)), 1e-6);
                cosines += fmin(fmax(c, -1), 1) / (n * (n - 1) / 2.0);
            }
        double divisor = 1 + (n - 1) * cosines, t = fabs(divisor) < 1e-6 ? 0 : n * cosines / divisor;
        for (int64_t e = row * length; e < (row + 1) * length; e++) {
            double average = 0, base = source(truth, truth->r->base, e);
            for (int i = 0; i < n; i++)
                average += source(truth, index[i], e) / n;
            truth->largest[e] = fmax(fabs(t * average), fabs((1 - t) * base));
            finish(truth, e, (1 - t) * base, t * average);
        }
    }
    drop(d, n);
}

static void true_sce(struct truth *truth)
{
    double *d[MANY], w[MANY], total = 0, topk = parameter(truth, -1, "select_topk"), *variance = memory_new((size_t)truth->n, sizeof *variance);
    int index[MANY], n = others(truth, true, d, index);
    int64_t differing = 0;
    for (int64_t e = 0; e < truth->n; e++) {
        double mean = 0;
        for (int i = 0; i < n; i++)
            mean += d[i][e];
        mean /= n;
        for (int i = 0; i < n; i++)
            variance[e] += (d[i][e] - mean) * (d[i][e] - mean);
        variance[e] /= n;
        differing += variance[e] != 0;
    }
    int64_t keep = (int64_t)((double)differing * topk), left = keep;
    double threshold = INFINITY;
    if (topk < 1) {
        int64_t *order = order_of(variance, truth->n);
        threshold = keep > 0 ? variance[order[truth->n - keep]] : INFINITY;
        for (int64_t e = 0; e < truth->n; e++)
            left -= variance[e] > threshold;
        for (int64_t e = 0; e < truth->n; e++) {
            bool kept = variance[e] > threshold || (variance[e] == threshold && left-- > 0);
            for (int i = 0; i < n; i++)
                d[i][e] = kept ? d[i][e] : 0;
        }
        free(order);
    }
    for (int i = 0; i < n; i++)
        total += w[i] = truth->n ? dot(d[i], d[i], truth->n) / (double)truth->n : 0;
    for (int i = 0; i < n; i++)
        w[i] = fabs(total) < 1e-6 ? 1.0 / n : w[i] / total;
    for (int64_t e = 0; e < truth->n; e++) {
        double all = 0, sizes = 0, sum = 0, divisor = 0;
        for (int i = 0; i < n; i++) {
            all += d[i][e];
            sizes += fabs(d[i][e]);
        }
        for (int i = 0; i < n; i++)
            if (all >= 0 ? d[i][e] > 0 : d[i][e] < 0) {
                sum += w[i] * d[i][e];
                divisor += w[i];
            }
        truth->close[e] = all != 0 && fabs(all) <= 0x1p-20 * sizes;
        finish(truth, e, source(truth, truth->r->base, e), sum / fmax(divisor, 1e-6));
    }
    free(variance);
    drop(d, n);
}

static void true_arcee(struct truth *truth)
{
    double *d[MANY], *score = memory_new((size_t)truth->n, sizeof *score);
    int index[MANY], n = others(truth, true, d, index);
    for (int64_t row = 0; row < truth->rows; row++) {
        double most[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0}, kl = 0;
        for (int which = 0; which < 2; which++) {
            int model = which ? truth->r->base : index[0];
            for (int64_t e = row * truth->columns; e < (row + 1) * truth->columns; e++)
                most[which] = fmax(most[which], source(truth, model, e));
            for (int64_t e = row * truth->columns; e < (row + 1) * truth->columns; e++)
                sum[which] += exp(source(truth, model, e) - most[which]);
        }
        for (int64_t e = row * truth->columns; e < (row + 1) * truth->columns; e++) {
            double p = exp(source(truth, index[0], e) - most[0]) / sum[0] + 1e-8, q = exp(source(truth, truth->r->base, e) - most[1]) / sum[1] + 1e-8;
            kl += p * log(p / q);
        }
        for (int64_t e = row * truth->columns; e < (row + 1) * truth->columns; e++)
            score[e] = fabs(d[0][e]) * kl;
    }
    double *sorted = memory_new((size_t)truth->n, sizeof *sorted), threshold = 0;
    memcpy(sorted, score, (size_t)truth->n * sizeof *sorted);
    for (int64_t i = 1; i < truth->n; i++)          /* scores may be negative */
        for (int64_t k = i; k > 0 && sorted[k] < sorted[k - 1]; k--) {
            double swap = sorted[k];
            sorted[k] = sorted[k - 1];
            sorted[k - 1] = swap;
        }
    if (truth->n) {
        double quartile[3];
        for (int q = 0; q < 3; q++)
            quartile[q] = sorted[(int64_t)(0.25 * (q + 1) * (double)(truth->n - 1))];
        threshold = quartile[1] + 1.5 * (quartile[2] - quartile[0]);
    }
    for (int64_t e = 0; e < truth->n; e++) {
        truth->close[e] = d[0][e] != 0 && score[e] != threshold && near(score[e], threshold);
        finish(truth, e, source(truth, truth->r->base, e), score[e] >= threshold ? d[0][e] : 0);
    }
    free(sorted);
    free(score);
    drop(d, n);
}

static void true_nearswap(struct truth *truth)
{
    double t = parameter(truth, -1, "t"), *x[MANY];
    int index[MANY], n = others(truth, false, x, index);
    for (int64_t e = 0; e < truth->n; e++) {
        double a = source(truth, truth->r->base, e), w = fmin(fmax(t / fmax(fabs(a - x[0][e]), 1e-6), 0), 1);
        finish(truth, e, (1 - w) * a, w * x[0][e]);
    }
    drop(x, n);
}

static void true_ram(struct truth *truth)
{
    bool plus = strcmp(truth->r->method, "ramplus_tl") == 0;
    double *d[MANY], epsilon = parameter(truth, -1, "epsilon"), scale[MANY];
    int index[MANY], n = others(truth, true, d, index);
    for (int i = 0; i < n; i++) {
        double shared = 0, unique = 0;
        for (int64_t e = 0; e < truth->n; e++) {
            int active = 0;
            for (int k = 0; k < n; k++)
                active += fabs(d[k][e]) > epsilon;
            shared += active > 1 && fabs(d[i][e]) > epsilon;
            unique += active == 1 && fabs(d[i][e]) > epsilon;
        }
        scale[i] = plus ? 1 + parameter(truth, -1, "r") * fmin(shared / fmax(unique, epsilon), parameter(truth, -1, "alpha")) : 1;
    }
    for (int64_t e = 0; e < truth->n; e++) {
        int active = 0;
        double sum = 0;
        for (int i = 0; i < n; i++) {
            active += fabs(d[i][e]) > epsilon;
            truth->close[e] |= near(fabs(d[i][e]), epsilon);
        }
        for (int i = 0; i < n; i++)
            if (fabs(d[i][e]) > epsilon)
                sum += active == 1 ? d[i][e] * scale[i] : d[i][e] / active;
        finish(truth, e, source(truth, truth->r->base, e), sum);
    }
    drop(d, n);
}

static void true_passthrough(struct truth *truth)
{
    for (int64_t e = 0; e < truth->n; e++)
        finish(truth, e, 0, source(truth, 0, e) * parameter(truth, 0, "scale"));
}

/* ---- the recipes ---- */

#define THREE(a, b, c) "models: [{model: 1, parameters: {" a "}}, {model: 2, parameters: {" b "}}, {model: 3, parameters: {" c "}}]\n"
#define PLAIN "models: [{model: 1}, {model: 2}, {model: 3}]\n"

static const struct { const char *recipe; void (*truth)(struct truth *); } cases[] = {
    {THREE("weight: 0.5, density: 0.6, gamma: 0.1", "weight: 0.3, density: [0, 0.3]", "weight: 0.7") "merge_method: breadcrumbs\nbase_model: 0\n", true_task},
    {THREE("weight: 0.5, density: 0.8, gamma: 0.5", "weight: 0.3, density: 0.4", "weight: -0.7, density: 0.5, gamma: 0")
     "merge_method: breadcrumbs_ties\nbase_model: 0\nparameters: {rescale: true, normalize: true, lambda: 1.2}\n", true_task},
    {THREE("weight: 0.5, density: 0.6", "weight: 0.3, density: [0.4, 0.65], epsilon: 0.3", "weight: 0.7") "merge_method: della\nbase_model: 0\nmerganser: {seed: 3}\n",
     true_task},
    {THREE("weight: 0.5, density: 0.6", "weight: 0.3, density: 0.1, epsilon: 0.05", "weight: 0.7, density: 0")
     "merge_method: della_linear\nbase_model: 0\nparameters: {rescale: false}\n", true_task},
    {"models: [{model: 1, parameters: {weight: 0.7}}, {model: 2, parameters: {weight: 0.2}}]\nmerge_method: nuslerp\n", true_nuslerp},
    {"models: [{model: 1, parameters: {weight: 0.7}}, {model: 0}, {model: 2, parameters: {weight: 0.2}}]\nmerge_method: nuslerp\nbase_model: 0\n", true_nuslerp},
    {"models: [{model: 1, parameters: {weight: 0.7}}, {model: 2, parameters: {weight: -0.7}}]\nmerge_method: nuslerp\nbase_model: 0\n"
     "parameters: {nuslerp_flatten: false}\n", true_nuslerp},
    {"models: [{model: 1, parameters: {weight: 0.7}}, {model: 2, parameters: {weight: 1.7}}]\nmerge_method: nuslerp\nbase_model: 0\n"
     "parameters: {nuslerp_flatten: false, nuslerp_row_wise: true}\n", true_nuslerp},
    {THREE("weight: 0.5", "weight: 0.2", "weight: 0.4") "merge_method: multislerp\n", true_multislerp},
    {THREE("weight: 0.5", "weight: 0.2", "weight: 0.4") "merge_method: multislerp\nbase_model: 0\nparameters: {normalize_weights: false}\n", true_multislerp},
    {"models: [{model: 1, parameters: {weight: 0.5}}]\nmerge_method: multislerp\nbase_model: 0\n", true_multislerp},
    {PLAIN "merge_method: karcher\n", true_karcher},
    {"models: [{model: 1}]\nmerge_method: karcher\n", true_karcher},
    {PLAIN "merge_method: karcher\nbase_model: 0\nparameters: {max_iter: 3, tol: 1e-9}\n", true_karcher},
    {PLAIN "merge_method: model_stock\nbase_model: 0\n", true_model_stock},
    {PLAIN "merge_method: model_stock\nbase_model: 0\nparameters: {filter_wise: true}\n", true_model_stock},
    {PLAIN "merge_method: sce\nbase_model: 0\n", true_sce},
    {PLAIN "merge_method: sce\nbase_model: 0\nparameters: {select_topk: [0.3, 0.9]}\n", true_sce},
    {PLAIN "merge_method: sce\nbase_model: 0\nparameters: {select_topk: 0}\n", true_sce},
    {"models: [{model: 1}]\nmerge_method: arcee_fusion\nbase_model: 0\n", true_arcee},
    {"models: [{model: 1}]\nmerge_method: nearswap\nbase_model: 0\nparameters: {t: [0.002, 0.006]}\n", true_nearswap},
    {PLAIN "merge_method: ram\nbase_model: 0\nparameters: {epsilon: 0.0021}\n", true_ram},
    {PLAIN "merge_method: ramplus_tl\nbase_model: 0\nparameters: {epsilon: 0.0021, r: 0.4, alpha: 3}\n", true_ram},
    {"models: [{model: 2, parameters: {scale: [0.3, -1.7]}}]\nmerge_method: passthrough\n", true_passthrough},
};
enum { CASES = sizeof cases / sizeof *cases };

static void agrees_with_f64(void **state)
{
    (void)state;
    static const enum dtype types[] = {DTYPE_BF16, DTYPE_F16, DTYPE_F32};
    for (int d = 0; d < 3; d++) {
        checkpoint *all[4], *chosen[4];
        for (int i = 0; i < 4; i++)
            all[i] = tiny_model(i, types[d], LAYERS, WORDS);
        for (int k = 0; k < CASES; k++) {
            recipe *r = must_parse(cases[k].recipe);
            choose(r, all, chosen);
            for (int out = 0; out < 3; out++) {
                r->out_dtype = types[out];
                checkpoint *merged = must_merge(r, chosen, NULL);
                check_against_truth(r, chosen, merged, cases[k].truth);
                checkpoint_free(merged);
            }
            recipe_free(r);
        }
        for (int i = 0; i < 4; i++)
            checkpoint_free(all[i]);
    }
}

static void blocks_and_threads_change_nothing(void **state)
{
    (void)state;
    threads *pool = threads_new(2);
    checkpoint *all[4], *chosen[4];
    for (int i = 0; i < 4; i++)
        all[i] = tiny_model(i, DTYPE_BF16, LAYERS, WORDS);
    for (int k = 0; k < CASES; k++)
        for (int compat = 0; compat < 2; compat++) {
            recipe *r = must_parse(cases[k].recipe);
            r->mode = compat ? MERGE_COMPAT : MERGE_EXACT;
            r->mask = compat ? MERGE_MASK_MT19937 : MERGE_MASK_PHILOX;
            choose(r, all, chosen);
            checkpoint *first = must_merge(r, chosen, NULL);
            static const struct { int64_t rows; bool threads; } cuts[] = {{1, true}, {7, false}, {1000000, true}, {0, true}};
            for (int c = 0; c < 4; c++) {
                char what[80];
                checkpoint *again = must_merge(r, chosen, &(merge_options){.block_rows = cuts[c].rows, .pool = cuts[c].threads ? pool : NULL});
                snprintf(what, sizeof what, "%s, compat %d, blocks of %d rows, threads %d", r->method, compat, (int)cuts[c].rows, cuts[c].threads);
                assert_same(first, again, what);
                checkpoint_free(again);
            }
            checkpoint_free(first);
            recipe_free(r);
        }
    for (int i = 0; i < 4; i++)
        checkpoint_free(all[i]);
    threads_free(pool);
}

static void stored_wide(void **state)
{
    (void)state;
    checkpoint *all[2] = {tiny_model(1, DTYPE_BF16, 1, WORDS), tiny_model(0, DTYPE_BF16, 1, WORDS)};
    recipe *r = must_parse("models: [{model: 1}]\nmerge_method: arcee_fusion\nbase_model: 0\n");
    checkpoint *merged = must_merge(r, all, NULL);
    assert_int_equal(merged->items[0].tensor.dtype, DTYPE_F32);
    checkpoint_free(merged);
    r->out_dtype = DTYPE_BF16;
    merged = must_merge(r, all, NULL);
    assert_int_equal(merged->items[0].tensor.dtype, DTYPE_BF16);
    checkpoint_free(merged);
    recipe_free(r);
    checkpoint_free(all[0]);
    checkpoint_free(all[1]);
}

static void refuses(void **state)
{
    (void)state;
    static const struct { const char *recipe, *tells, *also; } wrong[] = {
        {"models: [{model: 1, parameters: {weight: 1, density: 0.1}}]\nmerge_method: della\nbase_model: 0\n", "epsilon 0.15", "density 0.1"},
        {"models: [{model: 1, parameters: {weight: 1, density: 0.9, epsilon: 0.2}}]\nmerge_method: della_linear\nbase_model: 0\n", "epsilon 0.2", "between 0 and 1"},
        {"models: [{model: 1, parameters: {weight: 1}}, {model: 2, parameters: {weight: -1}}]\nmerge_method: multislerp\n", "sum to 0", "multislerp"},
    };
    checkpoint *all[4], *chosen[4];
    for (int i = 0; i < 4; i++)
        all[i] = tiny_model(i, DTYPE_F32, LAYERS, WORDS);
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        error err = {0};
        recipe *r = must_parse(wrong[k].recipe);
        choose(r, all, chosen);
        must_fail(r, chosen, &err);
        assert_error(&err, ERROR_FORMAT, wrong[k].tells, wrong[k].also);
        recipe_free(r);
    }
    for (int i = 0; i < 4; i++)
        checkpoint_free(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_f64), cmocka_unit_test(blocks_and_threads_change_nothing), cmocka_unit_test(stored_wide),
                                       cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
