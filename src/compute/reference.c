/* The reference family: the plain loops that define what the other families compute. */
#include <math.h>
#include <string.h>

#include "compute/families.h"
#include "compute/scalar.h"

#define ROWS_A_PIECE 16

static bool available(void)
{
    return true;
}

typedef struct product {
    const matrix *w;
    const float *x;  /* [m][k], rows ldx apart */
    float *y;        /* [m][n], rows ldy apart */
    int64_t ldx, ldy, m;
} product;

static float weight_at(const matrix *w, int64_t row, int64_t column)
{
    const char *at = (const char *)w->data + (row * w->k + column) * (int64_t)dtype_size(w->dtype);
    float f;
    uint16_t half;
    if (w->dtype == DTYPE_F32) {
        memcpy(&f, at, 4);
        return f;
    }
    memcpy(&half, at, 2);
    return w->dtype == DTYPE_BF16 ? bf16_to_f32(half) : f16_to_f32(half);
}

static void matmul_piece(void *context, size_t piece)
{
    const product *p = context;
    const matrix *w = p->w;
    int64_t begin = (int64_t)piece * ROWS_A_PIECE, end = begin + ROWS_A_PIECE < w->n ? begin + ROWS_A_PIECE : w->n;
    for (int64_t n = begin; n < end; n++) {
        for (int64_t m = 0; m < p->m; m++)
            p->y[m * p->ldy + n] = 0;
        for (int64_t k = 0; k < w->k; k++) {
            float weight = weight_at(w, n, k);
            for (int64_t m = 0; m < p->m; m++)
                p->y[m * p->ldy + n] += p->x[m * p->ldx + k] * weight;
        }
        if (w->bias)
            for (int64_t m = 0; m < p->m; m++)
                p->y[m * p->ldy + n] += w->bias[n];
    }
}

static void matmul(const matrix *w, const float *x, int64_t ldx, float *y, int64_t ldy, int64_t m, threads *pool)
{
    product p = {.w = w, .x = x, .y = y, .ldx = ldx, .ldy = ldy, .m = m};
    threads_run(pool, (size_t)((w->n + ROWS_A_PIECE - 1) / ROWS_A_PIECE), matmul_piece, &p);
}

static void rms_norm(const float *x, const float *weight, float offset, float eps, float *y, int64_t rows, int64_t n)
{
    for (int64_t row = 0; row < rows; row++, x += n, y += n) {
        float sum = 0;
        for (int64_t i = 0; i < n; i++)
            sum += x[i] * x[i];
        float scale = 1 / sqrtf(sum / (float)n + eps);
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] * scale * (weight[i] + offset);
    }
}

static void layer_norm(const float *x, const float *weight, const float *bias, float eps, float *y, int64_t rows, int64_t n)
{
    for (int64_t row = 0; row < rows; row++, x += n, y += n) {
        float sum = 0, squares = 0;
        for (int64_t i = 0; i < n; i++)
            sum += x[i];
        const float mean = sum / (float)n;
        for (int64_t i = 0; i < n; i++)
            squares += (x[i] - mean) * (x[i] - mean);
        const float scale = 1 / sqrtf(squares / (float)n + eps);
        for (int64_t i = 0; i < n; i++)
            y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
    }
}

static void rope(float *x, const float *cosine, const float *sine, int heads, int head_dim, int rotary)
{
    int half = rotary / 2;
    for (int h = 0; h < heads; h++, x += head_dim) {
        for (int i = 0; i < half; i++) {
            float a = x[i], b = x[i + half];
            x[i] = a * cosine[i] - b * sine[i];
            x[i + half] = b * cosine[i] + a * sine[i];
        }
    }
}

static float activation_of(enum activation f, float x)
{
    if (f == ACTIVATION_SILU)
        return x / (1 + scalar_exp(-x));
    if (f == ACTIVATION_QUICK_GELU)
        return x / (1 + scalar_exp(-1.702f * x));
    if (f == ACTIVATION_GELU)
        return 0.5f * x * (1 + scalar_erf(x * 0x1.6a09e6p-1f));                        /* 1 / sqrt(2) */
    return 0.5f * x * (1 + scalar_tanh(0x1.988454p-1f * (x + 0.044715f * x * x * x)));   /* sqrt(2 / pi) */
}

static void activate(enum activation f, const float *gate, const float *up, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = activation_of(f, gate[i]) * (up ? up[i] : 1);
}

static void softcap(float *x, float cap, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = cap * scalar_tanh(x[i] / cap);
}

static void add(float *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += x[i];
}

/* One kv head's part of the block that holds position p. */
static const float *head_block(const attention_shape *s, const float *const *blocks, int64_t p, int kv_head)
{
    return blocks[p / s->block_tokens] + (int64_t)kv_head * s->head_dim * s->block_tokens;
}

static void attention_head(const attention_shape *s, const attention_query *query, int head, int kv_head, float *scores)
{
    const float *q = query->q + (int64_t)head * s->head_dim;
    float *out = query->out + (int64_t)head * s->head_dim;
    float max = -INFINITY, sum = 0;
    for (int64_t p = query->begin; p < query->end; p++) {
        const float *k = head_block(s, query->keys, p, kv_head) + p % s->block_tokens;
        float score = 0;
        for (int d = 0; d < s->head_dim; d++)
            score += q[d] * k[d * s->block_tokens];
        score *= s->scale;
        if (s->softcap > 0)
            score = s->softcap * scalar_tanh(score / s->softcap);
        scores[p - query->begin] = score;
        if (score > max)
            max = score;
    }
    memset(out, 0, (size_t)s->head_dim * sizeof *out);
    for (int64_t p = query->begin; p < query->end; p++) {
        const float *v = head_block(s, query->values, p, kv_head) + p % s->block_tokens * s->head_dim;
        float weight = scalar_exp(scores[p - query->begin] - max);
        sum += weight;
        for (int d = 0; d < s->head_dim; d++)
            out[d] += weight * v[d];
    }
    for (int d = 0; d < s->head_dim; d++)
        out[d] /= sum;
}

static void attention(const attention_shape *s, const attention_query *query, int kv_head, float *scratch)
{
    int group = s->heads / s->kv_heads;
    for (int i = 0; i < group; i++)
        attention_head(s, query, kv_head * group + i, kv_head, scratch);
}

static int64_t argmax(const float *x, int64_t n, float *best, float *second)
{
    int64_t index = -1;
    *best = *second = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        if (x[i] > *best) {
            *second = *best;
            *best = x[i];
            index = i;
        } else if (x[i] > *second) {
            *second = x[i];
        }
    }
    return index;
}

static bool all_finite(const float *x, int64_t n)
{
    bool all = true;
    for (int64_t i = 0; i < n; i++)
        all &= isfinite(x[i]) != 0;
    return all;
}

static double log_sum_exp(const float *x, int64_t n)
{
    double max = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        if (x[i] > max)
            max = x[i];
    if (isinf(max))
        return max;
    for (int64_t i = 0; i < n; i++)
        sum += x[i] - max < -700 ? 0 : scalar_exp64(x[i] - max);
    return max + scalar_log64(sum);
}

const backend backend_reference = {
    .name = "reference", .available = available, .matmul = matmul, .rms_norm = rms_norm, .layer_norm = layer_norm, .rope = rope,
    .activate = activate, .softcap = softcap, .add = add,
    .attention = attention, .argmax = argmax, .all_finite = all_finite, .log_sum_exp = log_sum_exp,
};
