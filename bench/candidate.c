/* usage: bench-candidate [--threads N] [--repeat R] [--new N] [--stops] [--slots S] BASE SOURCE,SOURCE,... PROMPTS.json
 * One candidate of a search: a dare_ties merge of the sources, then an answer to every prompt (token ids, [[...], ...]).
 * With --stops generation ends at the model's end token, else after exactly N tokens. Prints one JSON line with the medians
 * of R runs in milliseconds, the limit and how near the products come to it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/progress.h"
#include "engine/engine.h"
#include "limits.h"
#include "merge/merge.h"

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, compare);
    return v[n / 2];
}

/* Multiply-adds of all matrices for one token, times two; the head, and what lies behind the last layer's attention, only where
 * logits are needed. */
static void count_flops(const plan *p, double *per_token, double *per_logit)
{
    const model_config *c = &p->config;
    double last = 2.0 * ((double)(c->heads * c->head_dim) * (double)c->hidden + 3.0 * (double)c->hidden * (double)c->intermediate);
    double attention = 2.0 * (double)(c->heads * c->head_dim) * (double)c->hidden + 2.0 * (double)(c->kv_heads * c->head_dim) * (double)c->hidden;
    *per_token = 2.0 * p->n_hops * (attention + 3.0 * (double)c->hidden * (double)c->intermediate) - last;
    *per_logit = 2.0 * (double)c->hidden * (double)c->vocab + last;
}

int main(int argc, char **argv)
{
    int n_threads = threads_available(), repeat = 5, max_new = 50, slots = 0, at = 1;
    bool stops = false;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--stops") == 0)
            stops = true;
        else if (at + 1 < argc) {
            int value = (int)strtol(argv[at + 1], NULL, 10);
            if (strcmp(argv[at], "--threads") == 0) n_threads = value;
            else if (strcmp(argv[at], "--repeat") == 0) repeat = value;
            else if (strcmp(argv[at], "--new") == 0) max_new = value;
            else if (strcmp(argv[at], "--slots") == 0) slots = value;
            at++;
        }
    }
    if (argc - at != 3) {
        fputs("usage: bench-candidate [--threads N] [--repeat R] [--new N] [--stops] [--slots S] BASE SOURCE,SOURCE,... PROMPTS.json\n", stderr);
        return 2;
    }
    error err = {0};
    threads *pool = threads_new(n_threads);
    recipe *r = recipe_new("dare_ties");
    for (char *name = strtok(argv[at + 1], ","); name; name = strtok(NULL, ",")) {
        int m = recipe_add_model(r, name);
        recipe_set(r, m, "weight", 0.5);
        recipe_set(r, m, "density", 0.5);
    }
    r->base = recipe_add_model(r, argv[at]);
    checkpoint **models = memory_new(r->n_models, sizeof *models);
    for (size_t i = 0; i < r->n_models; i++)
        if (!(models[i] = checkpoint_open(r->models[i].path, &err)))
            goto failed;
    merger *m = merge_prepare(r, models, &(merge_options){.pool = pool}, &err);
    checkpoint *merged = m ? merge_allocate(m, &err) : NULL;
    json_t *prompts = json_read(argv[at + 2], 0, &err);
    if (!merged || !prompts || merge_run(m, r, merged, &err) != 0)
        goto failed;
    plan *p = plan_build(merged, &err);
    engine *e = p ? engine_new(p, &(engine_options){.pool = pool, .slots = slots}, &err) : NULL;
    if (!e)
        goto failed;

    size_t n = json_array_size(prompts);
    request *requests = memory_new(n, sizeof *requests);
    answer *answers = memory_new(n, sizeof *answers);
    for (size_t i = 0; i < n; i++) {
        json_t *ids = json_array_get(prompts, i);
        int32_t *copy = memory_new(json_array_size(ids), sizeof *copy);
        for (size_t j = 0; j < json_array_size(ids); j++)
            copy[j] = (int32_t)json_integer_value(json_array_get(ids, j));
        requests[i] = (request){.ids = copy, .n_ids = json_array_size(ids), .max_new = max_new, .ignore_stops = !stops};
    }
    double *merge_ms = memory_new((size_t)repeat, 8), *run_ms = memory_new((size_t)repeat, 8), *total_ms = memory_new((size_t)repeat, 8);
    double prefill = 0, decode = 0;
    engine_stats s = {0};
    for (int i = 0; i < repeat; i++) {
        double t0 = progress_seconds();
        if (merge_run(m, r, merged, &err) != 0)
            goto failed;
        plan_refresh(p);
        double t1 = progress_seconds();
        if (engine_run(e, requests, n, answers, NULL, NULL, &err) != 0)
            goto failed;
        double t2 = progress_seconds();
        answers_free(answers, n);
        s = engine_statistics(e);
        prefill += s.prefill_seconds / repeat;
        decode += s.decode_seconds / repeat;
        merge_ms[i] = 1e3 * (t1 - t0);
        run_ms[i] = 1e3 * (t2 - t1);
        total_ms[i] = 1e3 * (t2 - t0);
    }
    double per_token, per_logit, peak = limit_gflops(pool);
    count_flops(p, &per_token, &per_logit);
    double prefill_gflops = ((double)s.prefill_tokens * per_token + (double)n * per_logit) / prefill * 1e-9;
    double decode_gflops = (double)s.decode_tokens * (per_token + per_logit) / decode * 1e-9;
    printf("{\"threads\": %d, \"merge_ms\": %.1f, \"generate_ms\": %.1f, \"total_ms\": %.1f, \"prefill_ms\": %.1f, \"decode_ms\": %.1f, "
           "\"prefill_tokens\": %llu, \"shared_tokens\": %llu, \"decode_tokens\": %llu, \"prefill_gflops\": %.1f, \"decode_gflops\": %.1f, \"peak_gflops\": %.1f, "
           "\"merge_gbytes_per_s\": %.2f}\n",
           n_threads, median(merge_ms, repeat), median(run_ms, repeat), median(total_ms, repeat), 1e3 * prefill, 1e3 * decode,
           (unsigned long long)s.prefill_tokens, (unsigned long long)s.shared_tokens, (unsigned long long)s.decode_tokens, prefill_gflops, decode_gflops, peak,
           1e-9 * (double)checkpoint_bytes(merged) * (double)(r->n_models + 1) / (1e-3 * merge_ms[repeat / 2]));
    return 0;
failed:
    fprintf(stderr, "candidate: %s\n", err.text);
    return 1;
}
