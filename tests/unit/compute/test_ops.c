/* Every family's row-wise operations against f64. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "compute/backend.h"

#include <cmocka.h>  /* behind the others: it defines a macro named fail */

static const int64_t lengths[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 511, 2048, 14336, 32003};
#define LENGTHS (sizeof lengths / sizeof *lengths)

static float *random_floats(const char *name, int64_t n, double scale)
{
    random_stream s = random_stream_for(11, name, (uint32_t)n, 0);
    float *x = memory_new((size_t)n + 1, sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)((random_uniform(&s) * 2 - 1) * scale);
    x[n] = 77;   /* a guard */
    return x;
}

static void near(const char *family, const char *what, int64_t n, int64_t i, double got, double want, double bound)
{
    if (!(fabs(got - want) <= bound))
        fail_msg("%s, %s of %lld: [%lld] is %.9g, should be %.9g within %.3g", family, what, (long long)n, (long long)i, got, want, bound);
}

/* Runs `test` for every family that this CPU has. */
static void each(void (*test)(const backend *))
{
    for (const backend *const *b = backend_all(); *b; b++)
        if ((*b)->available())
            test(*b);
}

static void check_rms_norm(const backend *b)
{
    for (size_t l = 0; l < LENGTHS; l++) {
        const int64_t n = lengths[l], rows = n > 1000 ? 1 : 3;
        float *x = random_floats("x", rows * n, 3), *weight = random_floats("w", n, 1), *y = random_floats("y", rows * n, 1);
        b->rms_norm(x, weight, 1, 1e-5f, y, rows, n);
        assert_true(y[rows * n] == 77);
        for (int64_t i = 0; i < rows * n; i++) {
            double sum = 0;
            for (int64_t j = 0; j < n; j++)
                sum += (double)x[i / n * n + j] * x[i / n * n + j];
            const double want = x[i] / sqrt(sum / (double)n + 1e-5f) * ((double)weight[i % n] + 1);
            near(b->name, "rms_norm", n, i, y[i], want, (6 + sqrt((double)n)) * 0x1p-24 * (fabs(want) + fabs(x[i]) * 0.1));
            if (n > 2048)
                i += 97;
        }
        b->rms_norm(x, weight, 1, 1e-5f, x, rows, n);   /* in place */
        assert_memory_equal(x, y, (size_t)(rows * n) * sizeof *x);
        free(x);
        free(weight);
        free(y);
    }
}

static void check_rope(const backend *b)
{
    static const struct { int head_dim, rotary; } shapes[] = {{2, 2}, {12, 12}, {32, 8}, {64, 64}, {80, 80}, {100, 74}, {128, 128}, {256, 256}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const int heads = 3, dim = shapes[s].head_dim, half = shapes[s].rotary / 2;
        float *x = random_floats("x", heads * dim, 2), *before = random_floats("x", heads * dim, 2);
        float *c = random_floats("c", half, 1), *sine = random_floats("s", half, 1);
        b->rope(x, c, sine, heads, dim, 2 * half);
        for (int i = 0; i < heads * dim; i++) {
            const int d = i % dim, j = d < half ? d : d - half;
            const float *a = before + i / dim * dim;
            const double want = d < half ? (double)a[j] * c[j] - (double)a[j + half] * sine[j]
                              : d < 2 * half ? (double)a[j + half] * c[j] + (double)a[j] * sine[j] : a[d];
            near(b->name, "rope", dim, i, x[i], want, d < 2 * half ? 4 * 0x1p-23 : 0);
        }
        assert_true(x[heads * dim] == 77);
        free(x);
        free(before);
        free(c);
        free(sine);
    }
}

static void check_layer_norm(const backend *b)
{
    for (size_t l = 0; l < LENGTHS; l++) {
        const int64_t n = lengths[l], rows = n > 1000 ? 1 : 3;
        float *x = random_floats("x", rows * n, 3), *weight = random_floats("w", n, 1), *bias = random_floats("b", n, 1), *y = random_floats("y", rows * n, 1);
        for (int64_t i = 0; i < rows * n; i++)
            x[i] += 10;   /* a mean that matters */
        b->layer_norm(x, weight, bias, 1e-5f, y, rows, n);
        assert_true(y[rows * n] == 77);
        for (int64_t row = 0; row < rows; row++) {
            double mean = 0, squares = 0;
            for (int64_t i = 0; i < n; i++)
                mean += (double)x[row * n + i] / (double)n;
            for (int64_t i = 0; i < n; i++)
                squares += (x[row * n + i] - mean) * (x[row * n + i] - mean);
            for (int64_t i = 0; i < n; i++) {
                const double scale = 1 / sqrt(squares / (double)n + 1e-5f), want = (x[row * n + i] - mean) * scale * weight[i] + bias[i];
                /* the mean's own rounding counts by the scale */
                near(b->name, "layer_norm", n, i, y[row * n + i], want, (8 + sqrt((double)n)) * 0x1p-24 * (fabs(want) + 1 + 13 * scale * fabs(weight[i])));
            }
        }
        b->layer_norm(x, weight, bias, 1e-5f, x, rows, n);   /* in place */
        assert_memory_equal(x, y, (size_t)(rows * n) * sizeof *x);
        free(x);
        free(weight);
        free(bias);
        free(y);
    }
}

static double activated(enum activation f, double x)
{
    if (f == ACTIVATION_SILU)
        return x / (1 + exp(-x));
    if (f == ACTIVATION_QUICK_GELU)
        return x / (1 + exp(-1.702 * x));
    if (f == ACTIVATION_GELU)
        return 0.5 * x * erfc(-x / sqrt(2));
    return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

/* SiLU within a few ulp, quick GELU within the rounding of 1.702 x; the others within a few of the larger of x and 1, as 1 + erf and 1 + tanh lose digits near -1. */
static void check_activate(const backend *b)
{
    static const struct { enum activation f; const char *name; double share, of_input; } kinds[] = {
        {ACTIVATION_SILU, "silu", 8 * 0x1p-24, 0}, {ACTIVATION_GELU, "gelu", 8 * 0x1p-24, 3e-7}, {ACTIVATION_GELU_TANH, "gelu_tanh", 8 * 0x1p-24, 2e-7},
        {ACTIVATION_QUICK_GELU, "quick_gelu", 200 * 0x1p-24, 0}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (size_t l = 0; l < LENGTHS; l++) {
            const int64_t n = lengths[l];
            float *gate = random_floats("g", n, 100), *up = random_floats("u", n, 2), *out = random_floats("o", n, 1), *alone = random_floats("a", n, 1);
            for (int64_t i = 0; i < n; i += 2)
                gate[i] /= 40;
            b->activate(kinds[k].f, gate, up, out, n);
            b->activate(kinds[k].f, gate, NULL, alone, n);
            assert_true(out[n] == 77 && alone[n] == 77);
            for (int64_t i = 0; i < n; i++) {
                const double want = activated(kinds[k].f, gate[i]), bound = kinds[k].share * fabs(want) + kinds[k].of_input * fabs(gate[i]) + 1e-36;
                near(b->name, kinds[k].name, n, i, alone[i], want, bound);
                near(b->name, kinds[k].name, n, i, out[i], want * up[i], bound * fabs(up[i]) + 0x1p-23 * fabs(want * up[i]) + 1e-36);
            }
            b->activate(kinds[k].f, gate, up, gate, n);   /* in place */
            assert_memory_equal(gate, out, (size_t)n * sizeof *out);
            free(gate);
            free(up);
            free(out);
            free(alone);
        }
    const float gate[4] = {-INFINITY, 1e30f, -200, NAN}, up[4] = {1, 1, 1, 1};
    float out[4];
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        b->activate(kinds[k].f, gate, up, out, 4);
        assert_true(isnan(out[0]) && out[1] == 1e30f && fabsf(out[2]) < 1e-30f && isnan(out[3]));
    }
}

static void check_softcap(const backend *b)
{
    for (size_t l = 0; l < LENGTHS; l++) {
        const int64_t n = lengths[l];
        float *x = random_floats("x", n, 90), *before = random_floats("x", n, 90);
        b->softcap(x, 30, n);
        assert_true(x[n] == 77);
        for (int64_t i = 0; i < n; i++) {
            const double want = 30 * tanh((double)before[i] / 30);
            near(b->name, "softcap", n, i, x[i], want, 6 * 0x1p-23 * fabs(want) + 1e-36);
        }
        free(x);
        free(before);
    }
}

static void check_add(const backend *b)
{
    float *x = random_floats("x", 100, 1), *y = random_floats("y", 100, 1), *before = random_floats("y", 100, 1);
    b->add(y, x, 99);
    for (int i = 0; i < 99; i++)
        assert_true(y[i] == before[i] + x[i]);
    assert_true(y[99] == before[99]);
    free(x);
    free(y);
    free(before);
}

static void check_argmax(const backend *b)
{
    float best, second;
    for (size_t l = 0; l < LENGTHS; l++) {
        const int64_t n = lengths[l];
        float *x = random_floats("x", n, 1);
        for (int64_t at = 0; at < n; at += n / 7 + 1) {
            const float kept = x[at];
            x[at] = 3;
            assert_int_equal(b->argmax(x, n, &best, &second), at);
            float runner_up = -INFINITY;
            for (int64_t i = 0; i < n; i++)
                if (i != at && x[i] > runner_up)
                    runner_up = x[i];
            assert_true(best == 3 && second == runner_up);
            x[n - 1] = 3;   /* a tie: the lowest wins */
            assert_int_equal(b->argmax(x, n, &best, &second), at);
            assert_true(at == n - 1 || second == 3);
            x[n - 1] = 0;
            x[at] = kept;
        }
        x[0] = NAN;   /* never wins */
        const int64_t index = b->argmax(x, n, &best, &second);
        assert_true(n == 1 ? index == -1 : index > 0 && !isnan(best) && !isnan(second));
        for (int64_t i = 0; i < n; i++)
            x[i] = i % 2 ? NAN : -INFINITY;
        assert_int_equal(b->argmax(x, n, &best, &second), -1);
        x[n - 1] = -1e30f;
        assert_int_equal(b->argmax(x, n, &best, &second), n - 1);
        assert_true(best == -1e30f && second == -INFINITY);
        free(x);
    }
}

static void check_all_finite(const backend *b)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t l = 0; l < LENGTHS; l++) {
        const int64_t n = lengths[l];
        float *x = random_floats("x", n, 3e38);
        x[n] = NAN;   /* behind the end */
        assert_true(b->all_finite(x, n));
        for (int i = 0; i < 3; i++) {
            x[n - 1 - (n > 1 ? i % (n - 1) : 0)] = bad[i];
            assert_false(b->all_finite(x, n));
            x[n - 1 - (n > 1 ? i % (n - 1) : 0)] = 1;
        }
        free(x);
    }
}

static void check_log_sum_exp(const backend *b)
{
    for (size_t l = 0; l < LENGTHS; l++) {
        const int64_t n = lengths[l];
        float *x = random_floats("x", n, 30);
        double sum = 0;
        for (int64_t i = 0; i < n; i++)
            sum += exp((double)x[i]);
        near(b->name, "log_sum_exp", n, 0, b->log_sum_exp(x, n), log(sum), 3e-7);
        for (int64_t i = 0; i < n; i++)
            x[i] += 1000;
        assert_true(fabs(b->log_sum_exp(x, n) - 1000 - log(sum)) < 1e-4);   /* x itself is rounded */
        x[n - 1] = NAN;
        assert_true(n == 1 || isnan(b->log_sum_exp(x, n)));
        free(x);
    }
    const float none[2] = {-INFINITY, -INFINITY}, one[2] = {5, -INFINITY};
    assert_true(b->log_sum_exp(none, 2) == -INFINITY);
    assert_true(fabs(b->log_sum_exp(one, 2) - 5) < 1e-7);
}

static void rms_norm_is_right(void **state) { (void)state; each(check_rms_norm); }
static void rope_is_right(void **state) { (void)state; each(check_rope); }
static void layer_norm_is_right(void **state) { (void)state; each(check_layer_norm); }
static void activate_is_right(void **state) { (void)state; each(check_activate); }
static void softcap_is_right(void **state) { (void)state; each(check_softcap); }
static void add_is_right(void **state) { (void)state; each(check_add); }
static void argmax_is_right(void **state) { (void)state; each(check_argmax); }
static void all_finite_is_right(void **state) { (void)state; each(check_all_finite); }
static void log_sum_exp_is_right(void **state) { (void)state; each(check_log_sum_exp); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rms_norm_is_right), cmocka_unit_test(rope_is_right), cmocka_unit_test(layer_norm_is_right),
        cmocka_unit_test(activate_is_right), cmocka_unit_test(softcap_is_right), cmocka_unit_test(add_is_right),
        cmocka_unit_test(argmax_is_right), cmocka_unit_test(all_finite_is_right), cmocka_unit_test(log_sum_exp_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
