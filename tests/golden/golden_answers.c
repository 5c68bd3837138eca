#include "golden_answers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define LOGIT_TOLERANCE 1e-4

bool golden_same_tokens(const char *name, const char *what, const json_t *expected, const int32_t *got, size_t n)
{
    size_t m = json_array_size(expected);
    for (size_t i = 0; i < n || i < m; i++) {
        long want = i < m ? (long)json_integer_value(json_array_get(expected, i)) : -1, have = i < n ? got[i] : -1;
        if (want != have) {
            golden_mismatch(name, "%s: token %zu is %ld, expected %ld", what, i, have, want);
            return false;
        }
    }
    return true;
}

bool golden_same_numbers(const char *name, const char *what, const float *have, size_t n, const tensor *expected, double tolerance)
{
    if (!expected || expected->dtype != DTYPE_F32 || (size_t)tensor_count(expected) != n) {
        golden_mismatch(name, "%s: the file has %s of another shape or type", what, expected ? "a tensor" : "no tensor");
        return false;
    }
    size_t columns = expected->rank ? (size_t)expected->shape[expected->rank - 1] : 1, worst = 0;
    float *want = memory_new(n, sizeof *want);
    memcpy(want, expected->data, n * sizeof *want);
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(have[i] - want[i]) <= fabsf(have[worst] - want[worst])))
            worst = i;
    bool good = n == 0 || fabsf(have[worst] - want[worst]) <= tolerance;
    if (!good)
        golden_mismatch(name, "%s: row %zu, column %zu: %.9g, expected %.9g, tolerance %g", what, worst / columns, worst % columns, (double)have[worst],
                        (double)want[worst], tolerance);
    free(want);
    return good;
}

bool golden_same_logits(const char *name, engine *e, const char *what, const request *r, int64_t vocab, const tensor *expected, error *err)
{
    /* a vector: of the last position alone */
    int64_t rows = expected->rank == 1 ? 1 : expected->shape[0], n = (int64_t)r->n_ids;
    if (tensor_count(expected) != rows * vocab || rows > n) {
        golden_mismatch(name, "%s: the file's logits have another shape", what);
        return false;
    }
    float *out = memory_new((size_t)(n * vocab), sizeof *out);
    bool good = engine_request_logits(e, r, out, err) == 0;
    if (!good)
        golden_mismatch(name, "%s: %s", what, err->text);
    good = good && golden_same_numbers(name, what, out + (n - rows) * vocab, (size_t)(rows * vocab), expected, LOGIT_TOLERANCE);
    free(out);
    return good;
}

/* Where only f32 weights were saved (in shards): the same rounded to bf16. */
checkpoint *golden_rounded(const checkpoint *c, error *err)
{
    checkpoint_item *items = memory_new(c->count, sizeof *items);
    memcpy(items, c->items, c->count * sizeof *items);
    for (size_t i = 0; i < c->count; i++)
        items[i].tensor.dtype = DTYPE_BF16;
    checkpoint *out = checkpoint_new(c->name, c->folder, c->config, items, c->count, err);
    for (size_t i = 0; out && i < c->count; i++) {
        size_t n = (size_t)tensor_count(&c->items[i].tensor);
        float *wide = memory_new(n, sizeof *wide);
        dtype_to_f32(c->items[i].tensor.dtype, c->items[i].tensor.data, wide, n);
        dtype_from_f32(DTYPE_BF16, wide, out->items[i].tensor.data, n);
        free(wide);
    }
    free(items);
    return out;
}
