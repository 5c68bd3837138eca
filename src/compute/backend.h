/* The table op x dtype x backend. A backend is one kernel family: "reference" (plain loops, the
 * truth), "avx2", "avx512". One is chosen at the start and recorded in the study.
 *
 * Every function here is deterministic and computes each output from its own inputs in one fixed
 * order: not the batch size, not the neighbours, not the number of threads changes a bit.
 * Families differ from each other by rounding only; each is tested against f64.
 *
 * Activations are f32. Weights are [N][K] row-major in bf16, f16 or f32, possibly unaligned,
 * never copied as a whole. */
#ifndef COMPUTE_BACKEND_H
#define COMPUTE_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/threads.h"
#include "tensor/dtype.h"

typedef struct matrix {   /* a weight: n rows of k */
    const void *data;
    enum dtype dtype;
    int64_t n, k;
    const float *bias;    /* [n] or NULL; borrowed */
} matrix;

enum activation { ACTIVATION_SILU, ACTIVATION_GELU, ACTIVATION_GELU_TANH, ACTIVATION_QUICK_GELU };   /* x / (1 + exp(-x)); exact; its approximations by tanh and as
                                                                                                      * x / (1 + exp(-1.702 x)) */

/* One query's view of its keys and values: blocks of `block_tokens` positions each, positions b*block_tokens ... in
 * keys[b] -> [kv_heads][head_dim][block_tokens] and values[b] -> [kv_heads][block_tokens][head_dim], f32. */
typedef struct attention_query {
    const float *q;            /* [heads][head_dim], already rotated */
    float *out;                /* [heads][head_dim] */
    const float *const *keys;
    const float *const *values;
    int64_t begin, end;        /* keys of positions [begin, end) are seen */
} attention_query;

typedef struct attention_shape {
    int heads, kv_heads, head_dim;
    int block_tokens;          /* a multiple of 16 */
    float scale;               /* of the scores, 1/sqrt(head_dim) usually */
    float softcap;             /* 0: none; else scores become cap * tanh(score / cap) */
} attention_shape;

/* How many floats of scratch memory `attention` needs for keys [begin, end): the scores of a group of heads, with room for whole vectors. */
static inline size_t attention_scratch(const attention_shape *s, int64_t begin, int64_t end)
{
    return (size_t)(s->heads / s->kv_heads) * (size_t)(end - begin + 32);
}

typedef struct backend {
    const char *name;
    bool (*available)(void);

    /* y[m][n] = x[m][k] * w[n][k]^T + bias. Threads split n. y rows are ldy floats apart, x rows ldx. */
    void (*matmul)(const matrix *w, const float *x, int64_t ldx, float *y, int64_t ldy, int64_t m, threads *pool);

    /* y = x / sqrt(mean(x^2) + eps) * (weight + offset), a row at a time; offset is 0 (Llama) or 1 (Gemma). In place is fine. */
    void (*rms_norm)(const float *x, const float *weight, float offset, float eps, float *y, int64_t rows, int64_t n);

    /* y = (x - mean(x)) / sqrt(variance(x) + eps) * weight + bias, a row at a time; the variance is that of all n. In place is fine. */
    void (*layer_norm)(const float *x, const float *weight, const float *bias, float eps, float *y, int64_t rows, int64_t n);

    /* Half-split rotation of `heads` heads of head_dim: pairs (i, i + rotary/2) by cos[i], sin[i], i < rotary/2. In place. */
    void (*rope)(float *x, const float *cosine, const float *sine, int heads, int head_dim, int rotary);

    /* out[i] = f(gate[i]) * up[i]; up NULL: f(gate[i]). In place is fine. */
    void (*activate)(enum activation f, const float *gate, const float *up, float *out, int64_t n);

    /* x[i] = cap * tanh(x[i] / cap) */
    void (*softcap)(float *x, float cap, int64_t n);

    /* y[i] += x[i] */
    void (*add)(float *y, const float *x, int64_t n);

    /* softmax(q k^T * scale) v for one query and the heads / kv_heads heads that share kv_head: those from kv_head * (heads / kv_heads) on.
     * `scratch` holds attention_scratch floats. The order of the sums goes by absolute position: the size of the blocks changes no bit. */
    void (*attention)(const attention_shape *shape, const attention_query *query, int kv_head, float *scratch);

    /* The largest element's index (lowest index wins ties; NaN never wins), its value and the runner-up's (-infinity where there is none);
     * -1 where every element is NaN or -infinity. */
    int64_t (*argmax)(const float *x, int64_t n, float *best, float *second);

    /* Neither NaN nor infinity anywhere. */
    bool (*all_finite)(const float *x, int64_t n);

    /* log(sum(exp(x))) with the maximum taken out, f64 sum in a fixed order. */
    double (*log_sum_exp)(const float *x, int64_t n);
} backend;

/* The fastest available family, or the one of that name: NULL and *err (naming --backend) when it is unknown or this CPU lacks it. */
const backend *backend_best(void);
const backend *backend_find(const char *name, error *err);

/* All families compiled in, best first; NULL-terminated. */
const backend *const *backend_all(void);

#endif
