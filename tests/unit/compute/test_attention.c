/* Every family's attention against f64, and bit for bit against itself with the cache cut into other blocks. */
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

/* Keys and values of `positions` positions, as flat arrays and as blocks. Positions outside [begin, end) are NaN. */
typedef struct cache {
    float *q, *keys, *values;              /* [heads][head_dim]; [positions][kv_heads][head_dim] */
    float *key_memory, *value_memory;      /* the blocks */
    const float **key_blocks, **value_blocks;
    int64_t begin, end;
} cache;

/* The blocks as attention_query has them. */
static void cache_lay_out(const attention_shape *s, cache *c, int64_t positions)
{
    const int64_t tokens = s->block_tokens, dim = s->head_dim;
    for (int64_t p = 0; p < positions; p++)
        for (int64_t head = 0; head < s->kv_heads; head++) {
            const int64_t block = (p / tokens * s->kv_heads + head) * dim * tokens;
            for (int64_t d = 0; d < dim; d++) {
                c->key_memory[block + d * tokens + p % tokens] = c->keys[(p * s->kv_heads + head) * dim + d];
                c->value_memory[block + p % tokens * dim + d] = c->values[(p * s->kv_heads + head) * dim + d];
            }
        }
}

static cache cache_new(attention_shape *s, int64_t begin, int64_t end, int block_tokens)
{
    random_stream r = random_stream_for(3, "attention", (uint32_t)s->head_dim, (uint32_t)s->heads);
    s->block_tokens = block_tokens;
    const int64_t blocks = (end + block_tokens - 1) / block_tokens, positions = blocks * block_tokens, row = (int64_t)s->kv_heads * s->head_dim;
    cache c = {.begin = begin, .end = end, .q = memory_new((size_t)(s->heads * s->head_dim), sizeof(float)),
               .keys = memory_new((size_t)(positions * row), sizeof(float)), .values = memory_new((size_t)(positions * row), sizeof(float)),
               .key_memory = memory_new((size_t)(positions * row), sizeof(float)), .value_memory = memory_new((size_t)(positions * row), sizeof(float)),
               .key_blocks = memory_new((size_t)blocks, sizeof(float *)), .value_blocks = memory_new((size_t)blocks, sizeof(float *))};
    for (int64_t i = 0; i < s->heads * s->head_dim; i++)
        c.q[i] = (float)(random_uniform(&r) * 4 - 2);
    for (int64_t i = 0; i < positions * row; i++) {
        const float key = (float)(random_uniform(&r) * 2 - 1), value = (float)(random_uniform(&r) * 2 - 1);
        const bool seen = i / row >= begin && i / row < end;
        c.keys[i] = seen ? key : NAN;
        c.values[i] = seen ? value : NAN;
    }
    for (int64_t i = 0; i < blocks; i++) {
        c.key_blocks[i] = c.key_memory + i * block_tokens * row;
        c.value_blocks[i] = c.value_memory + i * block_tokens * row;
    }
    cache_lay_out(s, &c, positions);
    return c;
}

static void cache_free(cache *c)
{
    free(c->q);
    free(c->keys);
    free(c->values);
    free(c->key_memory);
    free(c->value_memory);
    free(c->key_blocks);
    free(c->value_blocks);
}

static float *attend(const backend *b, const attention_shape *s, const cache *c)
{
    float *out = memory_new((size_t)(s->heads * s->head_dim), sizeof(float));
    float *scratch = memory_new(attention_scratch(s, c->begin, c->end), sizeof(float));
    memset(scratch, 0xff, attention_scratch(s, c->begin, c->end) * sizeof(float));
    attention_query query = {.q = c->q, .out = out, .keys = c->key_blocks, .values = c->value_blocks, .begin = c->begin, .end = c->end};
    for (int kv = 0; kv < s->kv_heads; kv++)
        b->attention(s, &query, kv, scratch);
    free(scratch);
    return out;
}

/* Outputs are means of values in [-1, 1]: an error of the scores is an error of the outputs at most twice as large. */
static void check(const backend *b, const attention_shape *s, const cache *c, const float *out)
{
    const int64_t n = c->end - c->begin, row = (int64_t)s->kv_heads * s->head_dim;
    double *weights = memory_new((size_t)n, sizeof *weights);
    for (int h = 0; h < s->heads; h++) {
        const int kv = h / (s->heads / s->kv_heads);
        double sum = 0, max = -INFINITY, size = 0;
        for (int64_t p = 0; p < n; p++) {
            double score = 0, terms = 0;
            for (int d = 0; d < s->head_dim; d++) {
                const double term = (double)c->q[h * s->head_dim + d] * (double)c->keys[(c->begin + p) * row + kv * s->head_dim + d];
                score += term;
                terms += fabs(term);
            }
            score *= s->scale;
            size = fmax(size, terms * s->scale);
            weights[p] = s->softcap > 0 ? s->softcap * tanh(score / s->softcap) : score;
            max = fmax(max, weights[p]);
        }
        for (int64_t p = 0; p < n; p++)
            sum += weights[p] = exp(weights[p] - max);
        const double bound = 0x1p-24 * (4 * size + 2 * sqrt((double)n) + 8 + 4 * s->softcap);
        for (int d = 0; d < s->head_dim; d++) {
            double want = 0;
            for (int64_t p = 0; p < n; p++)
                want += weights[p] / sum * c->values[(c->begin + p) * row + kv * s->head_dim + d];
            const double got = out[h * s->head_dim + d];
            if (!(fabs(got - want) <= bound))
                fail_msg("%s, heads %d/%d x %d, [%lld, %lld): [%d][%d] is %.9g, should be %.9g within %.3g", b->name, s->heads, s->kv_heads, s->head_dim,
                         (long long)c->begin, (long long)c->end, h, d, got, want, bound);
        }
    }
    free(weights);
}

static const struct { int heads, kv_heads, head_dim; } shapes[] = {
    {1, 1, 8}, {2, 2, 12}, {4, 2, 16}, {6, 2, 20}, {8, 2, 32}, {5, 1, 48}, {8, 1, 64}, {4, 4, 80}, {9, 3, 96}, {4, 1, 128}, {2, 1, 256}, {3, 3, 7},
};
static const struct { int64_t begin, end; } spans[] = {{0, 1}, {0, 2}, {0, 16}, {0, 17}, {5, 6}, {3, 36}, {15, 33}, {16, 48}, {100, 205}, {0, 700}};

static void every_shape_is_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (size_t j = 0; j < sizeof spans / sizeof *spans; j++) {
            attention_shape s = {.heads = shapes[i].heads, .kv_heads = shapes[i].kv_heads, .head_dim = shapes[i].head_dim, .scale = 0.3f,
                                 .softcap = j % 3 == 2 ? 2 : 0};
            cache c = cache_new(&s, spans[j].begin, spans[j].end, 16);
            for (const backend *const *b = backend_all(); *b; b++) {
                if (!(*b)->available())
                    continue;
                float *out = attend(*b, &s, &c);
                check(*b, &s, &c, out);
                free(out);
            }
            cache_free(&c);
        }
    }
}

static void bits_do_not_depend_on_blocks(void **state)
{
    (void)state;
    static const int block_tokens[] = {16, 32, 48, 160};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        attention_shape s = {.heads = shapes[i].heads, .kv_heads = shapes[i].kv_heads, .head_dim = shapes[i].head_dim, .scale = 0.3f};
        for (const backend *const *b = backend_all(); *b; b++) {
            float *first = NULL;
            for (size_t j = 0; j < sizeof block_tokens / sizeof *block_tokens && (*b)->available(); j++) {
                cache c = cache_new(&s, 37, 141, block_tokens[j]);
                float *out = attend(*b, &s, &c);
                if (first)
                    assert_memory_equal(out, first, (size_t)(s.heads * s.head_dim) * sizeof(float));
                else
                    first = out;
                if (out != first)
                    free(out);
                cache_free(&c);
            }
            free(first);
        }
    }
}

/* A head's output does not depend on how many heads share its keys. */
static void bits_do_not_depend_on_the_group(void **state)
{
    (void)state;
    for (const backend *const *b = backend_all(); *b; b++) {
        if (!(*b)->available())
            continue;
        attention_shape s = {.heads = 7, .kv_heads = 1, .head_dim = 40, .scale = 0.3f};
        cache c = cache_new(&s, 10, 77, 16);
        float *all = attend(*b, &s, &c);
        for (int h = 0; h < 7; h++) {
            attention_shape one = s;
            one.heads = 1;
            cache view = c;
            view.q = c.q + (ptrdiff_t)h * s.head_dim;
            float *out = attend(*b, &one, &view);
            assert_memory_equal(out, all + (ptrdiff_t)h * s.head_dim, (size_t)s.head_dim * sizeof(float));
            free(out);
        }
        free(all);
        cache_free(&c);
    }
}

static void nan_reaches_the_output(void **state)
{
    (void)state;
    for (const backend *const *b = backend_all(); *b; b++) {
        if (!(*b)->available())
            continue;
        attention_shape s = {.heads = 2, .kv_heads = 1, .head_dim = 40, .scale = 0.3f};
        cache c = cache_new(&s, 0, 50, 16);
        c.key_memory[3 * 16 + 7] = NAN;
        float *out = attend(*b, &s, &c);
        for (int i = 0; i < 80; i++)
            assert_true(isnan(out[i]));
        free(out);
        cache_free(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_is_right), cmocka_unit_test(bits_do_not_depend_on_blocks), cmocka_unit_test(bits_do_not_depend_on_the_group),
        cmocka_unit_test(nan_reaches_the_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
