#include "study/fold_folder.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/random.h"
#include "engine/engine.h"
#include "merge/merge.h"

#define COMPARED_TOKENS 64

static int logits_of(const plan *p, const backend *family, threads *pool, const int32_t *ids, size_t n, float *out, error *err)
{
    engine *e = p ? engine_new(p, &(engine_options){.backend = family, .pool = pool, .slots = 1}, err) : NULL;
    int status = e ? engine_logits(e, ids, n, out, err) : -1;
    engine_free(e);
    return status;
}

static void say_difference(const float *path, const float *folded, size_t count, size_t tokens)
{
    double sum = 0, squares = 0, largest = 0, total = 0;
    for (size_t i = 0; i < count; i++) {
        double d = fabs((double)path[i] - (double)folded[i]);
        sum += path[i];
        squares += (double)path[i] * path[i];
        total += d;
        largest = d > largest ? d : largest;
    }
    double n = (double)count, mean = sum / n;
    progress_say("rounding the scaled weights to 16 bits moves the logits of %zu random tokens by %.2g on average, %.2g at most; their standard deviation is %.2g",
                 tokens, total / n, largest, sqrt(fmax(squares / n - mean * mean, 0)));
}

static bool is_scaled(const layer_path *p)
{
    for (size_t i = 0; i < p->n_hops; i++)
        if (p->hops[i].scale != 1)
            return true;
    return false;
}

static bool has_16_bits(const checkpoint *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->items[i].tensor.dtype == DTYPE_BF16 || c->items[i].tensor.dtype == DTYPE_F16)
            return true;
    return false;
}

static int say_rounding(checkpoint *const *sources, const layer_path *p, const checkpoint *folded, const backend *family, threads *pool, error *err)
{
    if (!is_scaled(p) || !has_16_bits(folded))
        return 0;
    plan *way = plan_build_path(sources, p, err), *plain = way ? plan_build(folded, err) : NULL;
    int status = -1;
    float *logits = NULL;
    if (plain) {
        int32_t ids[COMPARED_TOKENS];
        size_t n = plain->config.max_positions < COMPARED_TOKENS ? (size_t)plain->config.max_positions : COMPARED_TOKENS;
        size_t count = n * (size_t)plain->config.vocab;
        random_stream s = random_stream_for(0, "rounding", 0, 0);
        for (size_t i = 0; i < n; i++)
            ids[i] = (int32_t)random_below(&s, (size_t)plain->config.vocab);
        logits = memory_try(2 * count * sizeof *logits, "logits", err);
        if (logits && logits_of(way, family, pool, ids, n, logits, err) == 0 && logits_of(plain, family, pool, ids, n, logits + count, err) == 0) {
            say_difference(logits, logits + count, count, n);
            status = 0;
        }
    }
    free(logits);
    plan_free(plain);
    plan_free(way);
    return status;
}

int fold_folder(checkpoint *const *sources, const layer_path *p, const fold_options *options, const backend *family, const struct checkpoint_file *more,
                size_t n_more, const char *out, bool replace, error *err)
{
    checkpoint *plain = fold_path(sources, p, options, err);
    int status = plain ? say_rounding(sources, p, plain, family, options->pool, err) : -1;
    if (status == 0)
        status = fold_write(plain, sources, p, more, n_more, out, replace, err);
    checkpoint_free(plain);
    return status;
}

int fold_gguf(checkpoint *const *sources, const layer_path *p, const fold_options *options, const backend *family, const char *out, const gguf_options *gguf, error *err)
{
    size_t n_inputs;
    const char **inputs = merge_inputs(sources, p->n_sources, p->file, &n_inputs);
    checkpoint *plain = fold_path(sources, p, options, err);
    int status = plain ? say_rounding(sources, p, plain, family, options->pool, err) : -1;
    gguf_options own = *gguf;
    own.inputs = inputs;
    own.n_inputs = n_inputs;
    if (status == 0)
        status = gguf_write(plain, out, &own, err);
    checkpoint_free(plain);
    free(inputs);
    return status;
}
